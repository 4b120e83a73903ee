//! `spanwright review`: what a change does to the telemetry, before and after beside each other.

use std::fs;
use std::process::ExitCode;

use spanwright_contract::program::Options;
use spanwright_contract::render::Ink;
use spanwright_contract::review::{Review, html, markdown, plain, review, text};
use spanwright_contract::verdict::Severity;

use crate::args::{self, ReviewFormat};
use crate::failure::Failure;
use crate::screen::{Screen, Tone};

/// The trees could not be compared.
const NOT_COMPARED: u8 = 3;

/// Runs the command.
pub fn run(args: &args::Review, screen: &mut Screen) -> Result<ExitCode, Failure> {
    match reviewed(args, screen) {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(failure @ Failure::Output(_)) => Err(failure),
        Err(failure) => {
            screen.fail(&failure);
            Ok(ExitCode::from(NOT_COMPARED))
        }
    }
}

fn reviewed(args: &args::Review, screen: &mut Screen) -> Result<u8, Failure> {
    let options = Options { manifest: args.path.clone().unwrap_or_default(), packages: args.package.clone() };
    let review = review(&options, args.base.as_deref())?;
    match &args.output {
        Some(file) => {
            let text = written(&review, args.format, screen)?;
            fs::write(file, text).map_err(|error| {
                let what = format!("cannot write the review to {}: {error}", file.display());
                Failure::said(what, "name a file in a folder that exists and can be written to")
            })?;
        }
        None if screen.json => screen.object(&review)?,
        None => match args.format {
            ReviewFormat::Text => screen.text(&text(&review, &|ink, piece| screen.paint(tone(ink), piece)))?,
            ReviewFormat::Markdown => screen.text(&markdown(&review))?,
            ReviewFormat::Html => screen.text(&html(&review))?,
        },
    }
    Ok(review.report.exit_code())
}

/// The review as it goes to a file.
fn written(review: &Review, format: ReviewFormat, screen: &Screen) -> Result<String, Failure> {
    if screen.json {
        let text = serde_json::to_string_pretty(review).map_err(std::io::Error::from)?;
        return Ok(text + "\n");
    }
    Ok(match format {
        ReviewFormat::Text => plain(review),
        ReviewFormat::Markdown => markdown(review),
        ReviewFormat::Html => html(review),
    })
}

fn tone(ink: Ink) -> Tone {
    match ink {
        Ink::Severity(Severity::Breaking) | Ink::Before => Tone::Bad,
        Ink::Severity(Severity::Minor) => Tone::Doubtful,
        Ink::Severity(Severity::Patch) | Ink::After => Tone::Good,
        Ink::Faint => Tone::Faint,
        Ink::Strong => Tone::Strong,
    }
}
