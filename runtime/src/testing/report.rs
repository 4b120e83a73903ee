//! A tree with marks, as a failed assertion shows it.

use std::fmt::Write as _;

/// Lines above which what is far from every mark is left out.
const MAX_WHOLE: usize = 60;
/// Lines kept before and after a marked one.
const CONTEXT: usize = 2;
/// Levels a line is indented by at most.
const MAX_INDENT: usize = 100;

/// What a line has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// As it should be.
    Same,
    /// Not as it should be; what follows says why.
    Wrong,
    /// Was recorded.
    Recorded,
    /// Was expected.
    Expected,
    /// A word about the lines above.
    Note,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) mark: Mark,
    pub(super) depth: usize,
    pub(super) text: String,
}

impl Line {
    pub(super) fn new(mark: Mark, depth: usize, text: impl Into<String>) -> Self {
        Self { mark, depth, text: text.into() }
    }
}

/// The lines as text. Of a long tree, the marked lines are shown, what they stand under, and two lines around them.
pub(super) fn text(lines: &[Line]) -> String {
    let shown = shown(lines);
    let mut text = String::new();
    let mut left_out = 0;
    for (line, is_shown) in lines.iter().zip(shown) {
        if !is_shown {
            left_out += 1;
            continue;
        }
        say_left_out(&mut text, &mut left_out);
        let mark = match line.mark {
            Mark::Same | Mark::Note => ' ',
            Mark::Wrong => '✗',
            Mark::Recorded => '+',
            Mark::Expected => '-',
        };
        let indent = "  ".repeat(line.depth.min(MAX_INDENT));
        let level = if line.depth > MAX_INDENT { format!("(level {}) ", line.depth) } else { String::new() };
        let line = format!("  {mark} {indent}{level}{}", line.text);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    say_left_out(&mut text, &mut left_out);
    text
}

fn say_left_out(text: &mut String, count: &mut usize) {
    match std::mem::take(count) {
        0 => {}
        1 => text.push_str("    … one line as it should be\n"),
        count => drop(writeln!(text, "    … {count} lines as they should be")),
    }
}

fn shown(lines: &[Line]) -> Vec<bool> {
    let mut shown = vec![lines.len() <= MAX_WHOLE; lines.len()];
    // What is marked, and what that stands under: read upwards, the next line of a lesser depth is the parent's.
    let mut depth = 0;
    for (n, line) in lines.iter().enumerate().rev() {
        if line.mark != Mark::Same {
            let (first, last) = (n.saturating_sub(CONTEXT), (n + CONTEXT).min(lines.len() - 1));
            shown[first..=last].fill(true);
            depth = depth.max(line.depth);
        } else if line.depth < depth {
            shown[n] = true;
            depth = line.depth;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_tree_the_marked_lines_are_shown_and_what_they_stand_under() {
        let mut lines = vec![Line::new(Mark::Same, 0, "root")];
        lines.extend((0..100).map(|n| Line::new(Mark::Same, 1, format!("early {n}"))));
        lines.push(Line::new(Mark::Same, 1, "parent"));
        lines.extend((0..100).map(|n| Line::new(Mark::Same, 2, format!("child {n}"))));
        lines.push(Line::new(Mark::Recorded, 2, "odd"));
        lines.extend((0..3).map(|n| Line::new(Mark::Same, 1, format!("late {n}"))));
        insta::assert_snapshot!(text(&lines), @"
            root
            … 100 lines as they should be
              parent
            … 98 lines as they should be
                child 98
                child 99
          +     odd
              late 0
              late 1
            … one line as it should be
        ");
        let short: String = text(&lines[..50]);
        assert_eq!(short.lines().count(), 50);
    }
}
