//! Times as people and servers write them.

/// A time in UTC by RFC 3339, with milliseconds: `2026-11-20T20:43:07.441Z`. By the proleptic Gregorian calendar (Howard Hinnant's
/// `civil_from_days`).
///
/// ```
/// assert_eq!(spanwright::record::rfc3339(1_773_478_809_250_000_000), "2026-03-14T09:00:09.250Z");
/// ```
pub fn rfc3339(unix_ns: u64) -> String {
    let millis = unix_ns / 1_000_000;
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    // Days are counted from 1 March of year 0, so that the leap day is the last of its year.
    let since_march = days + 719_468;
    let (era, of_era) = (since_march / 146_097, since_march % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}
