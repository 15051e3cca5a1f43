//! The lines of a `.env` file.
//!
//! dotenvy defines the notation, and leaves copies of the whole file in memory that
//! nobody wipes. So a file of plain lines is read here, where none are left; only one
//! with `$` substitution, escapes or values of several lines goes to dotenvy.

use zeroize::Zeroizing;

/// Names and values, in order.
type Variables = Vec<(String, Zeroizing<String>)>;

/// What the text sets.
///
/// # Errors
/// dotenvy's, which holds text of the file.
pub(crate) fn parse(text: &str) -> Result<Variables, dotenvy::Error> {
    match plain(text) {
        Some(variables) => Ok(variables),
        None => dotenvy::Iter::new(text.as_bytes())
            .map(|item| item.map(|(name, value)| (name, Zeroizing::new(value))))
            .collect(),
    }
}

/// `None` when any line is not plain.
fn plain(text: &str) -> Option<Variables> {
    let mut variables = Vec::new();
    for line in text.split_inclusive('\n') {
        let ended = line.ends_with('\n');
        let line = line.trim_end_matches('\n').trim_end_matches('\r');
        let start = line.trim_start_matches(BLANK);
        if start.starts_with('#') {
            continue;
        }
        // White space at the very end is an error of dotenvy's.
        if !ended && line.ends_with(BLANK) {
            return None;
        }
        if !start.is_empty() {
            let (name, value) = assignment(start)?;
            variables.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        }
    }
    Some(variables)
}

const BLANK: [char; 2] = [' ', '\t'];

/// `[export] NAME = VALUE [# comment]`.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (left, right) = line.split_once('=')?;
    let left = left.trim_end_matches(BLANK);
    let name = left
        .strip_prefix("export")
        .filter(|rest| rest.starts_with(BLANK))
        .map_or(left, |rest| rest.trim_start_matches(BLANK));
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(of_name) {
        return None;
    }
    let right = right.trim_start_matches(BLANK);
    let (value, rest) = match right.chars().next() {
        Some(quote @ ('\'' | '"')) => right.get(1..)?.split_once(quote)?,
        _ => right.split_at(right.find(BLANK).unwrap_or(right.len())),
    };
    let quoted = right.starts_with(['\'', '"']);
    let single = right.starts_with('\'');
    let means_itself = |c: char| match c {
        '\\' => false,
        '\'' | '"' | '#' if !quoted => false,
        '$' => single,
        c => !c.is_control() && (quoted || !c.is_whitespace()),
    };
    if !value.chars().all(means_itself) {
        return None;
    }
    let after = rest.trim_start_matches(BLANK);
    let ends = after.is_empty() || (after.starts_with('#') && rest.starts_with(BLANK));
    ends.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{parse, plain};

    fn dotenvy(text: &str) -> Option<Vec<(String, String)>> {
        dotenvy::Iter::new(text.as_bytes())
            .collect::<Result<_, _>>()
            .ok()
    }

    fn ours(text: &str) -> Option<Vec<(String, String)>> {
        let variables = plain(text)?.into_iter();
        Some(
            variables
                .map(|(name, value)| (name, value.to_string()))
                .collect(),
        )
    }

    #[test]
    fn what_people_write_is_plain() {
        let text = "# ours\n\nA=b+/-_=\n  export KEY='se $cret # x' # note's\r\nB = \"p q\"\nC=\nD=1 # '\nexport=2\nE=é";
        let plain = ours(text).unwrap();
        assert_eq!(plain.len(), 7);
        assert_eq!(Some(plain), dotenvy(text));
    }

    #[test]
    fn the_rest_is_dotenvys() {
        for text in [
            "A=$B", "A=\"$B\"", "A=b\\ c", "A='b\nc'", "A='b'c", "A=b c", "A=b ", "1=2", "A",
            "A='b'#c", "export A",
        ] {
            assert_eq!(ours(text), None, "{text}");
        }
        assert_eq!(parse("A=1\nB=$A").unwrap()[1].1.as_str(), "1");
        assert!(parse("A=b c").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        /// Whatever is taken for plain means what dotenvy says.
        #[test]
        fn plain_is_what_dotenvy_reads(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "A", "B1", "export", "export ", "=", "=", "'", "'", "\"", "\"", "#", " ", "\t",
                    "\n", "\n", "\r\n", "\r", "\\", "$", "${A}", "ab", "+/", "-_=", "é", ".", ",",
                    "\u{a0}", "\u{b}", "A=", "KEY='", "\nK=\"", "' ",
                ]),
                0..14,
            )
        ) {
            let text = pieces.concat();
            if let Some(plain) = ours(&text) {
                prop_assert_eq!(Some(plain), dotenvy(&text));
            }
        }
    }
}
