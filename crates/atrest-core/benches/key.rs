//! What a key costs beyond the values under it: making it and its id, and the schedule
//! of each suite at its first value; for tables with a key of their own for every
//! subject.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use atrest_core::{Context, FieldOpener, Form, Key, Keyring, Suite, seal_one};
use criterion::{Criterion, criterion_group, criterion_main};

fn key(criterion: &mut Criterion) {
    if let Err(error) = run(criterion) {
        eprintln!("the benchmark could not run: {error}");
        std::process::exit(1);
    }
}

fn run(criterion: &mut Criterion) -> Result<(), Box<dyn std::error::Error>> {
    let mut group = criterion.benchmark_group("key");
    group.bench_function("from_bytes", |bencher| {
        bencher.iter(|| Key::from_bytes(black_box([7; 32])));
    });
    // As a batch of subjects holds them: many at a time.
    group.bench_function("from_bytes/20000 held", |bencher| {
        bencher.iter(|| -> Vec<Key> {
            let bytes = |n: u32| {
                let mut bytes = [7; 32];
                bytes[..4].copy_from_slice(&n.to_le_bytes());
                bytes
            };
            (0..20_000).map(|n| Key::from_bytes(bytes(n))).collect()
        });
    });
    let context = Context::new("events.extras");
    let value = [b'7'; 64];
    for suite in Suite::ALL {
        let ring = || Keyring::new(Key::from_bytes(black_box([7; 32])), vec![]);
        group.bench_function(format!("seal first/{suite}"), |bencher| {
            bencher.iter(|| {
                seal_one(&ring()?, suite, 1, Form::Bytes, &context, &value)
                    .map_err(Box::<dyn std::error::Error>::from)
            });
        });
        let token = seal_one(&ring()?, suite, 1, Form::Bytes, &context, &value)?;
        let mut clear = Vec::new();
        group.bench_function(format!("open first/{suite}"), |bencher| {
            bencher.iter(|| {
                let ring = ring()?;
                let opened =
                    FieldOpener::new(&ring).open(Form::Bytes, &context, &token, &mut clear);
                opened.map_err(Box::<dyn std::error::Error>::from)
            });
        });
    }
    group.finish();
    Ok(())
}

criterion_group!(benches, key);
criterion_main!(benches);
