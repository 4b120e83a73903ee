//! What runs cost: in all, by workflow, node, model or provider, and by day, week or month.

use std::collections::BTreeMap;

use serde::Serialize;
use spanwright::store::TraceBrief;
use spanwright_prices::PriceTable;

use crate::by_name::ByName;
use crate::calendar::Day;
use crate::calls::{Call, Calls, Parents, caller};
use crate::figures::{Figures, Server};
use crate::period::{Every, Period};
use crate::tally::Tally;

/// Buckets without a run are listed where there are no more than this in all.
const MOST_BUCKETS: usize = 1_000;

/// What a report is broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The tag `workflow`, else the name of the root.
    Workflow,
    /// Name of the span that used the tokens.
    Node,
    /// Name of the nearest span above that one that calls no model itself: the node, agent or workflow that asked.
    Caller,
    /// Model.
    Model,
    /// Provider.
    Provider,
}

impl By {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Node => "node",
            Self::Caller => "caller",
            Self::Model => "model",
            Self::Provider => "provider",
        }
    }
}

/// Stands where a call does not say which model it asked, or whose.
pub const UNNAMED: &str = "(not named)";

/// Sums by name.
type Groups = ByName<Tally>;

/// Gathers what runs cost.
#[derive(Debug)]
pub struct CostsOf<'p> {
    by: Vec<By>,
    every: Option<Every>,
    figures: Figures,
    groups: Vec<Groups>,
    buckets: BTreeMap<Day, Bucket>,
    unpriced: BTreeMap<(Box<str>, Box<str>), Tally>,
    calls: Calls<'p>,
    parents: Parents,
    runs: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    total: Tally,
    groups: Vec<Groups>,
}

/// What runs cost.
#[derive(Clone, Debug)]
pub struct Costs {
    /// Over all of them.
    pub figures: Figures,
    /// By what was asked for, those that cost most first.
    pub by: Vec<Group>,
    /// By days, in their order.
    pub buckets: Vec<CostBucket>,
    /// What the days of a bucket are.
    pub every: Option<Every>,
    /// Models without a price, those with most tokens first.
    pub unpriced: Vec<Unpriced>,
}

/// Sums by one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// By what.
    pub by: By,
    /// The sums.
    pub of: Vec<Named>,
}

/// A sum with a name.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// The name.
    pub name: Box<str>,
    /// The sum.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Sums over some days.
#[derive(Clone, Debug, Serialize)]
pub struct CostBucket {
    /// What they are called.
    pub key: String,
    /// The first of them that the report is about.
    pub from: Day,
    /// The last of them that the report is about.
    pub to: Day,
    /// Over all runs.
    #[serde(flatten)]
    pub total: Tally,
    /// By what was asked for.
    pub by: Vec<Group>,
}

/// A model without a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// Provider; `None` where the calls do not say.
    pub provider: Option<Box<str>>,
    /// Model; `None` where the calls do not say.
    pub model: Option<Box<str>>,
    /// Calls of it.
    pub calls: u64,
    /// Their tokens.
    pub tokens: u64,
}

impl<'p> CostsOf<'p> {
    /// Of no run, with these prices.
    pub fn new(prices: &'p PriceTable, by: Vec<By>, every: Option<Every>) -> Self {
        let groups = by.iter().map(|_| Groups::default()).collect();
        Self {
            by,
            every,
            figures: Figures::default(),
            groups,
            buckets: BTreeMap::new(),
            unpriced: BTreeMap::new(),
            calls: Calls::new(prices),
            parents: Parents::default(),
            runs: 0,
        }
    }

