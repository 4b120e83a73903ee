//! The language of `assert_span_tree!`: its text becomes a [`Pattern`], or a [`Mistake`] with its line.
//!
//! Not done here: comparing it with what was recorded (`matching`), showing where that differs (`difference`).

use std::fmt;

/// What stands for any further siblings.
const REST: &str = "...";
const ANY_ORDER: &str = "in any order:";
/// Most times a span can be expected.
const MAX_COUNT: usize = 100_000;
/// Deepest level of a pattern. Trees are indented no further, so that nothing deeper can be told from its text.
const MAX_DEPTH: usize = 100;

/// An expected tree.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    pub(super) roots: Vec<Element>,
    pub(super) spans: Vec<SpanPattern>,
}

/// One of the things that stand beside each other.
#[derive(Debug)]
pub(super) enum Element {
    Span(Repeated),
    /// Any further siblings.
    Rest,
    /// Siblings in any order; `rest` says that further ones may stand among them.
    AnyOrder {
        spans: Vec<Repeated>,
        rest: bool,
    },
}

/// A span so many times in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeated {
    /// Place in [`Pattern::spans`].
    pub(super) span: usize,
    pub(super) least: usize,
    pub(super) most: usize,
}

/// An expected span.
#[derive(Debug, Default)]
pub(super) struct SpanPattern {
    /// The line without its indentation.
    pub(super) line: String,
    /// The line without its count: what a recorded line is, if it is meant exactly.
    pub(super) exact: String,
    name: String,
    span_type: Option<String>,
    ending: String,
    pub(super) children: Vec<Element>,
}

impl SpanPattern {
    /// Whether a recorded span of this name is meant.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name == name
    }

    /// Whether a recorded line is as expected: its name, its type if one is given, and how it ended.
    pub(super) fn fits(&self, name: &str, span_type: &str, ending: &str) -> bool {
        let as_it_stands = self.exact.strip_prefix(name).is_some_and(|rest| {
            let rest = rest.strip_prefix(" [").and_then(|rest| rest.strip_prefix(span_type));
            rest.and_then(|rest| rest.strip_prefix(']')) == Some(ending)
        });
        let has_type = self.span_type.as_ref().is_none_or(|expected| expected == span_type);
        as_it_stands || (self.is_named(name) && has_type && fits_ending(&self.ending, ending))
    }
}

/// `*` stands for any text in the message of an error.
fn fits_ending(expected: &str, recorded: &str) -> bool {
    let error = |ending: &str| ending.find(" ERROR: ").map(|at| at + " ERROR: ".len());
    match (error(expected), error(recorded)) {
        (Some(at), Some(place)) => {
            expected[..at] == recorded[..place] && fits_text(&expected[at..], &recorded[place..])
        }
        _ => expected == recorded,
    }
}

fn fits_text(expected: &str, recorded: &str) -> bool {
    let mut parts = expected.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else { return expected == recorded };
    let Some(mut middle) = recorded.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    // The first place of each part leaves the most for the others.
    parts.all(|part| match middle.find(part) {
        Some(at) => {
            middle = &middle[at + part.len()..];
            true
        }
        None => false,
    })
}

/// What is wrong with the text of a pattern, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// From 1, in the text without its own indentation.
    line: usize,
    text: String,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the expected tree, `{}`: {}", self.line, self.text, self.what)
    }
}

/// Reads a pattern; its own indentation has been taken off.
pub(super) fn parse(text: &str) -> Result<Pattern, Mistake> {
    let mut rows = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mistake = |what: String| Mistake { line: n + 1, text: line.trim().to_owned(), what };
        let words = line.trim_start_matches(' ');
        if words.starts_with('\t') {
            return Err(mistake("indent by spaces, two a level".into()));
        }
        let spaces = line.len() - words.len();
        if !spaces.is_multiple_of(2) {
            return Err(mistake(format!("indented by {spaces} spaces; a level is two")));
        }
        let depth = spaces / 2;
        let above = rows.last().map(|row: &Row<'_>| row.depth);
        if depth > above.map_or(0, |above| above + 1) {
            return Err(mistake("two levels below the line above it; a level is two spaces".into()));
        }
        if depth > MAX_DEPTH || (depth == MAX_DEPTH && words.starts_with("(level ")) {
            return Err(mistake(format!("a pattern has at most {MAX_DEPTH} levels")));
        }
        rows.push(Row { number: n + 1, depth, words: words.trim_end() });
    }
    let mut pattern = Pattern::default();
    let mut left = rows.as_slice();
    pattern.roots = pattern.elements(&mut left, 0)?;
    Ok(pattern)
}

/// A line of the text.
struct Row<'t> {
    number: usize,
    depth: usize,
    words: &'t str,
}

impl Row<'_> {
    fn mistake(&self, what: impl Into<String>) -> Mistake {
        Mistake { line: self.number, text: self.words.to_owned(), what: what.into() }
    }
}

