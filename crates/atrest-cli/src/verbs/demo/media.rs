//! Invented clips and images: a bright square that wanders over a grey field, in
//! formats without compression, so that any player shows them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::people::Numbers;

/// How many clips, of about 720 KB each.
const CLIPS: u64 = 12;
/// How many images, of about 12 KB each.
const IMAGES: u64 = 200;
const WIDTH: usize = 160;
const HEIGHT: usize = 120;
const FRAMES: usize = 25;
/// Width and height of an image.
const SIDE: usize = 64;

/// Makes `clips/*.y4m` and `faces/*.bmp` below the folder; the files, and the bytes of
/// all.
pub(super) fn make(folder: &Path) -> anyhow::Result<(u64, u64)> {
    let mut numbers = Numbers::new(20_261_122);
    let mut bytes = 0;
    for (name, count) in [("clips", CLIPS), ("faces", IMAGES)] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for n in 1..=count {
            let (file, content) = match name {
                "clips" => (format!("gate-{n:02}.y4m"), clip(&mut numbers)),
                _ => (format!("face-{n:03}.bmp"), image(&mut numbers)),
            };
            let path = folder.join(file);
            fs::write(&path, &content)
                .with_context(|| format!("cannot write {}", path.display()))?;
            bytes += content.len() as u64;
        }
    }
    Ok((CLIPS + IMAGES, bytes))
}

/// One second of YUV4MPEG2.
fn clip(numbers: &mut Numbers) -> Vec<u8> {
    let mut clip = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip A1:1 C420jpeg\n").into_bytes();
    let (left, top) = (position(numbers, WIDTH / 2), position(numbers, HEIGHT / 2));
    for frame in 0..FRAMES {
        clip.extend_from_slice(b"FRAME\n");
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let inside =
                    (left + frame..left + frame + 16).contains(&x) && (top..top + 16).contains(&y);
                clip.push(if inside { 235 } else { noise(numbers, 96) });
            }
        }
        clip.resize(clip.len() + WIDTH * HEIGHT / 2, 128);
    }
    clip
}

/// A Windows bitmap of 24 bits.
fn image(numbers: &mut Numbers) -> Vec<u8> {
    let pixels = SIDE * SIDE * 3;
    let mut image = Vec::with_capacity(54 + pixels);
    let number = |n: usize| u32::try_from(n).unwrap_or_default().to_le_bytes();
    image.extend_from_slice(b"BM");
    for n in [54 + pixels, 0, 54, 40, SIDE, SIDE] {
        image.extend_from_slice(&number(n));
    }
    image.extend_from_slice(&[1, 0, 24, 0]); // planes, bits
    for n in [0, pixels, 2835, 2835, 0, 0] {
        image.extend_from_slice(&number(n));
    }
    let (left, top) = (position(numbers, SIDE - 16), position(numbers, SIDE - 16));
    for y in 0..SIDE {
        for x in 0..SIDE {
            let inside = (left..left + 16).contains(&x) && (top..top + 16).contains(&y);
            let grey = if inside { 235 } else { noise(numbers, 64) };
            image.extend_from_slice(&[grey; 3]);
        }
    }
    image
}

fn position(numbers: &mut Numbers, below: usize) -> usize {
    usize::try_from(numbers.below(below as u64)).unwrap_or_default()
}

fn noise(numbers: &mut Numbers, base: u8) -> u8 {
    base + u8::try_from(numbers.below(32)).unwrap_or_default()
}

/// Every file below the folder, by its path there, in order.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for kind in ["clips", "faces"] {
        let at = folder.join(kind);
        let entries = fs::read_dir(&at).with_context(|| format!("cannot read {}", at.display()))?;
        for entry in entries {
            found.push(Path::new(kind).join(entry?.file_name()));
        }
    }
    found.sort();
    Ok(found)
}

/// A copy of the folder.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for name in files(from)? {
        let target = to.join(&name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(from.join(&name), &target)
            .with_context(|| format!("cannot copy {} to {}", name.display(), to.display()))?;
    }
    Ok(())
}

/// Holds every file against its original: none has 64 bytes of it anywhere. How many
/// there are.
pub(super) fn nothing_clear(original: &Path, encrypted: &Path) -> anyhow::Result<u64> {
    let names = files(original)?;
    for name in &names {
        let (clear, sealed) = (
            fs::read(original.join(name))?,
            fs::read(encrypted.join(name))?,
        );
        // From the middle, which is noise: the beginnings are alike.
        let middle = clear.get(clear.len() / 2..).and_then(|rest| rest.get(..64));
        let middle = middle.with_context(|| format!("{} is too short", name.display()))?;
        if memchr::memmem::find(&sealed, middle).is_some() {
            bail!("{} holds clear bytes", encrypted.join(name).display());
        }
    }
    Ok(names.len() as u64)
}

/// Compares two folders, byte for byte; how many files there are.
pub(super) fn same(original: &Path, copy: &Path) -> anyhow::Result<u64> {
    let names = files(original)?;
    if names != files(copy)? {
        bail!(
            "{} has other files than {}",
            copy.display(),
            original.display()
        );
    }
    for name in &names {
        if fs::read(original.join(name))? != fs::read(copy.join(name))? {
            bail!("{} is not what it was", copy.join(name).display());
        }
    }
    Ok(names.len() as u64)
}
