//! Two runs side by side: what each node took, used and cost.

use serde::Serialize;
use spanwright::record::rfc3339;
use spanwright::store::{TraceBrief, TraceState};
use spanwright_prices::PriceTable;

use crate::by_name::ByName;
use crate::calls::{Calls, Parents};
use crate::profile::{duration, seconds};
use crate::tally::Tally;

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// The first and the second run.
    pub runs: [Run; 2],
    /// Nodes of both, in the order in which they first start.
    pub nodes: Vec<Node>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Its trace, `tr-` and 32 hexadecimal digits.
    pub trace_id: String,
    /// Name of its root.
    pub name: String,
    /// What has become of it.
    pub state: TraceState,
    /// When it started.
    pub started: String,
    /// All of it.
    #[serde(flatten)]
    pub side: Side,
}

/// A node of two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Name of its spans.
    pub name: Box<str>,
    /// In the first run.
    pub a: Side,
    /// In the second run.
    pub b: Side,
}

/// What a node, or all of a run, took in one of the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// Spans.
    pub spans: u64,
    /// Those that failed.
    pub errors: u64,
    /// Time of them, in nanoseconds; a span within one of the same name counts once.
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub duration: u64,
    /// Tokens and money; no runs.
    #[serde(flatten)]
    pub used: Used,
}

/// Tokens and money of a node or of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used(pub Tally);

impl Serialize for Used {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let tally = &self.0;
        let cost = tally.known_cost().map(|cost| crate::tally::rounded(crate::tally::dollars(cost)));
        let mut object = to.serialize_struct("Used", 6)?;
        object.serialize_field("calls", &tally.calls)?;
        object.serialize_field("input_tokens", &tally.input)?;
        object.serialize_field("output_tokens", &tally.output)?;
        object.serialize_field("total_tokens", &tally.tokens())?;
        object.serialize_field("cost_usd", &cost)?;
        object.serialize_field("unpriced_calls", &tally.unpriced_calls)?;
        object.end()
    }
}

#[derive(Default)]
struct Both {
    sides: [Side; 2],
    /// How long after the start of its run it first starts, and how deep below the root.
    first: Option<(u64, usize)>,
}

impl Diff {
    /// Of these two.
    pub fn of(a: &TraceBrief<'_>, b: &TraceBrief<'_>, prices: &PriceTable) -> Self {
        let mut calls = Calls::new(prices);
        let mut nodes: ByName<Both> = ByName::default();
        let runs = [(a, 0), (b, 1)].map(|(run, side)| read(run, side, &mut calls, &mut nodes));
        let mut nodes = nodes.into_named();
        nodes.sort_by(|(a_name, a), (b_name, b)| a.first.cmp(&b.first).then_with(|| a_name.cmp(b_name)));
        let node = |(name, both): (Box<str>, Both)| Node { name, a: both.sides[0], b: both.sides[1] };
        Self { runs, nodes: nodes.into_iter().map(node).collect() }
    }
}

fn read(run: &TraceBrief<'_>, which: usize, calls: &mut Calls<'_>, nodes: &mut ByName<Both>) -> Run {
    let mut parents = Parents::default();
    parents.read(&run.spans);
    let mut all = Side { duration: run.end_unix_ns.saturating_sub(run.start_unix_ns), ..Side::default() };
    for (place, span) in run.spans.iter().enumerate() {
        let node = nodes.of(&span.name);
        let begins = (span.start_unix_ns.saturating_sub(run.start_unix_ns), parents.above(place).count());
        node.first = Some(node.first.map_or(begins, |first| first.min(begins)));
        let is_within_itself = parents.above(place).any(|above| run.spans[above].name == span.name);
        let side = &mut node.sides[which];
        side.duration = side.duration.saturating_add(if is_within_itself { 0 } else { duration(span) });
        for side in [side, &mut all] {
            side.spans += 1;
            side.errors += u64::from(span.is_error);
        }
    }
    calls.each(run, &parents, |call| {
        for side in [&mut nodes.of(&call.span.name).sides[which], &mut all] {
            side.used.0.add_call(&call.usage, call.cost);
        }
    });
    Run {
        trace_id: format!("tr-{}", run.trace_id),
        name: run.name.clone().into_owned(),
        state: run.state,
        started: rfc3339(run.start_unix_ns),
        side: all,
    }
}
