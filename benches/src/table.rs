//! Measured numbers as tables for people and as JSON for programs.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::{Value, json};

/// One table: what was measured, how, and which limits it breaks.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What the table shows.
    pub title: String,
    /// How it was measured and what to know before reading it; may be empty.
    pub note: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Rows as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// A sentence for each limit that is not kept. Any makes the run fail.
    pub misses: Vec<String>,
}

/// One place in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Does not apply.
    Nothing,
    /// A name.
    Text(String),
    /// One number, such as a deterministic count.
    Number(f64, Unit),
    /// Repeated measurements.
    Spread(Spread, Unit),
}

/// Median and the middle half of repeated measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the measurements are at or below it.
    pub median: f64,
    /// A quarter is below.
    pub low: f64,
    /// A quarter is above.
    pub high: f64,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Instructions, spans, allocations.
    Count,
    /// Time, in nanoseconds.
    Nanoseconds,
    /// Memory.
    Bytes,
    /// Events a second.
    PerSecond,
    /// One number over another.
    Ratio,
}

impl Cell {
    /// A name.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// How many.
    #[allow(clippy::cast_precision_loss)]
    pub fn count(count: u64) -> Self {
        Self::Number(count as f64, Unit::Count)
    }
}

impl Spread {
    /// Of any number of measurements; `None` without any.
    pub fn of(measured: &[f64]) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter: usize| sorted.get((sorted.len().checked_sub(1)? * quarter + 2) / 4).copied();
        Some(Self { median: at(2)?, low: at(1)?, high: at(3)? })
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::PerSecond => "per_second",
            Self::Ratio => "ratio",
        }
    }

    /// Steps by which a number is shortened, largest first.
    fn scale(self) -> &'static [(f64, &'static str)] {
        match self {
            Self::Count | Self::Ratio => &[(1.0, "")],
            Self::Nanoseconds => &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")],
            Self::Bytes => &[(1_073_741_824.0, " GiB"), (1_048_576.0, " MiB"), (1024.0, " KiB"), (1.0, " B")],
            Self::PerSecond => &[(1e6, " M/s"), (1e3, " k/s"), (1.0, " /s")],
        }
    }

    /// As many decimals as say something; whole numbers have none.
    fn show(self, value: f64) -> String {
        let steps = self.scale();
        // What would be shown as 1000 of a step is 1 of the next.
        let (size, suffix) =
            steps.iter().find(|(size, _)| value.abs() / size >= 0.9995).or(steps.last()).copied().unwrap_or((1.0, ""));
        let scaled = value / size;
        let decimals = match scaled.abs() {
            _ if self == Self::Count && scaled.fract() == 0.0 => 0,
            scaled if scaled < 9.995 => 2,
            scaled if scaled < 99.95 => 1,
            _ => 0,
        };
        format!("{scaled:.decimals$}{suffix}")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.pad("–"),
            Self::Text(text) => f.pad(text),
            Self::Number(value, unit) => f.pad(&unit.show(*value)),
            Self::Spread(Spread { median, low, high }, unit) => {
                f.pad(&format!("{} ({}–{})", unit.show(*median), unit.show(*low), unit.show(*high)))
            }
        }
    }
}

impl Section {
    /// The table as JSON; numbers are unrounded and in the unit they name.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let named = self.columns.iter().zip(row).map(|(column, cell)| (column.clone(), cell.to_json()));
                Value::Object(named.collect())
            })
            .collect();
        json!({ "title": self.title, "note": self.note, "rows": rows, "misses": self.misses })
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self.columns.iter().map(|column| column.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.to_string().chars().count());
            }
        }
        widths
    }

    /// Whether a column holds names, which stand on the left.
    fn is_text(&self, column: usize) -> bool {
        self.rows.iter().filter_map(|row| row.get(column)).any(|cell| matches!(cell, Cell::Text(_)))
    }
}

impl Cell {
    fn to_json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => json!(text),
            Self::Number(value, unit) => json!({ "value": value, "unit": unit.name() }),
            Self::Spread(Spread { median, low, high }, unit) => {
                json!({ "value": median, "low": low, "high": high, "unit": unit.name() })
            }
        }
    }
}

