//! From a URL to a database, by its scheme.

use std::path::PathBuf;
use std::sync::Arc;

use atrest_engine::target::{Database, TargetError};

use crate::{mysql, postgres, sqlite};

/// Opens the database that `url` names. Nothing is changed by connecting.
///
/// | scheme | database |
/// |---|---|
/// | `postgres://`, `postgresql://` | PostgreSQL 13 and newer |
/// | `mysql://`, `mariadb://` | MySQL 8, MariaDB 10.6 and newer |
/// | `sqlite:path`, `sqlite:///absolute/path` | SQLite 3 |
///
/// # Errors
/// [`TargetError::Refused`] for another scheme, [`TargetError::NotFound`] for a
/// SQLite file that is not there, [`TargetError::Connection`] or
/// [`TargetError::Permission`] when the server cannot be reached or refuses the
/// account.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let error = atrest_sql::connect("oracle://scott@host/db").await.err().ok_or("connected?")?;
/// assert!(error.to_string().contains("postgres://"));
/// # Ok(())
/// # }
/// ```
pub async fn connect(url: &str) -> Result<Arc<dyn Database>, TargetError> {
    let scheme = url
        .split_once(':')
        .map_or("", |(scheme, _)| scheme)
        .to_ascii_lowercase();
    match scheme.as_str() {
        "postgres" | "postgresql" => Ok(Arc::new(postgres::connect(url).await?)),
        "mysql" | "mariadb" => Ok(Arc::new(mysql::connect(url).await?)),
        "sqlite" => Ok(Arc::new(sqlite::connect(url).await?)),
        "" => Err(unknown("the database URL has no scheme".to_owned())),
        // A password could stand anywhere in a URL that is not one of ours, so
        // only the scheme is repeated.
        other => Err(unknown(format!(
            "`{other}` is not a database that atrest knows"
        ))),
    }
}

/// The files that hold the database which `url` names, there or not: SQLite's, with
/// its journals and the run lock. A server's are its own affair: none.
///
/// ```
/// let files = atrest_sql::local_files("sqlite:/srv/app.db")?;
/// assert!(files.contains(&"/srv/app.db-wal".into()));
/// assert!(atrest_sql::local_files("postgres://host/app")?.is_empty());
/// # Ok::<(), atrest_engine::target::TargetError>(())
/// ```
///
/// # Errors
/// [`TargetError::Refused`] for a SQLite URL that names no file.
pub fn local_files(url: &str) -> Result<Vec<PathBuf>, TargetError> {
    match url.split_once(':') {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("sqlite") => sqlite::local_files(url),
        _ => Ok(Vec::new()),
    }
}

fn unknown(what: String) -> TargetError {
    TargetError::Refused {
        what,
        next: "write postgres://user@host/database, mysql://user@host/database, mariadb://user@host/database, \
               sqlite:path or sqlite:///absolute/path"
            .to_owned(),
    }
}
