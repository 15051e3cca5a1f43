//! Reading `[keys]`.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::super::keys::{KeyringPlace, KeysPolicy, PrimaryKeys};
use super::{PolicyError, Section, Source, kind};

/// What `[keys]` may hold.
pub(super) const KEYS: [&str; 10] = [
    "primary",
    "previous",
    "env_file",
    "allow_readable_files",
    "keyring",
    "root",
    "rotate_after",
    "timeout",
    "cache",
    "grace",
];

impl Source<'_> {
    pub(super) fn keys(&self, section: &Section<'_, '_>) -> Result<KeysPolicy, PolicyError> {
        let (primary, line) = self.primary_keys(section)?;
        let rotate_after = self.duration(section, "rotate_after")?;
        if let (Some(_), PrimaryKeys::Source(_), Some(value)) =
            (rotate_after, &primary, section.get("rotate_after"))
        {
            return Err(self.bad(
                value.span(),
                "rotate_after",
                "is about the keys of a keyring, and there is none",
                "take it out, or move to a keyring: docs/keys.md",
            ));
        }
        let mut previous = Vec::new();
        if let Some(value) = section.get("previous") {
            let list_of_strings = "write a list of strings: `previous = [\"env:OLD_KEY\"]`";
            let DeValue::Array(items) = value.get_ref() else {
                return Err(self.bad(
                    value.span(),
                    "previous",
                    format!("is {}, not a list", kind(value.get_ref())),
                    list_of_strings,
                ));
            };
            for item in items.iter() {
                match item.get_ref() {
                    DeValue::String(text) if !text.trim().is_empty() => {
                        previous.push(text.to_string());
                    }
                    _ => {
                        return Err(self.bad(
                            item.span(),
                            "previous",
                            "holds something that is not a key source",
                            list_of_strings,
                        ));
                    }
                }
            }
        }
        let env_file = self
            .string(section, "env_file")?
            .map(|(path, _)| PathBuf::from(path));
        let allow_readable_files = match section.get("allow_readable_files") {
            None => false,
            Some(value) => match value.get_ref() {
                DeValue::Boolean(allow) => *allow,
                other => {
                    return Err(self.bad(
                        value.span(),
                        "allow_readable_files",
                        format!("is {}", kind(other)),
                        "write `true` or `false`",
                    ));
                }
            },
        };
        Ok(KeysPolicy {
            primary,
            previous,
            env_file,
            allow_readable_files,
            rotate_after,
            timeout: self.duration(section, "timeout")?,
            cache: self.duration(section, "cache")?,
            grace: self.duration(section, "grace")?,
            line,
        })
    }

    /// `primary`, or `keyring` with `root`; and the line.
    fn primary_keys(&self, section: &Section<'_, '_>) -> Result<(PrimaryKeys, usize), PolicyError> {
        let root = self.string(section, "root")?;
        let Some((place, span)) = self.string(section, "keyring")? else {
            if let Some((_, span)) = root {
                return Err(self.bad(
                    span,
                    "root",
                    "stands without a keyring that it opens",
                    "add `keyring = \"atrest.keyring\"`, or name the source as `primary`",
                ));
            }
            let (primary, span) =
                self.required(section, "primary", "primary = \"env:FIELD_ENCRYPTION_KEY\"")?;
            let primary = PrimaryKeys::Source(primary.to_owned());
            return Ok((primary, self.at(span).line));
        };
        if let Some(value) = section.get("primary") {
            return Err(self.bad(
                value.span(),
                "primary",
                "stands beside `keyring`, and only one of them can seal",
                "keep one; a key that is to go on opening old data goes into `previous`",
            ));
        }
        let (root, _) = self.required(section, "root", "root = \"env:ATREST_ROOT_KEY\"")?;
        let place = match place {
            KeyringPlace::DATABASE => KeyringPlace::Database,
            path => KeyringPlace::File(PathBuf::from(path)),
        };
        let root = root.to_owned();
        let keyring = PrimaryKeys::Keyring { place, root };
        Ok((keyring, self.at(span).line))
    }

    /// A duration such as "90d".
    pub(super) fn duration(
        &self,
        section: &Section<'_, '_>,
        key: &'static str,
    ) -> Result<Option<Duration>, PolicyError> {
        let Some((text, span)) = self.string(section, key)? else {
            return Ok(None);
        };
        duration(text).map(Some).ok_or_else(|| {
            self.bad(
                span,
                key,
                format!("is `{text}`, which is not a duration"),
                "write a whole number and its unit: `10s`, `5m`, `12h` or `90d`",
            )
        })
    }
}

/// Seconds, minutes, hours or days; more than none.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<u32>().ok()? as u64 * seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        let seconds = |text| duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("10s"), Some(10));
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("12h"), Some(43_200));
        assert_eq!(seconds("90d"), Some(7_776_000));
        for bad in [
            "",
            "d",
            "90",
            "0d",
            "-1d",
            "+1d",
            "1.5h",
            "90 d",
            "5M",
            "9y",
            "99999999999d",
            "5µ",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
