//! `spanwright catalog --verify`: the catalog held against a build.

use std::process::ExitCode;

use spanwright_contract::catalog::catalog;
use spanwright_contract::program::{Options, outline};
use spanwright_contract::verify::{Build, Verification, build, compare};

use crate::args;
use crate::failure::Failure;
use crate::screen::{Screen, Tone};
use crate::text;

/// Runs the command.
pub fn run(options: &Options, args: &args::Catalog, screen: &mut Screen) -> Result<ExitCode, Failure> {
    // Read before the build, which may write source files.
    let program = outline(options)?;
    let catalog = catalog(&program);
    let registered = build(&Build {
        manifest: options.manifest.clone(),
        packages: options.packages.clone(),
        features: args.build.features.clone(),
        all_features: args.build.all_features,
        no_default_features: args.build.no_default_features,
        offline: args.build.offline,
    })?;
    let found = compare(&program, &catalog, &registered);
    if registered.is_empty() && found.same + found.differences.len() > 0 {
        return Err(Failure::said(
            "the build registered nothing, although the catalog has spans",
            "build with the version of spanwright that this program has",
        ));
    }
    if screen.json {
        screen.object(&found)?;
    } else {
        show(&found, screen)?;
    }
    Ok(if found.equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(found: &Verification, screen: &mut Screen) -> Result<(), Failure> {
    for one in &found.not_in_build {
        let conditions = one.cfg.join(", ");
        let said = format!("not in this build (cfg {conditions})  {}  {}", one.what, one.place);
        screen.line(screen.paint(Tone::Faint, &text::clip(&said, 400)))?;
    }
    for one in &found.from_unresolved {
        let said = format!("from {}: {}  {}  {}", one.unresolved, one.why, one.what, one.place);
        screen.line(screen.paint(Tone::Doubtful, &text::clip(&said, 400)))?;
    }
    for one in &found.differences {
        let said = format!("{} {}  {}", screen.paint(Tone::Bad, "different"), one.place, one.what);
        screen.line(format!("{said}  {}", text::clip(&one.why, 1000)))?;
    }
    let count = |count: usize, noun: &str| text::count(count as u64, noun);
    let mut said = match found.equal {
        true => format!("equal: {}", count(found.same, "span")),
        false => format!("not equal: {}, {} the same", count(found.differences.len(), "difference"), found.same),
    };
    for (number, what) in
        [(found.not_in_build.len(), "not in this build"), (found.from_unresolved.len(), "from unresolved places")]
    {
        if number > 0 {
            said.push_str(&format!(", {number} {what}"));
        }
    }
    screen.line(screen.paint(if found.equal { Tone::Good } else { Tone::Bad }, &said))?;
    Ok(())
}
