//! What a field keeps from one call to the next: derived keys, a batch of nonces, a buffer.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Keyring, OpenError, SealError, Sealed, Stored, Suite,
};
use zeroize::Zeroize as _;

use crate::fork::Process;

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

/// A sealer and an opener at work in one process.
pub(crate) struct Kept {
    process: Process,
    suite: Suite,
    keyring: Keyring,
    sealer: Option<FieldSealer>,
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
        let current = kept.take().filter(|it| it.process == Process::this());
        let kept = kept.insert(current.unwrap_or_else(|| self.fresh()));
        let done = work(kept);
        kept.wipe();
        done
    }

    /// For work of any length, on any thread: shares nothing but the keys.
    pub(crate) fn fresh(&self) -> Kept {
        Kept {
            process: Process::this(),
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

    /// Appends a value's token to `out`.
    pub(crate) fn seal(
        &mut self,
        form: Form,
        context: &Context,
        clear: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        // The time stands in Fernet's tokens only.
        let now = match self.suite {
            Suite::Fernet => unix_seconds()?,
            Suite::Xaes256Gcm | Suite::A256CbcHs512 => 0,
        };
        self.seal_at(now, form, context, clear, out)
    }

    /// The same at a time of the caller's.
    pub(crate) fn seal_at(
        &mut self,
        now: u64,
        form: Form,
        context: &Context,
        clear: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let sealer = match &mut self.sealer {
            Some(sealer) => sealer,
            none => none
                .insert(FieldSealer::new(&self.keyring, self.suite, now).map_err(SealError::from)?),
        };
        sealer.set_time(now);
        Ok(sealer.seal(form, context, clear, out)?)
    }

    /// Opens a token; its clear value is then [`Self::clear`].
    pub(crate) fn open(
        &mut self,
        form: Form,
        context: &Context,
        token: &[u8],
    ) -> Result<Sealed, Failure> {
        let opened = self.opener.open(form, context, token, &mut self.buffer);
        let sealed = opened.map_err(Failure::Open)?;
        self.refuse_bytes(form)?;
        Ok(sealed)
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
        self.refuse_bytes(form)?;
        Ok(matches!(what, Stored::Sealed(_)))
    }

    /// Says what a stored value is.
    pub(crate) fn inspect(&mut self, form: Form, context: &Context, stored: &[u8]) -> Stored {
        self.opener.read(form, context, stored, &mut self.buffer)
    }

    /// The clear value that was opened last.
    pub(crate) fn clear(&self) -> &[u8] {
        &self.buffer
    }

    fn refuse_bytes(&self, form: Form) -> Result<(), Failure> {
        if form == Form::Text && str::from_utf8(&self.buffer).is_err() {
            return Err(Failure::NotText);
        }
        Ok(())
    }

    fn wipe(&mut self) {
        self.buffer.zeroize();
        if self.buffer.capacity() > Self::BUFFER {
            self.buffer = Vec::new();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(Err(Failure::Clock), |since| Ok(since.as_secs()))
}
