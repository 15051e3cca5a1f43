//! Other software's tokens to clear values.

use super::{ExternalFormat, ExternalKeys, json_leaves, pickle, signed_cbc};
use crate::{Form, Sealed, Stored, Suite, Undecryptable, buffer, fernet};

/// Opens what other software made. Reuse one for a page of values.
pub struct ExternalOpener {
    keys: ExternalKeys,
    /// Where in the keyring the key of the last token stands.
    last: usize,
}

impl ExternalOpener {
    pub(super) fn new(keys: &ExternalKeys) -> Self {
        Self {
            keys: keys.clone(),
            last: 0,
        }
    }

    /// Says what a stored value is, if it is of that software: sealed, with its clear
    /// value in `out`; or undecryptable, with `out` empty and wiped. `None`: that is for
    /// [`FieldOpener::read`](crate::FieldOpener::read) to say; `out` holds nothing of use.
    ///
    /// A value that its own MAC vouches for and that cannot be told in text (a pickle of
    /// an unknown class) is undecryptable, under a known key.
    pub fn read(&mut self, form: Form, stored: &[u8], out: &mut Vec<u8>) -> Option<Stored> {
        let found = match self.keys.format() {
            ExternalFormat::DjangoCryptography => self.signed_cbc(stored, out),
            ExternalFormat::DjangoFernetEncryptedFields if form == Form::Text => {
                let whole = self.fernet(stored, out);
                whole.or_else(|| self.json(stored, out))
            }
            _ => self.fernet(stored, out),
        };
        if matches!(found, Some(Stored::Undecryptable(_))) {
            buffer::wipe(out);
        }
        found
    }

    fn sealed(&mut self, at: usize) -> Option<Stored> {
        self.last = at;
        let key = self.keys.keyring().keys().nth(at)?.id();
        Some(Stored::Sealed(Sealed {
            suite: Suite::Fernet,
            key,
        }))
    }

    /// What does not open is left to who knows other Fernet keys.
    fn fernet(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Option<Stored> {
        if !fernet::is_possible(stored) {
            return None;
        }
        let (at, length) = fernet::open(self.keys.keyring(), self.last, stored, out)?;
        out.truncate(length);
        self.sealed(at)
    }

    fn json(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Option<Stored> {
        let mut at = None;
        let mut token = Vec::new();
        let keyring = self.keys.keyring();
        let read = json_leaves::read(stored, out, |leaf, out| {
            let (found, length) = fernet::is_possible(leaf)
                .then(|| fernet::open(keyring, at.unwrap_or(self.last), leaf, &mut token))
                .flatten()?;
            at = Some(found);
            json_leaves::write_string(token.get(..length)?, out)
        });
        buffer::wipe(&mut token);
        match (read, at) {
            (json_leaves::Read::AllOpened, Some(at)) => self.sealed(at),
            (json_leaves::Read::AllOpened | json_leaves::Read::Other, None) => None,
            // Some opened and some not, or one that looks like a token did not.
            _ => Some(undecryptable(at.is_some())),
        }
    }

    fn signed_cbc(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Option<Stored> {
        if !signed_cbc::looks_like(stored) {
            return None;
        }
        let keyring = self.keys.keyring();
        let Some((at, length)) = signed_cbc::open(keyring, &self.keys.0.signing, stored, out)
        else {
            return Some(undecryptable(false));
        };
        out.truncate(length);
        let text = pickle::text(out);
        buffer::wipe(out);
        let Some(mut text) = text else {
            return Some(undecryptable(true));
        };
        std::mem::swap(out, &mut text);
        self.sealed(at)
    }
}

fn undecryptable(key_known: bool) -> Stored {
    Stored::Undecryptable(Undecryptable {
        suite: Some(Suite::Fernet),
        key: None,
        key_known,
    })
}

impl std::fmt::Debug for ExternalOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExternalOpener({:?})", self.keys)
    }
}
