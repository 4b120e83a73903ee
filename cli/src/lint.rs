//! `spanwright lint`: what looks wrong in the telemetry of a source tree.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::{env, io};

use serde::Serialize;
use spanwright_contract::lint::{self, Finding, Level, Levels};
use spanwright_contract::program::{self, Options, Program};

use crate::args::{Lint, LintFormat};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::text::count;

/// What `--format json` prints.
#[derive(Serialize)]
struct Report {
    /// Findings at level deny.
    denied: usize,
    /// Findings at level warn.
    warned: usize,
    findings: Vec<Finding>,
    /// Places the rules did not see, because they could not be followed.
    unresolved: usize,
    /// Attributes and declarations the rules did not see, because they do not compile.
    mistakes: usize,
}

/// Lints the workspace, or explains a rule.
pub fn run(how: &Lint, screen: &mut Screen) -> Result<ExitCode, Failure> {
    if let Some(name) = &how.explain {
        return explain(name, how.format(screen.json) == LintFormat::Json, screen);
    }
    let manifest = how.path.clone().unwrap_or_default();
    let program = program::read(&Options { manifest: manifest.clone(), packages: Vec::new() })?;
    let levels = Levels::nearest(&program.root)?;
    let levels = if how.deny.is_some() { levels.deny_warnings() } else { levels };
    let mut findings = lint::lint(&program, &levels);
    // The rules look at the whole workspace: what one package declares may be implemented in another.
    let chosen = match &how.package[..] {
        [] => None,
        packages => Some(program::read(&Options { manifest, packages: packages.to_vec() })?),
    };
    if let Some(chosen) = &chosen {
        let files = files_of(chosen);
        findings.retain(|finding| files.contains(finding.place.file.as_str()));
    }
    let program = chosen.unwrap_or(program);
    let report = Report::of(&program, findings);
    match how.format(screen.json) {
        LintFormat::Text => show(&program, &report, screen)?,
        LintFormat::Json => screen.object(&report)?,
        LintFormat::Github => annotate(&program, &report, screen)?,
    }
    Ok(if report.denied == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The files in which the packages that were asked for have functions or declarations.
fn files_of(program: &Program) -> BTreeSet<&str> {
    let bodies = program.bodies.iter().map(|body| &body.place);
    let declared = program.declared.iter().filter(|declared| declared.is_selected).map(|declared| &declared.place);
    bodies.chain(declared).map(|place| place.file.as_str()).collect()
}

impl Report {
    fn of(program: &Program, findings: Vec<Finding>) -> Self {
        let at = |level| findings.iter().filter(|finding| finding.level == level).count();
        let attributes = program.annotated.iter().filter(|annotated| annotated.plan.is_err()).count();
        let declared = program.declared.iter().filter(|declared| declared.is_selected);
        let declarations = declared.filter(|declared| declared.declaration.is_err()).count();
        Self {
            denied: at(Level::Deny),
            warned: at(Level::Warn),
            findings,
            unresolved: program.unresolved.len(),
            mistakes: attributes + declarations,
        }
    }

    fn summary(&self, program: &Program) -> String {
        let count = |number: usize, noun| count(number as u64, noun);
        let found = match (self.denied, self.warned) {
            (0, 0) => "nothing found".to_owned(),
            (denied, 0) => count(denied, "error"),
            (0, warned) => count(warned, "warning"),
            (denied, warned) => format!("{}, {}", count(denied, "error"), count(warned, "warning")),
        };
        let declared = program.declared.iter().filter(|declared| declared.is_selected);
        let declared = declared.filter_map(|declared| declared.declaration.as_ref().ok());
        let declared = declared.map(|declaration| declaration.spans.len()).sum();
        let annotated = program.annotated.len();
        format!("{found} in {} and {}", count(annotated, "annotated function"), count(declared, "declared span"))
    }
}

fn explain(name: &str, as_json: bool, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let rule = lint::rule(name).map_err(|wrong| Failure::said(wrong, "`spanwright lint --help` lists the rules"))?;
    if as_json {
        let (id, level, explanation) = (rule.id, rule.level, rule.explanation);
        screen.object(&serde_json::json!({"rule": id, "level": level, "explanation": explanation}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let level =
        format!("{} by default; in spanwright.toml: [lints] {} = \"allow|warn|deny\"", rule.level.word(), rule.id);
    let heading = screen.paint(Tone::Strong, rule.id);
    screen.line(format!("{heading}: {level}"))?;
    screen.line("")?;
    screen.line(rule.explanation)?;
    Ok(ExitCode::SUCCESS)
}

fn show(program: &Program, report: &Report, screen: &mut Screen) -> io::Result<()> {
    let mut told = BTreeSet::new();
    for finding in &report.findings {
        show_one(program, finding, told.insert(finding.rule), screen)?;
    }
    screen.line(report.summary(program))?;
    let unseen = [
        (report.mistakes, "attribute or declaration does not compile", "attributes or declarations do not compile"),
        (report.unresolved, "place could not be followed", "places could not be followed"),
    ];
    for (number, one, many) in unseen.into_iter().filter(|(number, ..)| *number > 0) {
        let what = if number == 1 { one } else { many };
        screen
            .line(screen.paint(Tone::Faint, &format!("not seen: {number} {what}; `spanwright catalog` lists them")))?;
    }
    Ok(())
}

/// A finding as rustc shows one; `first`: of its rule, so that it also says how to allow it.
fn show_one(program: &Program, finding: &Finding, first: bool, screen: &mut Screen) -> io::Result<()> {
    let Finding { rule, level, place, width, message, hint } = finding;
    let (tone, word) = match level {
        Level::Deny => (Tone::Bad, "error"),
        Level::Warn | Level::Allow => (Tone::Doubtful, "warning"),
    };
    let heading = screen.paint(tone, &format!("{word}[{rule}]"));
    screen.line(format!("{heading}: {}", screen.paint(Tone::Strong, message)))?;
    let margin = " ".repeat(place.line.to_string().len());
    let faint = |text: &str| screen.paint(Tone::Faint, text);
    let (bar, equals) = (faint(&format!("{margin} |")), faint(&format!("{margin} =")));
    let mut lines = vec![format!("{} {place}:{}", faint(&format!("{margin}-->")), place.column)];
    let source = program.files.iter().find(|file| file.name == place.file);
    if let Some(source) = source.and_then(|file| file.text.lines().nth(place.line - 1)) {
        // A tab stays one, so that the carets stand below what they mean.
        let before: String =
            source.chars().take(place.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = screen.paint(tone, &"^".repeat(*width));
        lines.push(bar.clone());
        lines.push(format!("{} {source}", faint(&format!("{} |", place.line))).trim_end().to_owned());
        lines.push(format!("{bar} {before}{carets}"));
    }
    lines.push(format!("{equals} help: {hint}"));
    if first {
        lines.push(format!("{equals} note: {}", how_to_allow(rule)));
    }
    lines.iter().try_for_each(|line| screen.line(line))?;
    screen.line("")
}

fn how_to_allow(rule: &str) -> String {
    match rule {
        "allow-without-reason" | "unused-allow" => format!("`spanwright lint --explain {rule}` says more"),
        _ => format!(
            "`// spanwright: allow({rule}) reason` above it allows it; `spanwright lint --explain {rule}` says more"
        ),
    }
}

/// Commands that GitHub shows beside the lines of a pull request, then the summary.
fn annotate(program: &Program, report: &Report, screen: &mut Screen) -> io::Result<()> {
    let root = env::var_os("GITHUB_WORKSPACE").map(std::path::PathBuf::from);
    let inside = root.as_deref().and_then(|root| program.root.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    for Finding { rule, level, place, width, message, hint } in &report.findings {
        let command = if *level == Level::Deny { "error" } else { "warning" };
        let file = property(&inside.join(&place.file).to_string_lossy());
        let (line, column, end) = (place.line, place.column, place.column + width);
        let text = escaped(&format!("{message}\n{hint}"));
        let at = format!("file={file},line={line},col={column},endColumn={end}");
        screen.line(format!("::{command} {at},title=spanwright {rule}::{text}"))?;
    }
    screen.line(report.summary(program))
}

/// What a workflow command takes for a text.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What a workflow command takes for a property.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
