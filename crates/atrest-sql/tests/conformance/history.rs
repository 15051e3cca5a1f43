//! Whether anybody else writes, on a server where nobody else does.

use atrest_engine::target::{Change, JournalChange};
use atrest_testing::connection::Connection;
use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, column, connect, text};

/// Reads the history twice around `$work`, until nothing that the server does by
/// itself falls in between.
macro_rules! unmoved {
    ($target:expr, $work:expr) => {{
        let mut same = false;
        for _ in 0..20 {
            let before = $target.history().await.unwrap();
            $work;
            same = before.is_some() && before == $target.history().await.unwrap();
            if same {
                break;
            }
        }
        same
    }};
}

pub async fn only_others_move_it(scratch: &ScratchDatabase) {
    scratch
        .execute("CREATE TABLE t (id integer PRIMARY KEY, c text)")
        .await;
    scratch.execute("INSERT INTO t VALUES (1, 'a')").await;
    let db = connect(scratch).await;
    let target = column(&db, "t", "c").await;
    db.journal_create().await.unwrap();
    let mut mac: Option<String> = None;
    let mut write = async || {
        let row = all(&target).await.remove(0);
        let next = format!("{}x", mac.clone().unwrap_or_default());
        let journal = JournalChange {
            name: "run:t.c".into(),
            expected: mac.replace(next.clone()),
            record: Some(("{}".into(), next.clone())),
        };
        let change = Change {
            key: row.key,
            old: row.value,
            new: text(next),
        };
        assert_eq!(target.write(vec![change], &[journal]).await.unwrap(), 1);
    };
    assert!(unmoved!(target, {}), "nobody writes");
    assert!(unmoved!(target, write().await), "we write");
    assert!(
        unmoved!(target, {
            scratch.scalar("SELECT count(*) FROM t").await;
        }),
        "others read"
    );
    for sql in [
        "UPDATE t SET c = 'theirs'",
        "INSERT INTO t VALUES (2, 'b')",
        "DELETE FROM t WHERE id = 2",
        "CREATE TABLE another (id integer)",
    ] {
        let before = target.history().await.unwrap();
        scratch.execute(sql).await;
        assert_ne!(before, target.history().await.unwrap(), "{sql}");
    }
    if scratch.dialect() == Dialect::Postgres {
        let mut other = Connection::open(scratch.url()).await.unwrap();
        other.execute("BEGIN").await.unwrap();
        other.execute("UPDATE t SET c = 'open'").await.unwrap();
        assert_eq!(
            target.history().await.unwrap(),
            None,
            "it began before, and ends when it likes"
        );
        let before = target.history().await.unwrap();
        other.execute("COMMIT").await.unwrap();
        assert_ne!(target.history().await.unwrap(), before);
        other.close().await;
    }
    db.close().await;
}
