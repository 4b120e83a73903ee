//! How runs end.

use spanwright::record::rfc3339;
use spanwright::store::TraceState;

use super::{MOST_ROWS, caveats, csv, headline};
use crate::page::Align::{Left, Right};
use crate::page::{Cell, Page, Table, Tone};
use crate::status::{Status, Workflow};
use crate::tally::COLUMNS;
use crate::words;

/// From this share of failures on a workflow is shown as failing rather than as worth a look.
const MANY_FAILURES: f64 = 0.1;

fn rate_tone(rate: f64) -> Tone {
    match 1.0 - rate {
        0.0 => Tone::Good,
        failing if failing < MANY_FAILURES => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

fn state(state: TraceState) -> (Tone, &'static str) {
    match state {
        TraceState::Running => (Tone::Doubtful, "running"),
        TraceState::Ok => (Tone::Good, "ok"),
        TraceState::Error => (Tone::Bad, "error"),
    }
}

impl Status {
    /// For people.
    pub fn page(&self, title: &str) -> Page {
        let mut lead = Vec::new();
        if let Some(rate) = self.figures.success_rate() {
            let total = &self.figures.total;
            let ended = total.runs - total.running;
            let text = format!("{} of {} ended well", words::count(total.succeeded()), words::counted(ended, "run"));
            lead.push(Cell::toned(rate_tone(rate), text));
        }
        lead.push(headline(&self.figures));
        let tables = vec![self.workflows(), self.failures()];
        Page { title: title.to_owned(), lead, tables, notes: caveats(&self.figures) }
    }

    fn workflows(&self) -> Table {
        let headings = [
            ("WORKFLOW", Left),
            ("RUNS", Right),
            ("OK", Right),
            ("FAILED", Right),
            ("RUNNING", Right),
            ("SUCCESS", Right),
            ("P50", Right),
            ("P95", Right),
            ("TOKENS", Right),
            ("COST", Right),
            ("LAST RUN (UTC)", Left),
            ("", Left),
        ];
        let mut table = Table::new("By workflow", &headings);
        for workflow in self.workflows.iter().take(MOST_ROWS) {
            table.row(row(workflow));
        }
        table
    }

    fn failures(&self) -> Table {
        let mut table = Table::new("Where failures began", &[("NODE", Left), ("FAILURES", Right)]).with_bars();
        let most = self.failures.first().map_or(0, |failing| failing.failures);
        for failing in self.failures.iter().take(MOST_ROWS) {
            let share = failing.failures as f64 / most.max(1) as f64;
            table.row([
                Cell::from(words::name(&failing.node)),
                words::count(failing.failures).into(),
                Cell::toned(Tone::Bad, words::bar(share)),
            ]);
        }
        table
    }

    /// For programs: a row a workflow.
    pub fn csv(&self) -> String {
        let mut to = String::new();
        let times = ["success_rate", "p50_s", "p95_s", "last_started", "last_state"];
        csv::row(&mut to, ["workflow"].into_iter().chain(COLUMNS).chain(times));
        let seconds = |ns: Option<u64>| ns.map(|ns| (ns as f64 / 1e9).to_string()).unwrap_or_default();
        for one in &self.workflows {
            let rate = one.success_rate.map(|rate| rate.to_string()).unwrap_or_default();
            let last = [rfc3339(one.last_start_unix_ns), state(one.last_state).1.to_owned()];
            let cells = [one.name.to_string()].into_iter().chain(one.tally.cells());
            csv::row(&mut to, cells.chain([rate, seconds(one.p50), seconds(one.p95)]).chain(last));
        }
        to
    }
}

fn row(workflow: &Workflow) -> [Cell; 12] {
    let tally = &workflow.tally;
    let nothing = || Cell::from("–");
    let failed = if tally.failed > 0 { Tone::Bad } else { Tone::Plain };
    let rate = workflow.success_rate.map(|rate| Cell::toned(rate_tone(rate), words::percent(rate)));
    let duration = |ns: Option<u64>| ns.map_or_else(nothing, |ns| words::duration(ns).into());
    let started = rfc3339(workflow.last_start_unix_ns).replace('T', " ");
    let (tone, word) = state(workflow.last_state);
    [
        words::name(&workflow.name).into(),
        words::count(tally.runs).into(),
        words::count(tally.succeeded()).into(),
        Cell::toned(failed, words::count(tally.failed)),
        words::count(tally.running).into(),
        rate.unwrap_or_else(nothing),
        duration(workflow.p50),
        duration(workflow.p95),
        words::count(tally.tokens()).into(),
        words::cost(tally).into(),
        started.get(..16).unwrap_or(&started).into(),
        Cell::toned(tone, word),
    ]
}
