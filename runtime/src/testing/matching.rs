//! Whether a recorded tree is as a pattern expects it.
//!
//! Exact, and without exponential growth: each span is compared at most once with each line of the pattern, and siblings are matched by
//! the set of places up to which a row of elements can reach, not by trying one choice after the other.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use crate::record::SpanRecord;
use crate::tree::{self, Line};

use super::pattern::{Element, Pattern, Repeated};

/// A recorded tree: its lines from top to bottom, and which stand directly below each.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) lines: Vec<Line>,
    pub(super) roots: Vec<usize>,
    pub(super) children: Vec<Vec<usize>>,
}

impl Outline {
    pub(super) fn of(spans: &[SpanRecord]) -> Self {
        let lines = tree::lines(spans);
        let (mut roots, mut children) = (Vec::new(), vec![Vec::new(); lines.len()]);
        let mut above: Vec<usize> = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            above.truncate(line.depth);
            match above.last() {
                None => roots.push(n),
                Some(parent) => children[*parent].push(n),
            }
            above.push(n);
        }
        Self { lines, roots, children }
    }

    /// The lines of a span and of all below it.
    pub(super) fn subtree(&self, line: usize) -> &[Line] {
        let depth = self.lines[line].depth;
        let below = self.lines[line + 1..].iter().take_while(|below| below.depth > depth).count();
        &self.lines[line..=line + below]
    }
}

/// Compares the spans of an outline with those of a pattern.
#[derive(Debug)]
pub(super) struct Matcher<'a> {
    pub(super) pattern: &'a Pattern,
    pub(super) outline: &'a Outline,
    /// What has been found out: place in the pattern, line of the outline.
    known: RefCell<HashMap<(usize, usize), bool>>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(pattern: &'a Pattern, outline: &'a Outline) -> Self {
        Self { pattern, outline, known: RefCell::default() }
    }

    /// Whether the whole outline is as expected.
    pub(super) fn holds(&self) -> bool {
        self.row_fits(&self.pattern.roots, &self.outline.roots)
    }

    /// Whether a line is as expected, whatever stands below it.
    pub(super) fn line_fits(&self, span: usize, line: usize) -> bool {
        let line = &self.outline.lines[line];
        self.pattern.spans[span].fits(&line.name, &line.span_type, &line.ending)
    }

    /// Whether a line and all below it are as expected.
    pub(super) fn fits(&self, span: usize, line: usize) -> bool {
        if let Some(known) = self.known.borrow().get(&(span, line)) {
            return *known;
        }
        let children = &self.pattern.spans[span].children;
        let fits = self.line_fits(span, line) && self.row_fits(children, &self.outline.children[line]);
        self.known.borrow_mut().insert((span, line), fits);
        fits
    }

    fn row_fits(&self, elements: &[Element], siblings: &[usize]) -> bool {
        // How many of the siblings the elements so far can take, in rising order.
        let mut reached = vec![0];
        for element in elements {
            reached = match element {
                Element::Rest => reached.first().map(|first| (*first..=siblings.len()).collect()).unwrap_or_default(),
                Element::Span(repeated) => self.after_repeated(*repeated, siblings, &reached),
                Element::AnyOrder { spans, rest } => self.after_any_order(spans, *rest, siblings, &reached),
            };
        }
        reached.last() == Some(&siblings.len())
    }

    fn after_repeated(&self, repeated: Repeated, siblings: &[usize], reached: &[usize]) -> Vec<usize> {
        let mut after = Vec::new();
        // Up to here, everything from the start on fits.
        let mut end = 0;
        for start in reached {
            end = end.max(*start);
            let most = start.saturating_add(repeated.most);
            while end < most && siblings.get(end).is_some_and(|line| self.fits(repeated.span, *line)) {
                end += 1;
            }
            let first = start.saturating_add(repeated.least).max(after.last().map_or(0, |last| last + 1));
            after.extend(first..=end.min(most));
        }
        after
    }

    fn after_any_order(&self, spans: &[Repeated], rest: bool, siblings: &[usize], reached: &[usize]) -> Vec<usize> {
        let Some(first) = reached.first() else { return Vec::new() };
        let sorts = Sorts::of(self, spans, &siblings[*first..]);
        let mut after = Vec::new();
        for start in reached {
            let mut assigned = Assignment::new(spans, &sorts);
            let mut end = *start;
            loop {
                if assigned.is_complete() {
                    after.push(end);
                }
                if end == siblings.len() || (!assigned.take(end - first) && !rest) {
                    break;
                }
                end += 1;
            }
            // With further siblings allowed, an earlier start reaches whatever a later one does.
            if rest {
                break;
            }
        }
        after.sort_unstable();
        after.dedup();
        after
    }
}

