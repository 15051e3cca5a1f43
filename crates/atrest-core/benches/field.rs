//! Sealing and opening one value in a batch, per suite, form and size.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::error::Error;
use std::hint::black_box;

use atrest_core::{Context, FieldOpener, FieldSealer, Form, Key, Keyring, Suite};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn field(criterion: &mut Criterion) {
    if let Err(error) = run(criterion) {
        eprintln!("the benchmark could not run: {error}");
        std::process::exit(1);
    }
}

fn run(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let keyring = Keyring::new(Key::generate()?, vec![])?;
    let context = Context::new("events.extras");
    for suite in Suite::ALL {
        let mut group = criterion.benchmark_group(suite.name());
        for (size, form) in [
            (64, Form::Text),
            (64, Form::Bytes),
            (370, Form::Text),
            (65_536, Form::Text),
        ] {
            let value = vec![b'7'; size];
            group.throughput(Throughput::Bytes(size as u64));
            let mut sealer = FieldSealer::new(&keyring, suite, 1_767_225_600)?;
            let mut token = Vec::new();
            group.bench_function(format!("seal/{form:?}/{size}"), |bencher| {
                bencher.iter(|| {
                    token.clear();
                    sealer.seal(form, &context, black_box(&value), &mut token)
                });
            });
            let mut opener = FieldOpener::new(&keyring);
            let mut clear = Vec::new();
            group.bench_function(format!("open/{form:?}/{size}"), |bencher| {
                bencher.iter(|| opener.open(form, &context, black_box(&token), &mut clear));
            });
        }
        group.finish();
    }
    Ok(())
}

criterion_group!(benches, field);
criterion_main!(benches);
