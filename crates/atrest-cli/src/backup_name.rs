//! The names of backups that nobody chose, in one place: how they are made, and told.

const START: &str = "atrest-backup-";
const END: &str = ".atrest";

/// A name, with a number where several have one time.
pub(crate) fn new(time: &str, number: Option<u32>) -> String {
    match number {
        None => format!("{START}{time}{END}"),
        Some(number) => format!("{START}{time}-{number}{END}"),
    }
}

/// Whether a file of this name is one.
pub(crate) fn is_one(file: &str) -> bool {
    file.starts_with(START) && file.ends_with(END)
}
