//! Reading `[subjects]`.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::{Source, kind};
use crate::policy::error::PolicyError;
use crate::policy::subjects::SubjectsPolicy;

const SUBJECTS: [&str; 3] = ["undo", "retention", "receipts"];

impl Source<'_> {
    pub(super) fn subjects(
        &self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<SubjectsPolicy, PolicyError> {
        let DeValue::Table(table) = value.get_ref() else {
            let problem = format!("is {}, not a table", kind(value.get_ref()));
            let next = "start it with a line `[subjects]`";
            return Err(self.bad(value.span(), "subjects", problem, next));
        };
        let section = self.section(table, value.span(), "[subjects]", &SUBJECTS)?;
        let default = SubjectsPolicy::default();
        Ok(SubjectsPolicy {
            undo: self.duration(&section, "undo")?.unwrap_or(default.undo),
            retention: self.duration(&section, "retention")?,
            receipts: self
                .string(&section, "receipts")?
                .map_or(default.receipts, |(path, _)| PathBuf::from(path)),
        })
    }
}
