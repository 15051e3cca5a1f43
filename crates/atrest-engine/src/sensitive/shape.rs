//! What a single value looks like.

/// `local@domain.tld`, and nothing beside it.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_ok = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let label_ok = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-');
    !local.is_empty()
        && local.len() <= 64
        && local.chars().all(local_ok)
        && domain.contains('.')
        && domain.split('.').all(label_ok)
        && domain
            .rsplit('.')
            .next()
            .is_some_and(|tld| tld.chars().count() >= 2 && !tld.chars().any(|c| c.is_ascii_digit()))
}

/// A longer text with an e-mail address in it.
pub(super) fn mentions_email(text: &str) -> bool {
    !is_email(text)
        && text
            .split(|c: char| c.is_whitespace() || "<>()[]{},;:\"'".contains(c))
            .any(|word| is_email(word.trim_end_matches('.')))
}

/// A telephone number as people write it: 7 to 15 digits with `+`, brackets or
/// separators. Bare digits do not count, they may be anything.
pub(super) fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let allowed = |c: char| c.is_ascii_digit() || " ()-./+".contains(c);
    let separators = text.chars().filter(|c| " -".contains(*c)).count();
    (7..=15).contains(&digits)
        && text.chars().all(allowed)
        && (text.starts_with(['+', '('])
            || text.starts_with('0') && separators >= 1
            || separators >= 2)
        && year(text).is_none()
}

/// A payment card: 13 to 19 digits, perhaps in groups, with Luhn's check digit.
pub(super) fn is_card(text: &str) -> bool {
    if !text
        .chars()
        .all(|c| c.is_ascii_digit() || c == ' ' || c == '-')
    {
        return false;
    }
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| match (i % 2, d * 2) {
            (0, _) => *d,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    (13..=19).contains(&digits.len())
        && matches!(digits.first(), Some(2..=6))
        && sum.is_multiple_of(10)
        && digits.iter().any(|d| Some(d) != digits.first())
}

/// An IBAN: ISO 13616, its remainder by 97 is 1.
pub(super) fn is_iban(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| *c != ' ').collect();
    let bytes = compact.as_bytes();
    let shape = (15..=34).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    if !shape {
        return false;
    }
    let remainder = bytes[4..].iter().chain(&bytes[..4]).fold(0u32, |rest, b| {
        match char::from(*b).to_digit(36) {
            Some(digit) if digit < 10 => (rest * 10 + digit) % 97,
            Some(letter) => (rest * 100 + letter) % 97,
            None => rest,
        }
    });
    remainder == 1
}

/// An address of IP version 4 or 6.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// The year of a date: `1970-01-31`, `31.01.1970`, `1/31/1970`; a time may follow
/// when it is midnight.
pub(super) fn year(text: &str) -> Option<u32> {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    if !time.chars().all(|c| "0:.Z+".contains(c)) {
        return None;
    }
    let separator = ['-', '.', '/'].into_iter().find(|s| date.contains(*s))?;
    let parts: Vec<&str> = date.split(separator).collect();
    let [a, b, c] = parts.as_slice() else {
        return None;
    };
    let number = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        (lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let (year, first, second) = match number(a, 4..=4) {
        Some(year) => (year, number(b, 1..=2)?, number(c, 1..=2)?),
        None => (number(c, 4..=4)?, number(a, 1..=2)?, number(b, 1..=2)?),
    };
    let days = (1..=31).contains(&first) && (1..=31).contains(&second) && first.min(second) <= 12;
    (days && (1850..2200).contains(&year)).then_some(year)
}

/// A JSON Web Token: three parts of base64url, the first an object.
pub(super) fn is_jwt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let base64url = |p: &&str| {
        p.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    parts.len() == 3
        && parts[0].starts_with("eyJ")
        && parts[1].starts_with("eyJ")
        && parts.iter().all(base64url)
}

/// A PEM block: a key or a certificate.
pub(super) fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// What a token of ours or of Fernet starts with.
pub(super) fn is_token(text: &str) -> bool {
    let body = text
        .strip_prefix("ar1.")
        .or(Some(text).filter(|text| text.starts_with("gAAAAA")));
    body.is_some_and(|body| {
        body.len() >= 40
            && body
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published examples and made-up ones; nobody's.
    #[test]
    fn shapes_are_told_apart() {
        type Shape = fn(&str) -> bool;
        let cases: &[(&str, Shape, &[&str], &[&str])] = &[
            (
                "email",
                is_email,
                &["a.b+c@example.org", "jörg@straße.example"],
                &[
                    "@example.org",
                    "a@b",
                    "a@b.c1",
                    "x a@example.org",
                    "a@@example.org",
                    "a@example..org",
                ],
            ),
            (
                "mentions",
                mentions_email,
                &["write to <a@example.org>, please", "a@example.org."],
                &["a@example.org", "at home"],
            ),
            (
                "phone",
                is_phone,
                &[
                    "+1 (555) 010-9999",
                    "030 12345678",
                    "(555) 010-9999",
                    "555-010-9999",
                ],
                &[
                    "5550109999",
                    "2009-01-31",
                    "31-12-1999",
                    "1.2.3.4567",
                    "call 555-010-9999",
                    "+12 34",
                ],
            ),
            (
                "card",
                is_card,
                &["4111 1111 1111 1111", "5555555555554444", "378282246310005"],
                &[
                    "4111111111111112",
                    "0000000000000000",
                    "1234567890123",
                    "41111111",
                ],
            ),
            (
                "iban",
                is_iban,
                &["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
                &[
                    "GB82WEST12345698765433",
                    "DE8937040044",
                    "de89370400440532013000",
                ],
            ),
            (
                "ip",
                is_ip,
                &["192.0.2.1", "2001:db8::1"],
                &["192.0.2", "1.2.3.4.5", "host"],
            ),
            (
                "jwt",
                is_jwt,
                &["eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."],
                &["a.b.c", "eyJ.x"],
            ),
            (
                "pem",
                is_pem,
                &["-----BEGIN PRIVATE KEY-----\nMAA="],
                &["BEGIN"],
            ),
            (
                "token",
                is_token,
                &[
                    "ar1.AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                    "gAAAAABpVrqAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
                ],
                &["ar1.hello", "gAAAAA"],
            ),
        ];
        for (name, shape, yes, no) in cases {
            for text in *yes {
                assert!(shape(text), "{text} is no {name}");
            }
            for text in *no {
                assert!(!shape(text), "{text} is a {name}");
            }
        }
    }

    #[test]
    fn years_of_dates() {
        for (text, want) in [
            ("1962-02-18", Some(1962)),
            ("1962-02-18 00:00:00", Some(1962)),
            ("18.2.1962", Some(1962)),
            ("2/18/1962", Some(1962)),
            ("1962-02-18 13:37:00", None),
            ("1962-18-02", Some(1962)), // day before month is met, too
            ("1962-13-18", None),
            ("1962-13-32", None),
            ("1962-02", None),
            ("555-010-9999", None),
        ] {
            assert_eq!(year(text), want, "{text}");
        }
    }
}
