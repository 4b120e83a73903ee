//! `spanwright report`: what stored traces, or those of a server, cost; where their time goes; how they end; how two of them differ.

mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use spanwright::cost::ATTRIBUTES;
use spanwright::store::{BriefFilter, TraceBrief};
use spanwright_prices::PriceTable;
use spanwright_report::costs::CostsOf;
use spanwright_report::diff::Diff;
use spanwright_report::figures::Figures;
use spanwright_report::gate::{Checked, Gate, Verdict, in_file};
use spanwright_report::page::{self, Page};
use spanwright_report::period::Period;
use spanwright_report::profile::ProfileOf;
use spanwright_report::status::StatusOf;
use spanwright_report::{Day, gates};

use crate::args::report::{Diff as Chosen, Format, How, Report, SETTINGS, Shape, Which};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::text;
use source::Source;

/// A gate failed.
const GATE_FAILED: u8 = 3;

/// A report in each of its forms.
struct Made {
    page: Page,
    csv: String,
    /// What JSON has beside what all reports have.
    object: Value,
    figures: Figures,
}

/// Runs the command.
pub fn run(what: &Report, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    match what {
        Report::Diff(args) => diff(args, store, screen),
        Report::Costs(args) => Asked::new("costs", &args.which, &args.how, store)?.give_out(screen, |asked, prices| {
            let mut costs = CostsOf::new(prices, args.by(), args.every());
            asked.each_run(|run| costs.add(run))?;
            let costs = costs.finish(asked.period);
            let object = json!({"total": costs.figures.total, "by": costs.by, "every": costs.every, "buckets": costs.buckets,
                "unpriced_models": costs.unpriced});
            Ok(Made { page: costs.page(&asked.title()), csv: costs.csv(), object, figures: costs.figures })
        }),
        Report::Profile(args) => Asked::new("profile", &args.which, &args.how, store)?.give_out(screen, |asked, prices| {
            let mut profile = ProfileOf::new(prices);
            asked.each_run(|run| profile.add(run))?;
            let profile = profile.finish();
            let seconds = |percent| profile.figures.duration(percent).map(|ns| ns as f64 / 1e9);
            let object = json!({"total": profile.figures.total, "duration_p50_s": seconds(50), "duration_p95_s": seconds(95),
                "nodes": profile.nodes});
            Ok(Made { page: profile.page(&asked.title()), csv: profile.csv(), object, figures: profile.figures })
        }),
        Report::Status(args) => Asked::new("status", &args.which, &args.how, store)?.give_out(screen, |asked, prices| {
            let mut status = StatusOf::new(prices);
            asked.each_run(|run| status.add(run))?;
            let status = status.finish();
            let object = json!({"total": status.figures.total, "success_rate": status.figures.success_rate(),
                "workflows": status.workflows, "failures": status.failures});
            Ok(Made { page: status.page(&asked.title()), csv: status.csv(), object, figures: status.figures })
        }),
    }
}

/// A report over runs, as it was asked for.
struct Asked<'a> {
    report: &'static str,
    which: &'a Which,
    how: &'a How,
    period: Period,
    source: Source,
    gates: Vec<Gate>,
}

impl<'a> Asked<'a> {
    fn new(report: &'static str, which: &'a Which, how: &'a How, store: Option<&Path>) -> Result<Self, Failure> {
        let gates = gates_of(how)?;
        let source = Source::of(store, which.from.as_deref())?;
        Ok(Self { report, which, how, period: which.period(today()), source, gates })
    }

    fn title(&self) -> String {
        let workflow = self.which.workflow.as_ref().map(|name| format!(", workflow {}", text::clip(name, 60)));
        format!("{} of {}{}, {}", self.report, self.source, workflow.unwrap_or_default(), self.period.in_words())
    }