/// As Markdown that is also aligned as plain text.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        if !self.note.is_empty() {
            writeln!(f, "{}\n", self.note)?;
        }
        let widths = self.widths();
        let mut line = |cells: &mut dyn Iterator<Item = String>| writeln!(f, "|{}", cells.collect::<String>());
        let place = |text: &str, column: usize| {
            let mut placed = String::new();
            let width = widths[column];
            let _ = if self.is_text(column) {
                write!(placed, " {text:width$} |")
            } else {
                write!(placed, " {text:>width$} |")
            };
            placed
        };
        line(&mut self.columns.iter().enumerate().map(|(column, text)| place(text, column)))?;
        line(&mut widths.iter().enumerate().map(|(column, width)| {
            let dashes = "-".repeat(width + 1);
            if self.is_text(column) { format!("{dashes}-|") } else { format!("{dashes}:|") }
        }))?;
        for row in &self.rows {
            line(&mut row.iter().enumerate().map(|(column, cell)| place(&cell.to_string(), column)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Section {
        let ns = |measured: &[f64]| Cell::Spread(Spread::of(measured).expect("measured"), Unit::Nanoseconds);
        Section {
            title: "Cost".to_owned(),
            note: "Per span.".to_owned(),
            columns: ["library", "time", "bytes"].map(str::to_owned).to_vec(),
            rows: vec![
                vec![Cell::text("ours µ"), ns(&[26.0, 24.0, 999.96, 1.0, 2000.0]), Cell::Nothing],
                vec![Cell::text("another one"), ns(&[1_421.0]), Cell::Number(1536.0, Unit::Bytes)],
            ],
            misses: vec!["too slow".to_owned()],
        }
    }

    #[test]
    fn columns_stand_under_each_other_names_left_and_numbers_right() {
        assert_eq!(
            section().to_string(),
            "### Cost\n\
             \n\
             Per span.\n\
             \n\
             | library     |                      time |    bytes |\n\
             |-------------|--------------------------:|---------:|\n\
             | ours µ      | 26.0 ns (24.0 ns–1.00 µs) |        – |\n\
             | another one | 1.42 µs (1.42 µs–1.42 µs) | 1.50 KiB |\n"
        );
    }

    #[test]
    fn programs_read_numbers_unrounded_with_their_unit_and_nothing_as_null() {
        let json = section().to_json();
        assert_eq!(json["rows"][0]["time"], json!({ "value": 26.0, "low": 24.0, "high": 999.96, "unit": "ns" }));
        assert_eq!(json["rows"][0]["bytes"], Value::Null);
        assert_eq!(json["rows"][1]["bytes"], json!({ "value": 1536.0, "unit": "bytes" }));
        assert_eq!(json["misses"], json!(["too slow"]));
    }

    #[test]
    fn numbers_are_as_short_as_they_are_clear() {
        let shown = |value, unit: Unit| unit.show(value);
        for (value, unit, text) in [
            (0.0, Unit::Nanoseconds, "0.00 ns"),
            (999.4, Unit::Nanoseconds, "999 ns"),
            (999.6, Unit::Nanoseconds, "1.00 µs"),
            (2_450_000.0, Unit::PerSecond, "2.45 M/s"),
            (1_048_576.0, Unit::Bytes, "1.00 MiB"),
            (400_000.0, Unit::Count, "400000"),
            (0.01, Unit::Count, "0.01"),
            (-3.0, Unit::Count, "-3"),
            (12.345, Unit::Ratio, "12.3"),
        ] {
            assert_eq!(shown(value, unit), text);
        }
    }

    #[test]
    fn the_middle_half_of_a_few_rounds_leaves_the_extremes_out() {
        let spread = Spread::of(&[9.0, 1.0, 5.0, 3.0, 7.0]);
        assert_eq!(spread, Some(Spread { median: 5.0, low: 3.0, high: 7.0 }));
        assert_eq!(Spread::of(&[2.0]), Some(Spread { median: 2.0, low: 2.0, high: 2.0 }));
        assert_eq!(Spread::of(&[]), None);
    }
}
