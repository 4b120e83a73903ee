//! Days of the calendar, in UTC: read, written, and counted to weeks and months.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

const NS_PER_DAY: u64 = 86_400_000_000_000;

/// A day in UTC, by its number since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of a moment, in nanoseconds since the Unix epoch.
    pub const fn of(unix_ns: u64) -> Self {
        Self((unix_ns / NS_PER_DAY) as i64)
    }

    /// Its first moment, in nanoseconds since the Unix epoch; 0 before 1970.
    pub fn start_unix_ns(self) -> u64 {
        u64::try_from(self.0).map_or(0, |days| days.saturating_mul(NS_PER_DAY))
    }

    /// So many days later, or earlier.
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// Year, month and day of the month.
    ///
    /// The proleptic Gregorian calendar, counted in eras of 400 years that begin on the first of March.
    pub const fn date(self) -> (i64, u32, u32) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
        let month = (if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 }) as u32;
        (year_of_era + era * 400 + (month <= 2) as i64, month, day)
    }

    /// The day with this date; `None` if there is none.
    pub fn from_date(year: i64, month: u32, day: u32) -> Option<Self> {
        let (from_march, of_march) = (i64::from(month + 9) % 12, year - i64::from(month <= 2));
        let (era, year_of_era) = (of_march.div_euclid(400), of_march.rem_euclid(400));
        let day_of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self(era * 146_097 + day_of_era - 719_468);
        // What the calendar does not have comes back as another date.
        (found.date() == (year, month, day)).then_some(found)
    }

    /// The first of its month.
    pub const fn first_of_month(self) -> Self {
        let (_, _, day) = self.date();
        self.plus(1 - day as i64)
    }

    /// The first of the month after.
    pub const fn first_of_next_month(self) -> Self {
        // The 28th and five days is in the next one, whatever the month.
        self.first_of_month().plus(32).first_of_month()
    }

    /// The Monday of its week.
    pub const fn monday(self) -> Self {
        // 1970-01-01 was a Thursday.
        self.plus(-(self.0 + 3).rem_euclid(7))
    }

    /// Year and week as ISO 8601 counts them: a week belongs to the year that has its Thursday.
    pub const fn iso_week(self) -> (i64, u32) {
        let thursday = self.monday().plus(3);
        let (year, month, day) = thursday.date();
        let first = thursday.plus(-(day_of_year(year, month, day) - 1));
        (year, ((thursday.0 - first.0) / 7 + 1) as u32)
    }
}

const fn day_of_year(year: i64, month: u32, day: u32) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    BEFORE[month as usize - 1] + day as i64 + (leaps && month > 2) as i64
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no date; write it as 2026-11-28");
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(wrong()) };
        let number = |part: &str, digits| {
            let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse().ok()).flatten()
        };
        let date = (number(year, 4), number(month, 2), number(day, 2));
        let (Some(year), Some(month), Some(day)) = date else { return Err(wrong()) };
        Self::from_date(i64::from(year), month, day).ok_or_else(|| format!("the calendar has no {text}"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a date")
    }

    #[test]
    fn a_date_comes_back_as_it_was_written_and_what_the_calendar_lacks_is_refused() {
        for text in ["1970-01-01", "2000-02-29", "2024-02-29", "2026-11-28", "2100-02-28", "9999-12-31"] {
            assert_eq!(day(text).to_string(), text);
        }
        for text in ["2026-02-29", "2100-02-29", "2026-13-01", "2026-00-10", "2026-01-32", "2026-1-1", "today", ""] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        let all = (0..200_000).map(Day);
        assert!(all.clone().all(|day| day.to_string().parse() == Ok(day)));
        assert!(all.clone().zip(all.skip(1)).all(|(day, next)| day.date() < next.date()));
    }

    #[test]
    fn weeks_are_those_of_iso_8601_where_years_meet() {
        // Years that begin on each day of the week, those with 53 weeks among them.
        for (date, week) in [
            ("2020-12-31", (2020, 53)),
            ("2021-01-03", (2020, 53)),
            ("2021-01-04", (2021, 1)),
            ("2022-01-02", (2021, 52)),
            ("2024-12-29", (2024, 52)),
            ("2024-12-30", (2025, 1)),
            ("2026-12-28", (2026, 53)),
            ("2027-01-03", (2026, 53)),
            ("2027-01-04", (2027, 1)),
            ("1970-01-01", (1970, 1)),
            ("2026-11-28", (2026, 48)),
        ] {
            assert_eq!(day(date).iso_week(), week, "{date}");
        }
    }

    #[test]
    fn months_follow_each_other_however_long_they_are() {
        let mut first = day("2023-11-01");
        let mut seen = Vec::new();
        while first < day("2024-04-01") {
            seen.push(first.to_string());
            first = first.first_of_next_month();
        }
        assert_eq!(seen, ["2023-11-01", "2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01"]);
        assert_eq!(day("2024-02-29").first_of_month(), day("2024-02-01"));
    }
}
