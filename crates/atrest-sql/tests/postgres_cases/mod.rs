//! What is PostgreSQL's own, for every version that the tests have.

pub(crate) mod preflight;
pub(crate) mod session;
pub(crate) mod types;

/// Makes a test of each function for one version.
#[macro_export]
macro_rules! postgres_cases {
    ($scratch:path) => {
        $crate::postgres_cases!(@each $scratch;
            types::keys_of_every_type,
            types::schema_and_values_come_back,
            session::what_fits_stays,
            session::attributes_come_back,
            preflight::refusals,
            preflight::warnings,
            preflight::partitions,
            session::too_long_is_an_error_and_never_cut,
            session::missing_rights_name_the_grant,
            session::row_level_security_is_refused,
            session::a_lost_connection_ends_the_lock,
            session::schemas_and_search_path,
            session::the_applications_settings_do_not_matter,
            session::a_server_error_shows_no_value,
            session::any_bytes_in_a_sql_ascii_database,
        );
    };
    (@each $scratch:path; $($module:ident::$name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let scratch = $scratch().await;
                $crate::postgres_cases::$module::$name(&scratch).await;
            }
        )*
    };
}
