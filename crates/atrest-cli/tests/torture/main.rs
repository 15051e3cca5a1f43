//! Kills `atrest encrypt`, `rotate` and `decrypt` of a folder at random moments, while
//! other programs add, rewrite and remove files in it, and proves that no file was
//! lost, is stale, came back, does not open, or was left over.
//!
//! A round is one kill. Then the writers wait: every file must be whole, clear or
//! sealed. The same command runs to its end: every file must be what was asked for.
//!
//! | variable | meaning |
//! |---|---|
//! | `ATREST_TORTURE_ROUNDS` | rounds (10) |
//! | `ATREST_TORTURE_SECONDS` | stop after so long, whatever the rounds |
//! | `ATREST_TORTURE_BINARY` | the `atrest` command; without it, the one of this build |
//! | `ATREST_TORTURE_SEED` | repeats the choices of an earlier run |
//! | `ATREST_TORTURE_FOLDER` | where the files are; without it, where temporary files are |
#![cfg(unix)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod compare;
mod site;
mod writers;

use std::time::{Duration, Instant};

use atrest_testing::random::Random;

use site::{Site, Verb};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

#[test]
fn files() {
    let rounds = number("ATREST_TORTURE_ROUNDS").unwrap_or(10);
    let seconds = number("ATREST_TORTURE_SECONDS").unwrap_or(u64::MAX / 4);
    let (mut random, seed) = match number("ATREST_TORTURE_SEED") {
        Some(seed) => (Random::new(seed), seed),
        None => Random::from_clock(),
    };
    println!("files: seed {seed}");
    let begin = Instant::now();
    let mut site = Site::new(random.next_u64());
    let mut verbs = Verb::ALL.into_iter().cycle();
    while site.rounds < rounds && begin.elapsed() < Duration::from_secs(seconds) {
        site.round(verbs.next().unwrap(), &mut random);
    }
    println!("{}", site.summary(begin.elapsed()));
    site.assert_clean(rounds);
}
