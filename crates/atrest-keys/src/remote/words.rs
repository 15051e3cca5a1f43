//! What servers and libraries say, made fit for a message.

use std::error::Error;

/// The longest text of a server that a message repeats, in characters.
const LONGEST: usize = 400;

/// A server's text in one line, cut where it is long.
pub(crate) fn line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// An error with all that caused it, each said once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = error.source();
    }
    line(&said)
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn one_line_and_not_too_long() {
        assert_eq!(
            line("1 error:\n\t* permission denied\n\n"),
            "1 error: * permission denied"
        );
        assert_eq!(line("\u{1b}[31mred\u{7}"), "[31mred");
        let long = line(&"é".repeat(1000));
        assert_eq!(long.chars().count(), 403);
    }
}
