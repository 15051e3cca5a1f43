//! What preflight collects about one column.

use atrest_engine::target::Finding;

/// Refusals and warnings, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What would break the application.
    pub(crate) refusals: Vec<Finding>,
    /// What the operator should know.
    pub(crate) warnings: Vec<Finding>,
}

impl Findings {
    /// Adds a refusal: what was found, and what to do.
    pub(crate) fn refuse(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.refusals.push(Finding {
            what: what.into(),
            next: next.into(),
        });
    }

    /// Adds a warning: what was found, and what to do.
    pub(crate) fn warn(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.warnings.push(Finding {
            what: what.into(),
            next: next.into(),
        });
    }
}
