//! Prints, as one line of JSON, how many nanoseconds a 64-byte value takes to seal
//! and to open on one thread, per suite and form:
//!
//! ```text
//! cargo run --release -p atrest-core --example field_rate
//! {"value_bytes":64,"xaes-256-gcm":{"text":{"seal_ns":..,"open_ns":..},"bytes":{..}},..}
//! ```
//!
//! Every figure is the fastest of several rounds: what the processor can do when
//! nothing else disturbs it. `scripts/bench` puts it beside its peers.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use atrest_core::{Context, FieldOpener, FieldSealer, Form, Key, Keyring, Suite};

const VALUE: &[u8; 64] = b"{\"template\":\"0123456789abcdef0123456789abcdef0123456789abcdef0\"}";
const VALUES: usize = 2_000; // about a page of rows; the tokens stay in the cache
const ROUNDS: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let keyring = Keyring::new(Key::generate()?, vec![])?;
    let mut suites = vec![format!("\"value_bytes\":{}", VALUE.len())];
    for suite in Suite::ALL {
        let mut forms = Vec::new();
        for (name, form) in [("text", Form::Text), ("bytes", Form::Bytes)] {
            let (seal, open) = rate(&keyring, suite, form)?;
            forms.push(format!(
                "\"{name}\":{{\"seal_ns\":{seal:.1},\"open_ns\":{open:.1}}}"
            ));
        }
        suites.push(format!("\"{suite}\":{{{}}}", forms.join(",")));
    }
    println!("{{{}}}", suites.join(","));
    Ok(())
}

/// Nanoseconds per value: sealing, opening.
fn rate(keyring: &Keyring, suite: Suite, form: Form) -> Result<(f64, f64), Box<dyn Error>> {
    let context = Context::new("events.extras");
    let per_value = |since: Instant| since.elapsed().as_secs_f64() * 1e9 / VALUES as f64;
    let (mut seal, mut open) = (f64::MAX, f64::MAX);
    let (mut tokens, mut clear) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tokens.clear();
        let start = Instant::now();
        let mut sealer = FieldSealer::new(keyring, suite, 1_767_225_600)?;
        for _ in 0..VALUES {
            sealer.seal(form, &context, black_box(VALUE), &mut tokens)?;
        }
        seal = seal.min(per_value(start));

        let length = usize::try_from(suite.token_len(form, VALUE.len() as u64))?;
        let start = Instant::now();
        let mut opener = FieldOpener::new(keyring);
        for token in tokens.chunks_exact(length) {
            opener.open(form, &context, black_box(token), &mut clear)?;
        }
        open = open.min(per_value(start));
        assert_eq!(clear, VALUE);
    }
    Ok((seal, open))
}