impl Pattern {
    /// Reads the lines of one level and what stands below them.
    fn elements(&mut self, left: &mut &[Row<'_>], depth: usize) -> Result<Vec<Element>, Mistake> {
        let mut elements = Vec::new();
        while let [row, rest @ ..] = *left {
            if row.depth < depth {
                break;
            }
            *left = rest;
            let (count, words) = count(row)?;
            let children = self.elements(left, depth + 1)?;
            let element = match (words, count) {
                (REST | ANY_ORDER, Some(_)) => return Err(row.mistake(format!("`{words}` takes no count"))),
                (REST, None) if children.is_empty() => Element::Rest,
                (REST, None) => return Err(row.mistake("nothing stands under `...`: it stands for whole trees")),
                (ANY_ORDER, None) => any_order(row, children)?,
                (words, count) => {
                    let (least, most) = count.unwrap_or((1, 1));
                    self.spans.push(SpanPattern { children, ..span(row, words)? });
                    Element::Span(Repeated { span: self.spans.len() - 1, least, most })
                }
            };
            elements.push(element);
        }
        Ok(elements)
    }
}

fn any_order(row: &Row<'_>, children: Vec<Element>) -> Result<Element, Mistake> {
    let (mut spans, mut rest) = (Vec::new(), false);
    for child in children {
        match child {
            Element::Span(span) => spans.push(span),
            Element::Rest => rest = true,
            Element::AnyOrder { .. } => return Err(row.mistake("one `in any order:` directly under another")),
        }
    }
    if spans.is_empty() {
        return Err(row.mistake("it stands above the spans it is about, which are indented below it"));
    }
    Ok(Element::AnyOrder { spans, rest })
}

/// The least and the most times a span is expected.
type Count = (usize, usize);

/// The count before a span and what follows it.
fn count<'t>(row: &Row<'t>) -> Result<(Option<Count>, &'t str), Mistake> {
    let Some((word, rest)) = row.words.split_once(' ') else { return Ok((None, row.words)) };
    let rest = rest.trim_start();
    let count = match word {
        "?" => (0, 1),
        "*" => (0, usize::MAX),
        "+" => (1, usize::MAX),
        word => match word.strip_suffix('x').filter(|number| number.starts_with(|c: char| c.is_ascii_digit())) {
            None => return Ok((None, row.words)),
            Some(number) => {
                let (least, most) = number.split_once("..").unwrap_or((number, number));
                let most = if most.is_empty() { Ok(usize::MAX) } else { most.parse() };
                match (least.parse(), most) {
                    (Ok(least), Ok(most)) => (least, most),
                    // A name such as `2fax`.
                    _ => return Ok((None, row.words)),
                }
            }
        },
    };
    match count {
        (_, 0) => Err(row.mistake("no times at all: leave the line out")),
        (least, most) if least > MAX_COUNT || (most > MAX_COUNT && most < usize::MAX) => {
            Err(row.mistake(format!("a span is counted up to {MAX_COUNT}")))
        }
        (least, most) if least > most => Err(row.mistake("the lower count comes first, as in `2..4x`")),
        count => Ok((Some(count), rest)),
    }
}

/// Reads `name [TYPE]` and how the span ended.
fn span(row: &Row<'_>, words: &str) -> Result<SpanPattern, Mistake> {
    let made = |name: &str, span_type: Option<&str>, ending: &str| SpanPattern {
        line: row.words.to_owned(),
        exact: words.to_owned(),
        name: name.to_owned(),
        span_type: span_type.map(str::to_owned),
        ending: ending.to_owned(),
        children: Vec::new(),
    };
    if let Some((name, rest)) = words.strip_prefix('"').and_then(quoted) {
        let (span_type, ending) = match rest.strip_prefix(" [").and_then(|rest| rest.split_once(']')) {
            Some((span_type, ending)) => (Some(span_type), ending),
            None => (None, rest),
        };
        return match is_ending(ending) {
            true => Ok(made(name, span_type, ending)),
            false => Err(row.mistake(AFTER_TYPE)),
        };
    }
    // A name or a message may have brackets too: the type is the first of them that is followed by an ending.
    for (at, _) in words.match_indices(" [") {
        let Some((span_type, ending)) = words[at + 2..].split_once(']') else { break };
        if is_ending(ending) {
            return Ok(made(&words[..at], Some(span_type), ending));
        }
    }
    let untyped = words.match_indices(' ').map(|(at, _)| at).find(|at| is_ending(&words[*at..])).unwrap_or(words.len());
    let (name, ending) = words.split_at(untyped);
    match name.contains(" [") {
        true if name.contains(']') => Err(row.mistake(AFTER_TYPE)),
        true => Err(row.mistake("`[` is not closed; put a name that has one into double quotes")),
        false => Ok(made(name, None, ending)),
    }
}

const AFTER_TYPE: &str =
    "after `name [TYPE]` comes nothing, `incomplete`, `CANCELLED`, `ABANDONED`, `ERROR` or `ERROR: message`";

