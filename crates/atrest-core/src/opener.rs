//! Stored values back to clear ones, and what they are.

use crate::aad::FieldAad;
use crate::field_xaes::SubkeyCache;
use crate::header::Header;
use crate::keyring::Member;
use crate::{
    Context, Form, Keyring, OpenError, Sealed, Stored, Suite, Undecryptable, base64, buffer,
    fernet, field_cbc_hmac, header,
};

/// Opens tokens under any key of a keyring. Reuse one for a page of values: it
/// remembers the keys it has derived.
///
/// ```
/// use atrest_core::{Context, FieldOpener, Form, Key, Keyring, OpenError, Stored, Suite, seal_one};
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let (here, there) = (Context::new("people.extras"), Context::new("people.notes"));
/// let token = seal_one(&keyring, Suite::default(), 0, Form::Text, &here, b"clear")?;
///
/// let (mut opener, mut clear) = (FieldOpener::new(&keyring), Vec::new());
/// assert!(opener.open(Form::Text, &here, &token, &mut clear).is_ok());
/// assert_eq!(opener.open(Form::Text, &there, &token, &mut clear), Err(OpenError::Failed));
/// assert_eq!(opener.read(Form::Text, &here, b"in clear", &mut clear), Stored::Plaintext);
/// assert_eq!(clear, b"in clear");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FieldOpener {
    keyring: Keyring,
    subkeys: SubkeyCache,
    /// Where in the keyring the key of the last Fernet token stands.
    fernet: usize,
    aad: FieldAad,
}

