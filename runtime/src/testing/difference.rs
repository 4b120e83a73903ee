//! Where a recorded tree is not as a pattern expects it: the recorded lines against those of the nearest match.
//!
//! Near is what leaves few lines over. Siblings are aligned as texts are compared, by the least sum of what is missing, what is too
//! many and what differs in pairs that belong together. It decides nothing: whether a tree is as expected is `matching`'s.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::matching::{Assignment, Matcher, Outline, Sorts};
use super::pattern::{Element, Pattern, Repeated};
use super::report::{Line, Mark};

/// Steps of comparing siblings after which pairs are no longer looked into: some seconds.
const MAX_STEPS: usize = 4_000_000;

/// The recorded lines, marked, with what is missing among them.
pub(super) fn lines(pattern: &Pattern, outline: &Outline) -> Vec<Line> {
    let matcher = Matcher::new(pattern, outline);
    let mut difference =
        Difference { matcher: &matcher, costs: RefCell::default(), steps: Cell::new(0), lines: Vec::new() };
    difference.row(&pattern.roots, &outline.roots, 0);
    difference.lines
}

struct Difference<'m> {
    matcher: &'m Matcher<'m>,
    /// Cost of pairing a span of the pattern with a line.
    costs: RefCell<HashMap<(usize, usize), usize>>,
    steps: Cell<usize>,
    lines: Vec<Line>,
}

