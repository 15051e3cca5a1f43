//! One suite for every implementation of `Database`, `Target` and `Lock`.
//!
//! Each function takes an empty scratch database; `conformance!` makes a test of
//! each for one kind of server. What is only one server's own stands in that
//! server's file.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every server's tests are a crate of their own and use their own part of the suite"
)]

pub mod history;
pub mod journal;
pub mod keys;
pub mod large;
pub mod locks;
pub mod names;
pub mod nulls;
pub mod paging;
pub mod roundtrip;
pub mod swap;

use std::sync::Arc;

use atrest_engine::target::{
    Database, Finding, KeyRange, Row, TableName, Target, TargetError, Value,
};
use atrest_testing::{Dialect, ScratchDatabase};

/// Makes the whole suite's tests for one kind of scratch database.
#[macro_export]
macro_rules! conformance {
    ($scratch:path) => {
        $crate::conformance!(@each $scratch;
            journal::created_read_swapped_and_dropped,
            journal::a_stale_write_changes_nothing,
            journal::a_write_is_fenced_by_its_journal,
            keys::keys_are_added_once_and_changed_together,
            keys::rows_are_found_by_whose_they_are,
            locks::one_holder_at_a_time,
            locks::names_do_not_exclude_each_other,
            names::odd_identifiers,
            names::unknown_names_get_advice,
            names::catalog_lists_the_applications_tables,
            nulls::what_only_asks_for_null_is_no_refusal,
            paging::composite_keys,
            paging::empty_and_single_row_tables,
            paging::counts_and_samples,
            paging::a_page_ends_with_its_bytes,
            paging::a_page_that_ends_early_holds_no_lock,
            paging::a_value_beside_another,
            large::a_value_of_many_megabytes,
            swap::only_what_is_unchanged_changes,
            swap::collations_do_not_make_values_equal,
            swap::concurrent_writers_lose_nothing,
        );
    };
    (@each $scratch:path; $($module:ident::$name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let scratch = $scratch().await;
                $crate::conformance::$module::$name(&scratch).await;
            }
        )*
    };
}

/// Connects the crate under test.
pub async fn connect(scratch: &ScratchDatabase) -> Arc<dyn Database> {
    atrest_sql::connect(scratch.url()).await.expect("connects")
}

/// A table's name from its text.
pub fn table(name: &str) -> TableName {
    name.parse().expect("a table name")
}

/// A column as a target.
pub async fn column(db: &Arc<dyn Database>, name: &str, column: &str) -> Arc<dyn Target> {
    db.column(&table(name), column)
        .await
        .expect("opens the column")
}

/// Every row of `range`, read in pages of `limit`.
pub async fn all_of(target: &Arc<dyn Target>, mut range: KeyRange, limit: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    loop {
        let page = target
            .read(&range, limit, 1 << 20)
            .await
            .expect("reads a page");
        let done = page.len() < limit;
        range.after = page.last().map(|row| row.key.clone()).or(range.after);
        rows.extend(page);
        if done {
            return rows;
        }
    }
}

/// Every row.
pub async fn all(target: &Arc<dyn Target>) -> Vec<Row> {
    all_of(target, KeyRange::default(), 100).await
}

/// A value's bytes.
pub fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => v,
        Value::Null | Value::Deferred(_) => panic!("no bytes in {value:?}"),
    }
}

/// A text value.
pub fn text(s: impl Into<String>) -> Value {
    Value::Text(s.into().into_bytes())
}

/// The type for long text in this dialect, wide enough for tokens.
pub fn long_text(scratch: &ScratchDatabase) -> &'static str {
    match scratch.dialect() {
        Dialect::MySql => "LONGTEXT",
        _ => "text",
    }
}

/// Whether one of the findings says `part`.
pub fn says(findings: &[Finding], part: &str) -> bool {
    findings
        .iter()
        .any(|f| f.what.contains(part) && !f.next.is_empty())
}

/// Describes a column as for a run that changes it.
pub async fn describe(
    scratch: &ScratchDatabase,
    name: &str,
    of: &str,
    longest: u64,
) -> atrest_engine::target::Description {
    let db = connect(scratch).await;
    let found = column(&db, name, of)
        .await
        .describe(longest, true)
        .await
        .expect("describes");
    db.close().await;
    found
}

/// Asserts that a column is refused, either at once or by preflight.
pub async fn assert_refused(
    scratch: &ScratchDatabase,
    name: &str,
    of: &str,
    longest: u64,
    part: &str,
) {
    let db = connect(scratch).await;
    match db.column(&table(name), of).await {
        Err(TargetError::Refused { what, next }) => {
            assert!(what.contains(part) && !next.is_empty(), "{what}; {next}");
        }
        Err(other) => panic!("{other}"),
        Ok(target) => {
            let found = target.describe(longest, true).await.expect("describes");
            assert!(
                says(&found.refusals, part),
                "no refusal with `{part}` among {:#?}",
                found.refusals
            );
        }
    }
    db.close().await;
}
