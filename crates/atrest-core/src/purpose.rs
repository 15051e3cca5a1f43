//! The one table of what a key's subkeys are for (spec/formats.md, "Purposes").

/// What a subkey is for. A key is never used itself, except by the `fernet`
/// suite, which has to: every other use has its own subkey,
/// `HKDF-Expand-SHA-256(key, "atrest/v1/" label)`.
///
/// | purpose | label | bytes |
/// |---|---|---|
/// | [`KeyId`](Self::KeyId) | `key-id` | 4 |
/// | [`FieldXaes256Gcm`](Self::FieldXaes256Gcm) | `field/xaes-256-gcm` | 32 |
/// | [`FieldA256CbcHs512`](Self::FieldA256CbcHs512) | `field/a256cbc-hs512` | 64 |
/// | [`Journal`](Self::Journal) | `journal` | 32 |
/// | [`Backup`](Self::Backup) | `backup` | 32 |
/// | [`ObjectCobblestone256`](Self::ObjectCobblestone256) | `object/cobblestone-256` | 32 |
/// | [`KeyWrap`](Self::KeyWrap) | `key-wrap` | 32 |
/// | [`Keyring`](Self::Keyring) | `keyring` | 32 |
/// | [`SubjectTag`](Self::SubjectTag) | `subject/tag` | 32 |
/// | [`SubjectRecord`](Self::SubjectRecord) | `subject/record` | 32 |
/// | [`Receipt`](Self::Receipt) | `receipt` | 32 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The key's public name.
    KeyId,
    /// Field tokens of the suite `xaes-256-gcm`.
    FieldXaes256Gcm,
    /// Field tokens of the suite `a256cbc-hs512`.
    FieldA256CbcHs512,
    /// Objects of the suite `cobblestone-256`.
    ObjectCobblestone256,
    /// MAC of the engine's journal records.
    Journal,
    /// The engine's backup file.
    Backup,
    /// Other keys, wrapped under this one.
    KeyWrap,
    /// MAC of a keyring file.
    Keyring,
    /// MAC that makes a subject's tag of what names the subject.
    SubjectTag,
    /// MAC of the records of subjects' keys.
    SubjectRecord,
    /// Ed25519 seed that signs receipts of erasure.
    Receipt,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 11] = [
        Self::KeyId,
        Self::FieldXaes256Gcm,
        Self::FieldA256CbcHs512,
        Self::ObjectCobblestone256,
        Self::Journal,
        Self::Backup,
        Self::KeyWrap,
        Self::Keyring,
        Self::SubjectTag,
        Self::SubjectRecord,
        Self::Receipt,
    ];

    /// The label, as the table and the specification have it.
    ///
    /// ```
    /// # use atrest_core::Purpose;
    /// assert_eq!(Purpose::Journal.label(), "journal");
    /// ```
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::KeyId => "key-id",
            Self::FieldXaes256Gcm => "field/xaes-256-gcm",
            Self::FieldA256CbcHs512 => "field/a256cbc-hs512",
            Self::ObjectCobblestone256 => "object/cobblestone-256",
            Self::Journal => "journal",
            Self::Backup => "backup",
            Self::KeyWrap => "key-wrap",
            Self::Keyring => "keyring",
            Self::SubjectTag => "subject/tag",
            Self::SubjectRecord => "subject/record",
            Self::Receipt => "receipt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Purpose;

    #[test]
    fn no_label_is_another_labels_prefix() {
        for a in Purpose::ALL {
            for b in Purpose::ALL {
                assert!(a == b || !a.label().starts_with(b.label()), "{a:?} {b:?}");
            }
        }
    }
}
