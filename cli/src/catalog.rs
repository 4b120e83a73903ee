//! `spanwright catalog`: every span of a workspace, read from its source.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use spanwright_contract::catalog::{Catalog, Function, Span};

use crate::args::{self, CatalogFormat};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::text::{self, Align};
use crate::{registry, source, verdicts, verify};

/// Runs the command.
pub fn run(args: &args::Catalog, screen: &mut Screen) -> Result<ExitCode, Failure> {
    if let Some(rule) = &args.explain {
        return verdicts::explain(rule, screen);
    }
    let format = args.format(screen.json);
    screen.json = format == CatalogFormat::Json;
    if args.verify {
        return verify::run(&source::options(args), args, screen);
    }
    if let Some(file) = args.lock() {
        return verdicts::run(args, file, format, screen);
    }
    let catalog = source::read(args)?;
    match format {
        CatalogFormat::Json => screen.object(&catalog)?,
        CatalogFormat::Text => show(&catalog, screen)?,
        CatalogFormat::Weaver => registry::write(args, &catalog, screen)?,
        CatalogFormat::Markdown => {
            return Err(Failure::said("a catalog has no markdown", "add --check to have the changes as a table"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

const HEADINGS: [&str; 4] = ["SPAN", "KIND", "CAPTURED", "WHERE"];

/// A line of the table, or one of attributes below it.
struct Line {
    /// The branches of the tree.
    before: String,
    cells: [String; 4],
    /// What else is to be said of the span, each on a line of its own.
    notes: Vec<String>,
    /// What the notes stand behind.
    below: String,
    implemented: bool,
}

/// Longer ids stand on a line of their own, so that they do not push the rest off the screen.
const WIDEST: usize = 56;

fn show(catalog: &Catalog, screen: &mut Screen) -> Result<(), Failure> {
    let lines = lines(&catalog.spans);
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let [_, kind, captured, place] = &line.cells;
        let first = if line.is_wide() { line.below.clone() } else { line.first() };
        [first, kind.clone(), captured.clone(), place.clone()]
    }));
    let table = if lines.is_empty() { Vec::new() } else { text::table([Align::Left; 4], &rows) };
    for (index, cells) in table.into_iter().enumerate() {
        let Some(line) = index.checked_sub(1).map(|index| &lines[index]) else {
            screen.line(cells.map(|cell| screen.paint(Tone::Strong, &cell)).join("  ").trim_end())?;
            continue;
        };
        if line.is_wide() {
            screen.line(line.first())?;
        }
        let [first, kind, captured, place] = cells;
        let tone = if line.implemented { Tone::Good } else { Tone::Doubtful };
        let (kind, place) = (screen.paint(tone, &kind), screen.paint(Tone::Faint, &place));
        screen.line([first, kind, captured, place].join("  ").trim_end())?;
        for note in &line.notes {
            screen.line(screen.paint(Tone::Faint, &format!("{}    {note}", line.below)))?;
        }
    }
    if !lines.is_empty() {
        screen.line("")?;
    }
    troubles(catalog, screen)?;
    screen.line(summary(catalog))?;
    Ok(())
}

impl Line {
    fn first(&self) -> String {
        format!("{}{}", self.before, self.cells[0])
    }

    fn is_wide(&self) -> bool {
        self.first().chars().count() > WIDEST
    }
}

/// The lines of all spans: declared ones as the tree that their parents make, then the others.
fn lines(spans: &[Span]) -> Vec<Line> {
    let known: HashMap<&str, usize> = spans.iter().enumerate().map(|(index, span)| (span.id.as_str(), index)).collect();
    let mut below: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut top = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        let first = span.parents.iter().flatten().find_map(|parent| known.get(parent.as_str()).copied());
        match first.filter(|parent| *parent != index) {
            Some(parent) => below.entry(parent).or_default().push(index),
            None => top.push(index),
        }
    }
    // Declared trees first.
    top.sort_by_key(|index| spans[*index].declared.is_none());
    let mut forest = Forest { spans, below, drawn: HashSet::new(), lines: Vec::new() };
    for index in top {
        forest.draw(index, "", "");
    }
    // Spans that are only each other's parents stand under nothing.
    for index in 0..spans.len() {
        forest.draw(index, "", "");
    }
    forest.lines
}

struct Forest<'a> {
    spans: &'a [Span],
    below: HashMap<usize, Vec<usize>>,
    drawn: HashSet<usize>,
    lines: Vec<Line>,
}

impl Forest<'_> {
    fn draw(&mut self, index: usize, first: &str, rest: &str) {
        if !self.drawn.insert(index) {
            return;
        }
        let children: Vec<usize> = self.below.get(&index).into_iter().flatten().copied().collect();
        let children: Vec<usize> = children.into_iter().filter(|child| !self.drawn.contains(child)).collect();
        let trunk = if children.is_empty() { " " } else { "│" };
        let spans = self.spans;
        self.lines.extend(of_span(&spans[index], first, rest, trunk));
        for (at, child) in children.iter().enumerate() {
            let (branch, under) = if at + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.draw(*child, &format!("{rest}{branch}"), &format!("{rest}{under}"));
        }
    }
}

