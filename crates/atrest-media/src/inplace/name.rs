use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A name that nothing else has: `.atrest-<16 hex digits>.tmp`.
pub(crate) fn temporary() -> String {
    let number = RandomState::new().build_hasher().finish();
    format!(".atrest-{number:016x}.tmp")
}

/// Whether it is a name that [`temporary`] makes.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(b".atrest-")
        .and_then(|rest| rest.strip_suffix(b".tmp"))
        .is_some_and(|digits| {
            let hex = |digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
            digits.len() == 16 && digits.iter().copied().all(hex)
        })
}

#[cfg(test)]
mod tests {
    use super::{is_temporary, temporary};

    #[test]
    fn only_names_that_we_make_are_temporary() {
        assert!(is_temporary(b".atrest-0123456789abcdef.tmp"));
        assert!(is_temporary(temporary().as_bytes()));
        for name in [
            &b".atrest-0123456789abcdef"[..],
            b".atrest-0123456789ABCDEF.tmp",
            b".atrest-0123456789abcde.tmp",
            b".atrest-0123456789abcdef0.tmp",
            b"atrest-0123456789abcdef.tmp",
            b".atrest-.tmp",
            b".atrest-a1B2c3",
        ] {
            assert!(!is_temporary(name), "{name:?}");
        }
    }
}
