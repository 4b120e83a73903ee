//! Two runs side by side.

use super::csv;
use crate::diff::{Diff, Run, Side};
use crate::page::Align::{Left, Right};
use crate::page::{Cell, Page, Table, Tone};
use crate::tally::{Tally, dollars, exact};
use crate::words;

/// A change of no more than this is none.
const SAME: f64 = 0.05;

impl Diff {
    /// For people.
    pub fn page(&self) -> Page {
        let headings = [
            ("NODE", Left),
            ("SPANS", Right),
            ("", Left),
            ("TOKENS", Right),
            ("", Left),
            ("", Right),
            ("COST", Right),
            ("", Left),
            ("", Right),
            ("TIME", Right),
            ("", Left),
            ("", Right),
        ];
        let mut table = Table::new("", &headings);
        for node in &self.nodes {
            table.row(row(Cell::from(words::name(&node.name)), &node.a, &node.b));
        }
        let [a, b] = &self.runs;
        table.row(row(Cell::toned(Tone::Strong, "all"), &a.side, &b.side));
        let lead = self.runs.iter().zip(["A", "B"]).map(|(run, which)| Cell::from(introduced(which, run))).collect();
        let tallies = [&a.side.used.0, &b.side.used.0];
        let mut notes = Vec::new();
        let unpriced: u64 = tallies.iter().map(|tally| tally.unpriced_calls).sum();
        if unpriced > 0 {
            let calls = words::counted(unpriced, "call");
            notes.push(Cell::toned(Tone::Doubtful, format!("no price is known for {calls}; their cost is left out")));
        }
        Page { title: "A → B".to_owned(), lead, tables: vec![table], notes }
    }

    /// For programs: a row a node and one for all, each figure of the first run beside that of the second.
    pub fn csv(&self) -> String {
        let mut to = String::new();
        let columns = [
            "node",
            "spans_a",
            "spans_b",
            "calls_a",
            "calls_b",
            "input_tokens_a",
            "input_tokens_b",
            "output_tokens_a",
            "output_tokens_b",
            "cost_usd_a",
            "cost_usd_b",
            "duration_s_a",
            "duration_s_b",
        ];
        csv::row(&mut to, columns);
        let [a, b] = &self.runs;
        let nodes = self.nodes.iter().map(|node| (&*node.name, &node.a, &node.b));
        for (name, a, b) in nodes.chain([("", &a.side, &b.side)]) {
            let pairs = [
                (a.spans.to_string(), b.spans.to_string()),
                (a.used.0.calls.to_string(), b.used.0.calls.to_string()),
                (a.used.0.input.to_string(), b.used.0.input.to_string()),
                (a.used.0.output.to_string(), b.used.0.output.to_string()),
                (cost(&a.used.0), cost(&b.used.0)),
                ((a.duration as f64 / 1e9).to_string(), (b.duration as f64 / 1e9).to_string()),
            ];
            csv::row(&mut to, [name.to_owned()].into_iter().chain(pairs.into_iter().flat_map(|(a, b)| [a, b])));
        }
        to
    }
}

fn cost(tally: &Tally) -> String {
    tally.known_cost().map(|cost| exact(dollars(cost))).unwrap_or_default()
}

fn introduced(which: &str, run: &Run) -> String {
    let state = match run.state {
        spanwright::store::TraceState::Running => "running",
        spanwright::store::TraceState::Ok => "ok",
        spanwright::store::TraceState::Error => "error",
    };
    format!("{which}  {}  {}  {}  {state}", run.trace_id, run.started, words::name(&run.name))
}

fn row(name: Cell, a: &Side, b: &Side) -> Vec<Cell> {
    let mut cells = vec![name];
    let mut pair = |before: String, after: String, change: Option<Cell>| {
        cells.push(before.into());
        cells.push(format!("→ {after}").into());
        cells.extend(change);
    };
    let of = |side: &Side, text: String| if side.spans == 0 { "–".to_owned() } else { text };
    pair(of(a, words::count(a.spans)), of(b, words::count(b.spans)), None);
    let (used, now) = (&a.used.0, &b.used.0);
    let tokens = change(used.tokens() as f64, now.tokens() as f64);
    pair(of(a, words::count(used.tokens())), of(b, words::count(now.tokens())), Some(tokens));
    let money = match used.known_cost().is_some() && now.known_cost().is_some() {
        true => change(dollars(used.cost), dollars(now.cost)),
        false => Cell::from("?"),
    };
    pair(of(a, words::cost(used)), of(b, words::cost(now)), Some(money));
    let time = change(a.duration as f64, b.duration as f64);
    pair(of(a, words::duration(a.duration)), of(b, words::duration(b.duration)), Some(time));
    cells
}

/// More is worse, of all that is compared.
fn change(before: f64, after: f64) -> Cell {
    let tone = match after - before {
        more if more > before * SAME => Tone::Bad,
        less if less < -before * SAME => Tone::Good,
        _ => Tone::Faint,
    };
    // Where there is nothing, nothing has changed.
    Cell::toned(tone, if before == 0.0 && after == 0.0 { String::new() } else { words::change(before, after) })
}
