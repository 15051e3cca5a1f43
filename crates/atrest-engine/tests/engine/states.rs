//! Values of every state side by side: each is what cryptography says it is, and
//! what does not open is never touched.

use atrest_core::{Context, Form, Suite, seal_one};
use atrest_engine::{Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::support::{clear, column, done, engine, id, ring, run, table, values, verified};

pub fn token(key: u8, suite: Suite, context: &str, value: &str) -> String {
    let (ring, context) = (ring(key, &[]), Context::new(context));
    let out = seal_one(
        &ring,
        suite,
        1_767_225_600,
        Form::Text,
        &context,
        value.as_bytes(),
    )
    .unwrap();
    String::from_utf8(out).unwrap()
}

fn damaged(token: &str) -> String {
    let (head, tail) = token.split_at(token.len() / 2);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", &tail[1..])
}

pub async fn mixed_states_are_counted_and_left(scratch: &ScratchDatabase) {
    let xaes = |key, value: &str| token(key, Suite::Xaes256Gcm, "t.v", value);
    let good = xaes(1, "sealed by the application");
    // Ids 1 to 9 do not open, and must stay as they are, whatever is done.
    let bad = [
        damaged(&good),
        good[..good.len() - 1].to_owned(),
        good[..good.len() / 2].to_owned(),
        good[..13].to_owned(),
        format!("{good}A"),
        xaes(9, "under a key of somebody else"),
        token(1, Suite::Xaes256Gcm, "another.context", "moved here"),
        damaged(&token(1, Suite::A256CbcHs512, "t.v", "cbc")),
        damaged(&token(1, Suite::Fernet, "", "fernet")),
    ];
    let mut rows: Vec<Option<String>> = bad.iter().cloned().map(Some).collect();
    rows.extend([
        Some(good),
        Some(xaes(2, "under the previous key")),
        Some(token(1, Suite::Fernet, "", "fernet")),
        Some(token(2, Suite::A256CbcHs512, "t.v", "cbc, previous key")),
        None,
        Some(String::new()),
        Some("ar1".into()),
        Some("ar1.hello, I only begin alike".into()),
        Some("gAAAB is no token either".into()),
    ]);
    rows.extend(clear(30));
    table(scratch, &rows).await;
    let (keyring, policy) = (ring(1, &[2]), column("t", "v"));

    let report = verified(scratch, &keyring, &policy).await;
    assert_eq!((report.total, report.null), (48, 1));
    assert_eq!(
        report.undecryptable_rows,
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    assert_eq!(report.undecryptable, 9);
    assert_eq!(report.unknown_keys.get(&id(9)), Some(&1));
    assert_eq!(report.sealed[&id(1)], 2);
    assert_eq!(report.sealed[&id(2)], 2);
    assert_eq!(report.plaintext, 34);

    for (operation, changed) in [
        (Operation::Encrypt, 34),
        (Operation::Rotate, 3),
        (Operation::Rotate, 0),
        (Operation::Decrypt, 38),
    ] {
        let before = values(scratch).await;
        let report = done(scratch, &keyring, operation, &policy).await;
        assert_eq!(report.changed, changed, "{operation:?}");
        assert_eq!(report.undecryptable, 9, "{operation:?}");
        let after = values(scratch).await;
        let same = before.iter().zip(&after).filter(|(a, b)| a == b).count();
        assert_eq!(same as u64, 48 - changed, "{operation:?}");
        for (i, bad) in bad.iter().enumerate() {
            assert_eq!(
                after[i].as_ref(),
                Some(bad),
                "{operation:?} touched row {}",
                i + 1
            );
        }
    }
    let mut want: Vec<Option<String>> = bad.iter().cloned().map(Some).collect();
    want.extend(
        [
            "sealed by the application",
            "under the previous key",
            "fernet",
            "cbc, previous key",
        ]
        .map(|v| Some(v.to_owned())),
    );
    want.extend(rows[13..].iter().cloned());
    assert_eq!(values(scratch).await, want);
}

/// What only looks like a token under an unknown key is the application's own text
/// when the operator says so; what names a key at hand never is.
pub async fn lookalikes_on_request(scratch: &ScratchDatabase) {
    let foreign = token(9, Suite::Xaes256Gcm, "t.v", "x");
    let broken = damaged(&token(1, Suite::Xaes256Gcm, "t.v", "x"));
    let mut rows = clear(5);
    rows.extend([Some(foreign), Some(broken.clone())]);
    table(scratch, &rows).await;
    let (keyring, policy) = (ring(1, &[]), column("t", "v"));
    let options = RunOptions {
        accept_lookalikes: true,
        ..RunOptions::default()
    };
    let engine = engine(scratch, keyring.clone()).await;
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
    assert_eq!((report.changed, report.undecryptable), (6, 1));
    assert_eq!(values(scratch).await[6].as_ref(), Some(&broken));
    run(
        &engine,
        &keyring,
        scratch,
        Operation::Decrypt,
        &policy,
        &options,
    )
    .await
    .unwrap();
    engine.database().close().await;
    assert_eq!(values(scratch).await, rows);
}

/// What was taken for the application's own text on the way in is that on the way out,
/// too: nothing of ours is left behind.
pub async fn lookalikes_come_back_whole(scratch: &ScratchDatabase) {
    let mut rows = clear(5);
    rows.push(Some("ar1.AQEAAAAAAAAAAAAA".into()));
    table(scratch, &rows).await;
    let before = scratch.dump().await;
    let (keyring, policy) = (ring(1, &[]), column("t", "v"));
    let told = RunOptions {
        accept_lookalikes: true,
        ..RunOptions::default()
    };
    let engine = engine(scratch, keyring.clone()).await;
    let change = |operation, options| {
        let (engine, keyring, policy) = (&engine, &keyring, &policy);
        async move {
            run(engine, keyring, scratch, operation, policy, options)
                .await
                .unwrap()
        }
    };
    for first in [&told, &RunOptions::default()] {
        let report = change(Operation::Encrypt, &told).await;
        assert_eq!((report.changed, report.undecryptable), (6, 0));
        let report = change(Operation::Decrypt, first).await;
        assert_eq!(report.changed, 6);
        // Untold, it is named, and the way back waits for the operator's word.
        if !first.accept_lookalikes {
            assert_eq!(report.undecryptable_rows, ["6"]);
            let way = |note: &String| note.contains("--accept-lookalikes");
            assert!(report.notes.iter().any(way), "{:?}", report.notes);
            change(Operation::Decrypt, &told).await;
        } else {
            assert_eq!((report.undecryptable, report.plaintext), (0, 6));
        }
        scratch.dump().await.assert_same(&before);
    }
    engine.database().close().await;
}
