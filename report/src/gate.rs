//! Gates: a bound on a figure of a report, and what it means if that is crossed.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::figures::Figures;
use crate::tally::{dollars, rounded};

/// A figure that can have a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Runs.
    Runs,
    /// Runs that failed.
    FailedRuns,
    /// Of the runs that have ended, the share that ended well, from 0 to 1.
    SuccessRate,
    /// US dollars of all runs.
    CostUsd,
    /// US dollars of a run, on average.
    CostUsdPerRun,
    /// US dollars of the run that cost most.
    CostUsdMaxRun,
    /// Tokens of all runs.
    TotalTokens,
    /// Tokens of a run, on average.
    TokensPerRun,
    /// Tokens of the run with most.
    TokensMaxRun,
    /// Seconds half of the runs do not exceed.
    DurationP50S,
    /// Seconds nineteen of twenty runs do not exceed.
    DurationP95S,
    /// Model calls without a price.
    UnpricedCalls,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Runs,
        Self::FailedRuns,
        Self::SuccessRate,
        Self::CostUsd,
        Self::CostUsdPerRun,
        Self::CostUsdMaxRun,
        Self::TotalTokens,
        Self::TokensPerRun,
        Self::TokensMaxRun,
        Self::DurationP50S,
        Self::DurationP95S,
        Self::UnpricedCalls,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::FailedRuns => "failed_runs",
            Self::SuccessRate => "success_rate",
            Self::CostUsd => "cost_usd",
            Self::CostUsdPerRun => "cost_usd_per_run",
            Self::CostUsdMaxRun => "cost_usd_max_run",
            Self::TotalTokens => "total_tokens",
            Self::TokensPerRun => "tokens_per_run",
            Self::TokensMaxRun => "tokens_max_run",
            Self::DurationP50S => "duration_p50_s",
            Self::DurationP95S => "duration_p95_s",
            Self::UnpricedCalls => "unpriced_calls",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|metric| metric.as_str() == name);
        found.ok_or_else(|| format!("`{name}` is no metric; the metrics are {}", known()))
    }

    /// Its value; `None` where there is no run to have one.
    fn of(self, figures: &Figures) -> Option<f64> {
        let total = &figures.total;
        let a_run = |sum: f64| (total.runs > 0).then(|| sum / total.runs as f64);
        let cost = dollars(total.cost);
        let seconds = |percent| figures.duration(percent).map(|ns| ns as f64 / 1e9);
        match self {
            Self::Runs => Some(total.runs as f64),
            Self::FailedRuns => Some(total.failed as f64),
            Self::SuccessRate => figures.success_rate(),
            Self::CostUsd => Some(rounded(cost)),
            Self::CostUsdPerRun => a_run(cost).map(rounded),
            Self::CostUsdMaxRun => Some(rounded(dollars(figures.dearest()))),
            Self::TotalTokens => Some(total.tokens() as f64),
            Self::TokensPerRun => a_run(total.tokens() as f64),
            Self::TokensMaxRun => Some(figures.most_tokens() as f64),
            Self::DurationP50S => seconds(50),
            Self::DurationP95S => seconds(95),
            Self::UnpricedCalls => Some(total.unpriced_calls as f64),
        }
    }

    const fn is_money(self) -> bool {
        matches!(self, Self::CostUsd | Self::CostUsdPerRun | Self::CostUsdMaxRun)
    }
}

/// On which side of the limit a value has to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// At the limit or below.
    Max,
    /// At the limit or above.
    Min,
}

/// What a crossed bound means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is said.
    Warn,
    /// The report fails.
    #[default]
    #[serde(alias = "block_deploy")]
    Fail,
}

/// A bound on a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// Of what.
    pub metric: Metric,
    /// Which.
    pub bound: Bound,
    /// The limit.
    pub limit: f64,
    /// What crossing it means.
    pub level: Level,
}

/// `cost_usd<=5`, `success_rate>=0.95:warn`.
impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rule, level) = match text.rsplit_once(':').map(|(rule, level)| (rule, level.trim())) {
            None => (text, Level::Fail),
            Some((rule, "warn")) => (rule, Level::Warn),
            Some((rule, "fail")) => (rule, Level::Fail),
            Some((_, other)) => return Err(format!("`{other}` is no level; use warn or fail")),
        };
        let max = rule.split_once("<=").map(|parts| (Bound::Max, parts));
        let found = max.or_else(|| rule.split_once(">=").map(|parts| (Bound::Min, parts)));
        let Some((bound, (name, limit))) = found else {
            return Err(format!("`{text}` is no gate; write one as cost_usd<=5 or success_rate>=0.95:warn"));
        };
        let metric = Metric::named(name.trim())?;
        let limit: Option<f64> = limit.trim().parse().ok().filter(|limit: &f64| limit.is_finite());
        let limit = limit.ok_or_else(|| format!("the limit of `{text}` is no number"))?;
        Ok(Self { metric, bound, limit, level })
    }
}

