//! Reading `[[files]]`.

use atrest_core::object::ObjectBind;
use globset::GlobBuilder;
use toml::Spanned;
use toml::de::DeValue;

use super::{Section, Source, kind};
use crate::policy::error::{PolicyError, nearest_or_all};
use crate::policy::files::FilesPolicy;
use crate::policy::subject::ParseSubjectPatternError;

const FILES: [&str; 6] = ["location", "include", "exclude", "suite", "bind", "subject"];

impl Source<'_> {
    /// All of them, which must not overlap.
    pub(super) fn files(
        &self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<FilesPolicy>, PolicyError> {
        let header = "start each folder with a line `[[files]]`, in double brackets";
        let DeValue::Array(items) = value.get_ref() else {
            let problem = format!("is {}, not a list of tables", kind(value.get_ref()));
            return Err(self.bad(value.span(), "files", problem, header));
        };
        let mut found: Vec<FilesPolicy> = Vec::with_capacity(items.len());
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                let problem = format!("holds {}", kind(item.get_ref()));
                return Err(self.bad(item.span(), "files", problem, header));
            };
            let files = self.folder(&self.section(table, item.span(), "[[files]]", &FILES)?)?;
            let overlaps = |first: &&FilesPolicy| first.overlaps(&files, self.directory());
            if let Some(first) = found.iter().find(overlaps) {
                return Err(PolicyError::OverlappingFiles {
                    at: self.at(item.span()),
                    location: files.location,
                    first: first.location.clone(),
                    first_line: first.line,
                });
            }
            found.push(files);
        }
        Ok(found)
    }

    fn folder(&self, section: &Section<'_, '_>) -> Result<FilesPolicy, PolicyError> {
        let (location, span) = self.required(section, "location", "location = \"data/clips\"")?;
        let bucket = location.strip_prefix(FilesPolicy::BUCKET);
        if location.contains("://") && bucket.is_none_or(|name| name.split('/').next() == Some(""))
        {
            let problem = format!("is `{location}`, a URL that is not s3://BUCKET/PREFIX");
            let next = "name a folder on the local disk, or write s3://BUCKET/PREFIX";
            return Err(self.bad(span, "location", problem, next));
        }
        if let Some((suite, span)) = self.string(section, "suite")?
            && suite != FilesPolicy::SUITE
        {
            let problem = format!("is `{suite}`, which is not a suite for files");
            let next = nearest_or_all(suite, [FilesPolicy::SUITE]);
            return Err(self.bad(span, "suite", problem, next));
        }
        let bind = match self.string(section, "bind")? {
            None => ObjectBind::default(),
            Some((name, span)) => self.one_of(name, span, "bind", ObjectBind::NAMES)?,
        };
        let subject = match self.string(section, "subject")? {
            None => None,
            Some((pattern, span)) => Some(pattern.parse().map_err(
                |ParseSubjectPatternError { problem, next }| {
                    let problem = format!("is `{pattern}`, which {problem}");
                    self.bad(span, "subject", problem, next)
                },
            )?),
        };
        Ok(FilesPolicy {
            location: location.to_owned(),
            include: self.globs(section, "include")?,
            exclude: self.globs(section, "exclude")?,
            bind,
            subject,
            line: self.at(section.span.clone()).line,
        })
    }

    /// A list of globs; none if it is not there.
    fn globs(
        &self,
        section: &Section<'_, '_>,
        key: &'static str,
    ) -> Result<Vec<String>, PolicyError> {
        let next = "write a list of patterns: [\"*.mp4\", \"clips/**\"]";
        let Some(value) = section.get(key) else {
            return Ok(Vec::new());
        };
        let DeValue::Array(items) = value.get_ref() else {
            let problem = format!("is {}, not a list", kind(value.get_ref()));
            return Err(self.bad(value.span(), key, problem, next));
        };
        // An empty list would mean all files to include, where it says none.
        if items.is_empty() && key == "include" {
            let next = "name at least one pattern, or take the line out to mean all files";
            return Err(self.bad(value.span(), key, "is empty", next));
        }
        let mut globs = Vec::with_capacity(items.len());
        for item in items.iter() {
            let glob = match item.get_ref() {
                DeValue::String(glob) if !glob.trim().is_empty() => glob.to_string(),
                _ => {
                    let problem = "holds something that is not a pattern";
                    return Err(self.bad(item.span(), key, problem, next));
                }
            };
            if let Err(error) = GlobBuilder::new(&glob).literal_separator(true).build() {
                let problem = format!("holds `{glob}`, which is no pattern ({})", error.kind());
                return Err(self.bad(item.span(), key, problem, next));
            }
            globs.push(glob);
        }
        Ok(globs)
    }
}