fn quoted(text: &str) -> Option<(&str, &str)> {
    let ends = text.match_indices('"').map(|(at, _)| (&text[..at], &text[at + 1..]));
    ends.into_iter().find(|(_, rest)| rest.is_empty() || rest.starts_with(' '))
}

fn is_ending(text: &str) -> bool {
    let text = text.strip_prefix(" incomplete").unwrap_or(text);
    matches!(text, "" | " CANCELLED" | " ABANDONED" | " ERROR") || text.starts_with(" ERROR: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> SpanPattern {
        let mut pattern = parse(line).unwrap_or_else(|mistake| panic!("{mistake}"));
        assert_eq!((pattern.roots.len(), pattern.spans.len()), (1, 1), "{line}");
        pattern.spans.remove(0)
    }

    #[test]
    fn a_line_says_name_type_and_ending() {
        for (line, name, span_type, ending) in [
            ("a [CHAIN]", "a", "CHAIN", ""),
            ("a", "a", "ANY", ""),
            ("3x a ERROR", "a", "ANY", " ERROR"),
            ("two words [TOOL] incomplete", "two words", "TOOL", " incomplete"),
            ("a [b] [LLM] ERROR: [c] ERROR: d", "a [b]", "LLM", " ERROR: [c] ERROR: d"),
            ("a [LLM] ERROR: exit code *", "a", "LLM", " ERROR: exit code 3"),
            ("a ERROR: *: * is *", "a", "X", " ERROR: one: two is is three"),
            ("? \"3x a [b]\" ERROR: *", "3x a [b]", "X", " ERROR: it"),
            ("\"a\" CANCELLED", "a", "X", " CANCELLED"),
            // As it stands, quotes and all.
            ("\"a\" [CHAIN]", "\"a\"", "CHAIN", ""),
            ("2fax [CHAIN]", "2fax", "CHAIN", ""),
            ("a* [CHAIN]", "a*", "CHAIN", ""),
        ] {
            assert!(one(line).fits(name, span_type, ending), "{line}");
            assert!(!one(line).fits("other", span_type, ending), "{line}");
            assert!(!one(line).fits(name, span_type, " ABANDONED"), "{line}");
        }
        assert!(!one("a [CHAIN]").fits("a", "LLM", ""));
        for message in ["code 3", "exit code", "an exit code 3"] {
            assert!(!one("a ERROR: exit code *").fits("a", "X", &format!(" ERROR: {message}")), "{message}");
        }
        assert!(!one("a ERROR: *ab*ba").fits("a", "X", " ERROR: aba"));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let told = |text: &str| parse(text).expect_err(text).to_string();
        let all: Vec<_> = [
            "a\n   b",
            "a\n    b",
            "a\n\tb",
            "a\n...\n  b",
            "a\n2x ...",
            "? in any order:\n  a",
            "a\n  in any order:\nb",
            "in any order:\n  in any order:\n    a",
            "0x a",
            "4..2x a",
            "100001x a",
            "a [CHAIN] EROR: b",
            "a [CHAIN",
            "\"a\" b",
        ]
        .map(told)
        .to_vec();
        insta::assert_snapshot!(all.join("\n"), @r#"
        line 2 of the expected tree, `b`: indented by 3 spaces; a level is two
        line 2 of the expected tree, `b`: two levels below the line above it; a level is two spaces
        line 2 of the expected tree, `b`: indent by spaces, two a level
        line 2 of the expected tree, `...`: nothing stands under `...`: it stands for whole trees
        line 2 of the expected tree, `2x ...`: `...` takes no count
        line 1 of the expected tree, `? in any order:`: `in any order:` takes no count
        line 2 of the expected tree, `in any order:`: it stands above the spans it is about, which are indented below it
        line 1 of the expected tree, `in any order:`: one `in any order:` directly under another
        line 1 of the expected tree, `0x a`: no times at all: leave the line out
        line 1 of the expected tree, `4..2x a`: the lower count comes first, as in `2..4x`
        line 1 of the expected tree, `100001x a`: a span is counted up to 100000
        line 1 of the expected tree, `a [CHAIN] EROR: b`: after `name [TYPE]` comes nothing, `incomplete`, `CANCELLED`, `ABANDONED`, `ERROR` or `ERROR: message`
        line 1 of the expected tree, `a [CHAIN`: `[` is not closed; put a name that has one into double quotes
        line 1 of the expected tree, `"a" b`: after `name [TYPE]` comes nothing, `incomplete`, `CANCELLED`, `ABANDONED`, `ERROR` or `ERROR: message`
        "#);
        let deep: Vec<_> = (0..=MAX_DEPTH + 1).map(|depth| format!("{}a", "  ".repeat(depth))).collect();
        assert!(parse(&deep[..=MAX_DEPTH].join("\n")).is_ok());
        assert!(told(&deep.join("\n")).contains("at most 100 levels"));
    }
}
