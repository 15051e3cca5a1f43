//! Every environment variable that the command itself reads. (Which variables hold
//! keys and passwords is the policy's to say: `env:NAME`, `${NAME}`.)
//!
//! | variable | what it does |
//! |---|---|
//! | `ATREST_POLICY` | the policy file when `--policy` is not given |
//! | `DATABASE_URL` | the database that `atrest init` looks at when `--url` is not given |
//! | `ATREST_SERVE_TOKENS` | tokens that `atrest serve` accepts beside the policy's, as `role:sha256`, separated by commas |
//! | `ATREST_ALLOW_CORE_DUMPS` | `1`: core dumps and debuggers are not turned off; a dump then holds keys and clear values |

/// The policy file when `--policy` is not given.
pub(crate) const POLICY: &str = "ATREST_POLICY";

/// The database that `atrest init` looks at when `--url` is not given.
pub(crate) const DATABASE_URL: &str = "DATABASE_URL";

/// Tokens that `atrest serve` accepts beside the policy's: `role:sha256`, separated by
/// commas.
pub(crate) const SERVE_TOKENS: &str = "ATREST_SERVE_TOKENS";

/// `1`: core dumps and debuggers are not turned off.
pub(crate) const ALLOW_CORE_DUMPS: &str = "ATREST_ALLOW_CORE_DUMPS";
