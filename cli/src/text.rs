//! Numbers and tables as people read them.

use std::borrow::Cow;

pub use spanwright::record::rfc3339;
pub use spanwright_report::duration;

/// A time in UTC, `2026-11-20 23:49:06`.
pub fn time(unix_ns: u64) -> String {
    let text = rfc3339(unix_ns);
    let second = text.split_once('.').map_or(text.as_str(), |(second, _)| second);
    second.replace('T', " ")
}

/// A size in bytes: `812 B`, `4.2 MiB`.
pub fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            let decimals = usize::from(unit != "B" && size < 100.0);
            return format!("{size:.decimals$} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// `1 span`, `2 spans`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// At most `width` characters of `text`, on one line; control characters, which could drive a terminal, are shown as `·`.
pub fn clip(text: &str, width: usize) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) && text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().map(|c| if c.is_control() { '·' } else { c });
    let mut clipped: String = clean.take(width).collect();
    if text.chars().count() > width {
        clipped.pop();
        clipped.push('…');
    }
    Cow::Owned(clipped)
}

/// On which side a column is ragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows with every cell padded to its column's width; the last column is left as it is.
pub fn table<const N: usize>(align: [Align; N], rows: &[[String; N]]) -> Vec<[String; N]> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let pad = |column: usize, cell: &String| match align[column] {
        Align::Right => format!("{cell:>width$}", width = widths[column]),
        Align::Left if column + 1 == N => cell.clone(),
        Align::Left => format!("{cell:<width$}", width = widths[column]),
    };
    rows.iter().map(|row| std::array::from_fn(|column| pad(column, &row[column]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_calendar_s() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(951_782_400_000_000_000), "2000-02-29 00:00:00");
        assert_eq!(time(4_107_542_399_000_000_000), "2100-02-28 23:59:59");
        assert_eq!(time(4_107_542_400_000_000_000), "2100-03-01 00:00:00");
        assert_eq!(rfc3339(1_795_218_546_042_999_999), "2026-11-20T23:49:06.042Z");
    }

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        let durations = [0, 512_000, 8_400_000, 73_000_000, 1_240_000_000, 200_000_000_000, 7_300_000_000_000];
        assert_eq!(durations.map(duration), ["0 µs", "512 µs", "8.4 ms", "73 ms", "1.2 s", "3 min 20 s", "2 h 1 min"]);
        assert_eq!([0, 812, 4_404_019, 1 << 30].map(size), ["0 B", "812 B", "4.2 MiB", "1.0 GiB"]);
    }

    #[test]
    fn foreign_text_can_neither_break_a_line_nor_drive_the_terminal() {
        assert_eq!(clip("a\x1b[31m\nb", 40), "a·[31m·b");
        assert_eq!(clip("naïve plan", 5), "naïv…");
        assert_eq!(clip("short", 5), "short");
    }
}
