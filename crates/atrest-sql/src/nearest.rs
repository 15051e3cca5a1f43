//! The nearest names to one that was not found.

/// A sentence that names what the reader probably meant, or where to look.
///
/// ```text
/// did you mean `People`?
/// ```
pub(crate) fn advice<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
    kind: &str,
) -> String {
    let lower = wanted.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| {
            *distance <= (name.chars().count().max(lower.chars().count()) / 3).max(1)
        })
        .collect();
    near.sort();
    let names: Vec<String> = near
        .iter()
        .take(3)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => format!(
            "no {kind} has a name like it; names are matched exactly, upper and lower case too"
        ),
        [one] => {
            format!("did you mean {one}? (names are matched exactly, upper and lower case too)")
        }
        more => format!(
            "did you mean one of {}? (names are matched exactly)",
            more.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn case_and_typing_errors_are_found() {
        let known = ["People", "person", "orders"];
        assert!(advice("people", known, "table").starts_with("did you mean `People`?"));
        assert!(advice("oders", known, "table").contains("`orders`"));
        assert!(advice("zzz", known, "table").starts_with("no table"));
    }
}
