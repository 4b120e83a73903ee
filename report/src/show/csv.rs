//! Comma-separated values, as RFC 4180 has them.

/// A row; values with commas, quotes or line ends are quoted.
pub fn row<T: AsRef<str>>(to: &mut String, cells: impl IntoIterator<Item = T>) {
    for (place, cell) in cells.into_iter().enumerate() {
        let cell = cell.as_ref();
        if place > 0 {
            to.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            to.push('"');
            to.push_str(&cell.replace('"', "\"\""));
            to.push('"');
        } else {
            to.push_str(cell);
        }
    }
    to.push('\n');
}
