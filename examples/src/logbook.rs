//! The logbook of a home: a CSV file with one line per change of state, and what can be counted in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Result;

/// Minutes around the usual time of a habit that still belong to it.
const HABIT_WINDOW: u32 = 30;

/// Share of the days on which something is done by hand, around the same time, before it is called a habit.
const HABIT_SHARE: f64 = 0.5;

/// The logbook that comes with the examples: 28 days of an invented home. `generate_logbook.sh` beside it wrote it.
pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("home_optimizer/logbook.csv")
}

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Day, `2026-02-01`.
    pub day: String,
    /// Minute of the day.
    pub minute: u32,
    /// What changed: `light.porch`.
    pub entity: String,
    /// What it changed to: `on`.
    pub state: String,
    /// Who did it: a person, `automation` or `device`.
    pub source: String,
}

impl Entry {
    fn is_by_hand(&self) -> bool {
        !matches!(self.source.as_str(), "automation" | "device")
    }
}

/// What a logbook says about the people who live there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogbookStats {
    /// Changes of state.
    pub entries: usize,
    /// Days with at least one entry.
    pub days: usize,
    /// The first of them.
    pub first_day: String,
    /// The last of them.
    pub last_day: String,
    /// Entries by who did it.
    pub by_source: BTreeMap<String, usize>,
    /// Entities with the most entries by hand, the busiest first; at most five.
    pub most_handled: Vec<(String, usize)>,
    /// Things done by hand around the same time on most days, the most regular first.
    pub habits: Vec<Habit>,
}

/// Something done by hand around the same time on most days.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Habit {
    /// What is handled.
    pub entity: String,
    /// What it is set to.
    pub state: String,
    /// Median time of day, `17:49`.
    pub usual_time: String,
    /// Days on which it happened within half an hour of that.
    pub days: usize,
}

/// The statistics of a logbook file.
#[spanwright::retriever(span = crate::spans::LogbookStats)]
pub fn get_logbook_stats(logbook: &Path) -> Result<LogbookStats> {
    let text = std::fs::read_to_string(logbook).map_err(|error| format!("read {}: {error}", logbook.display()))?;
    stats(&parse(&text)?)
}

/// The entries of a logbook in CSV, in the order of the file.
pub fn parse(text: &str) -> Result<Vec<Entry>> {
    let rows = text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(index, line)| {
        parse_row(line).ok_or_else(|| {
            format!("line {}: expected `2026-02-01T17:49:00,entity,state,source`, found `{line}`", index + 1).into()
        })
    })
    .collect()
}

fn parse_row(line: &str) -> Option<Entry> {
    let mut fields = line.split(',').map(str::trim);
    let (time, entity, state, source) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (day, clock) = time.split_once('T')?;
    let mut clock = clock.split(':').map(str::parse::<u32>);
    let (hour, minute) = (clock.next()?.ok()?, clock.next()?.ok()?);
    (hour < 24 && minute < 60).then(|| Entry {
        day: day.to_owned(),
        minute: hour * 60 + minute,
        entity: entity.to_owned(),
        state: state.to_owned(),
        source: source.to_owned(),
    })
}

/// What the entries say; an empty logbook is an error.
pub fn stats(entries: &[Entry]) -> Result<LogbookStats> {
    let days: BTreeSet<&str> = entries.iter().map(|entry| entry.day.as_str()).collect();
    let (Some(first_day), Some(last_day)) = (days.first(), days.last()) else {
        return Err("the logbook has no entries".into());
    };

    let mut by_source = BTreeMap::new();
    let mut by_hand = BTreeMap::new();
    for entry in entries {
        *by_source.entry(entry.source.clone()).or_insert(0) += 1;
        if entry.is_by_hand() {
            *by_hand.entry(entry.entity.clone()).or_insert(0) += 1;
        }
    }
    let mut most_handled: Vec<(String, usize)> = by_hand.into_iter().collect();
    most_handled.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    most_handled.truncate(5);

    Ok(LogbookStats {
        entries: entries.len(),
        days: days.len(),
        first_day: (*first_day).to_owned(),
        last_day: (*last_day).to_owned(),
        by_source,
        most_handled,
        habits: habits(entries, days.len()),
    })
}

fn habits(entries: &[Entry], days: usize) -> Vec<Habit> {
    let mut done: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_by_hand()) {
        done.entry((&entry.entity, &entry.state)).or_default().push(entry);
    }
    let mut habits: Vec<Habit> = done
        .into_iter()
        .filter_map(|((entity, state), times)| {
            let mut minutes: Vec<u32> = times.iter().map(|entry| entry.minute).collect();
            minutes.sort_unstable();
            let usual = minutes[minutes.len() / 2];
            let near = times.iter().filter(|entry| entry.minute.abs_diff(usual) <= HABIT_WINDOW);
            let on: BTreeSet<&str> = near.map(|entry| entry.day.as_str()).collect();
            (on.len() as f64 >= HABIT_SHARE * days as f64).then(|| Habit {
                entity: entity.to_owned(),
                state: state.to_owned(),
                usual_time: format!("{:02}:{:02}", usual / 60, usual % 60),
                days: on.len(),
            })
        })
        .collect();
    habits.sort_by_key(|habit| std::cmp::Reverse(habit.days));
    habits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_shows_the_habits_planted_in_it() {
        let text = std::fs::read_to_string(sample()).unwrap();
        let stats = stats(&parse(&text).unwrap()).unwrap();
        assert_eq!((stats.entries, stats.days), (text.lines().count() - 1, 28));
        assert_eq!((stats.first_day.as_str(), stats.last_day.as_str()), ("2026-02-01", "2026-02-28"));
        assert_eq!(stats.by_source.values().sum::<usize>(), stats.entries);
        let habit = |entity: &str, state: &str| stats.habits.iter().find(|h| h.entity == entity && h.state == state);
        let porch = habit("light.porch", "on").expect("the porch light is switched on by hand every evening");
        assert!(porch.days == 28 && porch.usual_time.starts_with("17:"), "{porch:?}");
        assert!(habit("lock.front_door", "locked").is_some_and(|habit| habit.usual_time.starts_with("23:")));
        assert!(habit("light.hallway", "on").is_none(), "automations are not habits");
    }

    #[test]
    fn the_sample_is_what_its_generator_writes() {
        let generator = sample().with_file_name("generate_logbook.sh");
        let written = std::process::Command::new("sh").arg(generator).output().unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        assert!(written.stdout == std::fs::read(sample()).unwrap(), "regenerate logbook.csv");
    }

    #[test]
    fn a_broken_line_is_named_and_an_empty_logbook_refused() {
        let error = parse("time,entity,state,source\n2026-02-01T17:49:00,light.porch,on,anna\nnonsense\n").unwrap_err();
        assert!(error.to_string().starts_with("line 3: ") && error.to_string().contains("nonsense"), "{error}");
        assert!(parse("time,entity,state,source\n2026-02-01T25:00:00,light.porch,on,anna\n").is_err());
        assert!(stats(&[]).is_err());
    }
}
