//! The names of backups that nobody chose, in one place: how they are made, and told.

use std::path::{Path, PathBuf};

const START: &str = "atrest-backup-";
const END: &str = ".atrest";

/// A path in `folder` that no file has: two runs may begin in one second, whose local
/// time the name carries.
#[must_use]
pub fn fresh(folder: &Path) -> PathBuf {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let first = folder.join(format!("{START}{now}{END}"));
    std::iter::once(first.clone())
        .chain((2..100).map(|n| folder.join(format!("{START}{now}-{n}{END}"))))
        .find(|path| !path.exists())
        .unwrap_or(first)
}

/// Whether a file of this name is one.
#[must_use]
pub fn is_one(file: &str) -> bool {
    file.starts_with(START) && file.ends_with(END)
}

#[cfg(test)]
mod tests {
    use super::{fresh, is_one};

    #[test]
    fn two_in_one_second_have_two_names() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20 {
            let path = fresh(folder.path());
            std::fs::write(&path, "").unwrap();
            assert!(is_one(path.file_name().unwrap().to_str().unwrap()));
            assert!(seen.insert(path));
        }
    }
}