    fn each_run(&self, mut each: impl FnMut(&TraceBrief<'_>) + Send) -> Result<(), Failure> {
        let (since_unix_ns, until_unix_ns) = self.period.unix_ns();
        let workflow = self.which.workflow.clone();
        let filter =
            BriefFilter { since_unix_ns, until_unix_ns, workflow, whole_if: ATTRIBUTES, ..BriefFilter::default() };
        self.source.each(&filter, self.which.experiment.as_deref(), |run| {
            if self.which.takes(run.state) {
                each(run);
            }
        })
    }

    fn give_out(
        &self,
        screen: &mut Screen,
        make: impl FnOnce(&Self, &PriceTable) -> Result<Made, Failure>,
    ) -> Result<ExitCode, Failure> {
        let prices = self.source.prices()?;
        let mut made = make(self, &prices)?;
        let checked: Vec<Checked> = self.gates.iter().map(|gate| gate.check(&made.figures)).collect();
        let format = self.how.shape.format(screen.json);
        let lines = gates(&checked);
        if matches!(format, Format::Text | Format::Markdown) {
            made.page.notes.extend(lines.iter().cloned());
        }
        let mut object = json!({"report": self.report, "source": self.source, "period": self.period});
        merge(&mut object, made.object);
        merge(
            &mut object,
            json!({"unreadable_spans": made.figures.unreadable_spans,
            "server": made.figures.other_opinion(), "gates": checked}),
        );
        write(&self.how.shape, format, &made.page, &made.csv, &object, screen)?;
        // Whoever gets rows, or a file, is told beside them.
        if format == Format::Csv || self.how.shape.output.is_some() {
            lines.iter().for_each(|line| screen.aside(line.text()));
        }
        let has_failed = checked.iter().any(|checked| checked.verdict == Verdict::Fail);
        Ok(if has_failed { ExitCode::from(GATE_FAILED) } else { ExitCode::SUCCESS })
    }
}

fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

fn diff(args: &Chosen, store: Option<&Path>, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let source = Source::of(store, args.from.as_deref())?;
    let prices = source.prices()?;
    let diff = Diff::of(&source.one(&args.run_a)?, &source.one(&args.run_b)?, &prices);
    let mut object = json!({"report": "diff", "source": source});
    merge(&mut object, serde_json::to_value(&diff).map_err(std::io::Error::from)?);
    write(&args.shape, args.shape.format(screen.json), &diff.page(), &diff.csv(), &object, screen)?;
    Ok(ExitCode::SUCCESS)
}

fn write(
    shape: &Shape,
    format: Format,
    page: &Page,
    csv: &str,
    object: &Value,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let plain = |_: page::Tone, text: &str| text.to_owned();
    let text = match (format, &shape.output) {
        (Format::Text, Some(_)) => page.text(&plain),
        (Format::Text, None) => page.text(&|tone, text| painted(screen, tone, text)),
        (Format::Markdown, _) => page.markdown(),
        (Format::Csv, _) => csv.to_owned(),
        (Format::Json, _) => serde_json::to_string_pretty(object).map_err(std::io::Error::from)? + "\n",
    };
    match &shape.output {
        None => Ok(screen.text(&text)?),
        Some(file) => fs::write(file, text).map_err(|error| {
            let what = format!("cannot write the report to {}: {error}", file.display());
            Failure::said(what, "name a file in a folder that exists and can be written to")
        }),
    }
}

fn painted(screen: &Screen, tone: page::Tone, text: &str) -> String {
    let tone = match tone {
        page::Tone::Plain => return text.to_owned(),
        page::Tone::Good => Tone::Good,
        page::Tone::Doubtful => Tone::Doubtful,
        page::Tone::Bad => Tone::Bad,
        page::Tone::Faint => Tone::Faint,
        page::Tone::Strong => Tone::Strong,
    };
    screen.paint(tone, text)
}

/// The gates of the command line, behind those of the file.
fn gates_of(how: &How) -> Result<Vec<Gate>, Failure> {
    let mut gates = Vec::new();
    if let Some(named) = &how.gates {
        let path = if named == Path::new(SETTINGS) { nearest_settings()? } else { named.clone() };
        let shown = path.display();
        let content = fs::read_to_string(&path).map_err(|error| {
            Failure::said(format!("cannot read the gates from {shown}: {error}"), "give --gates FILE")
        })?;
        let wrong = |why| {
            Failure::said(
                format!("cannot use the gates in {shown}: {why}"),
                "`spanwright report costs --help` shows how to write one",
            )
        };
        gates = in_file(&content).map_err(wrong)?;
        if gates.is_empty() {
            let what = format!("there is no gate in {shown}");
            return Err(Failure::said(what, "add a table [gates] to it, or leave --gates out"));
        }
    }
    gates.extend(&how.gate);
    Ok(gates)
}

/// The nearest `spanwright.toml` upwards.
fn nearest_settings() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir()?;
    let found = here.ancestors().map(|folder| folder.join(SETTINGS)).find(|file| file.is_file());
    found.ok_or_else(|| {
        Failure::said("there is no spanwright.toml here or above", "give --gates FILE, or --gate 'cost_usd<=5'")
    })
}

fn today() -> Day {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Day::of(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
