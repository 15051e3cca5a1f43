//! The application writes all the while.

use std::sync::Arc;

use atrest_core::{Context, FieldOpener, Form, Stored, Suite, seal_one};
use atrest_engine::{Operation, RunOptions};
use atrest_testing::model::Place;
use atrest_testing::traffic::{Options, Traffic, fill};
use atrest_testing::{Dialect, ScratchDatabase};

use crate::support::{column, done, engine, ring, run};

pub async fn plaintext_writers_are_caught_up_with(scratch: &ScratchDatabase) {
    let place = Place::at(scratch.url());
    scratch.execute(&place.create_sql()).await;
    let model = fill(&place, 3000, 7).await.unwrap();
    let keyring = ring(1, &[]);
    let policy = column("traffic", "value");
    let writers = Options {
        per_second: 200,
        connections: if scratch.dialect() == Dialect::Sqlite {
            1
        } else {
            3
        },
        ..Options::default()
    };
    let traffic = Traffic::start(&place, model, writers.clone());
    let engine = engine(scratch, keyring.clone()).await;
    let options = RunOptions {
        batch_size: Some(100),
        max_sweeps: 3,
        ..RunOptions::default()
    };
    let report = run(
        &engine,
        &keyring,
        scratch,
        Operation::Encrypt,
        &policy,
        &options,
    )
    .await
    .unwrap();
    assert!(report.changed >= 2800, "{report:?}");
    if !report.settled {
        assert!(
            report.notes.iter().any(|n| n.contains("still writes")),
            "{report:?}"
        );
    }
    // The application is deployed anew and writes tokens from now on.
    let model = traffic.stop().await;
    let (sealing, context) = (keyring.clone(), Context::new("traffic.value"));
    let encode = Arc::new(move |_: i64, clear: &str| {
        let token = seal_one(
            &sealing,
            Suite::Xaes256Gcm,
            0,
            Form::Text,
            &context,
            clear.as_bytes(),
        );
        String::from_utf8(token.unwrap()).unwrap()
    });
    let sealing = Options {
        encode,
        seed: 2,
        ..writers
    };
    let traffic = Traffic::start(&place, model, sealing);
    let report = run(
        &engine,
        &keyring,
        scratch,
        Operation::Encrypt,
        &policy,
        &options,
    )
    .await
    .unwrap();
    assert!(report.settled && report.plaintext == 0, "{report:?}");
    let model = traffic.stop().await;
    engine.database().close().await;

    let mut opener = FieldOpener::new(&keyring);
    let context = Context::new("traffic.value");
    let mut clear = Vec::new();
    let compared = model
        .compare(&place, |_, stored| {
            match opener.read(Form::Text, &context, stored, &mut clear) {
                Stored::Sealed(_) => Ok(clear.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
    compared.assert_clean();
    assert_eq!(compared.uncertain, 0);
    done(scratch, &keyring, Operation::Decrypt, &policy).await;
    let compared = model.compare(&place, |_, stored| Ok(stored.to_vec())).await;
    compared.unwrap().assert_clean();
}