/// What stands in the place of one sibling, or of any number of them.
#[derive(Clone, Copy, Debug)]
enum Slot<'p> {
    /// Exactly one.
    One(&'p Repeated),
    /// One or none.
    Optional(&'p Repeated),
    Many(&'p Repeated),
    Rest,
    AnyOrder(&'p [Repeated], bool),
}

/// What becomes of a sibling or a slot, in their order.
#[derive(Clone, Debug)]
enum Step<'p> {
    /// The sibling stands where this span is expected.
    Pair(&'p Repeated, usize),
    /// The sibling stands where any may.
    Pass(usize),
    /// The siblings stand where an `in any order:` does.
    Members(&'p [Repeated], bool, Vec<usize>),
    Extra(usize),
    Missing(&'p Repeated),
}

impl Difference<'_> {
    /// Cost of pairing: nothing if it is as expected, else the lines that differ.
    fn cost(&self, span: usize, line: usize) -> usize {
        if self.matcher.fits(span, line) {
            return 0;
        }
        if let Some(known) = self.costs.borrow().get(&(span, line)) {
            return *known;
        }
        let expected = &self.matcher.pattern.spans[span];
        let outline = self.matcher.outline;
        let own = match self.matcher.line_fits(span, line) {
            true => 0,
            false if expected.is_named(&outline.lines[line].name) => 1,
            // As much as one missing and one too many, unless what stands below belongs together.
            false => 2,
        };
        let cost = own + self.align(&expected.children, &outline.children[line]).0;
        self.costs.borrow_mut().insert((span, line), cost);
        cost
    }

    /// Lines that are missing where a span is.
    fn size(&self, span: usize) -> usize {
        let below = self.matcher.pattern.spans[span].children.iter();
        1 + below.map(|element| self.size_of(element)).sum::<usize>()
    }

    fn size_of(&self, element: &Element) -> usize {
        let of = |span: &Repeated| span.least.saturating_mul(self.size(span.span)).min(MAX_STEPS);
        match element {
            Element::Rest => 0,
            Element::Span(span) => of(span),
            Element::AnyOrder { spans, .. } => spans.iter().map(of).sum(),
        }
    }

    /// The cheapest steps, and what they cost.
    fn align<'p>(&self, elements: &'p [Element], siblings: &[usize]) -> (usize, Vec<Step<'p>>) {
        let slots = slots(elements, siblings.len());
        // Most of a wide tree is as expected: what is so at its start and its end needs no search.
        let start = self.same(slots.iter().zip(siblings));
        let (slots, siblings) = (&slots[start.len()..], &siblings[start.len()..]);
        let end = self.same(slots.iter().rev().zip(siblings.iter().rev()));
        let (slots, siblings) = (&slots[..slots.len() - end.len()], &siblings[..siblings.len() - end.len()]);
        let in_any_order = slots.iter().filter(|slot| matches!(slot, Slot::AnyOrder(..))).count();
        let rows = slots.len() + 1 + in_any_order * siblings.len();
        let steps = self.steps.get().saturating_add(rows.saturating_mul(siblings.len() + 1));
        let (cost, middle) = if steps <= MAX_STEPS {
            self.steps.set(steps);
            self.align_closely(slots, siblings)
        } else {
            self.align_in_order(slots, siblings)
        };
        (cost, start.into_iter().chain(middle).chain(end.into_iter().rev()).collect())
    }

    /// The first pairs that are as expected.
    fn same<'s, 'p: 's>(&self, pairs: impl Iterator<Item = (&'s Slot<'p>, &'s usize)>) -> Vec<Step<'p>> {
        let same = pairs.map_while(|(slot, line)| match slot {
            Slot::One(span) if self.matcher.fits(span.span, *line) => Some(Step::Pair(span, *line)),
            _ => None,
        });
        same.collect()
    }

    /// By the costs of all ways, from the end to the start.
    fn align_closely<'p>(&self, slots: &[Slot<'p>], siblings: &[usize]) -> (usize, Vec<Step<'p>>) {
        let width = siblings.len() + 1;
        let mut costs = vec![0; (slots.len() + 1) * width];
        // Where the siblings of each `in any order:` end, by where they start.
        let mut ends: HashMap<usize, Vec<usize>> = HashMap::new();
        for a in (0..=slots.len()).rev() {
            let (row, after) = costs[a * width..].split_at_mut(width);
            if let Some(Slot::AnyOrder(spans, rest)) = slots.get(a) {
                ends.insert(a, self.any_order(spans, *rest, siblings, row, after));
                continue;
            }
            for b in (0..width).rev() {
                let ways = self.ways(slots.get(a).copied(), siblings.get(b).copied());
                let best = ways.into_iter().flatten().map(|way| way.total(row, after, b)).min();
                row[b] = best.unwrap_or(0);
            }
        }
        let (mut a, mut b, mut steps) = (0, 0, Vec::new());
        while a < slots.len() || b < siblings.len() {
            if let (Some(Slot::AnyOrder(spans, rest)), Some(ends)) = (slots.get(a), ends.get(&a)) {
                steps.push(Step::Members(spans, *rest, siblings[b..ends[b]].to_vec()));
                (a, b) = (a + 1, ends[b]);
                continue;
            }
            let ways = self.ways(slots.get(a).copied(), siblings.get(b).copied());
            let (row, after) = costs[a * width..].split_at(width);
            let Some(way) = ways.into_iter().flatten().min_by_key(|way| way.total(row, after, b)) else { break };
            steps.extend(way.step);
            (a, b) = (a + way.slots, b + way.lines);
        }
        (costs[0], steps)
    }

    /// The costs of an `in any order:` by the sibling it starts at, and where it ends best.
    fn any_order(
        &self,
        spans: &[Repeated],
        rest: bool,
        siblings: &[usize],
        costs: &mut [usize],
        after: &[usize],
    ) -> Vec<usize> {
        let sorts = Sorts::of(self.matcher, spans, siblings);
        let sizes: Vec<usize> = spans.iter().map(|span| self.size(span.span)).collect();
        let ends = (0..costs.len()).map(|start| {
            let mut assigned = Assignment::new(spans, &sorts);
            let (mut extra, mut best) = (0, (usize::MAX, start));
            for end in start..costs.len() {
                let missing: usize = assigned.missing().zip(&sizes).map(|(count, size)| count * size).sum();
                let cost = extra + missing + after[end];
                if cost <= best.0 {
                    best = (cost, end);
                }
                if end < siblings.len() && !assigned.take(end) && !rest {
                    extra += self.matcher.outline.subtree(siblings[end]).len();
                }
            }
            costs[start] = best.0;
            best.1
        });
        ends.collect()
    }

    /// One slot and one sibling after the other: for what is too much to be compared closely.
    fn align_in_order<'p>(&self, slots: &[Slot<'p>], siblings: &[usize]) -> (usize, Vec<Step<'p>>) {
        let (mut cost, mut steps, mut left) = (0, Vec::new(), siblings.iter().copied().peekable());
        for slot in slots {
            let fits = |span: &Repeated, line: &usize| self.matcher.fits(span.span, *line);
            match slot {
                Slot::One(span) => match left.next() {
                    Some(line) => {
                        cost += usize::from(!fits(span, &line));
                        steps.push(Step::Pair(span, line));
                    }
                    None => {
                        cost += 1;
                        steps.push(Step::Missing(span));
                    }
                },
                Slot::Optional(span) => {
                    steps.extend(left.next_if(|line| fits(span, line)).map(|l| Step::Pair(span, l)))
                }
                Slot::Many(span) => {
                    while let Some(line) = left.next_if(|line| fits(span, line)) {
                        steps.push(Step::Pair(span, line));
                    }
                }
                Slot::Rest => steps.extend(left.by_ref().map(Step::Pass)),
                Slot::AnyOrder(spans, rest) => {
                    steps.push(Step::Members(spans, *rest, left.by_ref().collect()));
                }
            }
        }
        steps.extend(left.inspect(|_| cost += 1).map(Step::Extra));
        (cost, steps)
    }

    /// What can be done next; of equal costs, the first is taken.
    fn ways<'p>(&self, slot: Option<Slot<'p>>, line: Option<usize>) -> [Option<Way<'p>>; 3] {
        let way = |step, cost, slots, lines| Some(Way { step, cost, slots, lines });
        let outline = self.matcher.outline;
        let extra = line.and_then(|line| way(Some(Step::Extra(line)), outline.subtree(line).len(), 0, 1));
        let Some(slot) = slot else { return [extra, None, None] };
        let pair = |span: &'p Repeated, slots| {
            line.and_then(|line| way(Some(Step::Pair(span, line)), self.cost(span.span, line), slots, 1))
        };
        match slot {
            Slot::One(span) => [pair(span, 1), way(Some(Step::Missing(span)), self.size(span.span), 1, 0), extra],
            Slot::Optional(span) => [pair(span, 1), way(None, 0, 1, 0), extra],
            Slot::Many(span) => [pair(span, 0), way(None, 0, 1, 0), extra],
            Slot::Rest => [line.and_then(|line| way(Some(Step::Pass(line)), 0, 0, 1)), way(None, 0, 1, 0), None],
            // Any number of siblings: see `any_order`.
            Slot::AnyOrder(..) => [None, None, None],
        }
    }

    fn row(&mut self, elements: &[Element], siblings: &[usize], depth: usize) {
        let mut missing: Option<(&Repeated, usize)> = None;
        for step in self.align(elements, siblings).1 {
            // Of a span that is missing several times, one is shown.
            match (&mut missing, &step) {
                (Some((span, count)), Step::Missing(again)) if std::ptr::eq(*span, *again) => {
                    *count += 1;
                    continue;
                }
                _ => self.missing(missing.take(), depth),
            }
            match step {
                Step::Pair(span, line) => self.pair(span.span, line, depth),
                Step::Pass(line) => self.recorded(line, Mark::Same),
                Step::Extra(line) => self.recorded(line, Mark::Recorded),
                Step::Missing(span) => missing = Some((span, 1)),
                Step::Members(spans, rest, siblings) => self.members(spans, rest, &siblings, depth),
            }
        }
        self.missing(missing, depth);
    }

    /// The siblings of an `in any order:`. What none of its spans has taken is paired with what is nearest of those missing.
    fn members(&mut self, spans: &[Repeated], rest: bool, siblings: &[usize], depth: usize) {
        let sorts = Sorts::of(self.matcher, spans, siblings);
        let mut assigned = Assignment::new(spans, &sorts);
        let taken: Vec<bool> = (0..siblings.len()).map(|sibling| assigned.take(sibling)).collect();
        let mut missing: Vec<usize> = assigned.missing().collect();
        for (line, taken) in siblings.iter().zip(taken) {
            let near = spans.iter().zip(&mut missing).filter(|(_, missing)| **missing > 0);
            let near = near.map(|(span, missing)| (self.cost(span.span, *line), span, missing));
            // Nearer than one missing and one too many.
            let own = self.matcher.outline.subtree(*line).len();
            let near = near.filter(|(cost, span, _)| !taken && *cost < own + self.size(span.span));
            match near.min_by_key(|(cost, ..)| *cost) {
                Some((_, span, missing)) => {
                    *missing -= 1;
                    self.pair(span.span, *line, depth);
                }
                None => self.recorded(*line, if taken || rest { Mark::Same } else { Mark::Recorded }),
            }
        }
        for (span, count) in spans.iter().zip(missing) {
            self.missing(Some((span, count)).filter(|(_, count)| *count > 0), depth);
        }
    }

    fn pair(&mut self, span: usize, line: usize, depth: usize) {
        if self.matcher.fits(span, line) {
            return self.recorded(line, Mark::Same);
        }
        let (expected, outline) = (&self.matcher.pattern.spans[span], self.matcher.outline);
        if self.matcher.line_fits(span, line) {
            self.lines.push(Line::new(Mark::Same, depth, outline.lines[line].text()));
        } else {
            self.lines.push(Line::new(Mark::Expected, depth, &expected.exact));
            self.lines.push(Line::new(Mark::Recorded, depth, outline.lines[line].text()));
        }
        self.row(&expected.children, &outline.children[line], depth + 1);
    }

    /// A recorded span and all below it.
    fn recorded(&mut self, line: usize, mark: Mark) {
        let subtree = self.matcher.outline.subtree(line).iter();
        self.lines.extend(subtree.map(|line| Line::new(mark, line.depth, line.text())));
    }

    /// A span of the pattern that was not recorded, so many times, and all that was expected below it.
    fn missing(&mut self, span: Option<(&Repeated, usize)>, depth: usize) {
        let Some((repeated, count)) = span else { return };
        let span = &self.matcher.pattern.spans[repeated.span];
        let line = match repeated.least {
            0 | 1 => span.exact.clone(),
            _ => format!("{} ({count} more)", span.line),
        };
        self.lines.push(Line::new(Mark::Expected, depth, line));
        self.expected(&span.children, depth + 1);
    }

    fn expected(&mut self, elements: &[Element], depth: usize) {
        for element in elements {
            match element {
                Element::Rest => self.lines.push(Line::new(Mark::Expected, depth, "...")),
                Element::Span(repeated) => self.expected_span(repeated, depth),
                Element::AnyOrder { spans, rest } => {
                    self.lines.push(Line::new(Mark::Expected, depth, "in any order:"));
                    spans.iter().for_each(|span| self.expected_span(span, depth + 1));
                    if *rest {
                        self.lines.push(Line::new(Mark::Expected, depth + 1, "..."));
                    }
                }
            }
        }
    }

    fn expected_span(&mut self, repeated: &Repeated, depth: usize) {
        let span = &self.matcher.pattern.spans[repeated.span];
        self.lines.push(Line::new(Mark::Expected, depth, &span.line));
        self.expected(&span.children, depth + 1);
    }
}

