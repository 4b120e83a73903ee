//! Span records as indented text, a line each.
//!
//! Linear in the number of spans but for sorting siblings, without recursion; a line is indented by at most 100 levels, so that
//! a chain of 10,000 calls stays readable and small. Text of the traced program cannot reach the terminal's control characters.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::id::{SpanId, TraceId};
use crate::record::{AttributeValue, Ending, SpanRecord};

/// Levels a line is indented by at most; below that the depth stands in front.
const MAX_INDENT: usize = 100;
/// Characters of an error text or a fact.
const MAX_TEXT: usize = 200;
/// Spans whose parent is not among those given stand below this line.
const ORPHANS: &str = "(parent not recorded)";

/// How a tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    drawn: bool,
    facts: bool,
}

impl Style {
    /// For people: lines, a mark for the outcome, durations, and facts such as model, tokens and exit code.
    pub const fn drawn() -> Self {
        Self { drawn: true, facts: true }
    }

    /// For snapshots: two spaces a level; name, type and error only, no id and no time.
    pub const fn redacted() -> Self {
        Self { drawn: false, facts: false }
    }

    /// The same with facts such as model, tokens and exit code; ids and times are not among them.
    #[must_use]
    pub const fn with_facts(mut self) -> Self {
        self.facts = true;
        self
    }
}

/// The spans as trees, each span once, children in the order of their start. A span whose parent is not among them stands
/// below a line that says so.
///
/// ```text
/// optimization_workflow [WORKFLOW] ✓ 1.24s
/// ├─ analyze_and_suggest [CHAIN] ✓ 1.21s
/// │  └─ sandbox.execute [TOOL] ✗ 1.02s exit_code=3 policy=standard ERROR: exit code 3
/// └─ present_recommendations [CHAIN] ✓ 84.0µs
/// ```
pub fn render(spans: &[SpanRecord], style: Style) -> String {
    let mut writer = Writer { spans, style, text: String::new(), lasts: Vec::new() };
    walk(spans, |span, depth, last| writer.line(span, depth, last));
    writer.text
}

/// A line of a tree: its indentation and text apart.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub(crate) struct Line {
    /// How many spans this one stands under.
    pub(crate) depth: usize,
    /// Place of the span in the input; `None` for the line that spans without their parent stand below.
    pub(crate) span: Option<usize>,
    /// Name; of the line without a span, all of it.
    pub(crate) name: String,
    /// Type; empty on the line without a span.
    pub(crate) span_type: String,
    /// Nothing, or the words after the type: ` incomplete`, ` CANCELLED`, ` ABANDONED`, ` ERROR`, ` ERROR: …`.
    pub(crate) ending: String,
}

#[cfg(feature = "testing")]
impl Line {
    /// The line in the redacted style.
    pub(crate) fn text(&self) -> String {
        let Self { name, span_type, ending, .. } = self;
        if self.span.is_some() { format!("{name} [{span_type}]{ending}") } else { name.clone() }
    }
}

/// The lines of the redacted style.
#[cfg(feature = "testing")]
pub(crate) fn lines(spans: &[SpanRecord]) -> Vec<Line> {
    let mut lines = Vec::with_capacity(spans.len());
    walk(spans, |span, depth, _| {
        lines.push(match span {
            None => Line { depth, span, name: ORPHANS.into(), span_type: String::new(), ending: String::new() },
            Some(place) => {
                let record = &spans[place];
                let (name, span_type) = (clean(&record.name), clean(&record.span_type));
                Line { depth, span, name, span_type, ending: ending(record) }
            }
        });
    });
    lines
}

/// Visits the lines of a tree from top to bottom: span, depth, whether it is the last of its siblings.
fn walk(spans: &[SpanRecord], mut visit: impl FnMut(Option<usize>, usize, bool)) {
    let forest = Forest::of(spans);
    let mut shown = vec![false; spans.len()];
    let mut tree = |start: Option<usize>, level: usize, start_is_last: bool| match start {
        None => visit(None, level, start_is_last),
        Some(start) => forest.walk(start, |span, depth, last| {
            let new = !std::mem::replace(&mut shown[span], true);
            if new {
                visit(Some(span), level + depth, if depth == 0 { start_is_last } else { last });
            }
            new
        }),
    };
    forest.roots.iter().for_each(|root| tree(Some(*root), 0, true));
    let lost = forest.lost();
    if !lost.is_empty() {
        tree(None, 0, true);
    }
    for (n, orphan) in lost.iter().enumerate() {
        tree(Some(*orphan), 1, n + 1 == lost.len());
    }
}

