//! The command line of `spanwright report`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use spanwright::store::TraceState;
use spanwright_report::Day;
use spanwright_report::costs::By;
use spanwright_report::gate::Gate;
use spanwright_report::period::{Every, Period, Recent};

const EXIT_CODES: &str = "\
A run is one trace. Days, weeks and months are those of UTC; a run belongs to the day it started on. Tokens count once: an
agent that repeats what its model calls used is not counted again. A model without a price costs null (? or \u{2265} in a table)
and is listed; `spanwright prices` shows the prices in force.

Exit codes: 0 also for a period without runs; 1 if there is nothing to read from; 2 if the command line is wrong; 3 if a gate
failed.";

const GATES: &str = "\
A gate is a bound on one figure: --gate 'cost_usd<=5' --gate 'success_rate>=0.95:warn', or in spanwright.toml:

  [gates]
  cost_usd = { max = 5.0 }
  success_rate = { min = 0.95, level = \"warn\" }

Metrics: runs, failed_runs, success_rate (0 to 1), cost_usd, cost_usd_per_run, cost_usd_max_run, total_tokens, tokens_per_run,
tokens_max_run, duration_p50_s, duration_p95_s, unpriced_calls. A gate that failed makes the exit code 3; one of level warn is
said. Where calls without a price leave open whether a bound on money holds, that is said and nothing fails.";

/// The settings of a project.
pub const SETTINGS: &str = "spanwright.toml";

/// What to report.
#[derive(Debug, Subcommand)]
#[command(after_help = EXIT_CODES)]
pub enum Report {
    /// What runs cost: in all, by workflow, node, model or provider, and over time.
    Costs(Costs),
    /// Where the time of runs goes: the slowest node first, with its share.
    Profile(Profile),
    /// How runs end: by workflow, and where failures began.
    Status(Status),
    /// Two runs side by side: tokens, cost and time of each node.
    Diff(Diff),
}

/// Which costs, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{GATES}\n\n\
With --format json: {{\"report\", \"source\", \"period\": {{\"from\", \"to\"}}, \"total\", \"by\": [{{\"by\", \"of\": [{{\"name\", …}}]}}], \"every\",\n\
\"buckets\": [{{\"key\", \"from\", \"to\", …, \"by\"}}], \"unpriced_models\", \"unreadable_spans\", \"server\", \"gates\"}}; each sum is {{\"runs\",\n\
\"succeeded\", \"failed\", \"running\", \"calls\", \"input_tokens\", \"output_tokens\", \"cache_read_tokens\", \"cache_write_tokens\",\n\
\"total_tokens\", \"cost_usd\", \"unpriced_calls\", \"unpriced_tokens\"}}. With csv: a row for each sum; `period` is the bucket or\n\
all, `by` what the row is of, or total."))]
pub struct Costs {
    #[command(flatten)]
    pub which: Which,

    /// Break the sums down: workflow, node (the span that used the tokens), caller (the node that called it), model,
    /// provider. Without a value: workflow,model.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 0.., default_missing_values = ["workflow", "model"], value_name = "BY")]
    breakdown: Vec<Breakdown>,

    /// Add up days, ISO weeks (2026-W48) or months.
    #[arg(long, value_enum, value_name = "EVERY")]
    aggregate_by: Option<AggregateBy>,

    #[command(flatten)]
    pub how: How,
}

impl Costs {
    /// What the sums are broken down by, each once.
    pub fn by(&self) -> Vec<By> {
        let mut by = Vec::new();
        for breakdown in &self.breakdown {
            let one = breakdown.by();
            if !by.contains(&one) {
                by.push(one);
            }
        }
        by
    }

    /// What is added up over time.
    pub fn every(&self) -> Option<Every> {
        self.aggregate_by.map(|every| match every {
            AggregateBy::Daily => Every::Daily,
            AggregateBy::Weekly => Every::Weekly,
            AggregateBy::Monthly => Every::Monthly,
        })
    }
}

/// Which runs to profile, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("A node's own time is that during which no span below it was open; its share is of the own time of all nodes. More than half\n\
is a bottleneck. p50 and p95 are over runs, of the time of all its spans in a run.\n\n{GATES}\n\n\
With --format json: {{\"report\", \"source\", \"period\", \"total\", \"duration_p50_s\", \"duration_p95_s\", \"nodes\": [{{\"name\", \"runs\", \"calls\",\n\
\"errors\", \"total_s\", \"own_s\", \"share\", \"is_bottleneck\", \"p50_s\", \"p95_s\"}}], \"unreadable_spans\", \"server\", \"gates\"}}."))]
pub struct Profile {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub how: How,
}

/// Which runs, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("A failure began in a span that failed while none below it did.\n\n{GATES}\n\n\
With --format json: {{\"report\", \"source\", \"period\", \"total\", \"success_rate\", \"workflows\": [{{\"name\", …, \"success_rate\", \"p50_s\",\n\
\"p95_s\", \"last_started\", \"last_state\"}}], \"failures\": [{{\"node\", \"failures\"}}], \"unreadable_spans\", \"server\", \"gates\"}}."))]
pub struct Status {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub how: How,
}

