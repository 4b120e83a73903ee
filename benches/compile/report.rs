//! What was measured, as a table or JSON, and which limits it breaks.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use spanwright_benches::{Facts, Samples};

use crate::package::Expanded;
use crate::source::{FUNCTIONS, Variant};

/// CPU milliseconds of `cargo check` a function of ours may add.
const MAX_MS: f64 = 2.5;
/// Share of what tracing adds.
const MAX_OF_TRACING: f64 = 0.5;

#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) variant: Variant,
    pub(crate) expanded: Expanded,
    pub(crate) check: Samples,
    pub(crate) release: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) facts: Facts,
    pub(crate) rounds: u32,
    pub(crate) costs: Vec<Cost>,
}

/// What one function adds to the code without tracing.
#[derive(Clone, Copy, Debug)]
struct Added {
    min_ms: f64,
    median_ms: f64,
    release_ms: Option<f64>,
    lines: f64,
    bytes: f64,
}

impl Report {
    fn of(&self, variant: Variant) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.variant == variant)
    }

    fn added(&self, cost: &Cost) -> Option<Added> {
        let plain = self.of(Variant::Plain)?;
        let each = |more: f64, less: f64| (more - less) / f64::from(FUNCTIONS);
        let ms = |more: Duration, less: Duration| each(more.as_secs_f64() * 1e3, less.as_secs_f64() * 1e3);
        #[allow(clippy::cast_precision_loss)]
        let size = |more: usize, less: usize| each(more as f64, less as f64);
        Some(Added {
            min_ms: ms(cost.check.min(), plain.check.min()),
            median_ms: ms(cost.check.median(), plain.check.median()),
            release_ms: cost.release.zip(plain.release).map(|(more, less)| ms(more, less)),
            lines: size(cost.expanded.lines, plain.expanded.lines),
            bytes: size(cost.expanded.bytes, plain.expanded.bytes),
        })
    }

    fn added_by(&self, variant: Variant) -> Option<Added> {
        self.added(self.of(variant)?)
    }

    /// A sentence for each limit that ours does not keep.
    pub(crate) fn broken_limits(&self) -> Vec<String> {
        let (Some(ours), Some(tracing)) = (self.added_by(Variant::Spanwright), self.added_by(Variant::Tracing)) else {
            return vec!["not all crates were measured".to_owned()];
        };
        let mut broken = Vec::new();
        if ours.min_ms > MAX_MS {
            broken.push(format!("a function costs {:.2} ms of `cargo check`, {MAX_MS} allowed", ours.min_ms));
        }
        let share = ours.min_ms / tracing.min_ms;
        if share > MAX_OF_TRACING {
            broken.push(format!("a function costs {share:.2} of one under tracing, {MAX_OF_TRACING} allowed"));
        }
        broken
    }

    pub(crate) fn to_json(&self) -> String {
        let costs = self.costs.iter().filter_map(|cost| {
            let added = self.added(cost)?;
            Some(json!({
                "variant": cost.variant.target(),
                "check_cpu_s": { "min": cost.check.min().as_secs_f64(), "median": cost.check.median().as_secs_f64() },
                "added_per_function": {
                    "check_cpu_ms_min": added.min_ms,
                    "check_cpu_ms_median": added.median_ms,
                    "release_cpu_ms": added.release_ms,
                    "expanded_lines": added.lines,
                    "expanded_bytes": added.bytes,
                },
            }))
        });
        let all = json!({
            "facts": &self.facts,
            "functions": FUNCTIONS,
            "rounds": self.rounds,
            "limits": { "check_cpu_ms": MAX_MS, "of_tracing": MAX_OF_TRACING },
            "costs": costs.collect::<Vec<_>>(),
        });
        format!("{all:#}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { facts, rounds, .. } = self;
        writeln!(f, "{FUNCTIONS} functions, {rounds} rounds; {facts}\n")?;
        let release = self.costs.iter().any(|cost| cost.release.is_some());
        let (head, rule) = if release { (" release, ms |", "---:|") } else { ("", "") };
        writeln!(
            f,
            "| over no tracing, a function | check CPU, ms: min | median | ours / it | lines | bytes |{head}\n\
             |---|---:|---:|---:|---:|---:|{rule}"
        )?;
        let ours = self.added_by(Variant::Spanwright);
        for cost in self.costs.iter().filter(|cost| cost.variant != Variant::Plain) {
            let Some(added) = self.added(cost) else { continue };
            let share = ours.map_or(f64::NAN, |ours| ours.min_ms / added.min_ms);
            let Added { min_ms, median_ms, lines, bytes, .. } = added;
            let variant = cost.variant;
            write!(f, "| {variant:21} | {min_ms:.2} | {median_ms:.2} | {share:.2} | {lines:.1} | {bytes:.0} |")?;
            if let Some(release_ms) = added.release_ms {
                write!(f, " {release_ms:.2} |")?;
            }
            writeln!(f)?;
        }
        let plain = self.of(Variant::Plain).map(|plain| plain.check.min()).unwrap_or_default();
        write!(f, "\nWithout tracing the crate takes {:.2} s.", plain.as_secs_f64())
    }
}