/// One thing to do next.
struct Way<'p> {
    step: Option<Step<'p>>,
    cost: usize,
    /// How many slots and siblings it is done with.
    slots: usize,
    lines: usize,
}

impl Way<'_> {
    /// The cost of going this way from the sibling `at`: `row` and `after` are the costs from this slot and from the next one.
    fn total(&self, row: &[usize], after: &[usize], at: usize) -> usize {
        self.cost + if self.slots == 0 { row[at + self.lines] } else { after[at + self.lines] }
    }
}

/// The elements, each repetition by itself: more than one more than there are siblings tell nothing new.
fn slots(elements: &[Element], siblings: usize) -> Vec<Slot<'_>> {
    let mut slots = Vec::with_capacity(elements.len());
    for element in elements {
        match element {
            Element::Rest => slots.push(Slot::Rest),
            Element::AnyOrder { spans, rest } => slots.push(Slot::AnyOrder(spans, *rest)),
            Element::Span(span) => {
                slots.extend(std::iter::repeat_n(Slot::One(span), span.least));
                match span.most {
                    usize::MAX => slots.push(Slot::Many(span)),
                    most => slots.extend(std::iter::repeat_n(Slot::Optional(span), (most - span.least).min(siblings))),
                }
            }
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::matching::tests::{any_level, any_rows, recorded};
    use crate::testing::{pattern, report};

    fn difference(text: &str, rows: &[(usize, &str)]) -> String {
        let pattern = pattern::parse(text).unwrap_or_else(|mistake| panic!("{mistake}"));
        let outline = Outline::of(&recorded(rows));
        assert!(!Matcher::new(&pattern, &outline).holds());
        report::text(&lines(&pattern, &outline))
    }

    #[test]
    fn what_was_recorded_stands_against_the_nearest_match() {
        let rows = [
            (0, "workflow"),
            (1, "new"),
            (1, "collect"),
            (2, "look"),
            (2, "look"),
            (1, "analyse"),
            (2, "llm"),
            (1, "review"),
        ];
        let exact = "workflow [CHAIN]\n  collect [CHAIN]\n    look [CHAIN]\n    look [CHAIN]\n    look [TOOL]\n  \
            analyze [CHAIN]\n    llm [CHAIN]\n  review [LLM]\n  present [CHAIN]";
        assert_snapshot!(difference(exact, &rows), @"
          workflow [CHAIN]
        +   new [CHAIN]
            collect [CHAIN]
              look [CHAIN]
              look [CHAIN]
        -     look [TOOL]
        -   analyze [CHAIN]
        +   analyse [CHAIN]
              llm [CHAIN]
        -   review [LLM]
        +   review [CHAIN]
        -   present [CHAIN]
        ");
        let pattern = "workflow\n  ...\n  collect\n    5..6x look\n  analyse\n    ...\n    sandbox\n      ? script\n  \
            in any order:\n    review ERROR: *\n    2x present [CHAIN]\n";
        assert_snapshot!(difference(pattern, &rows), @"
          workflow [CHAIN]
            new [CHAIN]
            collect [CHAIN]
              look [CHAIN]
              look [CHAIN]
        -     5..6x look (3 more)
            analyse [CHAIN]
              llm [CHAIN]
        -     sandbox
        -       ? script
        -   review ERROR: *
        +   review [CHAIN]
        -   2x present [CHAIN] (2 more)
        ");
    }

    #[test]
    fn members_of_any_order_are_taken_whatever_their_order_and_the_rest_is_paired() {
        let rows = [(0, "c"), (0, "x"), (1, "y"), (1, "z"), (0, "a"), (0, "a")];
        assert_snapshot!(difference("in any order:\n  a\n  b\n    y\n    z\n  c", &rows), @"
          c [CHAIN]
        - b
        + x [CHAIN]
            y [CHAIN]
            z [CHAIN]
          a [CHAIN]
        + a [CHAIN]
        ");
    }

    #[test]
    fn a_tree_too_wide_to_be_compared_closely_is_compared_in_order() {
        let names: Vec<String> = (0..6000).map(|n| format!("s{n}")).collect();
        let rows: Vec<_> = names.iter().map(|name| (0, name.as_str())).collect();
        let changed = |n: usize| if n == 1 || n == 5998 { "other".to_owned() } else { format!("s{n}") };
        let text = |change: &dyn Fn(usize) -> String| (0..6000).map(|n| change(n) + "\n").collect::<String>();
        assert_snapshot!(difference(&text(&changed), &rows), @"
          s0 [CHAIN]
        - other
        + s1 [CHAIN]
          s2 [CHAIN]
          s3 [CHAIN]
          … 5992 lines as they should be
          s5996 [CHAIN]
          s5997 [CHAIN]
        - other
        + s5998 [CHAIN]
          s5999 [CHAIN]
        ");
        // Where the ends are as expected, one that is missing does not move all others.
        assert_snapshot!(difference(&text(&|n| if n == 3000 { "x\ns3000".into() } else { format!("s{n}") }), &rows), @"
          … 2998 lines as they should be
          s2998 [CHAIN]
          s2999 [CHAIN]
        - x
          s3000 [CHAIN]
          s3001 [CHAIN]
          … 2998 lines as they should be
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn each_recorded_line_is_shown_once_and_marks_say_whether_it_is_as_expected(
            expected in any_level(1),
            rows in any_rows(),
        ) {
            let pattern = pattern::parse(&expected.join("\n")).expect("it is well made");
            let outline = Outline::of(&recorded(&rows));
            let lines = lines(&pattern, &outline);
            let is_marked = lines.iter().any(|line| line.mark != Mark::Same);
            prop_assert_eq!(Matcher::new(&pattern, &outline).holds(), !is_marked, "{}", report::text(&lines));
            let shown = lines.into_iter().filter(|line| line.mark != Mark::Expected);
            let shown: Vec<_> = shown.map(|line| (line.depth, line.text)).collect();
            let all: Vec<_> = outline.lines.iter().map(|line| (line.depth, line.text())).collect();
            prop_assert_eq!(shown, all);
        }
    }
}
