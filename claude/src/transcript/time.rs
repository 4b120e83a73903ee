//! Times as transcripts write them, in nanoseconds since the Unix epoch, exactly.

/// A time by ISO 8601, as `2026-03-14T09:00:12.500Z` or with an offset.
pub fn parse(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| number(bytes.get(from..to)?);
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let is_shaped = separators.iter().all(|(at, byte)| bytes.get(*at) == Some(byte));
    if !is_shaped || !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, rest) = fraction(bytes.get(19..)?);
    let of_day = hour * 3600 + minute * 60 + second - offset(rest)?;
    let seconds = days(year, month, day) * 86_400 + of_day;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// A time as a number: seconds, or milliseconds where that is too many of them.
pub fn of_number(number: f64) -> Option<u64> {
    let seconds = if number >= 1e11 { number / 1e3 } else { number };
    (seconds > 0.0 && seconds < 1.8e10).then(|| (seconds * 1e6).round() as u64 * 1000)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// Nanoseconds of a fraction of a second, and what follows it.
fn fraction(bytes: &[u8]) -> (u64, &[u8]) {
    let Some(rest) = bytes.strip_prefix(b".") else { return (0, bytes) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(count);
    let nanos = (0..9).fold(0, |sum, place| sum * 10 + digits.get(place).map_or(0, |digit| u64::from(digit - b'0')));
    (nanos, rest)
}

/// Seconds by which a clock with this offset is ahead.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [] | [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, minutes) = match rest {
                [h1, h2] => ([*h1, *h2], *b"00"),
                [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => ([*h1, *h2], [*m1, *m2]),
                _ => return None,
            };
            let ahead = number(&hours)? * 3600 + number(&minutes)? * 60;
            Some(if *sign == b'+' { ahead } else { -ahead })
        }
        _ => None,
    }
}

/// Days since the epoch, by the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact() {
        for (text, ns) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-01-15T10:27:25.123456Z", 1_705_314_445_123_456_000),
            ("2026-03-14T09:00:09.250Z", 1_773_478_809_250_000_000),
            ("2026-03-14T11:00:09.25+02:00", 1_773_478_809_250_000_000),
            ("2026-03-14 04:00:09.250-0500", 1_773_478_809_250_000_000),
            ("2000-02-29T23:59:59", 951_868_799_000_000_000),
        ] {
            assert_eq!(parse(text), Some(ns), "{text}");
        }
        assert_eq!(of_number(1_705_312_245.123_456), Some(1_705_312_245_123_456_000));
        assert_eq!(of_number(1_705_312_245_123.0), Some(1_705_312_245_123_000_000));
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T23:59:59.007Z",
            "2026-03-14T09:00:09.250Z",
            "2100-12-31T12:00:00.999Z",
        ] {
            assert_eq!(parse(text).map(spanwright::record::rfc3339).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-03-14",
            "1960-01-01T00:00:00Z",
            "2026-03-14T09:00:09é",
            "２０２６-03-14T09:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!([f64::NAN, -1.0, 0.0, f64::INFINITY].map(of_number), [None; 4]);
    }
}
