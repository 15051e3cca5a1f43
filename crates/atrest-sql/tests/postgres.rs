//! The conformance suite on PostgreSQL, and what is PostgreSQL's own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest_testing::{PrivateServer, ScratchDatabase};

mod conformance;
mod postgres_cases;

mod oldest_here {
    use atrest_testing::ScratchDatabase;

    crate::conformance!(ScratchDatabase::postgres);
    crate::postgres_cases!(ScratchDatabase::postgres);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_noticed() {
    for server in [PrivateServer::postgres(), PrivateServer::postgres18()] {
        let scratch = ScratchDatabase::on(&server.url()).await;
        conformance::history::only_others_move_it(&scratch).await;
    }
}

mod postgres18 {
    use atrest_testing::ScratchDatabase;

    crate::conformance!(ScratchDatabase::postgres18);
    crate::postgres_cases!(ScratchDatabase::postgres18);
}
