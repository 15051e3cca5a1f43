//! Prints, as one line of JSON, how many GB/s of clear content objects of some
//! sizes are sealed and opened at on one thread, memory to memory, and how many the
//! crate `cobblestone` reaches on the same messages:
//!
//! ```text
//! cargo run --release -p atrest-core --example object_rate
//! {"1048576":{"seal":..,"open":..,"crate_seal":..,"crate_open":..},..}
//! ```
//!
//! Every figure is the fastest of several rounds: what the processor can do when
//! nothing else disturbs it. `scripts/bench` puts it beside its peers.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use atrest_core::object::{ObjectOpener, ObjectSealer};
use atrest_core::{Key, Keyring};

const SIZES: [usize; 2] = [1 << 20, 16 << 20];
const ID: &[u8] = b"gate/2026-11-22.mp4";

fn main() -> Result<(), Box<dyn Error>> {
    let keyring = Keyring::new(Key::generate()?, vec![])?;
    let theirs = cobblestone::Key256::generate();
    let mut sizes = Vec::new();
    for size in SIZES {
        // A last chunk of its own, so that all that counts is whole chunks.
        let clear = vec![7; size];
        let rounds = (1 << 30) / size;
        let mut sealed = vec![0; size / 16_384 * 16_400];
        let mut opened = vec![0; size];
        let mut prologue = *ObjectSealer::new(&keyring, ID)?.prologue();

        let seal = rate(size, rounds, || {
            let mut sealer = ObjectSealer::new(&keyring, ID)?;
            sealer.chunks(size)?.seal(black_box(&clear), &mut sealed)?;
            prologue = *sealer.prologue();
            Ok(())
        })?;
        let open = rate(size, rounds, || {
            let opener = ObjectOpener::new(&keyring, ID, &prologue)?;
            opener.open(0, black_box(&sealed), &mut opened)?;
            Ok(())
        })?;
        assert!(opened == clear);

        let mut message = Vec::new();
        let crate_seal = rate(size, rounds / 8, || {
            message = cobblestone::encrypt(&theirs, ID, black_box(&clear))?;
            Ok(())
        })?;
        let crate_open = rate(size, rounds / 8, || {
            opened = cobblestone::decrypt(&theirs, ID, black_box(&message))?;
            Ok(())
        })?;
        assert!(opened == clear);
        sizes.push(format!(
            "\"{size}\":{{\"seal\":{seal:.2},\"open\":{open:.2},\
             \"crate_seal\":{crate_seal:.2},\"crate_open\":{crate_open:.2}}}"
        ));
    }
    println!("{{{}}}", sizes.join(","));
    Ok(())
}

/// GB/s of the fastest round.
fn rate(
    size: usize,
    rounds: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(size as f64 / best / 1e9)
}
