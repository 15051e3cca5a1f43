//! What a field keeps from one call to the next: derived keys, a batch of nonces, a buffer.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Keyring, OpenError, SealError, Sealed, Stored, Suite,
};

use crate::fork::Process;
use crate::stored::Value;

/// Why a value was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Seal(SealError),
    Open(OpenError),
    NotText,
    Clock,
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

/// Seals and opens under one keyring, in one suite.
pub(crate) struct Worker {
    pub(crate) keyring: Keyring,
    pub(crate) suite: Suite,
    /// Nobody waits for it: who finds it taken works without.
    kept: Mutex<Option<Kept>>,
}

/// A sealer and an opener at work. An opener may go on in a child of a fork; a sealer
/// stays in its process.
pub(crate) struct Kept {
    suite: Suite,
    keyring: Keyring,
    sealer: Option<(Process, FieldSealer)>,
    opener: FieldOpener,
    buffer: Vec<u8>,
}

impl Worker {
    pub(crate) fn new(keyring: &Keyring, suite: Suite) -> Self {
        Self {
            keyring: keyring.clone(),
            suite,
            kept: Mutex::new(None),
        }
    }

    /// Does a short piece of work with what is kept.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        let Ok(mut kept) = self.kept.try_lock() else {
            return work(&mut self.fresh());
        };
        let kept = kept.get_or_insert_with(|| self.fresh());
        let done = work(kept);
        kept.wipe();
        done
    }

    /// For work of any length, on any thread: shares nothing but the keys.
    pub(crate) fn fresh(&self) -> Kept {
        Kept {
            suite: self.suite,
            keyring: self.keyring.clone(),
            sealer: None,
            opener: FieldOpener::new(&self.keyring),
            buffer: Vec::new(),
        }
    }
}

impl Kept {
    /// A buffer larger than this is given back rather than wiped after every value.
    const BUFFER: usize = 4096;

    /// What seals now.
    pub(crate) fn sealer(&mut self) -> Result<&mut FieldSealer, Failure> {
        // The time stands in Fernet's tokens only.
        let now = match self.suite {
            Suite::Fernet => unix_seconds()?,
            Suite::Xaes256Gcm | Suite::A256CbcHs512 => 0,
        };
        self.sealer_at(now)
    }

    /// The same at a time of the caller's.
    pub(crate) fn sealer_at(&mut self, now: u64) -> Result<&mut FieldSealer, Failure> {
        let this = Process::this();
        self.sealer.take_if(|(process, _)| *process != this);
        let (_, sealer) = match &mut self.sealer {
            Some(sealer) => sealer,
            none => {
                let fresh = FieldSealer::new(&self.keyring, self.suite, now);
                none.insert((this, fresh.map_err(SealError::from)?))
            }
        };
        sealer.set_time(now);
        Ok(sealer)
    }

    /// How many bytes the token of a value has, if there can be one.
    pub(crate) fn token_len(&self, value: &Value) -> usize {
        let clear = value.bytes().len() as u64;
        let token = self.suite.token_len(value.form(), clear);
        usize::try_from(token).unwrap_or(0)
    }

    /// Opens a token; its clear value is then [`Self::clear`].
    pub(crate) fn open(
        &mut self,
        form: Form,
        context: &Context,
        token: &[u8],
    ) -> Result<Sealed, Failure> {
        let opened = self.opener.open(form, context, token, &mut self.buffer);
        opened.map_err(Failure::Open)
    }

    /// Takes a stored value in clear, too; says whether it was sealed.
    pub(crate) fn read(
        &mut self,
        form: Form,
        context: &Context,
        stored: &[u8],
    ) -> Result<bool, Failure> {
        let what = self.opener.read(form, context, stored, &mut self.buffer);
        if let Stored::Undecryptable(it) = what {
            return Err(Failure::Open(OpenError::from(it)));
        }
        Ok(matches!(what, Stored::Sealed(_)))
    }

    /// Says what a stored value is.
    pub(crate) fn inspect(&mut self, form: Form, context: &Context, stored: &[u8]) -> Stored {
        self.opener.read(form, context, stored, &mut self.buffer)
    }

    /// The clear value that was opened last, in bytes: text is checked where it is taken as such.
    pub(crate) fn clear(&self) -> &[u8] {
        &self.buffer
    }

    fn wipe(&mut self) {
        atrest_core::wipe(&mut self.buffer);
        if self.buffer.capacity() > Self::BUFFER {
            self.buffer = Vec::new();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        atrest_core::wipe(&mut self.buffer);
    }
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(Err(Failure::Clock), |since| Ok(since.as_secs()))
}
