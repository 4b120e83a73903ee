//! A program with a schedule of its own, each run of it a trace of its own.
//!
//! The attribute traces a run; when and whether there is one stays with the program. Of the three schedules here one works, one
//! is disabled and one always fails, and a job can be asked for from outside as well. Ends by itself after three ticks.
//!
//! ```text
//! cargo run --example scheduled
//! ```
#![allow(clippy::print_stdout, reason = "a program that talks to people")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwright::{node, scheduled};
use spanwright_examples::Result;
use spanwright_examples::logbook::{self, LogbookStats, get_logbook_stats};

const TICKS: u32 = 3;

/// What is to be looked at regularly. A real one would have a cron expression.
struct Schedule {
    id: &'static str,
    enabled: bool,
    logbook: PathBuf,
}

#[tokio::main]
async fn main() {
    let _guard = spanwright::init();
    let schedules = [
        Schedule { id: "habits-nightly", enabled: true, logbook: logbook::sample() },
        Schedule { id: "habits-hourly", enabled: false, logbook: logbook::sample() },
        Schedule { id: "guest-house", enabled: true, logbook: "no-such-logbook.csv".into() },
    ];

    let mut clock = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..TICKS {
        clock.tick().await;
        for schedule in schedules.iter().filter(|schedule| schedule.enabled) {
            tell("cron", schedule.id, run_at_its_time(schedule).await);
        }
    }

    // What a web server would do on `POST /schedules/habits-nightly/run`; an unknown or disabled schedule is no work.
    for id in ["habits-nightly", "habits-hourly", "unknown"] {
        match schedules.iter().find(|schedule| schedule.id == id && schedule.enabled) {
            Some(schedule) => tell("webhook", id, run_on_request(schedule).await),
            None => println!("webhook  {id}: no such schedule, or it is disabled"),
        }
    }
}

#[scheduled(trigger = "cron", id = schedule.id, skip(schedule))]
async fn run_at_its_time(schedule: &Schedule) -> Result<String> {
    look_for_habits(&schedule.logbook)
}

#[scheduled(trigger = "webhook", id = schedule.id, skip(schedule))]
async fn run_on_request(schedule: &Schedule) -> Result<String> {
    look_for_habits(&schedule.logbook)
}

fn look_for_habits(logbook: &Path) -> Result<String> {
    let stats = get_logbook_stats(logbook)?;
    Ok(most_regular_habit(&stats))
}

#[node]
fn most_regular_habit(stats: &LogbookStats) -> String {
    match stats.habits.first() {
        Some(habit) => format!("{} {} around {}", habit.entity, habit.state, habit.usual_time),
        None => "no habit".into(),
    }
}

/// A failed run is told and done with; the loop goes on.
fn tell(trigger: &str, id: &str, outcome: Result<String>) {
    match outcome {
        Ok(habit) => println!("{trigger:8} {id}: {habit}"),
        Err(error) => println!("{trigger:8} {id}: failed: {error}"),
    }
}
