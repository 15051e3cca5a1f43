//! Sealers for the rows of a page, of which some are subjects' and some nobody's.

use atrest_core::{FieldSealer, Keyring, RandomError, Suite};

use crate::engine::now_unix;

/// Seals for nobody's rows under one keyring, and for subjects' rows under theirs.
pub(crate) struct Sealers {
    suite: Suite,
    shared: FieldSealer,
    own: Option<FieldSealer>,
    /// It has the keys of the row at hand.
    own_is_set: bool,
}

impl Sealers {
    pub(crate) fn new(shared: &Keyring, suite: Suite) -> Result<Self, RandomError> {
        Ok(Self {
            suite,
            shared: FieldSealer::new(shared, suite, now_unix())?,
            own: None,
            own_is_set: false,
        })
    }

    /// For the next page: a nonce prefix of its own.
    pub(crate) fn new_page(&mut self, shared: &Keyring) -> Result<(), RandomError> {
        self.shared = FieldSealer::new(shared, self.suite, now_unix())?;
        self.own_is_set = false;
        if let Some(own) = &mut self.own {
            own.set_time(now_unix());
        }
        Ok(())
    }

    /// The next row is somebody else's.
    pub(crate) fn turn(&mut self) {
        self.own_is_set = false;
    }

    /// What seals for the row at hand: under its subject's keys, if it is somebody's.
    pub(crate) fn of_row(
        &mut self,
        subject: Option<&Keyring>,
    ) -> Result<&mut FieldSealer, RandomError> {
        let Some(keyring) = subject else {
            return Ok(&mut self.shared);
        };
        let is_set = std::mem::replace(&mut self.own_is_set, true);
        match &mut self.own {
            Some(own) => {
                if !is_set {
                    own.set_keyring(keyring)
                        .inspect_err(|_| self.own_is_set = false)?;
                }
                Ok(own)
            }
            none => Ok(none.insert(FieldSealer::new(keyring, self.suite, now_unix())?)),
        }
    }
}
