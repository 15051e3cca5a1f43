//! Which columns are likely to hold what should not lie in clear: judged by their
//! names and by a sample of their values, each with the reasons in words.
//!
//! Names and values in, findings out; nothing is read here, and no sampled value
//! gets into a reason.
//!
//! ```
//! use atrest_engine::sensitive::{Confidence, judge};
//! use atrest_engine::target::{Column, Value};
//!
//! let email = Column { name: "ContactEmail".into(), declared_type: "varchar(60)".into(), nullable: true };
//! let sample = [Value::Text(b"ada@example.org".to_vec()), Value::Null];
//! let finding = judge("customer", &email, &sample).ok_or("nothing found")?;
//! assert_eq!(finding.confidence, Confidence::High);
//! assert_eq!(finding.reasons, [
//!     "name contains “email” (an e-mail address)",
//!     "1 of 1 sampled values is an e-mail address",
//! ]);
//!
//! let genre = Column { name: "Name".into(), declared_type: "varchar(120)".into(), nullable: true };
//! assert!(judge("genre", &genre, &[Value::Text(b"Jazz".to_vec())]).is_none());
//! # Ok::<(), &str>(())
//! ```

mod content;
mod json;
mod kinds;
mod name;
mod shape;
mod words;

use std::fmt;

use serde::Serialize;

use crate::target::{Column, Value};

/// How sure the judgement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Worth a look: free text, a place, a label.
    Low,
    /// Likely.
    Medium,
    /// As good as certain.
    High,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// What to do with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suggestion {
    /// Put it in the policy.
    Encrypt,
    /// Leave it out: a password belongs hashed (Argon2id), never readable again.
    Hash,
    /// It holds tokens already: put it in the policy with the key that they have.
    AlreadySealed,
}

/// A column that likely is sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How sure it is.
    pub confidence: Confidence,
    /// Why, in words; never with a sampled value in it.
    pub reasons: Vec<String>,
    /// What to do.
    pub suggested: Suggestion,
}

/// Judges a column by its name and a sample of its values; `None` when nothing
/// speaks for it.
#[must_use]
pub fn judge(table: &str, column: &Column, sample: &[Value]) -> Option<Finding> {
    let mut signs = name::signs(table, column);
    signs.extend(content::signs(sample));
    let confidence = signs.iter().map(|sign| sign.confidence).max()?;
    let suggested = signs
        .iter()
        .map(|sign| sign.suggested)
        .find(|suggested| *suggested != Suggestion::Encrypt)
        .unwrap_or(Suggestion::Encrypt);
    let reasons = signs.into_iter().map(|sign| sign.reason).collect();
    Some(Finding {
        confidence,
        reasons,
        suggested,
    })
}

/// One thing that speaks for a column.
struct Sign {
    confidence: Confidence,
    reason: String,
    suggested: Suggestion,
}
