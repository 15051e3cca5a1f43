//! `atrest key generate`.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;
use atrest_core::Key;
use atrest_keys::{NewKey, Password};
use zeroize::Zeroizing;

use crate::Outcome;
use crate::args::{GenerateArgs, Global, KeyFormat};

/// Runs the verb.
pub(super) fn run(args: &GenerateArgs, global: &Global) -> anyhow::Result<Outcome> {
    if let Some(secret) = &args.password {
        println!("{}", Password::new_uri(secret)?);
        eprintln!(
            "put it into [keys] of {}, as it stands: without its salt and cost the key is lost",
            global.policy.display()
        );
        return Ok(Outcome::Clean);
    }
    if let Some(place) = &args.place {
        return generate_in(place, global);
    }
    let key = Key::generate()?;
    let text = match args.format {
        KeyFormat::Base64 => key.to_base64url(),
        KeyFormat::Hex => hex(key.expose_secret()),
    };
    match &args.out {
        Some(path) => {
            write_new(path, &text)?;
            eprintln!("key {} in {}", key.id(), path.display());
        }
        None => {
            let mut out = std::io::stdout();
            out.write_all(text.as_bytes())
                .and_then(|()| out.write_all(b"\n"))
                .and_then(|()| out.flush())
                .context("the key could not be printed; nothing keeps it: run the command again")?;
            eprintln!("key {}", key.id());
        }
    }
    Ok(Outcome::Clean)
}

/// Makes the key where it stays; variables (a PIN's) and relative paths are those that
/// the policy's own commands would see.
fn generate_in(place: &str, global: &Global) -> anyhow::Result<Outcome> {
    let unopened = super::test::surroundings(global)?;
    let keys = unopened.keys();
    let settings = keys.settings(keys.policy.directory());
    match atrest_keys::generate_in(place, keys.environment, &settings)? {
        NewKey::Delivered { origin, id } => eprintln!("key {id} in {origin}"),
        NewKey::Wraps { origin } => eprintln!(
            "root key in {origin}: it never leaves the token, so keep the token's own backup; \
             without the key nothing that it wrapped opens"
        ),
        _ => {}
    }
    Ok(Outcome::Clean)
}

fn hex(bytes: &[u8; 32]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    text
}

/// A new file that only its owner can read, durable.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    super::write_private(path, text).map_err(|error| {
        let next = match error.kind() {
            ErrorKind::AlreadyExists => "a key file is never overwritten: name a new one",
            ErrorKind::NotFound => "make that folder first",
            _ => "check the folder's permissions and the disk's space",
        };
        let what = format!("cannot write the key to {}; {next}", path.display());
        anyhow::Error::new(error).context(what)
    })
}
