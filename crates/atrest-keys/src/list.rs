//! What a variable or a file may hold: one key, or a list of them.

use atrest_core::Key;
use zeroize::Zeroizing;

use crate::KeySourceError;

/// How a text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A variable: one key, `a,b`, `["a", "b"]` or `['a', b'b']`.
    Value,
    /// A file: the same, and one key a line, `#` starting a comment.
    Lines,
}

/// The keys of a text, at least one; `origin` is its name in messages.
pub(crate) fn keys(text: &str, origin: &str, layout: Layout) -> Result<Vec<Key>, KeySourceError> {
    let uncommented = match layout {
        Layout::Value => None,
        Layout::Lines => Some(without_comments(text)),
    };
    let text = uncommented
        .as_ref()
        .map_or(text, |text| text.as_str())
        .trim();
    let items = items(text, layout).ok_or_else(|| KeySourceError::UnclosedList {
        origin: origin.to_owned(),
    })?;
    if items.is_empty() {
        return Err(KeySourceError::Empty {
            origin: origin.to_owned(),
        });
    }
    let count = items.len();
    let key = |(index, item): (usize, &str)| {
        Key::parse(unquoted(item)).map_err(|source| KeySourceError::Malformed {
            origin: place(origin, index, count),
            source,
        })
    };
    items.into_iter().enumerate().map(key).collect()
}

/// The name of one key of a list, for messages.
pub(crate) fn place(origin: &str, index: usize, count: usize) -> String {
    if count == 1 {
        origin.to_owned()
    } else {
        format!("{origin}, key {} of {count}", index + 1)
    }
}

/// The items, trimmed; `None` for a list without its end.
///
/// Neither a key nor its quotes hold a comma, so that a comma always separates.
fn items(text: &str, layout: Layout) -> Option<Vec<&str>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let mut items: Vec<&str> = rest.strip_suffix(']')?.split(',').map(str::trim).collect();
        // Python allows a comma after the last item, and `[]` has none.
        if items.last().is_some_and(|last| last.is_empty()) {
            items.pop();
        }
        return Some(items);
    }
    let lines = match layout {
        Layout::Value => vec![text],
        Layout::Lines => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect(),
    };
    Some(
        lines
            .into_iter()
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .collect(),
    )
}

/// Without the quotes of a string; those of a bytes literal (`b'...'`) are read
/// with the key.
fn unquoted(item: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| item.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(item)
}

fn without_comments(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines() {
        out.push_str(line.split('#').next().unwrap_or_default());
        out.push('\n');
    }
    out
}
