//! The shared servers that `scripts/test` starts, by their environment variables.
//!
//! Tests make databases of their own on them ([`crate::ScratchDatabase`]) and
//! leave everything else alone; a test that kills or stops a server starts a
//! [`crate::PrivateServer`].

/// URL of a PostgreSQL server with full rights: `ATREST_TEST_POSTGRES`.
///
/// # Panics
/// When the variable is not set.
pub fn postgres() -> String {
    variable("ATREST_TEST_POSTGRES")
}

/// URL of a PostgreSQL 18 server with full rights: `ATREST_TEST_POSTGRES18`.
///
/// # Panics
/// When the variable is not set.
pub fn postgres18() -> String {
    variable("ATREST_TEST_POSTGRES18")
}

/// URL of a MariaDB (or MySQL) server with full rights: `ATREST_TEST_MARIADB`.
///
/// # Panics
/// When the variable is not set.
pub fn mariadb() -> String {
    variable("ATREST_TEST_MARIADB")
}

/// An environment variable that `scripts/test` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: this test needs a real server. Run the tests with `scripts/test` \
             (`scripts/test -p CRATE` for one crate), or `scripts/test --servers-only` in another \
             terminal and paste its exports here"
        )
    })
}