/// Who is whose child, by position in the input.
struct Forest {
    /// All, by start.
    order: Vec<usize>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    orphans: Vec<usize>,
}

impl Forest {
    fn of(spans: &[SpanRecord]) -> Self {
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|n| (spans[*n].start_unix_ns, spans[*n].span_id));
        let mut places: HashMap<(TraceId, SpanId), usize> = HashMap::with_capacity(spans.len());
        for n in &order {
            places.entry((spans[*n].trace_id, spans[*n].span_id)).or_insert(*n);
        }
        let mut forest =
            Self { order: Vec::new(), children: vec![Vec::new(); spans.len()], roots: Vec::new(), orphans: Vec::new() };
        for n in &order {
            match spans[*n].parent_id.map(|parent| places.get(&(spans[*n].trace_id, parent))) {
                None => forest.roots.push(*n),
                Some(None) => forest.orphans.push(*n),
                Some(Some(parent)) => forest.children[*parent].push(*n),
            }
        }
        forest.order = order;
        forest
    }

    /// The spans that stand below no root, the first of each tree: those whose parent is missing, and, of those whose parents form
    /// a circle, the first.
    fn lost(&self) -> Vec<usize> {
        let mut reached = vec![false; self.order.len()];
        for start in self.roots.iter().chain(&self.orphans) {
            self.walk(*start, |span, _, _| !std::mem::replace(&mut reached[span], true));
        }
        let circles = self.order.iter().copied().filter(|start| {
            let new = !reached[*start];
            self.walk(*start, |span, _, _| !std::mem::replace(&mut reached[span], true));
            new
        });
        let circles: Vec<usize> = circles.collect();
        self.orphans.iter().copied().chain(circles).collect()
    }

    /// Visits a span and all below it, parents first: span, depth below `start`, whether it is the last of its siblings. Where
    /// `visit` says no, nothing below is visited.
    fn walk(&self, start: usize, mut visit: impl FnMut(usize, usize, bool) -> bool) {
        let mut ahead = vec![(start, 0, true)];
        while let Some((span, depth, last)) = ahead.pop() {
            if visit(span, depth, last) {
                let children = self.children[span].iter().rev().enumerate();
                ahead.extend(children.map(|(n, child)| (*child, depth + 1, n == 0)));
            }
        }
    }
}

struct Writer<'a> {
    spans: &'a [SpanRecord],
    style: Style,
    text: String,
    /// For each level above the current line, whether the span there is the last of its siblings.
    lasts: Vec<bool>,
}

impl Writer<'_> {
    fn line(&mut self, span: Option<usize>, depth: usize, last: bool) {
        self.lasts.truncate(depth);
        self.lasts.resize(depth, true);
        self.lasts.push(last);
        self.indent(depth);
        self.words(span);
        self.text.push('\n');
    }

    fn indent(&mut self, depth: usize) {
        let levels = depth.min(MAX_INDENT);
        if self.style.drawn {
            for last in self.lasts.iter().take(levels).skip(1) {
                self.text.push_str(if *last { "   " } else { "│  " });
            }
            if depth > 0 {
                self.text.push_str(if self.lasts[depth] { "└─ " } else { "├─ " });
            }
        } else {
            self.text.extend(std::iter::repeat_n("  ", levels));
        }
        if depth > MAX_INDENT {
            let _ = write!(self.text, "(level {depth}) ");
        }
    }

    fn words(&mut self, span: Option<usize>) {
        let Some(span) = span.map(|span| &self.spans[span]) else {
            self.text.push_str(ORPHANS);
            return;
        };
        let _ = write!(self.text, "{} [{}]", clean(&span.name), clean(&span.span_type));
        if self.style.drawn {
            let _ = write!(self.text, " {} {}", if span.is_error() { '✗' } else { '✓' }, duration(span.duration_ns()));
        }
        if self.style.facts {
            self.facts(span);
        }
        self.text.push_str(&ending(span));
    }

    fn facts(&mut self, span: &SpanRecord) {
        const SHOWN: [(&str, &str); 7] = [
            ("sandbox.exit_code", "exit_code"),
            ("sandbox.policy", "policy"),
            ("sandbox.artifact_count", "artifacts"),
            ("sandbox.timed_out", "timed_out"),
            ("from", "from"),
            ("to", "to"),
            ("stream.items", "items"),
        ];
        if let Some(model) = &span.model {
            if let Some(name) = &model.model {
                let _ = write!(self.text, " model={}", clean(name));
            }
            if let Some(usage) = &model.usage {
                let _ = write!(self.text, " tokens={}+{}", usage.input, usage.output);
            }
        }
        for (name, short) in SHOWN {
            let value = match span.attribute(name) {
                None | Some(AttributeValue::Bool(false)) => continue,
                Some(AttributeValue::Bool(true)) => {
                    let _ = write!(self.text, " {short}");
                    continue;
                }
                Some(AttributeValue::Int(number)) => number.to_string(),
                Some(AttributeValue::Float(number)) => number.to_string(),
                Some(AttributeValue::Text(text)) => clean(text),
                Some(AttributeValue::Json(json)) => clean(json.as_str()),
            };
            let _ = write!(self.text, " {short}={value}");
        }
    }
}

