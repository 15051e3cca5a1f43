//! One member of a secret that is a JSON object, without copies of the others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::Failure;
use crate::RemoteProblem;

/// The member's text: a string as it is, a list as JSON writes it, so that a list of
/// keys can be one.
///
/// # Errors
/// [`RemoteProblem::Format`] when this is no object or the member is no text;
/// [`RemoteProblem::NoSuchField`] names the members that there are.
pub(crate) fn member(object: &str, name: &str) -> Result<Zeroizing<String>, Failure> {
    let Some(members) = members(object) else {
        return Err(Failure::new(
            RemoteProblem::Format,
            "the secret is not a JSON object, so it has no fields",
            "leave `field` out, or write the secret as {\"NAME\": \"KEY\"}",
        ));
    };
    let Some(value) = members.get(name) else {
        return Err(Failure::new(
            RemoteProblem::NoSuchField,
            format!("it has {}", names(&members)),
            format!(
                "put the key into the field `{name}`, or name the one that holds it as `field=`"
            ),
        ));
    };
    if value.get().starts_with('[') {
        return Ok(Zeroizing::new(value.get().to_owned()));
    }
    serde_json::from_str::<String>(value.get())
        .map(Zeroizing::new)
        .map_err(|_| {
            Failure::new(
                RemoteProblem::Format,
                format!("the field `{name}` holds no text"),
                "write the key as a string; `atrest key generate` prints one",
            )
        })
}

/// The fields that a JSON object has, for messages; `None` for any other text.
pub(crate) fn fields(text: &str) -> Option<String> {
    members(text).map(|members| names(&members))
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

fn names(members: &Members<'_>) -> String {
    if members.is_empty() {
        return "no fields".to_owned();
    }
    // A key that somebody made a field's name of is not repeated.
    let shown = members
        .keys()
        .filter(|name| name.chars().count() <= 40 && !crate::source::may_be_a_key(name))
        .take(10)
        .map(|name| format!("`{name}`"));
    format!("the fields {}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::member;
    use crate::RemoteProblem;

    #[test]
    fn text_and_lists_are_members() {
        let object = r#"{"key": "ab\u0063", "keys": ["a", "b"], "n": 7, "o": {}}"#;
        assert_eq!(*member(object, "key").unwrap(), "abc");
        assert_eq!(*member(object, "keys").unwrap(), r#"["a", "b"]"#);
        for name in ["n", "o"] {
            let failure = member(object, name).unwrap_err();
            assert_eq!(failure.problem, RemoteProblem::Format);
        }
    }

    #[test]
    fn a_missing_member_names_those_that_are_there() {
        let secret = "00".repeat(32);
        let object = format!(r#"{{"password": "hunter2", "{secret}": "x"}}"#);
        let failure = member(&object, "key").unwrap_err();
        assert_eq!(failure.problem, RemoteProblem::NoSuchField);
        assert!(failure.detail.contains("`password`"), "{failure:?}");
        let shown = format!("{failure:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains(&secret),
            "{shown}"
        );
        for text in ["", "abc", "[1]", r#"{"a": "#] {
            assert_eq!(
                member(text, "key").unwrap_err().problem,
                RemoteProblem::Format
            );
        }
    }
}
