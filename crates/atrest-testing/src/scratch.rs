//! A database of a test's own, with a random name, dropped at the end.

use std::path::{Path, PathBuf};

use crate::connection::{Connection, Dialect, RawRow};
use crate::dump::{self, Dump};
use crate::random::Random;
use crate::server;

/// A new, empty database on a server, or a new SQLite file in a temporary folder.
///
/// No connection stays open between calls, so a test's own locks and restarts meet
/// no stranger; a session's settings (`SET ...`) last for one call only.
///
/// ```no_run
/// # async fn example() {
/// use atrest_testing::ScratchDatabase;
/// let db = ScratchDatabase::postgres().await;
/// db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
/// db.execute("INSERT INTO t VALUES (1, 'a')").await;
/// assert_eq!(db.scalar("SELECT v FROM t").await.as_deref(), Some("a"));
/// # }
/// ```
#[derive(Debug)]
pub struct ScratchDatabase {
    dialect: Dialect,
    url: String,
    /// Where to drop it from; `None` for SQLite.
    server: Option<String>,
    name: String,
    folder: tempfile::TempDir,
}

impl ScratchDatabase {
    /// On the shared PostgreSQL server.
    pub async fn postgres() -> Self {
        Self::on(&server::postgres()).await
    }

    /// On the shared PostgreSQL 18 server.
    pub async fn postgres18() -> Self {
        Self::on(&server::postgres18()).await
    }

    /// On the shared MariaDB server.
    pub async fn mariadb() -> Self {
        Self::on(&server::mariadb()).await
    }

    /// A SQLite file.
    pub async fn sqlite() -> Self {
        Self::sqlite_with("").await
    }

    /// A SQLite file on which `sql` runs before anything else
    /// (`PRAGMA journal_mode = WAL`, `PRAGMA encoding = 'UTF-16'`).
    pub async fn sqlite_with(sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("scratch.sqlite");
        std::fs::File::create(&path).expect("a file in the temporary folder");
        let url = format!("sqlite:{}", path.display());
        let name = String::from("main");
        let this = Self {
            dialect: Dialect::Sqlite,
            url,
            server: None,
            name,
            folder,
        };
        if !sql.is_empty() {
            this.execute(sql).await;
        }
        this
    }

    /// On any server, by a URL with full rights (one of [`crate::PrivateServer`]'s).
    pub async fn on(server: &str) -> Self {
        let dialect = Dialect::of(server);
        let name = format!("atrest_{:016x}", Random::from_clock().0.next_u64());
        let options = match dialect {
            Dialect::Postgres => "",
            Dialect::MySql => " CHARACTER SET utf8mb4",
            Dialect::Sqlite => panic!("SQLite has no server: use ScratchDatabase::sqlite()"),
        };
        let mut link = open(server).await;
        let sql = format!("CREATE DATABASE {}{options}", dialect.identifier(&name));
        link.execute(&sql)
            .await
            .unwrap_or_else(|e| panic!("cannot make a scratch database: {e}"));
        link.close().await;
        let mut url = url::Url::parse(server).expect("the server's URL");
        url.set_path(&name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Some(server.to_owned());
        Self {
            dialect,
            url: url.into(),
            server,
            name,
            folder,
        }
    }

    /// Its URL, as a policy writes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server ("main" for SQLite).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A temporary folder that goes with it: for a policy, keys, backups.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The SQLite file.
    ///
    /// # Panics
    /// For the other databases.
    pub fn path(&self) -> PathBuf {
        assert_eq!(self.dialect, Dialect::Sqlite, "only SQLite has a file");
        self.folder.path().join("scratch.sqlite")
    }

    /// A connection to it.
    pub async fn connect(&self) -> Connection {
        open(&self.url).await
    }

    /// Runs one or more statements; gives the rows that the last ones changed.
    pub async fn execute(&self, sql: &str) -> u64 {
        let mut link = self.connect().await;
        let changed = link
            .execute(sql)
            .await
            .unwrap_or_else(|e| panic!("{e}\nin: {}", brief(sql)));
        link.close().await;
        changed
    }

    /// Runs a query; raw values, see [`Connection::rows`].
    pub async fn rows(&self, sql: &str) -> Vec<RawRow> {
        let mut link = self.connect().await;
        let rows = link
            .rows(sql)
            .await
            .unwrap_or_else(|e| panic!("{e}\nin: {}", brief(sql)));
        link.close().await;
        rows
    }

    /// The first value of the first row, as text; `None` is NULL.
    ///
    /// # Panics
    /// When there is no row.
    pub async fn scalar(&self, sql: &str) -> Option<String> {
        let rows = self.rows(sql).await;
        let first = rows
            .first()
            .unwrap_or_else(|| panic!("no row from: {}", brief(sql)));
        first[0]
            .as_ref()
            .map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// Everything in it, definitions and rows, as text.
    pub async fn dump(&self) -> Dump {
        match self.dialect {
            Dialect::Postgres => dump::postgres(&self.url),
            Dialect::MySql => dump::mysql(&self.url),
            Dialect::Sqlite => dump::sqlite(&mut self.connect().await).await,
        }
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else {
            return;
        };
        let name = self.dialect.identifier(&self.name);
        let sql = match self.dialect {
            Dialect::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
            _ => format!("SET lock_wait_timeout = 10; DROP DATABASE {name}"),
        };
        // The test's own runtime cannot be waited on from here. A server that is
        // gone took the database along.
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                if let Ok(mut link) = Connection::open(&server).await {
                    let _left_behind = link.execute(&sql).await;
                    link.close().await;
                }
            });
        });
        let _no_panic_in_drop = drop.join();
    }
}

async fn open(url: &str) -> Connection {
    Connection::open(url).await.unwrap_or_else(|e| {
        panic!("cannot connect to the test database: {e}; is the server of scripts/test still up?")
    })
}

/// The beginning of a statement, for a message.
fn brief(sql: &str) -> &str {
    sql.char_indices().nth(300).map_or(sql, |(i, _)| &sql[..i])
}
