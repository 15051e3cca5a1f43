//! Contexts are written down once, and nothing else in the file changes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;

use atrest_engine::policy::Policy;

const BEFORE: &str = r#"# our policy
[keys]
primary = "env:K"   # from the vault

[database]
url = "sqlite:app.db"

# people
[[column]]
table   = "people"      # aligned
name    = "email"
# a remark between columns

[[column]]
table = 'audit."odd.name"'
name  = "note"
suite = "a256cbc-hs512"

[[column]]
table   = "people"
name    = "phone"
context = "contact.phone"
# the end
"#;

#[test]
fn only_missing_contexts_are_added_and_the_rest_stays_byte_for_byte() {
    let (after, added) = Policy::with_contexts(BEFORE, "atrest.toml").unwrap();
    assert_eq!(added, ["people.email", "audit.\"odd.name\".note"]);
    let new: Vec<&str> = after
        .lines()
        .filter(|line| !BEFORE.lines().any(|old| old == *line))
        .collect();
    assert_eq!(
        new,
        [
            "context = \"people.email\"",
            "context = 'audit.\"odd.name\".note'"
        ]
    );
    let kept: String = after
        .lines()
        .filter(|line| !new.contains(line))
        .map(|l| format!("{l}\n"))
        .collect();
    assert_eq!(kept, BEFORE);

    let contexts: Vec<String> = Policy::parse(&after, "x")
        .unwrap()
        .columns
        .iter()
        .map(|c| c.context.clone().unwrap())
        .collect();
    assert_eq!(
        contexts,
        ["people.email", "audit.\"odd.name\".note", "contact.phone"]
    );
    assert_eq!(
        Policy::with_contexts(&after, "x").unwrap(),
        (after, Vec::new())
    );
}

#[test]
fn windows_line_ends_and_inline_columns_stay_as_they_are() {
    let crlf = BEFORE.replace('\n', "\r\n");
    let (after, _) = Policy::with_contexts(&crlf, "x").unwrap();
    assert!(!after.replace("\r\n", "").contains('\n'), "{after:?}");
    assert!(after.contains("context = \"people.email\"\r\n"));

    let inline = "column = [{ table = \"t\", name = \"c\" }]\n[keys]\nprimary = \"env:K\"\n[database]\nurl = \"sqlite:a\"\n";
    let (after, added) = Policy::with_contexts(inline, "x").unwrap();
    assert_eq!(added, ["t.c"]);
    assert_eq!(
        Policy::parse(&after, "x").unwrap().columns[0]
            .context
            .as_deref(),
        Some("t.c")
    );
}

#[test]
fn the_file_is_replaced_whole_with_its_mode_and_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atrest.toml");
    fs::write(&path, BEFORE).unwrap();
    #[cfg(unix)]
    let named = {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.toml");
        symlink(&path, &link).unwrap();
        link
    };
    #[cfg(not(unix))]
    let named = path.clone();

    assert_eq!(Policy::write_contexts(&named).unwrap().len(), 2);
    assert_eq!(
        Policy::write_contexts(&named).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        Policy::with_contexts(BEFORE, "x").unwrap().0
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(
            fs::symlink_metadata(&named)
                .unwrap()
                .file_type()
                .is_symlink()
        );
    }
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), if cfg!(unix) { 2 } else { 1 }, "{left:?}");
}

#[test]
fn a_policy_with_a_mistake_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atrest.toml");
    let wrong = BEFORE.replace("suite =", "siute =");
    fs::write(&path, &wrong).unwrap();
    assert!(Policy::write_contexts(&path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), wrong);
}
