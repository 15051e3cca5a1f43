//! What stands in a JSON text, even one that was cut off: its keys, and whether
//! it holds a long array of numbers.

use std::collections::BTreeSet;

/// A run of this many numbers, half of them with a fraction, is a feature vector.
const LONG: usize = 32;

/// What was found in a JSON text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Json {
    /// Every object's keys.
    pub(super) keys: BTreeSet<String>,
    /// Whether there is a long array of numbers with fractions.
    pub(super) vector: bool,
}

/// Scans a text that starts as an object or an array; `None` for any other.
pub(super) fn scan(text: &str) -> Option<Json> {
    let text = text.trim_start();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let mut json = Json::default();
    let (mut numbers, mut fractions) = (0, 0);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            (numbers, fractions) = (0, 0);
            let Some((string, after)) = string(&rest[1..]) else {
                break;
            };
            if after.trim_start().starts_with(':') {
                json.keys.insert(string.to_owned());
            }
            rest = after;
        } else if first.is_ascii_digit() || first == '-' {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c))
                .unwrap_or(rest.len());
            numbers += 1;
            fractions += usize::from(rest[..end].contains(['.', 'e', 'E']));
            json.vector |= numbers >= LONG && fractions * 2 >= numbers;
            rest = &rest[end..];
        } else {
            if first != ',' && !first.is_whitespace() {
                (numbers, fractions) = (0, 0);
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(json)
}

/// A string up to its closing quote, and what follows.
fn string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::scan;

    #[test]
    fn keys_and_vectors_are_found_even_in_a_cut_text() {
        let vector: Vec<String> = (0..40).map(|i| format!("-0.{i}")).collect();
        let text = format!(
            r#"{{"a \" b": 1, "face": {{"v": [{}]}}, "s": "x: y"}}"#,
            vector.join(", ")
        );
        let json = scan(&text).unwrap();
        assert_eq!(
            json.keys.iter().map(String::as_str).collect::<Vec<_>>(),
            ["a \\\" b", "face", "s", "v"]
        );
        assert!(json.vector);
        assert!(scan(&text[..text.len() - 40]).unwrap().vector);
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = scan(&text[..end]);
        }
    }

    #[test]
    fn a_long_array_of_integers_is_no_vector() {
        let ids: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        assert!(!scan(&format!("[{}]", ids.join(","))).unwrap().vector);
        assert_eq!(scan("plain"), None);
    }
}
