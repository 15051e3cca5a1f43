//! What is there, against what must be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use atrest_core::object::open_object;
use atrest_core::{Key, Keyring};

/// Clear contents by name.
pub(crate) type Files = BTreeMap<String, Arc<Vec<u8>>>;
/// Mode, and time of the last change in seconds and nanoseconds.
pub(crate) type Looks = (u32, i64, i64);

/// Each file, and no other, is there, opens to what it must hold, and is as asked.
/// Gives the number of temporary files.
pub(crate) fn compare(
    root: &Path,
    files: &Files,
    about: &BTreeMap<String, Looks>,
    as_asked: impl Fn(&str, &[u8]) -> bool,
    case: &str,
    violations: &mut Vec<String>,
) -> u64 {
    let ring = Keyring::new(
        Key::from_bytes([0x11; 32]),
        vec![Key::from_bytes([0x22; 32])],
    );
    let ring = ring.unwrap();
    let mut names = BTreeSet::new();
    walk(root, root, &mut names);
    let mut violation = |name: &str, what| violations.push(format!("{case}: {name} {what}"));
    for name in files.keys().filter(|name| !names.contains(*name)) {
        violation(name, "is lost");
    }
    let mut temporary = 0;
    for name in &names {
        let path = root.join(name);
        let Some(must) = files.get(name) else {
            if name.contains("/.atrest-") {
                temporary += 1;
            } else {
                violation(name, "is back, or was never there");
            }
            continue;
        };
        let content = fs::read(&path).unwrap();
        let clear = if content.starts_with(b"ATREST") {
            open_object(&ring, name.as_bytes(), &content).ok()
        } else {
            Some(content.clone())
        };
        match clear {
            None => violation(name, "does not open"),
            Some(clear) if clear != **must => violation(name, "holds other bytes"),
            Some(_) if !as_asked(name, &content) => violation(name, "has the wrong form"),
            Some(_) => {}
        }
        if about.get(name).is_some_and(|about| *about != looks(&path)) {
            violation(name, "has another mode or time");
        }
    }
    temporary
}

pub(crate) fn looks(path: &Path) -> Looks {
    let about = fs::metadata(path).unwrap();
    (about.mode(), about.mtime(), about.mtime_nsec())
}

fn walk(folder: &Path, root: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, root, names);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            names.insert(name.to_owned());
        }
    }
}
