//! The keyring: data keys that are random, have a life of their own, and are wrapped
//! under a root key from a source (spec/keyring.md).
//!
//! | noun | file |
//! |---|---|
//! | [`KeyEntry`], [`Forgotten`] | what a keyring's document says: `document.rs`, and how it is read: `read.rs` |
//! | [`OpenKeyring`] | a document whose keys were opened with the root: `open.rs` |
//! | [`NewKeyring`] | the document that a change makes: `change.rs`; under another root: `rewrap.rs` |
//! | [`KeyringStore`] | where documents are kept, under compare-and-swap: `store.rs` |
//! | [`KeyringFile`] | one that is a file: `file.rs` |
//! | [`Share`] | a part of the keyring key, for the safe: `shares.rs` |
//!
//! The root is asked once when a keyring is opened: it unwraps the *keyring key*, which
//! wraps every data key and authenticates the document. So a new root means to wrap one
//! key anew, whatever the number of keys or of values.
//!
//! A change never writes: it makes a [`NewKeyring`], and [`NewKeyring::store`] puts it
//! in place of the document that it was made from, reads it back and opens it. Only
//! what comes out of that may seal: then its keys are durable.

mod change;
mod document;
mod error;
mod file;
mod open;
mod read;
mod rewrap;
mod shares;
mod store;

pub use change::NewKeyring;
pub use document::{Forgotten, KeyEntry, KeyPurpose, KeyState};
pub use error::KeyringError;
pub use file::KeyringFile;
pub use open::OpenKeyring;
pub use read::check;
pub use shares::{Share, ShareError};
pub use store::KeyringStore;
