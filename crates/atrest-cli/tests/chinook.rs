//! A real shop there and back with the real command: names, e-mails, phones and
//! addresses of Chinook's customers and employees.
//!
//! The Chinook files (github.com/lerocha/chinook-database, MIT) are not in this
//! repository: the tests take them from the folder in `ATREST_CHINOOK`, else from
//! `../shared/data` beside the repository. Without them the servers' tests use the
//! small shop below, as SQLite's test does in any case.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use atrest_testing::{Dialect, ScratchDatabase};

/// Tables, in PostgreSQL's spelling, and their columns that are sensitive.
/// Invoices repeat the customer's address.
const SENSITIVE: [(&str, &[&str]); 3] = [
    (
        "customer",
        &[
            "first_name",
            "last_name",
            "address",
            "phone",
            "fax",
            "email",
        ],
    ),
    (
        "employee",
        &[
            "first_name",
            "last_name",
            "address",
            "phone",
            "fax",
            "email",
        ],
    ),
    ("invoice", &["billing_address"]),
];

/// Four people who do not exist. Of the second name's two bearers one is an artist,
/// in a column that is not sensitive.
const SMALL_SHOP: &str = "
CREATE TABLE employee (employee_id INTEGER NOT NULL PRIMARY KEY, first_name VARCHAR(20) NOT NULL,
  last_name VARCHAR(20) NOT NULL, title VARCHAR(30), reports_to INTEGER, address VARCHAR(70),
  phone VARCHAR(24), fax VARCHAR(24), email VARCHAR(60),
  FOREIGN KEY (reports_to) REFERENCES employee (employee_id));
CREATE TABLE customer (customer_id INTEGER NOT NULL PRIMARY KEY, first_name VARCHAR(40) NOT NULL,
  last_name VARCHAR(20) NOT NULL, company VARCHAR(80), address VARCHAR(70), country VARCHAR(40),
  phone VARCHAR(24), fax VARCHAR(24), email VARCHAR(60) NOT NULL, support_rep_id INTEGER,
  FOREIGN KEY (support_rep_id) REFERENCES employee (employee_id));
CREATE TABLE invoice (invoice_id INTEGER NOT NULL PRIMARY KEY, customer_id INTEGER NOT NULL,
  billing_address VARCHAR(70), billing_country VARCHAR(40), total NUMERIC(10,2) NOT NULL,
  FOREIGN KEY (customer_id) REFERENCES customer (customer_id));
CREATE TABLE artist (artist_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(120));
INSERT INTO employee VALUES
  (1, 'Tilda', 'Quonset', 'Manager', NULL, '4 Mill Lane', '+1 (780) 555-0101', NULL, 'tilda@shop.example'),
  (2, 'Bo', 'Ångström', NULL, 1, NULL, '', '+1 (780) 555-0102', NULL);
INSERT INTO customer VALUES
  (1, 'Zoë', 'O''Hara', NULL, '12 Ünter den Linden', 'Germany', '+49 30 5550103', NULL, 'zoe@mail.example', 2),
  (2, 'Marlowe', 'Vantongeren-Quill', 'Quill & Co', '1 Rue de l''Essai', 'France', NULL, NULL, 'm.quill@mail.example', 1);
INSERT INTO invoice VALUES (1, 1, '12 Ünter den Linden', 'Germany', 1.98), (2, 2, NULL, 'France', 13.86);
INSERT INTO artist VALUES (1, 'The Marlowe Quartet'), (2, NULL);
";

/// The folder with the Chinook files, if there is one.
fn chinook() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("ATREST_CHINOOK").map_or(beside, PathBuf::from);
    folder
        .join("Chinook_PostgreSql.sql")
        .exists()
        .then_some(folder)
}

