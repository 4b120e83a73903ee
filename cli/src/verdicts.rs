//! `spanwright catalog --check`, `--accept` and `--explain`: the lock that is checked in, and what changed since.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use spanwright_contract::lock::Lock;
use spanwright_contract::render::{self, Ink};
use spanwright_contract::verdict::{Report, Rule, Severity};

use crate::args::{self, CatalogFormat};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::source;
use crate::text;

/// The exit code of a check that could not be made.
pub const UNCHECKED: u8 = 3;

/// What `--explain --json` prints.
#[derive(Serialize)]
struct Explained {
    rule: Rule,
    severity: Severity,
    what: &'static str,
    why: &'static str,
    remedy: &'static str,
}

impl Explained {
    fn of(rule: Rule) -> Self {
        Self { rule, severity: rule.severity(), what: rule.what(), why: rule.why(), remedy: rule.remedy() }
    }
}

/// What `--check --json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    lock: &'a Path,
    covers: &'a [String],
    spans: usize,
    accepted: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the command with the lock in `file`.
pub fn run(args: &args::Catalog, file: &Path, format: CatalogFormat, screen: &mut Screen) -> Result<ExitCode, Failure> {
    if format == CatalogFormat::Weaver {
        return unchecked(
            &Failure::said("verdicts have no weaver format", "give --format text, markdown or json"),
            args,
            screen,
        );
    }
    let ended = if args.accept { accept(args, file, format, screen) } else { check(args, file, format, screen) };
    match ended {
        Err(Failure::Output(error)) => Err(Failure::Output(error)),
        Err(failure) => unchecked(&failure, args, screen),
        ended => ended,
    }
}

/// Says what stopped it; of a check that could not be made no build may think that it was.
fn unchecked(failure: &Failure, args: &args::Catalog, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let code = screen.fail(failure);
    Ok(if args.accept { code } else { ExitCode::from(UNCHECKED) })
}

fn check(args: &args::Catalog, file: &Path, format: CatalogFormat, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let catalog = source::read(args)?;
    let now = Lock::of(&catalog, &args.package)?;
    let before = Lock::open(file)?;
    before.covers_as(&now, &file.display().to_string())?;
    let report = Report::of(&before, &now, &catalog);
    show(&report, &now, file, false, format, screen)?;
    Ok(ExitCode::from(report.exit_code()))
}

fn accept(args: &args::Catalog, file: &Path, format: CatalogFormat, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let catalog = source::read(args)?;
    let now = Lock::of(&catalog, &args.package)?;
    let before = file.exists().then(|| Lock::open(file));
    if let Some(Ok(before)) = &before {
        before.covers_as(&now, &file.display().to_string())?;
    }
    let written = now.keep(file)?;
    let report = match &before {
        Some(Ok(before)) => Report { moved: false, ..Report::of(before, &now, &catalog) },
        _ => Report { unresolved: catalog.unresolved.clone(), ..Report::default() },
    };
    if format != CatalogFormat::Text || !report.changes.is_empty() || !report.unresolved.is_empty() {
        show(&report, &now, file, true, format, screen)?;
    }
    if format == CatalogFormat::Text {
        let (name, spans) = (file.display(), text::count(now.spans.len() as u64, "span"));
        screen.line(match before {
            _ if !written => format!("{name} is as it was: {spans}"),
            None => format!("wrote {name}: {spans}; check it in"),
            Some(Ok(_)) => format!("wrote {name}: {spans}"),
            Some(Err(error)) => format!("wrote {name} anew: {spans}; the former one could not be compared: {error:#}"),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a rule is; without a name, the list of rules.
pub fn explain(name: &str, screen: &mut Screen) -> Result<ExitCode, Failure> {
    if name.is_empty() && screen.json {
        let rules: Vec<Explained> = Rule::ALL.iter().copied().map(Explained::of).collect();
        screen.object(&serde_json::json!({ "rules": rules }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if name.is_empty() {
        for rule in Rule::ALL {
            let severity = format!("{:<8}", rule.severity().to_string());
            screen.line(format!(
                "{}  {:<22}  {}",
                screen.paint(tone(rule.severity()), &severity),
                rule.id(),
                rule.what()
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rule = Rule::named(name).ok_or_else(|| {
        Failure::said(format!("there is no rule `{name}`"), "`spanwright catalog --explain` lists the rules")
    })?;
    if screen.json {
        screen.object(&Explained::of(rule))?;
    } else {
        screen.line(render::explanation(rule).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(
    report: &Report,
    now: &Lock,
    file: &Path,
    accepted: bool,
    format: CatalogFormat,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let text = match format {
        CatalogFormat::Json => {
            let (covers, spans) = (&now.packages[..], now.spans.len());
            return Ok(screen.object(&Checked { lock: file, covers, spans, accepted, report })?);
        }
        CatalogFormat::Markdown => render::markdown(report),
        _ => render::text(report, &|ink, text| screen.paint(tone_of(ink), text)),
    };
    screen.line(text.trim_end())?;
    Ok(())
}

fn tone_of(ink: Ink) -> Tone {
    match ink {
        Ink::Severity(severity) => tone(severity),
        Ink::Before => Tone::Bad,
        Ink::After => Tone::Good,
        Ink::Faint => Tone::Faint,
        Ink::Strong => Tone::Strong,
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Breaking => Tone::Bad,
        Severity::Minor => Tone::Doubtful,
        Severity::Patch => Tone::Good,
    }
}
