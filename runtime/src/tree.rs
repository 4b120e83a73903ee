//! Span records as indented text: for people, and for snapshots.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::id::SpanId;
use crate::record::{AttributeValue, Ending, ModelFacts, SpanRecord};

const MAX_DRAWN_DEPTH: usize = 100;

/// How a tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    drawn: bool,
}

impl Style {
    /// With lines, marks, durations and the facts people look for first.
    pub const fn drawn() -> Self {
        Self { drawn: true }
    }

    /// Two spaces a level: name, type and error, no id and no time, for snapshots.
    pub const fn redacted() -> Self {
        Self { drawn: false }
    }
}

/// The spans as a tree, a line each, children in the order of their start; several traces one after the other.
///
/// A span whose parent is not among `spans` stands under a line that says so.
///
/// ```text
/// optimization_workflow [WORKFLOW] 1.24s
/// ├─ collect_behavioral_data [CHAIN] 12ms
/// │  └─ ha.get_logbook_stats [RETRIEVER] 11ms
/// └─ present_recommendations [CHAIN] 1ms
/// ```
pub fn render(spans: &[SpanRecord], style: Style) -> String {
    let forest = Forest::of(spans);
    let mut text = String::new();
    for root in &forest.roots {
        forest.write(*root, style, &mut text);
    }
    if !forest.orphans.is_empty() {
        text.push_str("(the parent of what follows is not here)\n");
        for orphan in &forest.orphans {
            forest.write(*orphan, style, &mut text);
        }
    }
    text
}

/// Indices into the spans, in the order they are written.
struct Forest<'s> {
    spans: &'s [SpanRecord],
    roots: Vec<usize>,
    orphans: Vec<usize>,
    children: HashMap<SpanId, Vec<usize>>,
}

impl<'s> Forest<'s> {
    fn of(spans: &'s [SpanRecord]) -> Self {
        let known: HashMap<_, _> = spans.iter().map(|span| (span.span_id, span.trace_id)).collect();
        let mut order: Vec<_> = (0..spans.len()).collect();
        order.sort_by_key(|index| (spans[*index].start_unix_ns, spans[*index].span_id));
        let mut forest = Self { spans, roots: Vec::new(), orphans: Vec::new(), children: HashMap::new() };
        for index in order {
            match spans[index].parent_id {
                None => forest.roots.push(index),
                Some(parent)
                    if known.get(&parent) == Some(&spans[index].trace_id) && parent != spans[index].span_id =>
                {
                    forest.children.entry(parent).or_default().push(index);
                }
                Some(_) => forest.orphans.push(index),
            }
        }
        forest
    }

    fn children(&self, index: usize) -> &[usize] {
        self.children.get(&self.spans[index].span_id).map_or(&[], Vec::as_slice)
    }

    /// Writes a span and what is below it, without recursion: a tree may be deeper than the stack.
    fn write(&self, root: usize, style: Style, text: &mut String) {
        // `lines` holds, for each level above, whether more siblings follow there.
        let mut lines: Vec<bool> = Vec::new();
        let mut left = vec![(root, 0, true)];
        while let Some((index, depth, is_last)) = left.pop() {
            lines.truncate(depth.max(1) - 1);
            if depth > 0 {
                indent(&lines, is_last, style, text);
                lines.push(!is_last);
            }
            write_span(&self.spans[index], style, text);
            let children = self.children(index);
            let below = children.iter().enumerate().rev();
            left.extend(below.map(|(nth, child)| (*child, depth + 1, nth + 1 == children.len())));
        }
    }
}

fn indent(lines: &[bool], is_last: bool, style: Style, text: &mut String) {
    // Deeper levels than anybody can read are drawn flush, so that a chain of calls does not fill memory with spaces.
    for more in lines.iter().take(MAX_DRAWN_DEPTH) {
        text.push_str(match (style.drawn, more) {
            (true, true) => "│  ",
            (true, false) => "   ",
            (false, _) => "  ",
        });
    }
    text.push_str(match (style.drawn, is_last) {
        (true, true) => "└─ ",
        (true, false) => "├─ ",
        (false, _) => "  ",
    });
}

fn write_span(span: &SpanRecord, style: Style, text: &mut String) {
    text.push_str(&span.name);
    text.push_str(" [");
    text.push_str(&span.span_type);
    text.push(']');
    if style.drawn {
        text.push(' ');
        write_duration(span.duration_ns(), text);
        write_facts(span, text);
    }
    write_ending(span, text);
    text.push('\n');
}

