//! A SQLite URL: `sqlite:path`, `sqlite://path`, `sqlite:///absolute/path`, with
//! `?mode=ro` or `?mode=rw` behind it. The path may be percent-encoded.

use std::path::PathBuf;

use atrest_engine::target::TargetError;
use percent_encoding::percent_decode_str;

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) read_only: bool,
}

/// Takes a URL apart.
///
/// # Errors
/// [`TargetError::Refused`] for a database in memory, and for an option that is
/// not known: none is ignored.
pub(super) fn parse(url: &str) -> Result<File, TargetError> {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut read_only = false;
    for option in options.split('&').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("mode", "ro")) => read_only = true,
            Some(("mode", "rw" | "rwc")) => {}
            Some(("mode", "memory")) => return Err(in_memory()),
            _ => return Err(refused(&format!("`{option}` is not an option of it"))),
        }
    }
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| refused("its path is not UTF-8"))?;
    if path.is_empty() || path == ":memory:" {
        return Err(in_memory());
    }
    Ok(File {
        path: PathBuf::from(path.as_ref()),
        read_only,
    })
}

fn in_memory() -> TargetError {
    refused("a database in memory has nothing at rest")
}

fn refused(why: &str) -> TargetError {
    TargetError::Refused {
        what: format!("the SQLite URL cannot be used: {why}"),
        next: "write sqlite:path/to/file.db or sqlite:///absolute/path/to/file.db, with ?mode=ro to read only".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{File, parse};

    #[test]
    fn paths_and_options() {
        for (url, path, read_only) in [
            ("sqlite:app.db", "app.db", false),
            ("sqlite://app.db", "app.db", false),
            ("sqlite:///srv/app.db", "/srv/app.db", false),
            ("sqlite:/srv/my%20app.db?mode=ro", "/srv/my app.db", true),
            ("sqlite:app.db?mode=rwc", "app.db", false),
        ] {
            let path = path.into();
            assert_eq!(parse(url).ok(), Some(File { path, read_only }), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for url in [
            "sqlite::memory:",
            "sqlite://",
            "sqlite:a.db?mode=memory",
            "sqlite:a.db?vfs=unix-none",
            "sqlite:%ff.db",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