/// A Chinook script without the lines that make and choose a database.
fn script(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let choosing = ["DROP DATABASE", "CREATE DATABASE", "USE ", "\\c "];
    let lines = text.trim_start_matches('\u{feff}').lines();
    lines
        .filter(|line| !choosing.iter().any(|start| line.starts_with(start)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// One database with a shop in it.
struct Shop {
    db: ScratchDatabase,
    /// MySQL's and SQLite's Chinook spells `CustomerId`, PostgreSQL's `customer_id`.
    camel: bool,
}

impl Shop {
    async fn small(db: ScratchDatabase) -> Self {
        db.execute(SMALL_SHOP).await;
        Self { db, camel: false }
    }

    /// Chinook where its files are, else the small shop.
    async fn new(db: ScratchDatabase) -> Self {
        let Some(folder) = chinook() else {
            return Self::small(db).await;
        };
        match db.dialect() {
            Dialect::Postgres => {
                db.execute(&script(&folder.join("Chinook_PostgreSql.sql")))
                    .await
            }
            Dialect::MySql => db.execute(&script(&folder.join("Chinook_MySql.sql"))).await,
            Dialect::Sqlite => {
                std::fs::write(
                    db.path(),
                    std::fs::read(folder.join("Chinook_Sqlite.sqlite")).unwrap(),
                )
                .unwrap();
                0
            }
        };
        let camel = db.dialect() != Dialect::Postgres;
        Self { db, camel }
    }

    /// A name as this database spells it.
    fn spelled(&self, name: &str) -> String {
        if !self.camel {
            return name.to_owned();
        }
        name.split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect()
    }

    /// `(table, column)` pairs, spelled.
    fn columns(&self) -> Vec<(String, String)> {
        SENSITIVE
            .iter()
            .flat_map(|(table, columns)| {
                columns
                    .iter()
                    .map(|c| (self.spelled(table), self.spelled(c)))
            })
            .collect()
    }

    async fn values(&self, table: &str, column: &str) -> Vec<Option<Vec<u8>>> {
        let id = |name: &str| self.db.dialect().identifier(name);
        let sql = format!("SELECT {} FROM {}", id(column), id(table));
        let rows = self.db.rows(&sql).await;
        rows.into_iter().map(|mut row| row.remove(0)).collect()
    }

    /// The clear values, of four bytes or more.
    async fn secrets(&self) -> BTreeSet<Vec<u8>> {
        let mut secrets = BTreeSet::new();
        for (table, column) in self.columns() {
            let values = self.values(&table, &column).await;
            secrets.extend(values.into_iter().flatten().filter(|v| v.len() >= 4));
        }
        secrets
    }

    /// Everything that is not sensitive, as text: a dump in which the sensitive
    /// columns are empty. Rows come in the order of their keys.
    async fn rest(&self) -> Vec<u8> {
        let quote = |name: &str| self.db.dialect().identifier(name);
        let sensitive = self.columns();
        let listing = match self.db.dialect() {
            Dialect::Postgres => {
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
            }
            Dialect::MySql => {
                "SELECT table_name, column_name FROM information_schema.columns \
                 WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
            }
            Dialect::Sqlite => {
                "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table' ORDER BY m.name, c.cid"
            }
        };
        let mut tables: Vec<(String, Vec<String>)> = Vec::new();
        for row in self.db.rows(listing).await {
            let word = |i: usize| String::from_utf8(row[i].clone().unwrap()).unwrap();
            let (table, column) = (word(0), word(1));
            if table == "atrest_journal" || sensitive.contains(&(table.clone(), column.clone())) {
                continue;
            }
            match tables.last_mut().filter(|(name, _)| *name == table) {
                Some((_, columns)) => columns.push(column),
                None => tables.push((table, vec![column])),
            }
        }
        let mut text = Vec::new();
        for (table, columns) in tables {
            let columns: Vec<String> = columns.iter().map(|c| quote(c)).collect();
            let sql = format!("SELECT {} FROM {}", columns.join(", "), quote(&table));
            let mut rows = self.db.rows(&sql).await;
            rows.sort();
            text.extend_from_slice(format!("{table}: {} rows\n", rows.len()).as_bytes());
            for value in rows.into_iter().flatten() {
                text.extend_from_slice(value.as_deref().unwrap_or(b"NULL"));
                text.push(b'\n');
            }
        }
        text
    }

    fn write_policy(&self, keys: &str) {
        let mut policy = format!(
            "[keys]\n{keys}\n\n[database]\nurl = \"{}\"\n",
            self.db.url()
        );
        for (table, column) in self.columns() {
            policy += &format!("\n[[column]]\ntable = \"{table}\"\nname = \"{column}\"\n");
        }
        std::fs::write(self.db.folder().join("atrest.toml"), policy).unwrap();
    }

    /// Runs the command in the database's folder; gives its standard output.
    fn atrest(&self, arguments: &[&str]) -> String {
        let assert = Command::cargo_bin("atrest")
            .unwrap()
            .current_dir(self.db.folder())
            .env_remove("ATREST_POLICY")
            .args(arguments)
            .assert()
            .code(0);
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// Whether a dump holds a value, with quotes written in any dump's way.
fn dump_contains(dump: &[u8], value: &[u8]) -> bool {
    let value = String::from_utf8(value.to_vec()).unwrap();
    ["'", "''", "\\'"]
        .iter()
        .any(|quote| contains(dump, value.replace('\'', quote).as_bytes()))
}

/// A dump without its tokens: a short name may stand in one by chance.
fn without_tokens(dump: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(dump.len());
    let mut rest = dump;
    while let Some(at) = rest.windows(4).position(|w| w == b"ar1.") {
        out.extend_from_slice(&rest[..at]);
        let token = &rest[at + 4..];
        let end = token
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_'))
            .unwrap_or(token.len());
        rest = &token[end..];
    }
    out.extend_from_slice(rest);
    out
}

async fn there_and_back(shop: Shop) {
    let before = shop.db.dump().await;
    let rest = shop.rest().await;
    let secrets = shop.secrets().await;
    // A customer's name that is a composer's too stays in the composer's column.
    let (shared, secrets): (Vec<_>, Vec<_>) = secrets.into_iter().partition(|s| contains(&rest, s));
    assert!(secrets.len() > 10, "{} values to look for", secrets.len());
    assert!(!shared.is_empty(), "the case is there");
    for secret in &secrets {
        assert!(
            dump_contains(&before.0, secret),
            "the search finds what is there"
        );
    }

    shop.atrest(&["key", "generate", "--out", "one.key"]);
    shop.write_policy("primary = \"file:one.key\"");
    shop.atrest(&["plan"]);
    before.assert_same(&shop.db.dump().await);

    shop.atrest(&["encrypt", "--apply-schema", "--yes"]);
    shop.atrest(&["verify"]);
    let encrypted = without_tokens(&shop.db.dump().await.0);
    for secret in &secrets {
        assert!(
            !dump_contains(&encrypted, secret),
            "{:?} is still in the dump",
            String::from_utf8_lossy(secret)
        );
    }
    assert_eq!(shop.rest().await, rest, "something else changed");
    for (table, column) in shop.columns() {
        for value in shop.values(&table, &column).await.into_iter().flatten() {
            assert!(
                value.is_empty() || value.starts_with(b"ar1."),
                "{table}.{column}"
            );
        }
    }

    shop.atrest(&["key", "generate", "--out", "two.key"]);
    shop.write_policy("primary = \"file:two.key\"\nprevious = [\"file:one.key\"]");
    shop.atrest(&["rotate", "--yes"]);
    // The first key is not needed any more.
    shop.write_policy("primary = \"file:two.key\"");
    shop.atrest(&["verify"]);

    shop.atrest(&["decrypt", "--apply-schema", "--yes"]);
    before.assert_same(&shop.db.dump().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_shop_in_sqlite() {
    there_and_back(Shop::small(ScratchDatabase::sqlite().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shop_in_sqlite() {
    there_and_back(Shop::new(ScratchDatabase::sqlite().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shop_in_postgresql() {
    there_and_back(Shop::new(ScratchDatabase::postgres().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shop_in_mariadb() {
    there_and_back(Shop::new(ScratchDatabase::mariadb().await).await).await;
}
