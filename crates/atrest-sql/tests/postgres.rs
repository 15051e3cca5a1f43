//! The conformance suite on PostgreSQL, and what is PostgreSQL's own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod conformance;
mod postgres_cases;

mod oldest_here {
    use atrest_testing::ScratchDatabase;

    crate::conformance!(ScratchDatabase::postgres);
    crate::postgres_cases!(ScratchDatabase::postgres);
}

mod postgres18 {
    use atrest_testing::ScratchDatabase;

    crate::conformance!(ScratchDatabase::postgres18);
    crate::postgres_cases!(ScratchDatabase::postgres18);
}
