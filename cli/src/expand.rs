//! `spanwright expand`: what the attributes and declarations of a source tree become.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use spanwright_contract::did_you_mean;
use spanwright_contract::expansion::{Bodies, Expansion, expansions};
use spanwright_contract::program::{Options, read};

use crate::args::Expand;
use crate::failure::Failure;
use crate::screen::{Screen, Tone};

/// What `--json` prints.
#[derive(Serialize)]
struct Shown {
    expansions: Vec<Expansion>,
}

/// Runs the command.
pub fn run(args: &Expand, screen: &mut Screen) -> Result<ExitCode, Failure> {
    let (parts, paths): (Vec<&String>, Vec<&String>) = args.parts.iter().partition(|part| !is_place(part));
    if let [_, second, ..] = paths[..] {
        return Err(Failure::said(format!("`{second}` is a second workspace"), "expand one workspace at a time"));
    }
    let manifest = paths.first().map(PathBuf::from).unwrap_or_default();
    let program = read(&Options { manifest, packages: args.package.clone() })?;
    let mut expansions = expansions(&program, Bodies::Whole);
    if expansions.is_empty() && !screen.json {
        screen.line("no annotated function and no `spans!` in this source tree")?;
    }
    let all = expansions.clone();
    expansions.retain(|one| parts.iter().all(|part| one.path.contains(part.as_str())));
    if expansions.is_empty() && !all.is_empty() {
        return Err(nothing(&parts, &all));
    }
    let mistaken = expansions.iter().any(|one| !one.mistakes.is_empty());
    if screen.json {
        screen.object(&Shown { expansions })?;
    } else {
        show(&expansions, screen)?;
    }
    Ok(if mistaken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A function's path has no `/` and is no `.`.
fn is_place(part: &str) -> bool {
    part.contains('/') || part.starts_with('.') || part.ends_with("Cargo.toml")
}

fn show(expansions: &[Expansion], screen: &mut Screen) -> Result<(), Failure> {
    for (index, Expansion { path, place, cfg, code, mistakes }) in expansions.iter().enumerate() {
        if index > 0 {
            screen.line("")?;
        }
        let conditions: String = cfg.iter().map(|condition| format!("  cfg({condition})")).collect();
        screen.line(screen.paint(Tone::Faint, &format!("// {path}  {place}{conditions}")))?;
        for mistake in mistakes {
            screen.line(format!("{}: {mistake}", screen.paint(Tone::Bad, "error")))?;
            screen.line(screen.paint(Tone::Faint, &format!(" --> {place}")))?;
        }
        for line in code.lines() {
            // A text in the code could drive the terminal.
            screen.line(line.replace(|c: char| c.is_control() && c != '\t', "·"))?;
        }
    }
    Ok(())
}

fn nothing(parts: &[&String], all: &[Expansion]) -> Failure {
    let asked: Vec<_> = parts.iter().map(|part| format!("`{part}`")).collect();
    // A part may be meant for a whole path or for its last segments.
    let names = all.iter().flat_map(|one| {
        let starts = one.path.match_indices("::").map(|(at, _)| at + 2);
        std::iter::once(0).chain(starts).map(|at| &one.path[at..])
    });
    let meant = parts.iter().find_map(|part| did_you_mean(part, names.clone()));
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("`spanwright expand` shows all {} of this source tree", all.len()),
    };
    Failure::said(format!("no annotated function has {} in its path", asked.join(" and ")), hint)
}
