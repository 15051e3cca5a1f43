//! Writing in the policy file: contexts, so that they outlive a renaming, and a
//! keyring's new root.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::column::{ColumnPolicy, id};
use super::error::PolicyError;
use super::read;
use crate::target::TableName;

/// Reads a policy file's text.
pub(super) fn read(path: &Path) -> Result<String, PolicyError> {
    fs::read_to_string(path).map_err(|source| PolicyError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Writes the default context into each column that has none.
pub(super) fn contexts(path: &Path) -> Result<Vec<String>, PolicyError> {
    let text = read(path)?;
    let (edited, missing) = with_contexts(&text, &path.display().to_string())?;
    if !missing.is_empty() {
        replace(path, edited.as_bytes())?;
    }
    Ok(missing)
}

/// The text with a context in every column, and the columns that had none.
pub(super) fn with_contexts(
    text: &str,
    origin: &str,
) -> Result<(String, Vec<String>), PolicyError> {
    let policy = read::policy(text, origin)?;
    let missing: Vec<String> = policy
        .columns
        .iter()
        .filter(|c| c.context.is_none())
        .map(ColumnPolicy::id)
        .collect();
    if missing.is_empty() {
        return Ok((text.to_owned(), missing));
    }
    let mut document = parse(text, origin)?;
    match document.get_mut("column") {
        Some(Item::ArrayOfTables(tables)) => {
            for table in tables.iter_mut() {
                add_context(table);
            }
        }
        Some(Item::Value(Value::Array(array))) => {
            for item in array.iter_mut() {
                if let Value::InlineTable(table) = item {
                    add_context(table);
                }
            }
        }
        _ => {}
    }
    Ok((with_line_ends_of(text, &document), missing))
}

/// Writes another `root` into `[keys]`.
pub(super) fn root(path: &Path, root: &str) -> Result<(), PolicyError> {
    let text = read(path)?;
    let mut document = parse(&text, &path.display().to_string())?;
    if let Some(value) = document
        .get_mut("keys")
        .and_then(Item::as_table_like_mut)
        .and_then(|keys| keys.get_mut("root"))
        .and_then(Item::as_value_mut)
    {
        // What stands round the value, such as a comment behind it, stays.
        let decor = value.decor().clone();
        *value = Value::from(root);
        *value.decor_mut() = decor;
    }
    replace(path, with_line_ends_of(&text, &document).as_bytes())
}

fn parse(text: &str, origin: &str) -> Result<DocumentMut, PolicyError> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| PolicyError::Syntax {
            at: super::At {
                origin: origin.to_owned(),
                line: 1,
            },
            message: error.message().to_owned(),
        })
}

/// The document's text; inserted lines end as the file's own lines do.
fn with_line_ends_of(text: &str, document: &DocumentMut) -> String {
    let edited = document.to_string();
    if text.contains("\r\n") && !text.replace("\r\n", "").contains('\n') {
        return edited.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    edited
}

fn add_context(table: &mut dyn TableLike) {
    if table.contains_key("context") {
        return;
    }
    let name = |key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
    let (Some(physical), Some(column)) = (name("table"), name("name")) else {
        return;
    };
    if let Ok(physical) = physical.parse::<TableName>() {
        table.insert("context", toml_edit::value(id(&physical, &column)));
    }
}

/// Replaces a file whole: a reader sees the old text or the new one, never half.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), PolicyError> {
    let failed = |doing| {
        move |source| PolicyError::Write {
            path: path.to_owned(),
            doing,
            source,
        }
    };
    // Through a symbolic link, the file behind it is replaced, not the link.
    let target = fs::canonicalize(path).map_err(failed("finding the file"))?;
    let temporary = beside(&target);
    let outcome = fill(&target, &temporary, bytes)
        .map_err(failed("writing a new copy beside it"))
        .and_then(|()| {
            fs::rename(&temporary, &target).map_err(failed("putting the new copy in its place"))
        });
    if outcome.is_err() {
        // Nothing more to say if this fails too: the first error is the one to show.
        let _ = fs::remove_file(&temporary);
        return outcome;
    }
    sync_folder(&target).map_err(failed("making the change durable"))
}

fn beside(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    target.with_file_name(name)
}

fn fill(target: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(temporary)?;
    let old = fs::metadata(target)?;
    keep_owner(&old, &file)?;
    file.set_permissions(old.permissions())?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn keep_owner(old: &fs::Metadata, file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &fs::Metadata, _: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_folder(target: &Path) -> io::Result<()> {
    match target.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
