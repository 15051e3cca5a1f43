//! Recovery shares, read from files.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use atrest_core::Key;
use atrest_keys::keyring::Share;
use zeroize::Zeroizing;

/// Longer than any share with line ends and spaces in it.
const LONGEST: u64 = 4096;

/// The keyring key that the shares in these files give.
pub(super) fn combine(files: &[PathBuf]) -> anyhow::Result<Key> {
    let mut shares = Vec::new();
    for path in files {
        let origin = path.display().to_string();
        let mut text = Zeroizing::new(String::with_capacity(512));
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .with_context(|| format!("cannot read the recovery share {origin}"))?;
        shares.push((origin.clone(), Share::parse(&text, &origin)?));
    }
    Ok(Share::combine(&shares)?)
}
