//! What `init` shows: the findings, then what was written and what comes next.

use serde_json::json;

use crate::output::{Envelope, line, warn};

use super::Place;
use super::survey::{Candidate, Survey};
use super::url::Resolved;

/// `println!` that a closed pipe does not end.
macro_rules! say {
    ($($words:tt)*) => { line(&format!($($words)*)) };
}

/// The findings, with their reasons.
pub(super) fn findings(survey: &Survey) {
    say!(
        "{} tables, {} columns looked at; {} may be sensitive{}",
        survey.tables,
        survey.columns,
        survey.candidates.len(),
        if survey.candidates.is_empty() {
            "."
        } else {
            ":"
        }
    );
    for note in &survey.notes {
        warn(note);
    }
    if survey.candidates.is_empty() {
        return;
    }
    // A list, not a table: reasons are long and terminals may be narrow.
    for candidate in &survey.candidates {
        let confidence = candidate.finding.confidence.to_string();
        say!(
            "\n  {confidence:<6}  {}  {}",
            id(candidate),
            candidate.column.declared_type
        );
        for why in why(candidate) {
            say!("          {why}");
        }
    }
    line("");
}

fn id(candidate: &Candidate) -> String {
    format!("{}.{}", candidate.table, candidate.column.name)
}

fn why(candidate: &Candidate) -> Vec<String> {
    let mut lines = candidate.finding.reasons.clone();
    if let Some(why) = candidate.why_not() {
        lines.push(format!("→ left out: {why}"));
    } else if let Some(needed) = &candidate.needs_type {
        lines.push(format!("→ needs the type {needed} (--apply-schema)"));
    }
    lines
}

/// What was done.
pub(super) struct Written<'a> {
    pub(super) place: &'a Place,
    pub(super) key_id: String,
    pub(super) url: &'a Resolved,
    pub(super) survey: &'a Survey,
    pub(super) taken: &'a [bool],
}

impl Written<'_> {
    /// For a person.
    pub(super) fn text(&self) {
        let Place { policy, key, .. } = self.place;
        let taken = self.taken.iter().filter(|taken| **taken).count();
        say!("Wrote {}: {taken} columns to encrypt.", policy.display());
        match &self.place.keyring {
            None => say!(
                "Wrote {}: the key {}, readable by you alone. Keep a copy in a safe place: without it \
                 nothing encrypted can be read again.",
                key.display(),
                self.key_id
            ),
            Some(keyring) => {
                say!(
                    "Wrote {}: the keyring, with key {}. Keep copies of it with your backups.",
                    keyring.display(),
                    self.key_id
                );
                say!(
                    "Wrote {}: its root, readable by you alone. Keep a copy in a safe place: without \
                     both nothing encrypted can be read again.",
                    key.display()
                );
            }
        }
        say!("\nWhat comes next:");
        if taken == 0 {
            say!(
                "  no column was chosen: add them to {}, as its comments show",
                policy.display()
            );
        }
        if let Some(variable) = self.url.password_variable {
            say!("  export {variable}='…'   the password of the database; it was not written down");
        }
        let flag = if policy.as_os_str() == "atrest.toml" {
            String::new()
        } else {
            format!(" --policy {}", policy.display())
        };
        let schema = if self.needs_schema() {
            " --apply-schema"
        } else {
            ""
        };
        say!("  atrest{flag} plan      what would be done; nothing is changed");
        say!("  atrest{flag} encrypt{schema}   do it, while the application runs");
    }

    /// For a program.
    pub(super) fn json(&self, seconds: f64) -> anyhow::Result<()> {
        let columns: Vec<_> = self
            .survey
            .candidates
            .iter()
            .zip(self.taken)
            .map(|(candidate, taken)| {
                json!({
                    "table": candidate.table.to_string(),
                    "name": candidate.column.name,
                    "type": candidate.column.declared_type,
                    "confidence": candidate.finding.confidence,
                    "reasons": candidate.finding.reasons,
                    "suggested": candidate.finding.suggested,
                    "needs_type": candidate.needs_type,
                    "left_out": candidate.why_not(),
                    "chosen": taken,
                })
            })
            .collect();
        Envelope::new("init", true, columns, seconds)
            .with("policy", &self.place.policy)?
            .with("key_file", &self.place.key)?
            .with("keyring", &self.place.keyring)?
            .with("key_id", &self.key_id)?
            .with("password_variable", self.url.password_variable)?
            .with("notes", &self.survey.notes)?
            .print()
    }

    fn needs_schema(&self) -> bool {
        self.survey
            .candidates
            .iter()
            .zip(self.taken)
            .any(|(candidate, taken)| *taken && candidate.needs_type.is_some())
    }
}
