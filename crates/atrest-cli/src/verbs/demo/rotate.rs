//! The edits of the policy that a person would make in an editor.

use std::path::Path;

use anyhow::Context as _;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

/// Makes `key` the primary one, and the one before a previous one.
pub(super) fn new_key(policy: &Path, key: &str) -> anyhow::Result<()> {
    edit(policy, policy, |document| {
        let keys = document.get_mut("keys").and_then(Item::as_table_mut)?;
        let old = keys.get("primary")?.as_str()?.to_owned();
        let mut previous = Array::new();
        previous.push(old);
        set(keys.get_mut("primary")?, value(format!("file:{key}")));
        set(keys.get_mut("previous")?, value(previous));
        Some(())
    })
}

/// Adds the files of a folder.
pub(super) fn add_files(policy: &Path, location: &str) -> anyhow::Result<()> {
    edit(policy, policy, |document| {
        let mut files = Table::new();
        files.insert("location", value(location));
        let all = document.entry("files").or_insert_with(array);
        all.as_array_of_tables_mut()?.push(files);
        Some(())
    })
}

fn array() -> Item {
    Item::ArrayOfTables(ArrayOfTables::new())
}

/// The same policy for another database and folder, in another file.
pub(super) fn other_data(
    policy: &Path,
    to: &Path,
    file: &str,
    location: &str,
) -> anyhow::Result<()> {
    edit(policy, to, |document| {
        let files = document.get_mut("files")?.as_array_of_tables_mut()?;
        let files = files.get_mut(0)?;
        set(files.get_mut("location")?, value(location));
        let database = document.get_mut("database")?.as_table_mut()?;
        set(database.get_mut("url")?, value(format!("sqlite:{file}")));
        Some(())
    })
}

fn set(place: &mut Item, new: Item) {
    *place = new;
}

fn edit(
    from: &Path,
    to: &Path,
    change: impl FnOnce(&mut DocumentMut) -> Option<()>,
) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut document: DocumentMut = text
        .parse()
        .with_context(|| format!("cannot read {}", from.display()))?;
    change(&mut document)
        .with_context(|| format!("{} is not the policy that init wrote", from.display()))?;
    std::fs::write(to, document.to_string())
        .with_context(|| format!("cannot write {}", to.display()))
}
