//! The URI of a key in a token: RFC 7512.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::pin::PinSource;
use crate::{KeySourceError, Settings, source};

/// Which key, in which token, through which module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uri {
    /// The URI without its query, as messages name it.
    pub(super) name: String,
    /// `module-path`: the vendor's library.
    pub(super) module: PathBuf,
    /// `token`: the token's label.
    pub(super) token: Option<String>,
    /// `serial`: the token's serial number.
    pub(super) serial: Option<String>,
    /// `slot-id`.
    pub(super) slot: Option<u64>,
    /// `object`: the key's label, CKA_LABEL.
    pub(super) object: Option<String>,
    /// `id`: CKA_ID.
    pub(super) id: Option<Vec<u8>>,
    /// `pin-source`.
    pub(super) pin: Option<PinSource>,
}

impl Uri {
    /// Reads what stands after `pkcs11:`.
    pub(super) fn parse(rest: &str, settings: &Settings) -> Result<Self, KeySourceError> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if source::may_be_a_key(path) {
            return Err(bad(
                "a key stands where a token should be named, and the policy is no place for a key",
            ));
        }
        let [token, serial, slot, object, id, kind] = attributes(
            path,
            ';',
            ["token", "serial", "slot-id", "object", "id", "type"],
            "an attribute before `?` is none of `token`, `serial`, `slot-id`, `object`, `id` and `type`",
        )?;
        let [module, pin] = attributes(
            query,
            '&',
            ["module-path", "pin-source"],
            "an attribute after `?` is neither `module-path` nor `pin-source`",
        )?;
        if kind.is_some_and(|kind| kind != b"secret-key") {
            return Err(bad("`type` is something else than secret-key"));
        }
        if object.is_none() && id.is_none() {
            return Err(bad("no key is named: neither `object` nor `id` is there"));
        }
        if token.is_none() && serial.is_none() && slot.is_none() {
            return Err(bad(
                "no token is named: neither `token`, `serial` nor `slot-id` is there",
            ));
        }
        let Some(module) = module else {
            return Err(bad(
                "no library is named: `module-path` is missing (SoftHSM's is /usr/lib/softhsm/libsofthsm2.so)",
            ));
        };
        let module = PathBuf::from(text(module, "module-path")?);
        if module.components().count() < 2 {
            // Alone, a name would be looked for where the system likes.
            return Err(bad("`module-path` is no path of a library"));
        }
        let slot = match slot {
            Some(slot) => Some(
                text(slot, "slot-id")?
                    .parse()
                    .map_err(|_| bad("`slot-id` is not a whole number"))?,
            ),
            None => None,
        };
        let pin = match pin {
            Some(pin) => Some(PinSource::parse(&text(pin, "pin-source")?, settings)?),
            None => None,
        };
        let optional = |value: Option<Vec<u8>>, name| value.map(|v| text(v, name)).transpose();
        Ok(Self {
            name: format!("pkcs11:{path}"),
            module: settings.base_dir.join(module),
            token: optional(token, "token")?,
            serial: optional(serial, "serial")?,
            slot,
            object: optional(object, "object")?,
            id,
            pin,
        })
    }
}

/// The values of the attributes of these names, decoded; each may stand once.
fn attributes<const N: usize>(
    text: &str,
    separator: char,
    names: [&str; N],
    unknown: &str,
) -> Result<[Option<Vec<u8>>; N], KeySourceError> {
    let mut values = [const { None }; N];
    for attribute in text.split(separator).filter(|text| !text.is_empty()) {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        if name == "pin-value" {
            return Err(bad(
                "a PIN stands in the URI (`pin-value`), and the policy is no place for a PIN: \
                 name its place with `pin-source`, and have the token's PIN changed if this text was shared",
            ));
        }
        let at = names.iter().position(|known| *known == name);
        let Some(slot) = at.and_then(|at| values.get_mut(at)) else {
            return Err(bad(unknown));
        };
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad(&format!(
                "`{name}` is empty or holds a character that must be written as %XX"
            )));
        }
        if name != "id" && source::may_be_a_key(value) {
            return Err(bad(&format!("`{name}` looks like a key")));
        }
        if slot.replace(decoded(value, name)?).is_some() {
            return Err(bad(&format!("`{name}` stands twice")));
        }
    }
    Ok(values)
}