/// The siblings of an `in any order:`, sorted by which of its spans they can be. There are few sorts, however many siblings.
#[derive(Debug)]
pub(super) struct Sorts {
    /// For each sort, whether it can be each of the spans.
    fits: Vec<Vec<bool>>,
    /// The sort of each sibling.
    of: Vec<usize>,
}

impl Sorts {
    pub(super) fn of(matcher: &Matcher<'_>, spans: &[Repeated], siblings: &[usize]) -> Self {
        let mut sorts = Self { fits: Vec::new(), of: Vec::with_capacity(siblings.len()) };
        let mut known = HashMap::new();
        for line in siblings {
            let fits: Vec<bool> = spans.iter().map(|span| matcher.fits(span.span, *line)).collect();
            let sort = *known.entry(fits).or_insert_with_key(|fits| {
                sorts.fits.push(fits.clone());
                sorts.fits.len() - 1
            });
            sorts.of.push(sort);
        }
        sorts
    }
}

/// Siblings distributed over the spans of an `in any order:`, one after the other.
///
/// Each sibling that can be taken is, and as many of the least counts are met as can be: taking one more moves the others along an
/// augmenting path, first to where too few are, then to where more are allowed.
#[derive(Debug)]
pub(super) struct Assignment<'m> {
    spans: &'m [Repeated],
    sorts: &'m Sorts,
    /// For each of the spans and each sort, the siblings it has taken.
    taken: Vec<Vec<Vec<usize>>>,
    counts: Vec<usize>,
}

/// How a span is reached: the sort that would come to it, and the span that gives it away; none for the new sibling.
type Step = (usize, Option<usize>);

impl<'m> Assignment<'m> {
    pub(super) fn new(spans: &'m [Repeated], sorts: &'m Sorts) -> Self {
        let taken = vec![vec![Vec::new(); sorts.fits.len()]; spans.len()];
        Self { spans, sorts, taken, counts: vec![0; spans.len()] }
    }

    /// How many more each of the spans must take.
    pub(super) fn missing(&self) -> impl Iterator<Item = usize> {
        self.counts.iter().zip(self.spans).map(|(count, span)| span.least.saturating_sub(*count))
    }

    /// Whether each of the spans has taken as many as it must.
    pub(super) fn is_complete(&self) -> bool {
        self.missing().all(|missing| missing == 0)
    }

    /// Takes a sibling; false if none of the spans can have it beside the others.
    pub(super) fn take(&mut self, sibling: usize) -> bool {
        (!self.is_complete() && self.place(sibling, |span| span.least)) || self.place(sibling, |span| span.most)
    }

    /// Looks for the shortest way to a span with room left, moving siblings from span to span on the way.
    fn place(&mut self, sibling: usize, room: fn(&Repeated) -> usize) -> bool {
        let mut met: Vec<Option<Step>> = vec![None; self.spans.len()];
        let mut ahead = VecDeque::from([(self.sorts.of[sibling], None)]);
        while let Some((sort, from)) = ahead.pop_front() {
            for to in 0..self.spans.len() {
                if met[to].is_some() || !self.sorts.fits[sort][to] {
                    continue;
                }
                met[to] = Some((sort, from));
                if self.counts[to] < room(&self.spans[to]) {
                    self.counts[to] += 1;
                    self.shift(sibling, &met, to);
                    return true;
                }
                let held = self.taken[to].iter().enumerate().filter(|(_, held)| !held.is_empty());
                ahead.extend(held.map(|(sort, _)| (sort, Some(to))));
            }
        }
        false
    }

