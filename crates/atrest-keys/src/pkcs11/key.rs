//! The key in the token: found, checked, made, and used.
//!
//! A key wrapped by it (spec/formats.md, "Key wrapped in a token"):
//!
//! ```text
//! wrapped = 0x02 | IV (12) | sealed key (32) | tag (16)
//! ```
//!
//! AES-256-GCM in the token, with the first byte and the context as additional data.

use atrest_core::fill_random;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use zeroize::Zeroizing;

use super::module::{Trouble, is_wrong_tag};
use super::uri::{Uri, bad};
use crate::remote::Failure;
use crate::{KeySourceError, RemoteProblem};

/// The first byte of a key that a token wrapped.
const VERSION: u8 = 2;
/// Bytes of the IV: 96 bits, drawn anew for each, of which one key may take 2^32.
const IV: usize = 12;
/// Bytes of the sealed key with its tag.
const SEALED: usize = 32 + 16;
/// Bits of the tag.
const TAG_BITS: u32 = 128;

/// The key that the URI names, after a look at what it is and who may have it.
pub(super) fn find(session: &Session, uri: &Uri) -> Result<ObjectHandle, Trouble> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Token(true),
    ];
    template.extend(
        uri.object
            .as_ref()
            .map(|label| Attribute::Label(label.clone().into_bytes())),
    );
    template.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    match *session.find_objects(&template)? {
        [key] => {
            check(session, key)?;
            Ok(key)
        }
        [] => Err(Failure::new(
            RemoteProblem::NotFound,
            "the token has no such secret key",
            "check `object` and `id` (pkcs11-tool --module MODULE --login --list-objects), \
             or make the key: `atrest key generate --in 'pkcs11:...'`",
        )
        .into()),
        _ => Err(Failure::new(
            RemoteProblem::Format,
            "more than one key matches",
            "name the one by its `id` (pkcs11-tool --module MODULE --login --list-objects)",
        )
        .into()),
    }
}

/// Refuses a key that can be had in clear, or is no AES-256 key that may be used.
fn check(session: &Session, key: ObjectHandle) -> Result<(), Trouble> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::ValueLen,
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::Encrypt,
        AttributeType::Decrypt,
    ];
    let has = session.get_attributes(key, &wanted)?;
    let has = |attribute| has.contains(&attribute);
    let mut wrong = Vec::new();
    if !has(Attribute::KeyType(KeyType::AES)) || !has(Attribute::ValueLen(32.into())) {
        wrong.push("it is no AES key of 256 bits");
    }
    if !has(Attribute::Sensitive(true)) {
        wrong.push("it is not CKA_SENSITIVE, so the token shows it");
    }
    if !has(Attribute::Extractable(false)) {
        wrong.push("it is CKA_EXTRACTABLE, so it can leave the token");
    }
    if !has(Attribute::Encrypt(true)) || !has(Attribute::Decrypt(true)) {
        wrong.push("it is not CKA_ENCRYPT and CKA_DECRYPT");
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        RemoteProblem::Format,
        wrong.join("; "),
        "make a good one under another name: `atrest key generate --in 'pkcs11:...'`",
    )
    .into())
}

/// Where a new key is to be put.
pub(super) struct Place<'u> {
    label: &'u str,
    id: Option<&'u [u8]>,
}

impl<'u> Place<'u> {
    pub(super) fn of(uri: &'u Uri) -> Result<Self, KeySourceError> {
        match &uri.object {
            Some(label) => Ok(Self {
                label,
                id: uri.id.as_deref(),
            }),
            None => Err(bad("a new key needs a name: `object`")),
        }
    }
}

