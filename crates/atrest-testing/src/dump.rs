//! A whole database as text: to compare before and after, and to search for what
//! must not be there in clear.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::connection::{Connection, Dialect};

/// A dump. `Debug` shows its length only: it is large.
#[derive(Clone, PartialEq, Eq)]
pub struct Dump(pub Vec<u8>);

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dump({} bytes)", self.0.len())
    }
}

impl Dump {
    /// Whether these bytes occur anywhere in it.
    pub fn contains(&self, needle: impl AsRef<[u8]>) -> bool {
        let needle = needle.as_ref();
        assert!(!needle.is_empty(), "an empty needle is in every dump");
        self.0.windows(needle.len()).any(|window| window == needle)
    }

    /// Panics with the first line that differs.
    pub fn assert_same(&self, other: &Self) {
        if self == other {
            return;
        }
        let (mut ours, mut theirs) = (self.lines(), other.lines());
        let mut number = 0;
        loop {
            number += 1;
            match (ours.next(), theirs.next()) {
                (a, b) if a == b => {}
                (a, b) => {
                    let show = |l: Option<&[u8]>| {
                        l.map(|l| String::from_utf8_lossy(&l[..l.len().min(500)]).into_owned())
                    };
                    panic!(
                        "the dumps differ in line {number}:\n  one: {:?}\nother: {:?}",
                        show(a),
                        show(b)
                    );
                }
            }
        }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'\n')
    }
}

/// `pg_dump` with rows in a fixed order; when none on this machine is as new as the
/// server, our own listing of the catalog and the rows.
pub(crate) fn postgres(url: &str) -> Dump {
    let program = std::env::var("ATREST_TEST_POSTGRES_BIN")
        .map(|bin| PathBuf::from(bin).join("pg_dump"))
        .ok()
        .filter(|p| p.exists())
        .unwrap_or_else(|| "pg_dump".into());
    let output = Command::new(&program)
        .args(["--no-sync", "--dbname", url])
        .output()
        .unwrap_or_else(|e| panic!("cannot run {program:?}: {e}; install postgresql-client"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("server version mismatch") {
        return listing(url);
    }
    assert!(output.status.success(), "pg_dump failed: {complaint}");
    Dump(in_fixed_order(&output.stdout))
}

/// Sorts the rows of each table (`pg_dump` gives them in the order of the file, which
/// every UPDATE changes) and drops the random word that newer versions write.
fn in_fixed_order(dump: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut rows_from = None;
    for line in dump.split(|b| *b == b'\n') {
        if line.starts_with(b"\\restrict ") || line.starts_with(b"\\unrestrict ") {
            continue;
        }
        if line == b"\\."
            && let Some(from) = rows_from.take()
        {
            lines[from..].sort_unstable();
        }
        lines.push(line);
        if line.starts_with(b"COPY ") && line.ends_with(b" FROM stdin;") {
            rows_from = Some(lines.len());
        }
    }
    lines.join(&b'\n')
}

/// The parts of a PostgreSQL catalog that a column change could touch.
const CATALOG: &str = "
    SELECT format('column %s.%s %s not null %s collate %s default %s', attrelid::regclass, attname,
        format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation,
        pg_get_expr(adbin, adrelid))
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    JOIN pg_class c ON c.oid = attrelid
    WHERE attnum > 0 AND NOT attisdropped AND relnamespace NOT IN (SELECT oid FROM pg_namespace
        WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')
    UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname,
        pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid >= 16384
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid >= 16384
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind IN ('v', 'm') AND oid >= 16384
    ORDER BY 1";

/// Catalog and rows in a fixed order.
fn listing(url: &str) -> Dump {
    let url = url.to_owned();
    // The caller may be on a runtime of its own.
    let list = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut link = Connection::open(&url)
                .await
                .expect("the test database answers");
            let mut text = Vec::new();
            append(&mut link, CATALOG, &mut text).await;
            let tables = "SELECT format('SELECT format(''row %%s %%s'', %L, t) FROM ONLY %s t \
                 ORDER BY 1', oid::regclass, oid::regclass) FROM pg_class WHERE relkind = 'r' \
                 AND oid >= 16384 ORDER BY 1";
            for row in link.rows(tables).await.expect("the catalog can be read") {
                let sql = String::from_utf8(row[0].clone().unwrap()).unwrap();
                append(&mut link, &sql, &mut text).await;
            }
            link.close().await;
            text
        })
    });
    Dump(list.join().expect("the listing ends"))
}

