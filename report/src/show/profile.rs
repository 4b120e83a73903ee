//! Where the time of runs goes.

use super::{MOST_ROWS, caveats, csv, headline};
use crate::page::Align::{Left, Right};
use crate::page::{Cell, Page, Table, Tone};
use crate::profile::{Node, Profile};
use crate::words;

impl Profile {
    /// For people.
    pub fn page(&self, title: &str) -> Page {
        let mut lead = Vec::new();
        if let Some(slowest) = self.nodes.first() {
            let share = words::percent(slowest.share);
            let text = format!(
                "{} is slowest: {share} of the time; it takes at most {} in half of the runs, {} in nineteen of twenty",
                words::name(&slowest.name),
                words::duration(slowest.p50),
                words::duration(slowest.p95),
            );
            lead.push(Cell::toned(if slowest.is_bottleneck { Tone::Bad } else { Tone::Strong }, text));
        }
        if let (Some(p50), Some(p95)) = (self.figures.duration(50), self.figures.duration(95)) {
            let runs = words::counted(self.figures.total.runs, "run");
            let (p50, p95) = (words::duration(p50), words::duration(p95));
            lead.push(Cell::from(format!("{runs}: half of them end within {p50}, nineteen of twenty within {p95}")));
        } else {
            lead.push(headline(&self.figures));
        }
        Page { title: title.to_owned(), lead, tables: vec![self.table()], notes: caveats(&self.figures) }
    }

    fn table(&self) -> Table {
        let headings = [
            ("NODE", Left),
            ("RUNS", Right),
            ("CALLS", Right),
            ("FAILED", Right),
            ("P50", Right),
            ("P95", Right),
            ("TOTAL", Right),
            ("OWN", Right),
            ("SHARE", Right),
            ("", Left),
        ];
        let mut table = Table::new("", &headings).with_bars();
        for node in self.nodes.iter().take(MOST_ROWS) {
            let (tone, mark) = if node.is_bottleneck { (Tone::Bad, "bottleneck") } else { (Tone::Plain, "") };
            table.row([
                Cell::toned(tone, words::name(&node.name)),
                words::count(node.runs).into(),
                words::count(node.calls).into(),
                words::count(node.errors).into(),
                words::duration(node.p50).into(),
                words::duration(node.p95).into(),
                words::duration(node.total).into(),
                words::duration(node.own).into(),
                Cell::toned(tone, words::percent(node.share)),
                Cell::toned(tone, mark),
                Cell::toned(tone, words::bar(node.share)),
            ]);
        }
        if self.nodes.len() > MOST_ROWS {
            let rest = self.nodes[MOST_ROWS..].iter();
            let own = rest.clone().map(|node| node.own).sum();
            let share = rest.map(|node| node.share).sum();
            let mut cells: Vec<Cell> = vec![Cell::default(); headings.len() + 1];
            cells[0] = Cell::toned(Tone::Faint, format!("{} others", self.nodes.len() - MOST_ROWS));
            cells[7] = words::duration(own).into();
            cells[8] = words::percent(share).into();
            cells[10] = words::bar(share).into();
            table.row(cells);
        }
        table
    }

    /// For programs: a row a node.
    pub fn csv(&self) -> String {
        let mut to = String::new();
        let columns =
            ["node", "runs", "calls", "failed", "p50_s", "p95_s", "total_s", "own_s", "share", "is_bottleneck"];
        csv::row(&mut to, columns);
        let seconds = |ns: u64| (ns as f64 / 1e9).to_string();
        for Node { name, runs, calls, errors, total, own, share, is_bottleneck, p50, p95 } in &self.nodes {
            let counts = [runs, calls, errors].map(|number| number.to_string());
            let times = [p50, p95, total, own].map(|ns| seconds(*ns));
            let row = [name.to_string()].into_iter().chain(counts).chain(times);
            csv::row(&mut to, row.chain([share.to_string(), is_bottleneck.to_string()]));
        }
        to
    }
}