/// Makes the key, and proves that it wraps; one of the same name or id is left as it
/// is.
pub(super) fn generate(session: &Session, uri: &Uri) -> Result<(), Trouble> {
    let Ok(place) = Place::of(uri) else {
        return Err(no_random().into());
    };
    let mut id = [0; 16];
    fill_random(&mut id).map_err(|_| no_random())?;
    let id = place.id.unwrap_or(&id);
    for taken in [
        Attribute::Label(place.label.as_bytes().to_vec()),
        Attribute::Id(id.to_vec()),
    ] {
        let template = [Attribute::Class(ObjectClass::SECRET_KEY), taken];
        if !session.find_objects(&template)?.is_empty() {
            return Err(Failure::new(
                RemoteProblem::Refused,
                "the token has a key of this name or id already",
                "a key is never overwritten: name a new `object` and `id`",
            )
            .into());
        }
    }
    let key = session.generate_key(
        &Mechanism::AesKeyGen,
        &[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Sign(false),
            Attribute::Verify(false),
            Attribute::Derive(false),
            Attribute::Label(place.label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
        ],
    )?;
    let proved = check(session, key).and_then(|()| {
        let mut clear = Zeroizing::new([0; 32]);
        fill_random(&mut *clear).map_err(|_| no_random())?;
        wrap(session, key, &clear, b"").map(drop)
    });
    if proved.is_err() {
        // Nothing was wrapped by it that anybody has.
        session.destroy_object(key)?;
    }
    proved
}

/// `clear` sealed by the key, and opened again to be sure.
pub(super) fn wrap(
    session: &Session,
    key: ObjectHandle,
    clear: &[u8; 32],
    context: &[u8],
) -> Result<Vec<u8>, Trouble> {
    let mut iv = [0; IV];
    fill_random(&mut iv).map_err(|_| no_random())?;
    let additional = additional(context);
    let sealed = {
        let params = GcmParams::new(&mut iv, &additional, tag_bits())?;
        session.encrypt(&Mechanism::AesGcm(params), key, clear)?
    };
    // A token that draws IVs itself has written its own in place of ours.
    let mut wrapped = Vec::with_capacity(1 + IV + SEALED);
    wrapped.push(VERSION);
    wrapped.extend_from_slice(&iv);
    wrapped.extend_from_slice(&sealed);
    let again = unwrap(session, key, &wrapped, context);
    if again.is_ok_and(|again| verify_slices_are_equal(&again, clear).is_ok()) {
        return Ok(wrapped);
    }
    Err(Failure::new(
        RemoteProblem::Format,
        "the token does not open what it just sealed",
        "it needs CKM_AES_GCM with an IV of 12 bytes, additional data and a tag of 128 bits after the text",
    )
    .into())
}

/// The key that [`wrap`] sealed.
pub(super) fn unwrap(
    session: &Session,
    key: ObjectHandle,
    wrapped: &[u8],
    context: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let not_its_key = |detail: &str| {
        Trouble::Failure(Failure::new(
            RemoteProblem::NotItsKey,
            detail,
            "name the key and token that wrapped it, or put a backup of the keyring back",
        ))
    };
    let [VERSION, rest @ ..] = wrapped else {
        return Err(not_its_key("it was not wrapped in a token"));
    };
    let Some((iv, sealed)) = rest.split_first_chunk::<IV>() else {
        return Err(not_its_key("it is cut off"));
    };
    if sealed.len() != SEALED {
        return Err(not_its_key("its length is wrong"));
    }
    let (mut iv, additional) = (*iv, additional(context));
    let params = GcmParams::new(&mut iv, &additional, tag_bits())?;
    match session.decrypt(&Mechanism::AesGcm(params), key, sealed) {
        Ok(clear) => Ok(Zeroizing::new(clear)),
        Err(error) if is_wrong_tag(&error) => Err(not_its_key(
            "it was sealed by another key or for another place, or was changed",
        )),
        Err(error) => Err(error.into()),
    }
}

fn additional(context: &[u8]) -> Vec<u8> {
    [&[VERSION], context].concat()
}

fn tag_bits() -> cryptoki::types::Ulong {
    u64::from(TAG_BITS).into()
}

fn no_random() -> Failure {
    Failure::new(
        RemoteProblem::Failed,
        "no random bytes",
        "check the system's random generator",
    )
}