    /// Moves one sibling a step, from the last span back to where the new one comes in.
    fn shift(&mut self, new: usize, met: &[Option<Step>], last: usize) {
        let mut to = last;
        while let Some((sort, from)) = met[to] {
            let moved = from.and_then(|from| self.taken[from][sort].pop()).unwrap_or(new);
            self.taken[to][sort].push(moved);
            match from {
                Some(from) => to = from,
                None => break,
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::testing::pattern::{self, SpanPattern};

    /// A tree from names, each with its depth.
    pub(in crate::testing) fn recorded(rows: &[(usize, &str)]) -> Vec<SpanRecord> {
        let mut above: Vec<u64> = Vec::new();
        let spans = rows.iter().zip(1..).map(|((depth, name), n)| {
            above.truncate(*depth);
            let parent_id = above.last().map(|parent| SpanId::from_u64(*parent));
            above.push(n);
            let (name, span_type) = ((*name).to_owned(), "CHAIN".to_owned());
            SpanRecord {
                parent_id,
                name,
                span_type,
                start_unix_ns: n,
                ..SpanRecord::new(TraceId::from_halves(1, 1), SpanId::from_u64(n))
            }
        });
        spans.collect()
    }

    fn holds(text: &str, rows: &[(usize, &str)]) -> bool {
        let pattern = pattern::parse(text).unwrap_or_else(|mistake| panic!("{mistake}"));
        Matcher::new(&pattern, &Outline::of(&recorded(rows))).holds()
    }

    /// Siblings below a root, one letter each.
    fn row(text: &str, siblings: &str) -> bool {
        let text: String = text.lines().map(|line| format!("  {line}\n")).collect();
        let names = siblings.split_terminator("").skip(1).map(|name| (1, name));
        holds(&format!("root\n{text}"), &[(0, "root")].into_iter().chain(names).collect::<Vec<_>>())
    }

    #[test]
    fn each_word_of_the_language_takes_what_it_says_and_no_more() {
        for (text, fits, fits_not) in [
            ("a\nb", &["ab"][..], &["", "a", "ba", "abb", "abc"][..]),
            ("...", &["", "a", "abc"], &[]),
            ("a\n...", &["a", "ab", "aab"], &["", "ba"]),
            ("...\na\n...", &["a", "bab", "aaa"], &["", "bb"]),
            ("2x a", &["aa"], &["a", "aaa"]),
            ("2..4x a", &["aa", "aaa", "aaaa"], &["a", "aaaaa", "aab"]),
            ("2..x a\na", &["aaa", "aaaaaa"], &["aa"]),
            ("* a\nb", &["b", "ab", "aab"], &["a", "aba"]),
            ("+ a", &["a", "aa"], &["", "ab"]),
            ("? a\na\n? b", &["a", "aa", "aab"], &["aaa", "b"]),
            ("in any order:\n  a\n  b\n  c", &["abc", "cab"], &["ab", "abcc", "aab"]),
            ("in any order:\n  + a\n  2x b", &["bab", "abab", "bba"], &["bb", "ab", "abbb"]),
            ("in any order:\n  a\n  b\n  ...", &["ab", "xbyaz", "aab"], &["xa", ""]),
            ("s\nin any order:\n  a\n  b\ne", &["sabe", "sbae"], &["asbe", "sae", "sabbe"]),
            ("* a\nin any order:\n  a\n  b\na", &["aba", "baa", "aabaa"], &["ab", "abaaa"]),
        ] {
            for siblings in fits {
                assert!(row(text, siblings), "`{siblings}` is as {text}");
            }
            for siblings in fits_not {
                assert!(!row(text, siblings), "`{siblings}` is not as {text}");
            }
        }
    }

    #[test]
    fn what_is_repeated_is_repeated_with_all_below_it() {
        let text = "root [CHAIN]\n  2x a\n    b\n  in any order:\n    a\n      c\n    a\n      ...";
        let rows = [(0, "root"), (1, "a"), (2, "b"), (1, "a"), (2, "b"), (1, "a"), (2, "c"), (1, "a"), (2, "c")];
        assert!(holds(text, &rows));
        assert!(!holds(text, &rows[..7]));
        let mut other = rows;
        other[4] = (2, "c");
        assert!(!holds(text, &other));
    }

    #[test]
    fn a_wide_tree_is_compared_without_trying_every_choice() {
        // By trying one choice after the other this would not end.
        let few = "abcd".repeat(500);
        assert!(!row("...\n* a\n...\n* b\n...\n* c\n...\n* d\n...\nz", &few));
        assert!(row(&"...\n? a\n".repeat(20), &few));
        assert!(!row("...\nin any order:\n  + a\n  + b\n  + c\n  + d\nz", &few[..1000]));
        assert!(row("in any order:\n  500x a\n  500x b\n  500x c\n  500x d", &few));
        assert!(!row("in any order:\n  500x a\n  500x b\n  500x c\n  499x d\n  e", &few));
    }

    /// The same by trying everything.
    struct Naive<'a>(&'a Pattern, &'a Outline);

    impl Naive<'_> {
        fn fits(&self, span: usize, line: usize) -> bool {
            let (of, recorded) = (&self.0.spans[span], &self.1.lines[line]);
            let children = of.children.iter().collect::<Vec<_>>();
            of.fits(&recorded.name, &recorded.span_type, &recorded.ending)
                && self.row(&children, &self.1.children[line])
        }

        fn row(&self, elements: &[&Element], siblings: &[usize]) -> bool {
            let [first, others @ ..] = elements else { return siblings.is_empty() };
            (0..=siblings.len()).any(|taken| {
                let (head, tail) = siblings.split_at(taken);
                let fits = match first {
                    Element::Rest => true,
                    Element::Span(span) => {
                        (span.least..=span.most).contains(&taken) && head.iter().all(|line| self.fits(span.span, *line))
                    }
                    Element::AnyOrder { spans, rest } => self.any_order(spans, *rest, head, &mut vec![0; spans.len()]),
                };
                fits && self.row(others, tail)
            })
        }

        fn any_order(&self, spans: &[Repeated], rest: bool, siblings: &[usize], counts: &mut Vec<usize>) -> bool {
            let [first, others @ ..] = siblings else {
                return spans.iter().zip(counts).all(|(span, count)| (span.least..=span.most).contains(count));
            };
            let taken = (0..spans.len()).any(|n| {
                counts[n] += 1;
                let fits = self.fits(spans[n].span, *first) && self.any_order(spans, rest, others, counts);
                counts[n] -= 1;
                fits
            });
            taken || (rest && self.any_order(spans, rest, others, counts))
        }
    }

    pub(in crate::testing) fn any_level(depth: u32) -> BoxedStrategy<Vec<String>> {
        let count = prop::sample::select(vec!["", "", "", "2x ", "1..2x ", "2..x ", "+ ", "* ", "? "]);
        let name = prop::sample::select(vec!["a", "b", "a [CHAIN]", "b ERROR"]);
        let below = if depth == 0 { Just(Vec::new()).boxed() } else { any_level(depth - 1) };
        let span = (count, name, below).prop_map(|(count, name, below)| {
            std::iter::once(format!("{count}{name}")).chain(indented(below)).collect::<Vec<_>>()
        });
        let span = span.boxed();
        let rest = Just(vec!["...".to_owned()]);
        let spans = prop::collection::vec(span.clone(), 1..4).prop_map(|spans| spans.concat());
        let group = (spans, any::<bool>()).prop_map(|(spans, rest)| {
            let lines = indented(spans).chain(rest.then(|| "  ...".to_owned()));
            std::iter::once("in any order:".to_owned()).chain(lines).collect::<Vec<_>>()
        });
        let element = prop_oneof![5 => span, 1 => rest, 2 => group];
        prop::collection::vec(element, 0..4).prop_map(|elements| elements.concat()).boxed()
    }

    fn indented(lines: Vec<String>) -> impl Iterator<Item = String> {
        lines.into_iter().map(|line| format!("  {line}"))
    }

    pub(in crate::testing) fn any_rows() -> impl Strategy<Value = Vec<(usize, &'static str)>> {
        let step = (0..3_usize, prop::sample::select(vec!["a", "a", "b"]));
        prop::collection::vec(step, 0..7).prop_map(|steps| {
            let mut depth = 0;
            let rows = steps.into_iter().enumerate().map(|(n, (step, name))| {
                depth = if n == 0 { 0 } else { step.min(depth + 1) };
                (depth, name)
            });
            rows.collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn it_finds_what_trying_everything_finds(lines in any_level(1), rows in any_rows()) {
            let text = lines.join("\n");
            let pattern = pattern::parse(&text).expect("it is well made");
            let outline = Outline::of(&recorded(&rows));
            let matcher = Matcher::new(&pattern, &outline);
            let naive = Naive(&pattern, &outline);
            let roots = pattern.roots.iter().collect::<Vec<_>>();
            prop_assert_eq!(matcher.holds(), naive.row(&roots, &outline.roots), "{}\n{:?}", text, rows);
        }
    }

    #[test]
    fn an_exact_tree_is_a_pattern_of_itself() {
        let rows = [(0, "root"), (1, "a"), (2, "b"), (0, "root"), (1, "c")];
        let text = tree::render(&recorded(&rows), tree::Style::redacted());
        assert!(holds(&text, &rows) && !holds(&text, &rows[..4]));
        assert!(pattern::parse(&text).expect("it is one").spans.iter().all(|span: &SpanPattern| !span.line.is_empty()));
    }
}
