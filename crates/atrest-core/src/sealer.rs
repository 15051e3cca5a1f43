//! Values to tokens.

use crate::aad::FieldAad;
use crate::cbc_hmac::CbcHmac;
use crate::fernet::{FernetKey, TIME_LIMIT};
use crate::field_xaes::{Batch, BatchError};
use crate::keyring::Member;
use crate::random::RandomPool;
use crate::xaes::{self, CipherError};
use crate::{
    Context, Form, KeyId, Keyring, RandomError, Suite, base64, buffer, field_cbc_hmac, header,
};

/// Seals one batch of values under the primary key: key schedules are computed
/// and randomness is drawn once.
///
/// It holds randomness that it has not used yet, so do not carry one across a
/// `fork`: begin a new batch in the child.
///
/// ```
/// use atrest_core::{Context, FieldSealer, Form, Key, Keyring, Suite};
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let mut sealer = FieldSealer::new(&keyring, Suite::Xaes256Gcm, 1_767_225_600)?;
/// let people = Context::new("people.extras");
/// let mut page = Vec::new();
/// for id in 1..=3 {
///     let row = people.with_row([id.to_string()]);
///     sealer.seal(Form::Bytes, &row, b"clear", &mut page)?; // appends
/// }
/// assert_eq!(page.len() as u64, 3 * Suite::Xaes256Gcm.token_len(Form::Bytes, 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FieldSealer {
    keyring: Keyring,
    work: Work,
}

/// What changes from value to value.
struct Work {
    suite: Suite,
    unix_seconds: u64,
    random: RandomPool,
    /// What every token begins with; nothing of Fernet's.
    head: [u8; header::LEN],
    batch: Option<Batch>,
    /// A token's bytes before they become text.
    scratch: Vec<u8>,
    aad: FieldAad,
}

/// Why a value was not sealed. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The time does not fit a recognisable Fernet token.
    #[error(
        "{unix_seconds} seconds after 1970 is past the year 4147, beyond what a Fernet token \
         can be recognised by; give the time in seconds, not in milliseconds"
    )]
    Time {
        /// The time that was given.
        unix_seconds: u64,
    },
    /// Longer than the suite allows.
    #[error(
        "the value has {length} bytes, more than one token can hold (64 GiB), or its context \
         more than 4 GiB; store it as an object instead"
    )]
    TooLong {
        /// The value's length in bytes.
        length: usize,
    },
    /// The cipher itself refused.
    #[error("the cipher could not be set up: memory ran out; free some, then try again")]
    Cipher,
}

impl From<CipherError> for SealError {
    fn from(CipherError: CipherError) -> Self {
        Self::Cipher
    }
}

impl From<BatchError> for SealError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Random(error) => Self::Random(error),
            BatchError::Cipher(error) => error.into(),
        }
    }
}

impl FieldSealer {
    /// Begins a batch under the keyring's primary key. `unix_seconds` is the time
    /// that Fernet tokens carry; the other suites carry none.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(keyring: &Keyring, suite: Suite, unix_seconds: u64) -> Result<Self, RandomError> {
        let mut random = RandomPool::new();
        let (head, batch) = first_batch(keyring, suite, &mut random)?;
        let work = Work {
            suite,
            unix_seconds,
            head,
            batch,
            random,
            scratch: Vec::new(),
            aad: FieldAad::default(),
        };
        Ok(Self {
            keyring: keyring.clone(),
            work,
        })
    }

    /// Begins a batch under the primary key of another keyring, in the memory that it has.
    ///
    /// ```
    /// use atrest_core::{Context, FieldSealer, Form, Key, Keyring, Suite};
    /// let rings = [Keyring::new(Key::generate()?, vec![])?, Keyring::new(Key::generate()?, vec![])?];
    /// let (here, mut tokens) = (Context::new("people.extras"), Vec::new());
    /// let mut sealer = FieldSealer::new(&rings[0], Suite::default(), 0)?;
    /// for ring in &rings {
    ///     sealer.set_keyring(ring)?;
    ///     sealer.seal(Form::Bytes, &here, b"clear", &mut tokens)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the operating system gives no random bytes; the keyring is then the old one.
    pub fn set_keyring(&mut self, keyring: &Keyring) -> Result<(), RandomError> {
        let work = &mut self.work;
        (work.head, work.batch) = first_batch(keyring, work.suite, &mut work.random)?;
        self.keyring = keyring.clone();
        Ok(())
    }

    /// The key that it seals under.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.keyring.primary().id()
    }

    /// The time that Fernet tokens carry from now on: for a sealer that is kept.
    pub const fn set_time(&mut self, unix_seconds: u64) {
        self.work.unix_seconds = unix_seconds;
    }

    /// Appends the token of `plaintext` at `context` to `out`. Fernet binds no
    /// context.
    ///
    /// # Errors
    /// When there is no randomness, or the value is too long. `out` is as it was.
    pub fn seal(
        &mut self,
        form: Form,
        context: &Context,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let length = plaintext.len();
        let too_long =
            length as u64 > xaes::MAX_MESSAGE || u32::try_from(context.encoded().len()).is_err();
        if too_long {
            return Err(SealError::TooLong { length });
        }
        let member = self.keyring.primary_member();
        let sealed = self.work.seal(member, form, context, plaintext, out);
        if self.work.scratch.capacity() > buffer::KEEP {
            self.work.scratch = Vec::new(); // ciphertext: nothing to wipe
        }
        sealed
    }
}