    /// Counts a run.
    pub fn add(&mut self, run: &TraceBrief<'_>) {
        self.runs += 1;
        let number = self.runs;
        let Self { by, groups, calls, parents, unpriced, .. } = self;
        parents.read(&run.spans);
        let mut bucket =
            self.every.map(|every| self.buckets.entry(every.first(Day::of(run.start_unix_ns))).or_default());
        if let Some(bucket) = &mut bucket {
            bucket.groups.resize_with(by.len(), Groups::default);
            bucket.total.add_run(number, run);
        }
        let mut used = Tally::default();
        calls.each(run, parents, |call| {
            used.add_call(&call.usage, call.cost);
            for (which, by) in by.iter().enumerate() {
                let name = name_of(*by, run, parents, &call);
                let here = [Some(&mut groups[which]), bucket.as_mut().map(|bucket| &mut bucket.groups[which])];
                for group in here.into_iter().flatten() {
                    let tally = group.of(name);
                    tally.add_run(number, run);
                    tally.add_call(&call.usage, call.cost);
                }
            }
            if call.cost.is_none() {
                let key = (call.provider.unwrap_or("").into(), call.model.unwrap_or("").into());
                unpriced.entry(key).or_default().add_call(&call.usage, None);
            }
        });
        // A workflow has run whether it has asked a model or not.
        for (which, _) in by.iter().enumerate().filter(|(_, by)| **by == By::Workflow) {
            groups[which].of(run.workflow()).add_run(number, run);
            if let Some(bucket) = &mut bucket {
                bucket.groups[which].of(run.workflow()).add_run(number, run);
            }
        }
        if let Some(bucket) = &mut bucket {
            bucket.total.add(&used);
        }
        self.figures.add(number, run, &used);
    }

    /// The report over these days.
    pub fn finish(mut self, period: Period) -> Costs {
        let buckets = self.every.map(|every| self.bucketed(every, period)).unwrap_or_default();
        let mut unpriced: Vec<Unpriced> = self
            .unpriced
            .into_iter()
            .map(|((provider, model), tally)| Unpriced {
                provider: Some(provider).filter(|name| !name.is_empty()),
                model: Some(model).filter(|name| !name.is_empty()),
                calls: tally.calls,
                tokens: tally.tokens(),
            })
            .collect();
        unpriced.sort_by_key(|one| std::cmp::Reverse(one.tokens));
        let by = grouped(&self.by, self.groups);
        Costs { figures: self.figures, by, buckets, every: self.every, unpriced }
    }

    fn bucketed(&mut self, every: Every, period: Period) -> Vec<CostBucket> {
        let mut found = std::mem::take(&mut self.buckets);
        let first = period.from.map(|day| every.first(day)).or_else(|| found.keys().next().copied());
        let last = period.to.map(|day| every.first(day)).or_else(|| found.keys().next_back().copied());
        if let (Some(first), Some(last)) = (first, last) {
            let days: Vec<Day> = std::iter::successors(Some(first), |day| Some(every.next(*day)))
                .take_while(|day| *day <= last)
                .take(MOST_BUCKETS + 1)
                .collect();
            if days.len() <= MOST_BUCKETS {
                for day in days {
                    found.entry(day).or_default();
                }
            }
        }
        let bucket = |(first, bucket): (Day, Bucket)| {
            let last = every.next(first).plus(-1);
            CostBucket {
                key: every.key(first),
                from: period.from.map_or(first, |from| from.max(first)),
                to: period.to.map_or(last, |to| to.min(last)),
                total: bucket.total,
                by: grouped(&self.by, bucket.groups),
            }
        };
        found.into_iter().map(bucket).collect()
    }
}

fn name_of<'t>(by: By, run: &'t TraceBrief<'_>, parents: &Parents, call: &'t Call<'_>) -> &'t str {
    match by {
        By::Workflow => run.workflow(),
        By::Node => &call.span.name,
        By::Model => call.model.unwrap_or(UNNAMED),
        By::Provider => call.provider.unwrap_or(UNNAMED),
        By::Caller => &run.spans[caller(run, parents, call.place)].name,
    }
}

fn grouped(by: &[By], groups: Vec<Groups>) -> Vec<Group> {
    let mut groups = groups.into_iter();
    by.iter()
        .map(|by| {
            let mut of: Vec<Named> = groups
                .next()
                .unwrap_or_default()
                .into_named()
                .into_iter()
                .map(|(name, tally)| Named { name, tally })
                .collect();
            of.sort_by(|a, b| {
                let order = |one: &Named| (one.tally.cost, one.tally.tokens(), one.tally.runs);
                order(b).cmp(&order(a)).then_with(|| a.name.cmp(&b.name))
            });
            Group { by: *by, of }
        })
        .collect()
}

impl Costs {
    /// The server's own figures, where it was asked and says something else.
    pub fn server(&self) -> Option<Server> {
        self.figures.other_opinion()
    }
}