/// Appends the first column of every row, a line each.
async fn append(link: &mut Connection, sql: &str, text: &mut Vec<u8>) {
    for row in link
        .rows(sql)
        .await
        .unwrap_or_else(|e| panic!("{e}\nin: {sql}"))
    {
        text.extend_from_slice(row[0].as_deref().unwrap_or(b"NULL"));
        text.push(b'\n');
    }
}

/// `mariadb-dump` or `mysqldump`, a line per row, nothing of the day or the
/// database's name in it.
pub(crate) fn mysql(url: &str) -> Dump {
    let url = url::Url::parse(url).expect("the database's URL");
    let mut args = vec![
        format!("--host={}", url.host_str().unwrap_or("127.0.0.1")),
        format!("--port={}", url.port().unwrap_or(3306)),
        format!("--user={}", url.username()),
    ];
    args.extend(url.password().map(|p| format!("--password={p}")));
    let fixed = "--protocol=tcp --skip-comments --skip-dump-date --skip-extended-insert \
                 --order-by-primary --routines --triggers --events --max-allowed-packet=1G";
    args.extend(fixed.split_whitespace().map(str::to_owned));
    args.push(url.path().trim_start_matches('/').to_owned());
    for program in ["mariadb-dump", "mysqldump"] {
        match Command::new(program)
            .arg("--no-defaults")
            .args(&args)
            .output()
        {
            Ok(output) => {
                let complaint = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{program} failed: {complaint}");
                return Dump(output.stdout);
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => panic!("cannot run {program}: {e}"),
        }
    }
    panic!("neither mariadb-dump nor mysqldump was found; run the tests with scripts/test")
}

/// Every definition as it was written and every row in the order of its columns,
/// each value with its exact class and bytes.
pub(crate) async fn sqlite(link: &mut Connection) -> Dump {
    let mut text = Vec::new();
    let definitions = "SELECT CAST(type || ' ' || name || ': ' || coalesce(sql, '-') AS BLOB) \
                       FROM sqlite_schema ORDER BY type, name";
    append(link, definitions, &mut text).await;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                  AND (sql IS NULL OR sql NOT LIKE 'CREATE VIRTUAL%') ORDER BY name";
    for row in link.rows(tables).await.expect("the schema can be read") {
        let name = String::from_utf8(row[0].clone().unwrap()).unwrap();
        let table = Dialect::Sqlite.identifier(&name);
        let columns = format!("SELECT name FROM pragma_table_info({})", quoted(&name));
        let columns = link.rows(&columns).await.expect("the columns can be read");
        let columns: Vec<String> = columns
            .iter()
            .map(|c| Dialect::Sqlite.identifier(&String::from_utf8_lossy(c[0].as_ref().unwrap())))
            .collect();
        // quote() ends a text at its first zero byte.
        let values: Vec<String> = columns
            .iter()
            .map(|c| {
                format!(
                    "CASE WHEN typeof({c}) = 'text' AND instr(CAST({c} AS BLOB), x'00') \
                     THEN 'TEXT X' || quote(hex({c})) ELSE quote({c}) END"
                )
            })
            .collect();
        let header = format!("rows of {table}\n");
        text.extend_from_slice(header.as_bytes());
        let sql = format!(
            "SELECT CAST({} AS BLOB) FROM {table} ORDER BY {}",
            values.join(" || ', ' || "),
            columns.join(", ")
        );
        append(link, &sql, &mut text).await;
    }
    Dump(text)
}

/// A SQLite text literal.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