/// Which two runs, and how.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --format json: {\"report\", \"source\", \"runs\": [A, B], \"nodes\": [{\"name\", \"a\", \"b\"}]}; each side is {\"spans\", \"errors\",\n\
\"duration_s\", \"calls\", \"input_tokens\", \"output_tokens\", \"total_tokens\", \"cost_usd\", \"unpriced_calls\"}."
)]
pub struct Diff {
    /// The run before: id of its trace, with or without `tr-`, or how it begins; or its run id.
    pub run_a: String,

    /// The run after.
    pub run_b: String,

    /// Read from this MLflow server instead of the store; the ids are then those of traces, in full.
    #[arg(long, value_name = "URI")]
    pub from: Option<String>,

    #[command(flatten)]
    pub shape: Shape,
}

/// Which runs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which runs")]
pub struct Which {
    /// Read from this MLflow server instead of the store: http://… or https://…
    #[arg(long, value_name = "URI")]
    pub from: Option<String>,

    /// Days counted back from today.
    #[arg(long, value_enum, conflicts_with_all = ["start_date", "end_date"])]
    period: Option<PeriodName>,

    /// The first day.
    #[arg(long, value_name = "DATE")]
    start_date: Option<Day>,

    /// The last day.
    #[arg(long, value_name = "DATE")]
    end_date: Option<Day>,

    /// The day --period is counted back from. Default: today.
    #[arg(long, value_name = "DATE", requires = "period")]
    today: Option<Day>,

    /// Only runs of this workflow: the tag `workflow`, else the name of the root.
    #[arg(long)]
    pub workflow: Option<String>,

    /// Only runs of this experiment, by name or number. Default: all in a store, the configured one on a server.
    #[arg(long)]
    pub experiment: Option<String>,

    /// Only runs that ended so.
    #[arg(long, value_enum)]
    status: Option<StatusName>,
}

impl Which {
    /// The days in question; `today` is the day it is.
    pub fn period(&self, today: Day) -> Period {
        match self.period {
            None => Period { from: self.start_date, to: self.end_date },
            Some(period) => Period::recent(period.recent(), self.today.unwrap_or(today)),
        }
    }

    /// Whether a run with this state is meant.
    pub fn takes(&self, state: TraceState) -> bool {
        match self.status {
            None => true,
            Some(StatusName::Ok) => state == TraceState::Ok,
            Some(StatusName::Error) => state == TraceState::Error,
            Some(StatusName::Running) => state == TraceState::Running,
        }
    }
}

/// How a report is given out, and what it must hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct How {
    #[command(flatten)]
    pub shape: Shape,

    /// A bound on a figure, as 'cost_usd<=5' or 'success_rate>=0.95:warn'; may be repeated.
    #[arg(long, value_name = "GATE")]
    pub gate: Vec<Gate>,

    /// Hold the table [gates] of this file against the report. Without a value: of the nearest spanwright.toml upwards.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = SETTINGS)]
    pub gates: Option<PathBuf>,
}

/// The form of a report, and where it goes.
#[derive(Debug, clap::Args)]
pub struct Shape {
    /// The form. Default: text; with --json, json.
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Write it to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Shape {
    /// The form; `json` is the flag of all commands.
    pub fn format(&self, json: bool) -> Format {
        self.format.unwrap_or(if json { Format::Json } else { Format::Text })
    }
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with bars, for people.
    Text,
    /// One object.
    Json,
    /// A row for each sum.
    Csv,
    /// Tables, for a comment or a page.
    Markdown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Breakdown {
    Workflow,
    Node,
    Caller,
    Model,
    Provider,
}

impl Breakdown {
    fn by(self) -> By {
        match self {
            Self::Workflow => By::Workflow,
            Self::Node => By::Node,
            Self::Caller => By::Caller,
            Self::Model => By::Model,
            Self::Provider => By::Provider,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AggregateBy {
    Daily,
    Weekly,
    Monthly,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum PeriodName {
    /// Today.
    Today,
    /// The day before.
    Yesterday,
    /// Today and the six days before.
    #[value(name = "last_7_days")]
    Last7Days,
    /// Today and the twenty-nine days before.
    #[value(name = "last_30_days")]
    Last30Days,
    /// From the first of the month to today.
    ThisMonth,
}

impl PeriodName {
    fn recent(self) -> Recent {
        match self {
            Self::Today => Recent::Today,
            Self::Yesterday => Recent::Yesterday,
            Self::Last7Days => Recent::Last7Days,
            Self::Last30Days => Recent::Last30Days,
            Self::ThisMonth => Recent::ThisMonth,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StatusName {
    /// The root is OK.
    Ok,
    /// The root failed.
    Error,
    /// The root has not ended.
    Running,
}