/// The bytes of a value with its %XX decoded; a `%` without two digits is refused.
fn decoded(value: &str, name: &str) -> Result<Vec<u8>, KeySourceError> {
    let whole = value.split('%').skip(1).all(|after| {
        after
            .as_bytes()
            .first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !whole {
        return Err(bad(&format!("`{name}` holds a `%` without two hex digits")));
    }
    Ok(percent_decode_str(value).collect())
}

fn text(value: Vec<u8>, name: &str) -> Result<String, KeySourceError> {
    String::from_utf8(value).map_err(|_| bad(&format!("`{name}` is not UTF-8")))
}

pub(super) fn bad(problem: &str) -> KeySourceError {
    KeySourceError::BadUri {
        scheme: "pkcs11",
        problem: problem.to_owned(),
        next: "write pkcs11:token=LABEL;object=KEY?module-path=/PATH.so&pin-source=env:NAME (RFC 7512)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn parse(rest: &str) -> Result<Uri, KeySourceError> {
        Uri::parse(rest, &Settings::new("/srv/app"))
    }

    #[test]
    fn rfc7512_attributes_are_read_and_decoded() {
        let uri = parse(
            "token=My%20token;serial=0a1b;slot-id=327;object=a%3Bb;id=%01%ff;type=secret-key\
             ?module-path=/usr/lib/x.so&pin-source=env:PIN",
        )
        .unwrap();
        assert_eq!(uri.token.as_deref(), Some("My token"));
        assert_eq!(uri.serial.as_deref(), Some("0a1b"));
        assert_eq!(uri.slot, Some(327));
        assert_eq!(uri.object.as_deref(), Some("a;b"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 255][..]));
        assert_eq!(uri.module, Path::new("/usr/lib/x.so"));
        assert!(uri.pin.is_some());
        assert_eq!(
            uri.name,
            "pkcs11:token=My%20token;serial=0a1b;slot-id=327;object=a%3Bb;id=%01%ff;type=secret-key"
        );
        let uri = parse("token=t;object=o?module-path=lib/x.so").unwrap();
        assert_eq!(uri.module, Path::new("/srv/app/lib/x.so"));
        assert_eq!(uri.pin, None);
    }

    #[test]
    fn what_is_wrong_is_said_and_no_value_is_shown() {
        let good = "?module-path=/x/y.so";
        for (rest, want) in [
            (format!("token=t{good}"), "no key is named"),
            (format!("object=o{good}"), "no token is named"),
            ("token=t;object=o".to_owned(), "`module-path` is missing"),
            (
                "token=t;object=o?module-path=y.so".to_owned(),
                "no path of a library",
            ),
            (
                format!("token=t;object=o{good}&pin-value=hunter2"),
                "no place for a PIN",
            ),
            (
                format!("token=t;object=o;pin-value=hunter2{good}"),
                "no place for a PIN",
            ),
            (
                format!("token=t;object=o{good}&pin-source=hunter2"),
                "`pin-source` says neither",
            ),
            (
                format!("token=t;object=o{good}&pin-source=|hunter2"),
                "`pin-source` says neither",
            ),
            (
                format!("token=t;object=o;model=hunter2{good}"),
                "none of `token`, `serial`, `slot-id`, `object`, `id` and `type`",
            ),
            (
                format!("token=t;object=o{good}&module-name=hunter2"),
                "neither `module-path` nor `pin-source`",
            ),
            (
                format!("token=t;object=o;type=private{good}"),
                "else than secret-key",
            ),
            (format!("token=t;token=u;object=o{good}"), "stands twice"),
            (format!("token=;object=o{good}"), "`token` is empty"),
            (format!("token=a b;object=o{good}"), "written as %XX"),
            (format!("token=a%2;object=o{good}"), "two hex digits"),
            (format!("token=%ff;object=o{good}"), "not UTF-8"),
            (format!("slot-id=0x1;object=o{good}"), "not a whole number"),
            (format!("token=t;object={KEY}{good}"), "looks like a key"),
            (KEY.to_owned(), "no place for a key"),
        ] {
            let message = parse(&rest).unwrap_err().to_string();
            assert!(message.contains(want), "{message} does not say {want}");
            assert!(message.contains("RFC 7512"), "{message}");
            for secret in ["hunter2", KEY] {
                assert!(!message.contains(secret), "{message}");
            }
        }
    }
}