impl FieldOpener {
    /// An opener with every key of `keyring`.
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        Self {
            keyring: keyring.clone(),
            subkeys: SubkeyCache::new(),
            fernet: 0,
            aad: FieldAad::default(),
        }
    }

    /// Goes on with the keys of another keyring, in the memory that it has.
    ///
    /// ```
    /// use atrest_core::{Context, FieldOpener, Form, Key, Keyring, Suite, seal_one};
    /// let rings = [Keyring::new(Key::generate()?, vec![])?, Keyring::new(Key::generate()?, vec![])?];
    /// let (here, mut clear) = (Context::new("people.extras"), Vec::new());
    /// let mut opener = FieldOpener::new(&rings[0]);
    /// for ring in &rings {
    ///     let token = seal_one(ring, Suite::default(), 0, Form::Text, &here, b"clear")?;
    ///     opener.set_keyring(ring);
    ///     assert!(opener.open(Form::Text, &here, &token, &mut clear).is_ok());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_keyring(&mut self, keyring: &Keyring) {
        self.keyring = keyring.clone();
        self.subkeys.clear();
        self.fernet = 0;
    }

    /// Says what a stored value is, and puts its clear value into `out`.
    ///
    /// Afterwards `out` holds the clear value when it is [`Stored::Sealed`], a copy
    /// when it is [`Stored::Plaintext`], and is empty and wiped when it is
    /// [`Stored::Undecryptable`]. It never grows beyond the length of `stored`.
    pub fn read(
        &mut self,
        form: Form,
        context: &Context,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Stored {
        match self.examine(form, context, stored, out) {
            Examined::Sealed(sealed) => Stored::Sealed(sealed),
            Examined::Undecryptable(undecryptable) => Stored::Undecryptable(undecryptable),
            Examined::Other => {
                buffer::empty(out, stored.len());
                out.extend_from_slice(stored);
                Stored::Plaintext
            }
        }
    }

    /// Opens a token into `out`, which on an error is empty and wiped.
    ///
    /// # Errors
    /// Not a token; sealed under a key that is not there; or it does not open.
    pub fn open(
        &mut self,
        form: Form,
        context: &Context,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Sealed, OpenError> {
        match self.examine(form, context, stored, out) {
            Examined::Sealed(sealed) => Ok(sealed),
            Examined::Undecryptable(undecryptable) => Err(undecryptable.into()),
            Examined::Other => {
                buffer::wipe(out);
                Err(OpenError::NotAToken)
            }
        }
    }

    /// The clear value is in `out` when `Sealed`; when `Undecryptable`, `out` is
    /// empty and wiped; else it holds nothing of use.
    fn examine(
        &mut self,
        form: Form,
        context: &Context,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Examined {
        out.clear();
        let examined = match decode(form, stored, out) {
            Some((header, whole)) => self.examine_ours(header, whole, context, out),
            None => self.examine_fernet(stored, out),
        };
        if matches!(examined, Examined::Undecryptable(_)) {
            buffer::wipe(out);
        }
        examined
    }

    /// The token's bytes are in `out` when they are `whole`.
    fn examine_ours(
        &mut self,
        Header { suite, key }: Header,
        whole: bool,
        context: &Context,
        out: &mut Vec<u8>,
    ) -> Examined {
        let member = key.and_then(|id| self.keyring.member(id));
        let (subkeys, aad) = (&mut self.subkeys, &mut self.aad);
        let opened = match (suite, member, whole) {
            (Some(suite), Some(member), true) => {
                open_ours(suite, member, subkeys, aad, context, out).map(|length| (suite, length))
            }
            _ => None,
        };
        match (opened, key) {
            (Some((suite, length)), Some(key)) => {
                out.truncate(length);
                Examined::Sealed(Sealed { suite, key })
            }
            _ => Examined::Undecryptable(Undecryptable {
                suite,
                key,
                key_known: member.is_some(),
            }),
        }
    }

    fn examine_fernet(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Examined {
        if fernet::is_possible(stored)
            && let Some((at, length)) = fernet::open(&self.keyring, self.fernet, stored, out)
            && let Some(member) = self.keyring.members().nth(at)
        {
            self.fernet = at;
            out.truncate(length);
            return Examined::Sealed(Sealed {
                suite: Suite::Fernet,
                key: member.key.id(),
            });
        }
        if !fernet::looks_like(stored) {
            return Examined::Other;
        }
        let suite = Some(Suite::Fernet);
        Examined::Undecryptable(Undecryptable {
            suite,
            key: None,
            key_known: false,
        })
    }
}

/// Opens the token that `buffer` holds; the clear value then stands at its start. Gives
/// its length.
fn open_ours(
    suite: Suite,
    member: &Member,
    subkeys: &mut SubkeyCache,
    aad: &mut FieldAad,
    context: &Context,
    buffer: &mut [u8],
) -> Option<usize> {
    let aad = aad.of(buffer.first_chunk()?, context);
    match suite {
        Suite::Xaes256Gcm => subkeys.open(member.key.id(), member.xaes(), aad, buffer),
        Suite::A256CbcHs512 => field_cbc_hmac::open(member.cbc_hmac(), aad, buffer),
        Suite::Fernet => None, // has no header of ours
    }
}

/// The header that a stored value shows, and whether its bytes are in `out`: text that
/// looks like a token of ours need not be base64 to its end. `None`: not one of ours.
fn decode(form: Form, stored: &[u8], out: &mut Vec<u8>) -> Option<(Header, bool)> {
    if form == Form::Text {
        let body = stored.strip_prefix(header::TEXT_PREFIX.as_bytes())?;
        let whole = base64::decode_to(&base64::URL, body, out).is_some();
        // A header that is all there needs no look at the text.
        let header = whole.then(|| header::look(Form::Bytes, out)).flatten();
        return Some((header.or_else(|| header::look(form, stored))?, whole));
    }
    let header = header::look(form, stored)?;
    buffer::empty(out, stored.len());
    out.extend_from_slice(stored);
    Some((header, true))
}

enum Examined {
    Sealed(Sealed),
    Undecryptable(Undecryptable),
    Other,
}

impl std::fmt::Debug for FieldOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FieldOpener({:?})", self.keyring)
    }
}
