//! The run lock.

use atrest_engine::target::TargetError;
use atrest_testing::ScratchDatabase;

use super::connect;

pub async fn one_holder_at_a_time(scratch: &ScratchDatabase) {
    let (first, second) = (connect(scratch).await, connect(scratch).await);
    let mut held = first.lock("people.extras").await.expect("free");
    held.check().await.expect("held");
    for other in [&first, &second] {
        let refused = other.lock("people.extras").await.err().expect("taken");
        assert!(matches!(refused, TargetError::Busy { .. }), "{refused}");
    }
    held.check().await.expect("still held");
    drop(held);
    let mut again = second.lock("people.extras").await.expect("free again");
    again.check().await.expect("held by the second");
    drop(again);
    first.close().await;
    second.close().await;
}

pub async fn names_do_not_exclude_each_other(scratch: &ScratchDatabase) {
    let db = connect(scratch).await;
    let mut a = db.lock("people.a").await.expect("free");
    let mut b = db.lock("people.b").await.expect("another name");
    a.check().await.expect("a is held");
    drop(a);
    b.check().await.expect("b outlives a");
    let taken = db.lock("people.b").await.err().expect("taken");
    assert!(matches!(taken, TargetError::Busy { .. }), "{taken}");
    drop(b);
    db.close().await;
}
