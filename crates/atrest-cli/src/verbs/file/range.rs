use std::str::FromStr;

/// A range of bytes as HTTP writes it; both ends are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `0-99`, or `100-` to the end.
    From(u64, Option<u64>),
    /// `-100`: the last so many.
    Last(u64),
}

impl FromStr for ByteRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || "a range is FROM-TO (0-99), FROM- (100-) or -LAST (-100)".to_owned();
        let number = |digits: &str| -> Result<u64, String> {
            // `+5` would parse.
            match digits.bytes().all(|b| b.is_ascii_digit()) {
                true => digits.parse().map_err(|_| error()),
                false => Err(error()),
            }
        };
        match text.split_once('-').ok_or_else(error)? {
            ("", last) => Ok(Self::Last(number(last)?)),
            (from, "") => Ok(Self::From(number(from)?, None)),
            (from, to) => {
                let (from, to) = (number(from)?, number(to)?);
                if to < from {
                    return Err("a range ends where it begins, or later".to_owned());
                }
                Ok(Self::From(from, Some(to)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ByteRange;

    #[test]
    fn ranges_as_http_writes_them() {
        let range = |text: &str| text.parse::<ByteRange>();
        assert_eq!(range("0-99"), Ok(ByteRange::From(0, Some(99))));
        assert_eq!(range("7-7"), Ok(ByteRange::From(7, Some(7))));
        assert_eq!(range("100-"), Ok(ByteRange::From(100, None)));
        assert_eq!(range("-100"), Ok(ByteRange::Last(100)));
        for wrong in ["", "-", "5", "9-3", "+1-2", "a-b", "1-2-3", "--5", "1--2"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
