//! The shared servers that `scripts/test` starts, by their environment variables.
//!
//! Tests make databases of their own on them ([`crate::ScratchDatabase`]), or work
//! below a prefix of their own in a bucket, and leave everything else alone; a test that kills or stops a server starts a
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

/// URL of a bucket on a server that checks signatures and conditions:
/// `ATREST_TEST_S3`, as `http://KEY:SECRET@HOST:PORT/BUCKET`.
///
/// # Panics
/// When the variable is not set.
pub fn s3() -> String {
    variable("ATREST_TEST_S3")
}

/// URL of a bucket that keeps old versions: `ATREST_TEST_S3_VERSIONED`. Its server
/// ignores conditions where parts are put together.
///
/// # Panics
/// When the variable is not set.
pub fn s3_versioned() -> String {
    variable("ATREST_TEST_S3_VERSIONED")
}

/// URL of a bucket on a server that ignores all conditions: `ATREST_TEST_S3_LAX`.
///
/// # Panics
/// When the variable is not set.
pub fn s3_lax() -> String {
    variable("ATREST_TEST_S3_LAX")
}

/// URL of a Vault or OpenBao server with a root token: `ATREST_TEST_VAULT`, as
/// `http://TOKEN@HOST:PORT`.
///
/// # Panics
/// When the variable is not set.
pub fn vault() -> String {
    variable("ATREST_TEST_VAULT")
}

/// URL of a server that speaks for AWS Systems Manager, Secrets Manager and KMS:
/// `ATREST_TEST_AWS`. It takes any credentials.
///
/// # Panics
/// When the variable is not set.
pub fn aws() -> String {
    variable("ATREST_TEST_AWS")
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
