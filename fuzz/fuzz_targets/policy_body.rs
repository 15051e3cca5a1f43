//! What the fuzz target `policy` does with an input; `cargo test` replays the
//! corpus through the same function.

use atrest_engine::policy::Policy;

/// Reads the input as a policy; says whether it is one.
pub(crate) fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(before) = Policy::parse(text, "atrest.toml") else {
        return false;
    };
    if let Ok(url) = before.database_url() {
        let _ = url.resolve(&|name| Some(name.to_owned()));
    }

    let Ok((edited, added)) = Policy::with_contexts(text, "atrest.toml") else {
        unreachable!("it was read before")
    };
    let Ok(after) = Policy::parse(&edited, "atrest.toml") else {
        unreachable!("adding contexts leaves a policy")
    };
    assert_eq!(
        added.len(),
        before
            .columns
            .iter()
            .filter(|c| c.context.is_none())
            .count()
    );
    assert_eq!(before.columns.len(), after.columns.len());
    for (before, after) in before.columns.iter().zip(&after.columns) {
        assert_eq!(before.id(), after.id());
        assert_eq!(Some(before.context()), after.context);
    }
    true
}
