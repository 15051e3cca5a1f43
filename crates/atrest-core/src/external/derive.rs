//! From what an application configured to the keys of its tokens.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{ExternalFormat, ExternalKeyError, ExternalSecrets};
use crate::{Key, Keyring, SecretBytes, hash_mac, hkdf, stack};

/// django-fernet-fields 0.6, `hkdf.py`.
const FERNET_FIELDS_SALT: &[u8] = b"django-fernet-fields-hkdf-salt";
const FERNET_FIELDS_INFO: &[u8] = b"django-fernet-fields";
/// django-fernet-encrypted-fields 0.4, `fields.py`.
const ENCRYPTED_FIELDS_ITERATIONS: u32 = 100_000;
/// django-cryptography 1.1, `conf.py`: the default of CRYPTOGRAPHY_SALT.
const CRYPTOGRAPHY_SALT: &[u8] = b"django-cryptography";
const CRYPTOGRAPHY_ITERATIONS: u32 = 30_000;

/// The keys of a MAC, of any length.
pub(super) type Signing = Vec<Zeroizing<Vec<u8>>>;

/// The keys, and what django-cryptography signs with.
pub(super) fn keys(
    format: ExternalFormat,
    secrets: &ExternalSecrets,
) -> Result<(Keyring, Signing), ExternalKeyError> {
    use ExternalFormat as F;
    if secrets.keys.is_empty() {
        return Err(ExternalKeyError::NoKey(format));
    }
    if format != F::DjangoFernetEncryptedFields && !secrets.salts.is_empty() {
        return Err(ExternalKeyError::NoUseForSalt(format));
    }
    if format != F::DjangoCryptography && secrets.encryption_key.is_some() {
        return Err(ExternalKeyError::NoUseForEncryptionKey(format));
    }
    let given = || secrets.keys.iter().map(|secret| secret.as_bytes());
    let keys: Vec<Key> = match format {
        F::Fernet => {
            let parsed = secrets.keys.iter().map(|key| Key::parse(key));
            parsed.collect::<Result<_, _>>()?
        }
        F::SqlalchemyUtils => given().map(sha256).collect(),
        F::DjangoFernetFields => given().map(fernet_fields).collect(),
        F::DjangoFernetEncryptedFields if secrets.salts.is_empty() => {
            return Err(ExternalKeyError::NoSalt);
        }
        F::DjangoFernetEncryptedFields => given()
            .flat_map(|secret| secrets.salts.iter().map(move |salt| (secret, salt)))
            .map(|(secret, salt)| stretched(secret, salt.as_bytes(), ENCRYPTED_FIELDS_ITERATIONS))
            .collect(),
        F::DjangoCryptography => {
            let stretch = |secret| stretched(secret, CRYPTOGRAPHY_SALT, CRYPTOGRAPHY_ITERATIONS);
            match &secrets.encryption_key {
                Some(one) => vec![stretch(one.as_bytes())],
                None => given().map(stretch).collect(),
            }
        }
    };
    let signing = match format {
        F::DjangoCryptography => given().map(|s| Zeroizing::new(s.to_vec())).collect(),
        _ => Vec::new(),
    };
    let mut keys = keys.into_iter();
    let primary = keys.next().ok_or(ExternalKeyError::NoKey(format))?;
    Ok((Keyring::new(primary, keys.collect())?, signing))
}

fn filled(fill: impl FnOnce(&mut [u8; 32])) -> Key {
    let secret = SecretBytes::filled_by(|bytes| {
        stack::wiped(|| fill(bytes));
        Ok::<(), std::convert::Infallible>(())
    });
    match secret {
        Ok(secret) => Key::from_secret(secret),
        Err(never) => match never {},
    }
}

fn sha256(secret: &[u8]) -> Key {
    filled(|out| out.copy_from_slice(&Sha256::digest(secret)))
}

/// RFC 5869, with Extract.
fn fernet_fields(secret: &[u8]) -> Key {
    filled(|out| {
        let extract = hash_mac::hmac_sha256(FERNET_FIELDS_SALT).chain_update(secret);
        let prk = hash_mac::hmac_sha256(&extract.finalize().into_bytes());
        hkdf::expand(&prk, &[FERNET_FIELDS_INFO], out);
    })
}

fn stretched(secret: &[u8], salt: &[u8], iterations: u32) -> Key {
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    filled(|out| pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, secret, out))
}
