//! What 600 annotated functions add to `cargo check`: ours, `tracing::instrument(ret, err)` and `fastrace::trace` with properties, over the same code
//! without any of them.
//!
//! In: nothing but this repository and the package registry. Out: a table, and exit code 1 if ours costs more than its budget. One crate per
//! [`Variant`] is generated under the target folder; its dependencies are checked first, then only the crate itself is, in rounds that take turns.

mod package;
mod report;
mod source;

use std::process::ExitCode;

use clap::Parser;
use spanwright_benches::{Facts, Samples};

use package::{Package, Work};
use report::{Cost, Report};
use source::Variant;

/// Measures what annotated functions cost to compile.
#[derive(Debug, Parser)]
struct Options {
    /// How often each crate is compiled.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Measures `cargo build --release` as well. It decides nothing.
    #[arg(long)]
    release: bool,
    /// Prints JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok((report, json)) => {
            println!("{}", if json { report.to_json() } else { report.to_string() });
            let broken = report.broken_limits();
            for limit in &broken {
                eprintln!("{limit}");
            }
            ExitCode::from(u8::from(!broken.is_empty()))
        }
        Err(error) => {
            eprintln!("measure compile cost: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> std::io::Result<(Report, bool)> {
    let mut costs = Vec::new();
    for variant in Variant::ALL {
        say(&format!("{variant}: checking what it depends on"));
        let package = Package::generate(variant)?;
        package.warm(Work::Check)?;
        let expanded = package.expanded()?;
        costs.push((package, Cost { variant, expanded, check: Samples::default(), release: None }));
    }
    for round in 1..=options.rounds {
        say(&format!("cargo check, round {round} of {}", options.rounds));
        for (package, cost) in &mut costs {
            cost.check.add(package.compile(Work::Check)?);
        }
    }
    if options.release {
        for (package, cost) in &mut costs {
            say(&format!("{}: cargo build --release", cost.variant));
            package.warm(Work::Release)?;
            cost.release = Some(package.compile(Work::Release)?);
        }
    }
    let costs = costs.into_iter().map(|(_, cost)| cost).collect();
    Ok((Report { facts: Facts::read(), rounds: options.rounds, costs }, options.json))
}

#[allow(clippy::print_stderr)]
fn say(progress: &str) {
    eprintln!("{progress}");
}
