//! Two texts, line beside line.

use std::ops::Range;

use similar::{DiffOp, TextDiff};

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// A line of one text, with its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub text: &'a str,
}

/// What stands beside each other: the same line, a line and what it became, or a line and nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// In the text before.
    pub before: Option<Line<'a>>,
    /// In the text after.
    pub after: Option<Line<'a>>,
    /// Whether both are the same.
    pub same: bool,
}

/// The rows around each change; between two hunks lines are left out.
pub fn hunks<'a>(before: &'a str, after: &'a str) -> Vec<Vec<Row<'a>>> {
    let (left, right): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let diff = TextDiff::from_slices(&left, &right);
    let hunk = |ops: &Vec<DiffOp>| ops.iter().flat_map(|op| rows(op, &left, &right)).collect();
    diff.grouped_ops(CONTEXT).iter().map(hunk).collect()
}

fn rows<'a>(op: &DiffOp, left: &[&'a str], right: &[&'a str]) -> Vec<Row<'a>> {
    let line = |lines: &[&'a str], range: Range<usize>, index: usize| {
        let number = range.start + index + 1;
        (index < range.len()).then(|| Line { number, text: lines[number - 1] })
    };
    let (old, new, same) = (op.old_range(), op.new_range(), matches!(op, DiffOp::Equal { .. }));
    let beside = |index| Row { before: line(left, old.clone(), index), after: line(right, new.clone(), index), same };
    (0..old.len().max(new.len())).map(beside).collect()
}

/// The change as a unified diff without file names: ` same`, `-before`, `+after`, a line `@@ … @@` before each hunk.
pub fn unified(before: &str, after: &str) -> String {
    let mut text = String::new();
    for hunk in hunks(before, after) {
        let start = |line: fn(&Row) -> Option<usize>| hunk.iter().find_map(line).unwrap_or(0);
        let (left, right) =
            (start(|row| row.before.map(|line| line.number)), start(|row| row.after.map(|line| line.number)));
        text.push_str(&format!("@@ -{left} +{right} @@\n"));
        let mut rows = hunk.iter().peekable();
        while let Some(row) = rows.next() {
            if let (true, Some(line)) = (row.same, row.before) {
                text.push_str(&format!(" {}\n", line.text));
                continue;
            }
            // All that went before all that came, as people are used to.
            let mut changed = vec![row];
            while let Some(next) = rows.next_if(|next| !next.same) {
                changed.push(next);
            }
            changed.iter().filter_map(|row| row.before).for_each(|line| text.push_str(&format!("-{}\n", line.text)));
            changed.iter().filter_map(|row| row.after).for_each(|line| text.push_str(&format!("+{}\n", line.text)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Line, Row, hunks, unified};

    #[test]
    fn changed_lines_stand_beside_each_other() {
        let (before, after) = ("a\nb\nc\nd\n", "a\nB\nC\nd\ne\n");
        let found = hunks(before, after);
        let at = |number, text| Some(Line { number, text });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0][0], Row { before: at(1, "a"), after: at(1, "a"), same: true });
        assert_eq!(found[0][1], Row { before: at(2, "b"), after: at(2, "B"), same: false });
        assert_eq!(found[0][4], Row { before: None, after: at(5, "e"), same: false });
        assert_eq!(unified(before, after), "@@ -1 +1 @@\n a\n-b\n-c\n+B\n+C\n d\n+e\n");
        assert_eq!(unified(before, before), "");
    }

    #[test]
    fn far_changes_are_hunks_of_their_own() {
        let before: String = (0..30).map(|n| format!("{n}\n")).collect();
        let after = before.replace("\n3\n", "\nx\n").replace("\n25\n", "\ny\n");
        assert_eq!(hunks(&before, &after).len(), 2);
        assert_eq!(hunks("", &before)[0].len(), 30);
    }
}
