//! Which days a report is about, and how they are put together.

use serde::Serialize;

use crate::calendar::Day;

/// Days counted back from today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recent {
    /// Today.
    Today,
    /// The day before.
    Yesterday,
    /// Today and the six days before.
    Last7Days,
    /// Today and the twenty-nine days before.
    Last30Days,
    /// From the first of the month to today.
    ThisMonth,
}

/// Days from one to another, both included; `None` where it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
}

impl Period {
    /// The days meant on the day `today`.
    pub fn recent(which: Recent, today: Day) -> Self {
        let (from, to) = match which {
            Recent::Today => (today, today),
            Recent::Yesterday => (today.plus(-1), today.plus(-1)),
            Recent::Last7Days => (today.plus(-6), today),
            Recent::Last30Days => (today.plus(-29), today),
            Recent::ThisMonth => (today.first_of_month(), today),
        };
        Self { from: Some(from), to: Some(to) }
    }

    /// The first moment of it, and the first behind it, in nanoseconds since the Unix epoch.
    pub fn unix_ns(self) -> (u64, u64) {
        (self.from.map_or(0, Day::start_unix_ns), self.to.map_or(u64::MAX, |day| day.plus(1).start_unix_ns()))
    }

    /// As people say it.
    pub fn in_words(self) -> String {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from == to => format!("{from} (UTC)"),
            (Some(from), Some(to)) => format!("{from} to {to} (UTC)"),
            (Some(from), None) => format!("since {from} (UTC)"),
            (None, Some(to)) => format!("until {to} (UTC)"),
            (None, None) => "all traces".to_owned(),
        }
    }
}

/// Days that are added up together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Each day: `2026-11-28`.
    Daily,
    /// Each ISO week, Monday to Sunday: `2026-W48`.
    Weekly,
    /// Each month: `2026-11`.
    Monthly,
}

impl Every {
    /// The first day of those that are added up with `day`.
    pub fn first(self, day: Day) -> Day {
        match self {
            Self::Daily => day,
            Self::Weekly => day.monday(),
            Self::Monthly => day.first_of_month(),
        }
    }

    /// The first day of the next ones.
    pub fn next(self, first: Day) -> Day {
        match self {
            Self::Daily => first.plus(1),
            Self::Weekly => first.plus(7),
            Self::Monthly => first.first_of_next_month(),
        }
    }

    /// What the days from `first` on are called.
    pub fn key(self, first: Day) -> String {
        match self {
            Self::Daily => first.to_string(),
            Self::Weekly => {
                let (year, week) = first.iso_week();
                format!("{year:04}-W{week:02}")
            }
            Self::Monthly => {
                let (year, month, _) = first.date();
                format!("{year:04}-{month:02}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_days_include_today_and_are_as_many_as_they_say() {
        let today: Day = "2026-03-01".parse().expect("a date");
        let said = |which| Period::recent(which, today).in_words();
        assert_eq!(said(Recent::Today), "2026-03-01 (UTC)");
        assert_eq!(said(Recent::Yesterday), "2026-02-28 (UTC)");
        assert_eq!(said(Recent::Last7Days), "2026-02-23 to 2026-03-01 (UTC)");
        assert_eq!(said(Recent::Last30Days), "2026-01-31 to 2026-03-01 (UTC)");
        assert_eq!(said(Recent::ThisMonth), "2026-03-01 (UTC)");
    }

    #[test]
    fn a_period_ends_with_the_last_moment_of_its_last_day() {
        let today: Day = "2026-03-01".parse().expect("a date");
        let (since, until) = Period::recent(Recent::Today, today).unix_ns();
        assert_eq!((Day::of(since), Day::of(until - 1), Day::of(until)), (today, today, today.plus(1)));
        assert_eq!(Period::default().unix_ns(), (0, u64::MAX));
    }
}
