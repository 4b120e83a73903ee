//! What runs cost.

use super::{MOST_ROWS, caveats, csv, headline, share};
use crate::costs::{By, CostBucket, Costs, Group, Named, Unpriced};
use crate::page::Align::{Left, Right};
use crate::page::{Align, Cell, Page, Table, Tone};
use crate::period::Every;
use crate::tally::{COLUMNS, Tally};
use crate::words;

/// Models named where calls have no price.
const MOST_UNPRICED: usize = 5;

const SUMS: [(&str, Align); 7] = [
    ("RUNS", Right),
    ("CALLS", Right),
    ("INPUT", Right),
    ("CACHED", Right),
    ("OUTPUT", Right),
    ("COST", Right),
    ("SHARE", Right),
];

fn sums(tally: &Tally, share: f64) -> [Cell; 8] {
    let tone = if tally.unpriced_calls > 0 { Tone::Doubtful } else { Tone::Plain };
    [
        words::count(tally.runs).into(),
        words::count(tally.calls).into(),
        words::count(tally.input).into(),
        words::count(tally.cache_read).into(),
        words::count(tally.output).into(),
        Cell::toned(tone, words::cost(tally)),
        words::percent(share).into(),
        words::bar(share).into(),
    ]
}

impl Costs {
    /// For people.
    pub fn page(&self, title: &str) -> Page {
        let total = &self.figures.total;
        let mut lead = vec![headline(&self.figures)];
        if total.calls > 0 {
            let cached = if total.input > 0 { total.cache_read as f64 / total.input as f64 } else { 0.0 };
            lead.push(Cell::from(format!(
                "{} read ({} from cache), {} written, {}",
                words::count(total.input),
                words::percent(cached),
                words::count(total.output),
                words::counted(total.calls, "model call"),
            )));
        }
        let mut tables = Vec::new();
        if let Some(every) = self.every {
            tables.push(over_time(every, &self.buckets, total));
        }
        tables.extend(self.by.iter().map(|group| by(group, total)));
        let mut notes: Vec<Cell> = unpriced(&self.unpriced).into_iter().collect();
        notes.extend(caveats(&self.figures));
        Page { title: title.to_owned(), lead, tables, notes }
    }

    /// For programs: a row for each bucket of days, and in it for all and for each name.
    ///
    /// `period` is the bucket, or `all`; `by` is `total` or what the row is of, and `name` which.
    pub fn csv(&self) -> String {
        let mut to = String::new();
        csv::row(&mut to, ["period", "by", "name"].into_iter().chain(COLUMNS));
        let mut rows = |period: &str, total: &Tally, by: &[Group]| {
            let mut row = |by: &str, name: &str, tally: &Tally| {
                let before = [period, by, name].map(str::to_owned);
                csv::row(&mut to, before.into_iter().chain(tally.cells()));
            };
            row("total", "", total);
            for group in by {
                group.of.iter().for_each(|one| row(group.by.as_str(), &one.name, &one.tally));
            }
        };
        for bucket in &self.buckets {
            rows(&bucket.key, &bucket.total, &bucket.by);
        }
        if self.every.is_none() || self.buckets.is_empty() {
            rows("all", &self.figures.total, &self.by);
        }
        to
    }
}

fn over_time(every: Every, buckets: &[CostBucket], total: &Tally) -> Table {
    let (title, heading) = match every {
        Every::Daily => ("By day", "DAY"),
        Every::Weekly => ("By week", "WEEK"),
        Every::Monthly => ("By month", "MONTH"),
    };
    let headings: Vec<(&str, Align)> = [(heading, Left)].into_iter().chain(SUMS).collect();
    let mut table = Table::new(title, &headings).with_bars();
    for bucket in buckets {
        let cells = sums(&bucket.total, share(&bucket.total, total));
        table.row([Cell::from(bucket.key.as_str())].into_iter().chain(cells));
    }
    table
}

fn by(group: &Group, total: &Tally) -> Table {
    let (title, heading) = match group.by {
        By::Workflow => ("By workflow", "WORKFLOW"),
        By::Node => ("By node", "NODE"),
        By::Caller => ("By caller", "CALLER"),
        By::Model => ("By model", "MODEL"),
        By::Provider => ("By provider", "PROVIDER"),
    };
    let headings: Vec<(&str, Align)> = [(heading, Left)].into_iter().chain(SUMS).collect();
    let mut table = Table::new(title, &headings).with_bars();
    let shown = if group.of.len() > MOST_ROWS { MOST_ROWS - 1 } else { MOST_ROWS };
    for Named { name, tally } in group.of.iter().take(shown) {
        table.row([Cell::from(words::name(name))].into_iter().chain(sums(tally, share(tally, total))));
    }
    if group.of.len() > shown {
        let mut others = Tally::default();
        group.of.iter().skip(shown).for_each(|one| others.add(&one.tally));
        let name = Cell::toned(Tone::Faint, format!("{} others", group.of.len() - shown));
        table.row([name].into_iter().chain(sums(&others, share(&others, total))));
    }
    table
}

fn unpriced(models: &[Unpriced]) -> Option<Cell> {
    if models.is_empty() {
        return None;
    }
    let tokens: u64 = models.iter().map(|model| model.tokens).sum();
    let calls: u64 = models.iter().map(|model| model.calls).sum();
    let name = |model: &Unpriced| match (&model.provider, &model.model) {
        (Some(provider), Some(model)) => words::name(&format!("{provider}/{model}")),
        (None, Some(model)) => words::name(model),
        (Some(provider), None) => format!("{} without a model's name", words::name(provider)),
        (None, None) => "calls without a model's name".to_owned(),
    };
    let mut names: Vec<String> = models.iter().take(MOST_UNPRICED).map(name).collect();
    if models.len() > MOST_UNPRICED {
        names.push(format!("{} more", models.len() - MOST_UNPRICED));
    }
    let text = format!(
        "no price is known for {} ({}): {}; their cost is left out",
        words::counted(calls, "call"),
        words::counted(tokens, "token"),
        names.join(", ")
    );
    Some(Cell::toned(Tone::Doubtful, text))
}
