//! Files and streams as objects (`atrest_core::object`), over [`std::io`], over
//! [`futures::Stream`] and over [`object_store`].
//!
//! | to | use |
//! |---|---|
//! | seal or open a whole stream, on several threads | [`seal`], [`open`] |
//! | the same without blocking | [`seal_stream`], [`open_stream`] |
//! | read any part of an object | [`ObjectReader`] |
//! | seal what is written bit by bit | [`ObjectWriter`] |
//! | take over a file that an earlier system encrypted | [`OldReader`] |
//! | seal all files below a folder, in place | [`folder`] |
//! | seal all objects below a prefix of a bucket, in place | `bucket` (feature `s3`, on by default) |
//! | have each subject's files under keys of its own | [`Keys`], from [`SubjectKeyrings`] |
//! | keep objects in any store (disk, S3), and see them clear | [`store`] |
//!
//! Memory is bounded whatever the length. No byte leaves that was not
//! authenticated. Where an object comes from and goes to is the caller's affair:
//! nothing but [`folder`], `bucket` and [`store`] knows of paths.
//!
//! ```
//! use std::io::{Cursor, Read as _, Seek as _, SeekFrom};
//! use atrest_core::{Key, Keyring};
//! use atrest_media::ObjectReader;
//!
//! let keyring = Keyring::new(Key::generate()?, vec![])?;
//! let clip = vec![7; 3_000_000];
//! let mut object = Vec::new();
//! let sealed = atrest_media::seal(&clip[..], &mut object, &keyring, b"gate.mp4", 2, &|_| {})?;
//! assert_eq!((sealed.clear, sealed.sealed), (3_000_000, object.len() as u64));
//!
//! let mut reader = ObjectReader::new(Cursor::new(&object), &keyring, b"gate.mp4")?;
//! let mut end = Vec::new();
//! reader.seek(SeekFrom::End(-100))?; // opens the last chunk, and no other
//! reader.read_to_end(&mut end)?;
//! assert_eq!(end, [7; 100]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "s3")]
pub mod bucket;
mod error;
#[cfg(all(unix, feature = "failpoints"))]
pub mod failpoints;
#[cfg(not(all(unix, feature = "failpoints")))]
mod failpoints;
#[cfg(unix)]
pub mod folder;
mod inplace;
mod keyrings;
mod observe;
mod old;
mod open;
mod opening;
mod pieces;
mod reader;
mod seal;
mod sealing;
pub mod store;
mod stream;
mod wiped;
mod writer;

pub use error::MediaError;
pub use keyrings::{FileKeys, Keyrings, Keys, SubjectKeyrings};
pub use observe::Observe;
pub use old::{OldFormat, OldReader, ParseOldFormatError};
pub use open::{Opened, open};
pub use reader::ObjectReader;
pub use seal::{Sealed, seal};
pub use stream::{open_stream, seal_stream};
pub use writer::ObjectWriter;