/// What tokens begin with, and what [`Work::batch`] begins with.
fn first_batch(
    keyring: &Keyring,
    suite: Suite,
    random: &mut RandomPool,
) -> Result<([u8; header::LEN], Option<Batch>), RandomError> {
    let member = keyring.primary_member();
    let head = header::bytes(suite, member.key.id()).unwrap_or_default(); // Fernet has none
    let batch = match suite {
        Suite::Xaes256Gcm => match Batch::begin(&head, member.xaes(), random) {
            Ok(batch) => Some(batch),
            Err(BatchError::Random(error)) => return Err(error),
            Err(BatchError::Cipher(_)) => None, // tried again, and told, at the first value
        },
        Suite::Fernet | Suite::A256CbcHs512 => None,
    };
    Ok((head, batch))
}

impl Work {
    fn seal(
        &mut self,
        member: &Member,
        form: Form,
        context: &Context,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        match self.suite {
            Suite::Xaes256Gcm => self.seal_xaes(member, form, context, plaintext, out),
            Suite::Fernet => self.seal_fernet(member.fernet(), plaintext, out),
            Suite::A256CbcHs512 => {
                self.seal_cbc_hmac(member.cbc_hmac(), form, context, plaintext, out)
            }
        }
    }

    fn seal_xaes(
        &mut self,
        member: &Member,
        form: Form,
        context: &Context,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let aad = self.aad.of(&self.head, context);
        let batch = match &mut self.batch {
            Some(batch) if !batch.is_spent() => batch,
            spent => spent.insert(Batch::begin(&self.head, member.xaes(), &mut self.random)?),
        };
        let sealed = match form {
            Form::Bytes => batch.seal(aad, plaintext, out),
            Form::Text => batch.seal_text(aad, plaintext, &mut self.scratch, out),
        };
        Ok(sealed?)
    }

    fn seal_fernet(
        &mut self,
        key: &FernetKey,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let unix_seconds = self.unix_seconds;
        if unix_seconds >= TIME_LIMIT {
            return Err(SealError::Time { unix_seconds });
        }
        let iv = self.random.take()?;
        key.seal(unix_seconds, &iv, plaintext, &mut self.scratch, out);
        Ok(())
    }

    fn seal_cbc_hmac(
        &mut self,
        cipher: &CbcHmac,
        form: Form,
        context: &Context,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let iv = self.random.take()?;
        let aad = self.aad.of(&self.head, context);
        match form {
            Form::Bytes => field_cbc_hmac::seal(cipher, &self.head, &iv, aad, plaintext, out),
            Form::Text => {
                let token = &mut self.scratch;
                token.clear();
                field_cbc_hmac::seal(cipher, &self.head, &iv, aad, plaintext, token);
                out.reserve(header::TEXT_PREFIX.len() + base64::room(token.len()));
                out.extend_from_slice(header::TEXT_PREFIX.as_bytes());
                base64::encode_to(&base64::URL, token, out);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for FieldSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "FieldSealer({}, {:?})",
            self.work.suite,
            self.keyring.primary()
        )
    }
}

/// Seals a single value: all 24 nonce bytes (or the IV) are its own.
///
/// # Errors
/// As [`FieldSealer::seal`].
pub fn seal_one(
    keyring: &Keyring,
    suite: Suite,
    unix_seconds: u64,
    form: Form,
    context: &Context,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut token = Vec::new();
    FieldSealer::new(keyring, suite, unix_seconds)?.seal(form, context, plaintext, &mut token)?;
    Ok(token)
}
