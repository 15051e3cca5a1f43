//! What the fuzz target `clip_name` does with an input; `cargo test` replays the corpus
//! through the same function.

/// Reads the input as what stands behind `/clips/`; says whether it is a name.
pub(crate) fn run(data: &[u8]) -> bool {
    let Ok(raw) = std::str::from_utf8(data) else {
        return false;
    };
    let Some(name) = atrest_server::fuzzing::name(raw) else {
        return false;
    };
    // It leads nowhere but down.
    assert!(name.len() <= 1024);
    for part in name.split('/') {
        assert!(!matches!(part, "" | "." | ".."), "{name}");
        assert!(
            !part.contains(|c: char| c == '\\' || c.is_control()),
            "{name}"
        );
    }
    // Written as it was read, it is the same name.
    let spelt: String = name
        .bytes()
        .map(|byte| match byte {
            b'/' => "/".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    assert_eq!(atrest_server::fuzzing::name(&spelt), Some(name));
    true
}
