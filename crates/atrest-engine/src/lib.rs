//! The engine of atrest: it plans, encrypts, verifies, rotates, decrypts and
//! restores what lives in a [`target`], while the application goes on writing.
//!
//! | module | what it holds |
//! |---|---|
//! | [`policy`] | `atrest.toml` |
//! | [`target`] | the trait that databases (and later buckets) implement |
//! | [`mod@column`] | a column of the policy joined to its target, keys and context |
//! | [`engine`] | the verbs, each a method |
//! | `classifier` | the visitor that sees, counts and seals every row of a page |
//! | [`run`] | the changing pass and its sweeps (the migration protocol) |
//! | `leave` | the end of a column: what goes, and what is said of the rest |
//! | [`scan`] | the reading pass: what is there, by classification |
//! | [`journal`] | the engine's own progress, authenticated, in the same database |
//! | [`backup`] | the encrypted file of original values |
//! | [`restore`] | a backup back into its table, or compared with it |
//! | [`subjects`] | one key for each person |
//! | [`report`] | what a verb did, as data with stable names |
//!
//! Nothing here prints, prompts, reads the environment or exits: a face gives an
//! [`observe::Observer`] and gets data or an [`EngineError`] back.

pub mod backup;
mod change;
mod classifier;
pub mod column;
pub mod engine;
mod error;
pub mod inspect;
pub mod journal;
mod leave;
pub mod observe;
mod pace;
mod page;
pub mod plan;
pub mod policy;
mod probe;
pub mod report;
pub mod restore;
pub mod run;
pub mod scan;
mod sealers;
pub mod sensitive;
mod start;
pub mod subjects;
pub mod target;
mod transition;

pub use engine::{Engine, RunOptions};
pub use error::EngineError;
pub use transition::Operation;