/// The lines of one span: one for each function, or the declaration's alone.
fn of_span(span: &Span, first: &str, rest: &str, trunk: &str) -> Vec<Line> {
    let below = format!("{rest}{trunk}");
    let mut lines: Vec<Line> = span
        .functions
        .iter()
        .enumerate()
        .map(|(index, function)| Line {
            before: if index == 0 { first.to_owned() } else { below.clone() },
            cells: [
                if index == 0 { span.id.clone() } else { "   also".into() },
                span.kind.clone(),
                captured(function),
                format!("{}{}", function.place, conditions(&function.cfg)),
            ],
            notes: Vec::new(),
            below: below.clone(),
            implemented: true,
        })
        .collect();
    if lines.is_empty() {
        let place = format!("{}{}", span.place, conditions(&span.cfg));
        lines.push(Line {
            before: first.to_owned(),
            cells: [span.id.clone(), span.kind.clone(), "no function".into(), place],
            notes: Vec::new(),
            below,
            implemented: false,
        });
    }
    if let Some(last) = lines.last_mut() {
        last.notes = notes(span);
    }
    lines
}

/// `keys of days, store*; output none`: what is captured of which parameters.
fn captured(function: &Function) -> String {
    let names: Vec<String> = function
        .captured
        .iter()
        .map(|value| match value.view.as_str() {
            "redacted" => format!("{} (redacted)", value.name),
            _ => value.name.clone(),
        })
        .collect();
    let output =
        if function.output == function.inputs { String::new() } else { format!("; output {}", function.output) };
    match names.is_empty() {
        true => format!("{}{output}", function.inputs),
        false => format!("{} of {}{output}", function.inputs, names.join(", ")),
    }
}

fn conditions(cfg: &[String]) -> String {
    if cfg.is_empty() { String::new() } else { format!("  if {}", cfg.join(", ")) }
}

fn notes(span: &Span) -> Vec<String> {
    let mut notes = Vec::new();
    let function = span.functions.first().map_or("", |function| function.path.rsplit("::").next().unwrap_or_default());
    if span.name != function && !span.id.ends_with(&span.name) {
        notes.push(format!("name  {}", span.name));
    }
    if let [_, others @ ..] = span.parents.as_deref().unwrap_or_default()
        && !others.is_empty()
    {
        notes.push(format!("also under  {}", others.join(", ")));
    }
    if !span.attributes.is_empty() {
        let attributes: Vec<String> =
            span.attributes.iter().map(|attribute| format!("{}: {}", attribute.key, attribute.ty)).collect();
        notes.push(format!("sets  {}", attributes.join(", ")));
    }
    if let Some(line) = span.doc.lines().next() {
        notes.push(text::clip(line, 100).into_owned());
    }
    notes
}

/// What may be missing, and what does not compile, with what to do about it.
fn troubles(catalog: &Catalog, screen: &mut Screen) -> Result<(), Failure> {
    let unresolved: Vec<(String, String)> =
        catalog.unresolved.iter().map(|unresolved| (unresolved.place.to_string(), unresolved.why.clone())).collect();
    let advice = "spans may be missing above: write these functions where they can be read, or compare with a build by \
                  `spanwright catalog --verify`";
    section("unresolved", Tone::Doubtful, &unresolved, advice, screen)?;
    let mistakes: Vec<(String, String)> =
        catalog.mistakes.iter().map(|mistake| (mistake.place.to_string(), mistake.message.clone())).collect();
    section("mistakes", Tone::Bad, &mistakes, "these do not compile: correct them", screen)
}

fn section(
    title: &str,
    tone: Tone,
    places: &[(String, String)],
    advice: &str,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if places.is_empty() {
        return Ok(());
    }
    let rows: Vec<[String; 2]> =
        places.iter().map(|(place, why)| [place.clone(), text::clip(why, 400).into()]).collect();
    for [place, why] in text::table([Align::Left; 2], &rows) {
        screen.line(format!("{} {place}  {why}", screen.paint(tone, title)))?;
    }
    screen.line(format!("  {advice}"))?;
    screen.line("")?;
    Ok(())
}

fn summary(catalog: &Catalog) -> String {
    let declared = catalog.spans.iter().filter(|span| span.declared.is_some()).count();
    let missing = catalog.spans.iter().filter(|span| span.functions.is_empty()).count();
    let mut said = vec![text::count(catalog.spans.len() as u64, "span")];
    if declared > 0 {
        said.push(format!("{declared} declared"));
    }
    if missing > 0 {
        said.push(format!("{missing} without a function"));
    }
    if !catalog.unresolved.is_empty() {
        said.push(format!("{} unresolved", text::count(catalog.unresolved.len() as u64, "place")));
    }
    if !catalog.mistakes.is_empty() {
        said.push(text::count(catalog.mistakes.len() as u64, "mistake"));
    }
    said.join(", ")
}