fn write_ending(span: &SpanRecord, text: &mut String) {
    if span.incomplete {
        text.push_str(" incomplete");
    }
    if span.is_error() {
        text.push_str(match span.ending {
            Ending::Cancelled => " CANCELLED",
            Ending::Abandoned => " ABANDONED",
            _ => " ERROR",
        });
        if let Some(error) = span.error.as_ref().filter(|_| matches!(span.ending, Ending::Error | Ending::Panic)) {
            let mut lines = error.message.lines();
            // Writing to a string does not fail.
            let _ = write!(text, ": {}", lines.next().unwrap_or_default());
            text.push_str(if lines.next().is_some() { " …" } else { "" });
        }
    }
}

fn write_duration(duration_ns: u64, text: &mut String) {
    let _ = match duration_ns {
        ..1_000_000 => write!(text, "{}µs", duration_ns / 1_000),
        ..1_000_000_000 => write!(text, "{}ms", duration_ns / 1_000_000),
        ..60_000_000_000 => write!(text, "{:.2}s", duration_ns as f64 / 1e9),
        _ => write!(text, "{}m{:02}s", duration_ns / 60_000_000_000, duration_ns / 1_000_000_000 % 60),
    };
}

fn write_facts(span: &SpanRecord, text: &mut String) {
    if let Some(ModelFacts { model, usage, .. }) = &span.model {
        if let Some(model) = model {
            let _ = write!(text, " model={model}");
        }
        if let Some(usage) = usage {
            let _ = write!(text, " tokens={}+{}", usage.input, usage.output);
        }
    }
    let shown = [
        ("exit_code", "sandbox.exit_code"),
        ("policy", "sandbox.policy"),
        ("artifacts", "sandbox.artifact_count"),
        ("from", "from"),
        ("to", "to"),
        ("items", "stream.items"),
    ];
    for (label, name) in shown {
        let _ = match span.attribute(name) {
            Some(AttributeValue::Int(value)) => write!(text, " {label}={value}"),
            Some(AttributeValue::Text(value)) => write!(text, " {label}={value}"),
            _ => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TraceId;
    use crate::record::{ErrorFacts, Source, Usage};

    fn span(id: u64, parent: u64, name: &str) -> SpanRecord {
        SpanRecord {
            trace_id: TraceId::from_halves(1, 1),
            span_id: SpanId::from_u64(id),
            parent_id: Some(SpanId::from_u64(parent)).filter(|parent| parent.is_valid()),
            name: name.into(),
            span_type: "CHAIN".into(),
            kind: "node".into(),
            source: Source::default(),
            start_unix_ns: id * 1_000_000,
            end_unix_ns: id * 1_000_000 + 1_500_000,
            ending: Ending::Ok,
            incomplete: false,
            error: None,
            inputs: None,
            outputs: None,
            attributes: Vec::new(),
            events: Vec::new(),
            model: None,
            workflow: None,
            run: None,
        }
    }

    #[test]
    fn a_drawn_tree_shows_lines_facts_and_failures() {
        let usage = Usage { input: 12, output: 3, ..Usage::default() };
        let llm = SpanRecord {
            model: Some(ModelFacts { model: Some("m-1".into()), usage: Some(usage), ..ModelFacts::default() }),
            ..span(3, 2, "llm")
        };
        let failed = SpanRecord {
            ending: Ending::Error,
            error: Some(ErrorFacts { kind: "E".into(), message: "first\nsecond".into() }),
            ..span(4, 2, "tool")
        };
        let sandbox = SpanRecord {
            attributes: vec![("sandbox.exit_code".into(), AttributeValue::Int(0))],
            ..span(6, 5, "sandbox.execute")
        };
        let spans =
            [failed, sandbox, span(1, 0, "root"), llm, span(5, 1, "last"), span(2, 1, "first"), span(8, 99, "lost")];
        insta::assert_snapshot!(render(&spans, Style::drawn()), @r"
        root [CHAIN] 1ms
        ├─ first [CHAIN] 1ms
        │  ├─ llm [CHAIN] 1ms model=m-1 tokens=12+3
        │  └─ tool [CHAIN] 1ms ERROR: first …
        └─ last [CHAIN] 1ms
           └─ sandbox.execute [CHAIN] 1ms exit_code=0
        (the parent of what follows is not here)
        lost [CHAIN] 1ms
        ");
        insta::assert_snapshot!(render(&spans[..6], Style::redacted()), @r"
        root [CHAIN]
          first [CHAIN]
            llm [CHAIN]
            tool [CHAIN] ERROR: first …
          last [CHAIN]
            sandbox.execute [CHAIN]
        ");
    }

    #[test]
    fn deep_trees_do_not_overflow_the_stack() {
        let spans: Vec<_> = (1..=10_000).map(|id| span(id, id - 1, "n")).collect();
        assert_eq!(render(&spans, Style::redacted()).lines().count(), 10_000);
    }

    #[test]
    fn spans_that_name_each_other_as_parents_end() {
        let spans = [span(1, 2, "a"), span(2, 1, "b"), span(3, 3, "c")];
        assert!(render(&spans, Style::drawn()).contains('c'));
    }
}
