//! What goes to the terminal: tables, numbers as people read them, and the JSON
//! envelope. Results go to standard output, everything else to standard error.

use std::io::Write as _;
use std::path::PathBuf;

use atrest_engine::target::Finding;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints a line of the result. A closed pipe ends nothing: the work goes on.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a warning.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// A table with these headings; the columns in `numbers` stand to the right.
pub(crate) fn table(headings: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings.to_vec());
    for index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Prints a table without the blanks at the ends of its lines.
pub(crate) fn print(table: &Table) {
    for text in table.to_string().lines() {
        line(text.trim_end());
    }
}

/// Prints findings, each with what to do.
pub(crate) fn findings(kind: &str, column: &str, findings: &[Finding]) {
    for finding in findings {
        line(&format!(
            "{kind}: {column}: {}; {}",
            finding.what, finding.next
        ));
    }
}

/// 1234567 as "1,234,567".
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as "17.3 MiB".
pub(crate) fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return match unit {
                "B" => format!("{n} B"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// `part` of `whole` as "99.9 %", never rounded up to 100.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if part >= whole {
        return "100 %".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Rows a second.
pub(crate) fn rate(rows: u64, seconds: f64) -> String {
    per_second(rows, seconds).map_or("-".to_owned(), |rate| format!("{} rows/s", count(rate)))
}

/// Bytes a second.
pub(crate) fn byte_rate(n: u64, seconds: f64) -> String {
    per_second(n, seconds).map_or("-".to_owned(), |rate| format!("{}/s", bytes(rate)))
}

fn per_second(n: u64, seconds: f64) -> Option<u64> {
    // A rate is far below 2^52.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive, whole rate for a person to read"
    )]
    (seconds > 0.0).then(|| (n as f64 / seconds).round() as u64)
}

/// The JSON object that a verb prints (docs/json.md).
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<C: Serialize> {
    /// The verb.
    pub(crate) command: &'static str,
    /// Exit status 0.
    pub(crate) ok: bool,
    /// One entry for each column.
    pub(crate) columns: Vec<C>,
    /// One entry for each location of files, or each file of `atrest file`.
    pub(crate) files: serde_json::Value,
    /// Backup files that this command wrote.
    pub(crate) backups: Vec<PathBuf>,
    /// How long it took.
    pub(crate) seconds: f64,
    /// What only some verbs give.
    #[serde(flatten)]
    pub(crate) more: serde_json::Map<String, serde_json::Value>,
}

impl<C: Serialize> Envelope<C> {
    /// An envelope without backups and extras.
    pub(crate) fn new(command: &'static str, ok: bool, columns: Vec<C>, seconds: f64) -> Self {
        Self {
            command,
            ok,
            columns,
            files: serde_json::Value::Array(Vec::new()),
            backups: Vec::new(),
            seconds,
            more: serde_json::Map::new(),
        }
    }

    /// With files.
    pub(crate) fn files(mut self, files: &[impl Serialize]) -> anyhow::Result<Self> {
        self.files = serde_json::to_value(files)?;
        Ok(self)
    }

    /// With one more member.
    pub(crate) fn with(mut self, name: &str, value: impl Serialize) -> anyhow::Result<Self> {
        self.more
            .insert(name.to_owned(), serde_json::to_value(value)?);
        Ok(self)
    }

    /// Prints it on one line.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        line(&serde_json::to_string(self)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 1023, 1536, 3 << 40].map(bytes),
            ["0 B", "1023 B", "1.5 KiB", "3.0 TiB"]
        );
        assert_eq!(percent(999_999, 1_000_000), "99.9 %");
        assert_eq!(percent(0, 0), "100 %");
        assert_eq!(rate(1000, 0.5), "2,000 rows/s");
    }
}
