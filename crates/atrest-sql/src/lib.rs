//! Targets of atrest in PostgreSQL, MySQL/MariaDB and SQLite.
//!
//! One call, [`connect`], gives an [`atrest_engine::target::Database`] by the
//! URL's scheme. The three backends are twins: the same file names in each
//! folder, the same function names in each file, so that who knows one knows
//! three.
//!
//! | file | what it is for |
//! |---|---|
//! | `mod.rs` | connecting, session settings, `Database` |
//! | `catalog.rs` | tables, columns, keys, exact names |
//! | `value.rs` | values and keys between the wire and the engine |
//! | `column.rs` | `Target`: one column |
//! | `page.rs` | the SQL that reads pages and cuts ranges |
//! | `write.rs` | the compare-and-swap: set-based on a server, row by row in SQLite |
//! | `journal.rs` | the table `atrest_journal` |
//! | `keys.rs` | the table `atrest_keys` |
//! | `lock.rs` | the exclusive run lock |
//! | `preflight.rs` | refusals and warnings; `privileges.rs` beside it tries the rights |
//! | `schema.rs` | the DDL that makes room for tokens, and the exact way back |
//!
//! Every identifier becomes SQL in one audited place, `quote.rs`.

mod changes;
mod ddl;
mod error;
mod findings;
mod hex;
mod key;
mod keyring_table;
mod mysql;
mod nearest;
mod pool;
mod postgres;
mod quote;
mod sqlite;
mod transaction;
mod url;

pub use keyring_table::KeyringTable;
pub use url::{connect, local_files};

/// atrest's own tables, in the default schema: the engine's journal, and subjects' keys.
pub const OWN_TABLES: [&str; 2] = ["atrest_journal", "atrest_keys"];
