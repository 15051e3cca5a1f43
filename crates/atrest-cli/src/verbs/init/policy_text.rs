//! The policy as `init` writes it: every column with the reasons for it, and
//! what was left out as comments that are quickly taken in.

use std::fmt::Write as _;
use std::path::Path;

use atrest_core::Suite;
use atrest_engine::policy::{Bind, ColumnPolicy};
use toml_edit::Value;

use super::survey::Candidate;
use super::url::Resolved;

/// What goes into a policy.
pub(super) struct Draft<'a> {
    pub(super) key_source: &'a str,
    /// The keyring that the key is the root of, if there is to be one.
    pub(super) keyring: Option<&'a str>,
    pub(super) env_file: Option<&'a Path>,
    pub(super) url: &'a Resolved,
    pub(super) suite: Suite,
    pub(super) candidates: &'a [Candidate],
    /// For each candidate, whether it was chosen.
    pub(super) taken: &'a [bool],
}

/// The text of `atrest.toml`.
pub(super) fn write(draft: &Draft<'_>) -> String {
    let mut text = String::from(
        "# What is encrypted in the database, and with which keys. Written by `atrest init`; yours to edit.\n\
         # `atrest plan` says what `atrest encrypt` would do.\n\n\
         [keys]\n",
    );
    match draft.keyring {
        None => direct(&mut text, draft.key_source),
        Some(keyring) => with_keyring(&mut text, keyring, draft.key_source),
    }
    if let Some(path) = draft.env_file {
        text.push_str("# Fills in variables that the environment does not set.\n");
        line(&mut text, "", "env_file", &path.display().to_string());
    }
    text.push_str("\n[database]\n");
    text.push_str(
        "# ${NAME} stands for the variable NAME, out of the environment or a .env file beside this one.\n",
    );
    if let Some(variable) = draft.url.password_variable {
        let _infallible = writeln!(
            text,
            "# The password belongs in {variable}, percent-encoded as it would stand in the URL."
        );
    }
    line(&mut text, "", "url", &draft.url.written);
    text.push_str(
        "\n# suite:   what values are encrypted with.\n\
         # context: bound into every encrypted value and never to change, whatever the table is called later.\n",
    );

    let chosen = |want: bool| {
        draft
            .candidates
            .iter()
            .zip(draft.taken)
            .filter(move |(_, taken)| **taken == want)
            .map(|(candidate, _)| candidate)
    };
    for candidate in chosen(true) {
        text.push('\n');
        reasons(&mut text, candidate);
        if let Some(needed) = &candidate.needs_type {
            comment(
                &mut text,
                &format!(
                    "needs the type {needed} first: `atrest plan` shows how, `atrest encrypt --apply-schema` does it"
                ),
            );
        }
        column(&mut text, "", candidate, draft.suite);
    }
    if !draft.taken.contains(&true) {
        text.push_str(
            "\n# No column was chosen. A column looks like this:\n\
             # [[column]]\n# table = \"people\"\n# name = \"email\"\n",
        );
    }
    let mut first = true;
    for candidate in chosen(false) {
        if first {
            text.push_str("\n# ---- Found, and left out ----\n");
            first = false;
        }
        text.push('\n');
        reasons(&mut text, candidate);
        match candidate.why_not() {
            Some(why) => comment(
                &mut text,
                &format!("{}.{}: {why}", candidate.table, candidate.column.name),
            ),
            None => column(&mut text, "# ", candidate, draft.suite),
        }
    }
    text
}

/// `[keys]` with a direct key.
fn direct(text: &mut String, source: &str) {
    text.push_str(
        "# The key that encrypts. Without it nothing encrypted can be read again: keep a copy in a safe\n\
         # place, apart from the database and its backups, and keep it out of version control.\n",
    );
    line(text, "", "primary", source);
    text.push_str(
        "# Keys that only decrypt. To rotate: make a new key (`atrest key generate --out new.key`), name it\n\
         # above, name the old one here, run `atrest rotate`.\n\
         previous = []\n",
    );
}

/// `[keys]` with a keyring, whose root is in the source.
fn with_keyring(text: &mut String, keyring: &str, root: &str) {
    text.push_str(
        "# The keys that encrypt, wrapped by the root. Both are needed to read what is encrypted: keep copies\n\
         # of this file with the backups of the database, anew after every change.\n",
    );
    line(text, "", "keyring", keyring);
    text.push_str(
        "# Keep a copy of the root in a safe place, apart from all of these, and keep it out of version\n\
         # control. For when it is lost: `atrest key export --shares 3/5 --out shares`. Another one, in a\n\
         # vault or key service: `atrest key rewrap --root SOURCE`.\n",
    );
    line(text, "", "root", root);
    text.push_str(
        "# How old a key may become; `atrest rotate --due`, from cron, does the rest.\n\
         # rotate_after = \"90d\"\n\
         # Keys that only decrypt, from before the keyring.\n\
         previous = []\n",
    );
}

fn reasons(text: &mut String, candidate: &Candidate) {
    let finding = &candidate.finding;
    comment(
        text,
        &format!(
            "{} confidence: {}",
            finding.confidence,
            finding.reasons.join("; ")
        ),
    );
}

fn column(text: &mut String, prefix: &str, candidate: &Candidate, suite: Suite) {
    let policy = ColumnPolicy {
        table: candidate.table.clone(),
        column: candidate.column.name.clone(),
        suite,
        context: None,
        bind: Bind::default(),
        subject: None,
        forget_empties: Vec::new(),
        line: 0,
    };
    let _infallible = writeln!(text, "{prefix}[[column]]");
    line(text, prefix, "table", &policy.table.to_string());
    line(text, prefix, "name", &policy.column);
    line(text, prefix, "suite", suite.name());
    line(text, prefix, "context", &policy.context());
}

/// `key = "value"` on one line.
fn line(text: &mut String, prefix: &str, key: &str, value: &str) {
    // A value of several lines would leave the comment that it may stand in.
    let written = if value.contains(char::is_control) {
        basic_string(value)
    } else {
        Value::from(value).to_string()
    };
    let _infallible = writeln!(text, "{prefix}{key} = {written}");
}

/// A TOML basic string: on one line whatever is in it.
fn basic_string(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A comment, whatever a table's name holds.
fn comment(text: &mut String, words: &str) {
    let words: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _infallible = writeln!(text, "# {words}");
}
