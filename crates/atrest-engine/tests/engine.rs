//! The engine on real databases: every test is one function, run on SQLite,
//! PostgreSQL and MariaDB alike.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "engine/adopted.rs"]
mod adopted;
#[path = "engine/backups.rs"]
mod backups;
#[path = "engine/forgotten.rs"]
mod forgotten;
#[path = "engine/interrupted.rs"]
mod interrupted;
#[path = "engine/joined.rs"]
mod joined;
#[path = "engine/keys.rs"]
mod keys;
#[path = "engine/refused.rs"]
mod refused;
#[path = "engine/restored.rs"]
mod restored;
#[path = "engine/rounds.rs"]
mod rounds;
#[path = "engine/schema.rs"]
mod schema;
#[path = "engine/states.rs"]
mod states;
#[path = "engine/subjects.rs"]
mod subjects;
#[path = "engine/support.rs"]
mod support;
#[path = "engine/writers.rs"]
mod writers;

macro_rules! on_every_database {
    ($($module:ident::$name:ident),* $(,)?) => {
        on_every_database!(@one sqlite $($module::$name)*);
        on_every_database!(@one postgres $($module::$name)*);
        on_every_database!(@one mariadb $($module::$name)*);
    };
    (@one $kind:ident $($module:ident::$name:ident)*) => {
        mod $kind {
            use atrest_testing::ScratchDatabase;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(&ScratchDatabase::$kind().await).await;
                }
            )*
        }
    };
}

on_every_database!(
    adopted::every_row_is_taken_over_once_and_goes_out,
    adopted::the_backup_of_what_was_taken_over_brings_it_back,
    adopted::a_wrong_key_takes_nothing_over,
    adopted::what_is_not_theirs_stays,
    adopted::of_people_with_keys_of_their_own,
    rounds::there_and_back_with_every_suite,
    rounds::bound_to_the_row,
    rounds::binary_columns,
    rounds::composite_keys,
    rounds::a_long_value,
    states::mixed_states_are_counted_and_left,
    states::lookalikes_on_request,
    states::lookalikes_come_back_whole,
    schema::types_come_back_exactly,
    schema::too_narrow_is_refused_before_the_first_row,
    schema::room_is_made_for_what_will_be_written,
    schema::who_may_not_widen_encrypts_what_fits,
    schema::tokens_that_are_there_need_no_more_room,
    keys::a_wrong_key_changes_nothing,
    keys::the_newest_rows_show_the_wrong_key,
    keys::a_wrong_key_that_shows_late_stops_the_run,
    keys::a_value_that_opens_proves_the_key,
    keys::a_key_in_use_cannot_leave,
    refused::another_context,
    refused::a_forged_or_foreign_journal,
    refused::no_primary_key,
    refused::two_runs_at_once,
    refused::rights_to_read_only,
    refused::a_value_too_long_for_a_token,
    interrupted::every_row_is_sealed_once,
    interrupted::by_another_operation_or_key,
    interrupted::an_error_drops_the_other_workers_pages,
    interrupted::a_slow_run_ends_at_once,
    interrupted::a_page_lost_behind_a_durable_frame,
    backups::missing_cut_or_edited_is_refused,
    backups::another_file_on_resume,
    backups::a_run_that_wrote_nothing_needs_no_file,
    joined::the_last_run_counts,
    joined::killed_in_the_second_column,
    joined::killed_between_two_columns,
    joined::nothing_to_do_needs_no_file,
    joined::a_journal_that_goes_between_two_columns,
    joined::another_operation_or_database_is_refused,
    joined::shorter_than_the_journal_knows,
    restored::only_what_nobody_changed,
    restored::compared_with_the_table,
    restored::an_unfinished_backup,
    subjects::every_person_has_a_key_of_their_own,
    subjects::a_person_named_by_the_primary_key,
    subjects::rotating_moves_what_was_sealed_under_the_shared_key,
    subjects::a_backup_holds_nothing_that_the_shared_key_alone_opens,
    subjects::a_changed_record_of_keys_is_refused,
    forgotten::asked_for_undone_and_done,
    forgotten::a_copy_of_the_keys_that_comes_back_is_not_used,
    forgotten::what_is_asked_for_is_given,
    writers::plaintext_writers_are_caught_up_with,
);