/// What a file says of a metric.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    max: Option<f64>,
    min: Option<f64>,
    #[serde(default)]
    level: Level,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    gates: BTreeMap<String, Limits>,
}

/// The gates in the table `[gates]` of a file with this content; what else stands there is not looked at.
///
/// ```
/// use spanwright_report::gate::{Bound, Level, in_file};
///
/// let gates = in_file("[gates]\ncost_usd = { max = 5.0 }\nsuccess_rate = { min = 0.95, level = \"warn\" }").unwrap();
/// assert_eq!(gates.len(), 2);
/// assert_eq!((gates[1].bound, gates[1].limit, gates[1].level), (Bound::Min, 0.95, Level::Warn));
/// ```
///
/// # Errors
///
/// What is wrong with it, in words: it is not TOML, a metric nobody knows, a limit that is missing or no number.
pub fn in_file(content: &str) -> Result<Vec<Gate>, String> {
    let file: File = toml::from_str(content).map_err(|error| error.to_string().trim_end().to_owned())?;
    let mut gates = Vec::new();
    for (name, Limits { max, min, level }) in file.gates {
        let metric = Metric::named(&name)?;
        if max.is_none() && min.is_none() {
            return Err(format!("the gate `{name}` has neither max nor min"));
        }
        let bounds = [(Bound::Max, max), (Bound::Min, min)];
        let limits = bounds.into_iter().filter_map(|(bound, limit)| Some((bound, limit?)));
        gates.extend(limits.map(|(bound, limit)| Gate { metric, bound, limit, level }));
    }
    Ok(gates)
}

/// What has become of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The value is within the bound.
    Pass,
    /// It is not, and that is to be said.
    Warn,
    /// It is not, and the report fails.
    Fail,
    /// There is no run that would have a value.
    NoRuns,
    /// What is known is within the bound, and calls without a price come on top.
    Unknown,
}

/// A gate and what has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// The gate.
    #[serde(flatten)]
    pub gate: Gate,
    /// The value; `None` where there is no run to have one.
    pub value: Option<f64>,
    /// What has become of it.
    pub verdict: Verdict,
}

impl Gate {
    /// Holds the gate against the figures of a report.
    pub fn check(self, figures: &Figures) -> Checked {
        let value = self.metric.of(figures);
        let verdict = value.map_or(Verdict::NoRuns, |value| self.judge(value, figures));
        Checked { gate: self, value, verdict }
    }

    fn judge(self, value: f64, figures: &Figures) -> Verdict {
        let crossed = match self.level {
            Level::Warn => Verdict::Warn,
            Level::Fail => Verdict::Fail,
        };
        // What calls without a price cost comes on top of what is known.
        let is_low = self.metric.is_money() && figures.total.unpriced_calls > 0;
        match self.bound {
            Bound::Max if value > self.limit => crossed,
            Bound::Max if is_low => Verdict::Unknown,
            Bound::Min if value < self.limit && is_low => Verdict::Unknown,
            Bound::Min if value < self.limit => crossed,
            _ => Verdict::Pass,
        }
    }
}

impl Checked {
    /// In words: `cost_usd 6.2 is above 5`.
    pub fn in_words(&self) -> String {
        let Gate { metric, bound, limit, .. } = self.gate;
        let name = metric.as_str();
        let Some(value) = self.value else { return format!("{name}: no run has a value") };
        let number = |value: f64| {
            let text = format!("{value:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        let (value, limit) = (number(value), number(limit));
        match (self.verdict, bound) {
            (Verdict::Unknown, _) => {
                format!("{name} is {value} and what calls without a price cost; the limit is {limit}")
            }
            (Verdict::Warn | Verdict::Fail, Bound::Max) => format!("{name} {value} is above {limit}"),
            (Verdict::Warn | Verdict::Fail, Bound::Min) => format!("{name} {value} is below {limit}"),
            (_, Bound::Max) => format!("{name} {value} ≤ {limit}"),
            (_, Bound::Min) => format!("{name} {value} ≥ {limit}"),
        }
    }
}