/// How the span ended, where it is not as most do.
fn ending(span: &SpanRecord) -> String {
    let word = match (span.ending, &span.error) {
        _ if !span.is_error() => String::new(),
        (Ending::Cancelled, _) => " CANCELLED".to_owned(),
        (Ending::Abandoned, _) => " ABANDONED".to_owned(),
        (_, None) => " ERROR".to_owned(),
        (_, Some(error)) => format!(" ERROR: {}", clean(&error.message)),
    };
    if span.incomplete { format!(" incomplete{word}") } else { word }
}

/// One line without control characters, cut where it is long.
fn clean(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::with_capacity(text.len().min(MAX_TEXT));
    let mut room = MAX_TEXT;
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars().filter(|c| !is_invisible(*c)) {
            if room == 0 {
                line.push('…');
                return line;
            }
            room -= 1;
            line.push(c);
        }
    }
    line
}

/// Characters that change the direction or place of others without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{:.1}µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}ms", value / 1e6),
        1_000_000_000..60_000_000_000 => format!("{:.2}s", value / 1e9),
        _ => format!("{}m {:02}s", ns / 60_000_000_000, ns / 1_000_000_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::record::{ErrorFacts, ModelFacts, Usage};

    fn span(n: u64, parent: Option<u64>, name: &str, span_type: &str) -> SpanRecord {
        SpanRecord {
            parent_id: parent.map(SpanId::from_u64),
            name: name.to_owned(),
            span_type: span_type.to_owned(),
            kind: "node".to_owned(),
            start_unix_ns: 1_000 * n,
            end_unix_ns: 1_000 * n + 10_u64.pow(3 * (n as u32 % 4)),
            ..SpanRecord::new(TraceId::from_halves(1, 1), SpanId::from_u64(n))
        }
    }

    fn agent() -> Vec<SpanRecord> {
        let usage = Some(Usage { input: 10, output: 5, ..Usage::default() });
        let failed = |message: &str| Some(ErrorFacts { kind: "E".to_owned(), message: message.to_owned() });
        let text = |text: &str| AttributeValue::Text(text.to_owned());
        vec![
            // Stored as they ended, not as they began.
            SpanRecord {
                model: Some(ModelFacts { model: Some("gpt-4o".to_owned()), usage, ..ModelFacts::default() }),
                ..span(4, Some(3), "llm", "LLM")
            },
            span(2, Some(1), "collect_behavioral_data", "CHAIN"),
            SpanRecord {
                ending: Ending::Error,
                error: failed("exit code 3\n\u{1b}[31mwrong\u{202e}"),
                attributes: vec![
                    ("sandbox.exit_code".to_owned(), AttributeValue::Int(3)),
                    ("sandbox.policy".to_owned(), text("standard")),
                    ("sandbox.timed_out".to_owned(), AttributeValue::Bool(false)),
                ],
                ..span(5, Some(3), "sandbox.execute", "TOOL")
            },
            span(3, Some(1), "analyze_and_suggest", "CHAIN"),
            SpanRecord { ending: Ending::Cancelled, incomplete: true, ..span(6, Some(1), "stream", "CHAIN") },
            SpanRecord { ending: Ending::Cancelled, ..span(7, Some(1), "dropped", "CHAIN") },
            span(1, None, "optimization_workflow", "WORKFLOW"),
        ]
    }

    #[test]
    fn people_see_lines_times_and_facts() {
        assert_snapshot!(render(&agent(), Style::drawn()), @"
        optimization_workflow [WORKFLOW] ✓ 1.0µs
        ├─ collect_behavioral_data [CHAIN] ✓ 1.0ms
        ├─ analyze_and_suggest [CHAIN] ✓ 1.00s
        │  ├─ llm [LLM] ✓ 1ns model=gpt-4o tokens=10+5
        │  └─ sandbox.execute [TOOL] ✗ 1.0µs exit_code=3 policy=standard ERROR: exit code 3 [31mwrong
        ├─ stream [CHAIN] ✓ 1.0ms incomplete
        └─ dropped [CHAIN] ✗ 1.00s CANCELLED
        ");
    }

    #[test]
    fn snapshots_have_neither_ids_nor_times() {
        assert_snapshot!(render(&agent(), Style::redacted()), @"
        optimization_workflow [WORKFLOW]
          collect_behavioral_data [CHAIN]
          analyze_and_suggest [CHAIN]
            llm [LLM]
            sandbox.execute [TOOL] ERROR: exit code 3 [31mwrong
          stream [CHAIN] incomplete
          dropped [CHAIN] CANCELLED
        ");
        assert!(render(&agent(), Style::redacted().with_facts()).contains("llm [LLM] model=gpt-4o tokens=10+5\n"));
    }

    #[test]
    fn spans_without_a_recorded_parent_stand_apart() {
        let circle = [
            span(7, Some(8), "seven", "CHAIN"),
            span(8, Some(7), "eight", "CHAIN"),
            span(9, Some(9), "own parent", "TOOL"),
        ];
        let mut spans = vec![
            span(5, Some(4), "orphan", "CHAIN"),
            span(6, Some(5), "below", "CHAIN"),
            span(2, None, "second", "AGENT"),
        ];
        spans.extend(circle);
        spans.push(span(1, None, "first", "AGENT"));
        assert_snapshot!(render(&spans, Style::redacted()), @"
        first [AGENT]
        second [AGENT]
        (parent not recorded)
          orphan [CHAIN]
            below [CHAIN]
          seven [CHAIN]
            eight [CHAIN]
          own parent [TOOL]
        ");
        assert_eq!(render(&[], Style::drawn()), "");
    }

    #[test]
    fn a_deep_chain_and_a_wide_tree_are_quick() {
        let began = Instant::now();
        let chain: Vec<_> = (1..=10_000).map(|n| span(n, (n > 1).then(|| n - 1), "deep", "CHAIN")).collect();
        for style in [Style::drawn(), Style::redacted()] {
            let text = render(&chain, style);
            assert_eq!(text.lines().count(), 10_000);
            assert!(text.contains("(level 9999) deep") && text.len() < 10_000 * 600);
        }
        let wide: Vec<_> =
            (1..=100_000).map(|n| span(n, (n > 1).then(|| n / 300 + 1).filter(|p| *p < n), "wide", "CHAIN")).collect();
        assert_eq!(render(&wide, Style::drawn()).lines().count(), 100_000);
        // Quadratic would be minutes.
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn every_span_is_on_exactly_one_line(parents in prop::collection::vec(prop::option::of(0u64..40), 0..30)) {
            let spans: Vec<_> =
                parents.iter().enumerate().map(|(n, parent)| span(n as u64, *parent, &format!("<{n}>"), "CHAIN")).collect();
            for style in [Style::drawn(), Style::redacted()] {
                let text = render(&spans, style);
                let lines = text.lines().filter(|line| *line != ORPHANS);
                let mut names: Vec<_> = lines.map(|line| line.split_once('<').map(|(_, rest)| rest.split_once('>').map(|(n, _)| n.parse()))).collect();
                names.sort_by_key(|name| name.clone().flatten().and_then(Result::ok));
                let all: Vec<_> = (0..spans.len()).map(|n| Some(Some(Ok(n)))).collect();
                prop_assert_eq!(names, all);
            }
        }
    }
}
