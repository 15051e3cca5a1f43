//! The list, in pages.

use crate::support::*;

#[test]
fn pages_hold_every_object_once_and_in_order() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let mut names: Vec<String> = (0..57)
        .map(|i| format!("{}/clip-{i}", ["b", "a", "a-b"][i % 3]))
        .collect();
    names.push("zürich".to_owned());
    for name in &names {
        server.put(&name.replace('ü', "%C3%BC"), name.as_bytes());
    }
    names.sort();
    for (limit, prefix) in [
        (1, ""),
        (10, ""),
        (1000, ""),
        (7, "a"),
        (3, "a/clip-1"),
        (5, "none"),
    ] {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = server
                .ask(
                    &format!("GET /clips?limit={limit}&prefix={prefix}&after={after}"),
                    &[],
                    b"",
                )
                .json();
            let clips = page["clips"].as_array().unwrap().clone();
            assert!(clips.len() <= limit);
            for clip in clips {
                let name = clip["name"].as_str().unwrap().to_owned();
                assert_eq!(clip["bytes"], name.len());
                found.push(name);
            }
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        let want: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        assert_eq!(found, want, "{limit} {prefix}");
    }
}

#[test]
fn an_entry_says_what_head_says() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("a", b"0123456789");
    let head = server.ask("HEAD /clips/a", &[], b"");
    let entry = server.ask("GET /clips", &[], b"").json()["clips"][0].clone();
    assert_eq!(entry["etag"], head.header("etag"));
    assert_eq!(entry["bytes"].to_string(), head.header("content-length"));
    let modified = entry["modified"].as_str().unwrap();
    assert!(modified.len() > 19 && modified.contains('T'), "{modified}");
}

#[test]
fn what_is_no_parameter_is_said() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "prefixx=a",
        "limit=1&limit=2",
    ] {
        let answer = server.ask(&format!("GET /clips?{query}"), &[], b"");
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

/// What anybody can make who can write to the folder.
#[test]
fn odd_entries_of_a_folder_are_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (folder, store) = folder();
    let path = folder.path().to_owned();
    let ready = move || path.read_dir().is_ok();
    let server = start(builder(store).on_disk().ready_when(ready));
    for name in ["a", "b/c", "z"] {
        server.put(name, b"1");
    }
    let at = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
    std::fs::write(at(b"A\xff"), "x").unwrap();
    std::fs::write(at(b"b\nc"), "x").unwrap();
    symlink(".", at(b"loop")).unwrap();
    symlink("nowhere", at(b"broken")).unwrap();
    std::fs::create_dir(at(b"closed")).unwrap();
    std::fs::set_permissions(at(b"closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
    for (query, want) in [
        ("", vec!["a", "b/c", "z"]),
        ("?after=a&limit=1", vec!["b/c"]),
    ] {
        let list = server.ask(&format!("GET /clips{query}"), &[], b"");
        assert_eq!(list.status, 200);
        let list = list.json();
        let clips = list["clips"].as_array().unwrap().iter();
        let names: Vec<_> = clips.map(|clip| clip["name"].as_str().unwrap()).collect();
        assert_eq!(names, want);
    }
    assert_eq!(server.ask("GET /readyz", &[], b"").status, 200);
}
