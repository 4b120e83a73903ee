//! Numbers as people read them.

use crate::tally::{Pico, Tally, dollars};

/// Characters of a name in a table; what is longer is cut in its middle, since names often begin alike and end alike.
const NAME: usize = 40;
/// Characters of a bar.
const BAR: usize = 20;

/// `1,204,332`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 run`, `1,204 runs`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// An amount of money: to a cent from ten dollars on, else to a hundredth of one.
pub fn money(pico: Pico) -> String {
    let amount = dollars(pico);
    if amount > 0.0 && amount < 0.000_05 {
        return "<$0.0001".to_owned();
    }
    let decimals = if amount >= 10.0 { 2 } else { 4 };
    let text = format!("{amount:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    format!("${}.{rest}", count(whole.parse().unwrap_or(u64::MAX)))
}

/// What a sum cost: `≥` before it where some calls have no price, `?` where none has.
pub fn cost(tally: &Tally) -> String {
    match tally.known_cost() {
        None => "?".to_owned(),
        Some(cost) if tally.unpriced_calls > 0 => format!("≥ {}", money(cost)),
        Some(cost) => money(cost),
    }
}

/// A duration in three digits or so: `512 µs`, `8.4 ms`, `1.2 s`, `3 min 20 s`.
pub fn duration(ns: u64) -> String {
    let (us, ms, s) = (ns as f64 / 1e3, ns as f64 / 1e6, ns / 1_000_000_000);
    match s {
        0 if us < 1000.0 => format!("{us:.0} µs"),
        0 if ms < 10.0 => format!("{ms:.1} ms"),
        0 => format!("{ms:.0} ms"),
        1..60 => format!("{:.1} s", ms / 1e3),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", count(s / 3600), s / 60 % 60),
    }
}

/// `61 %`; what is more than nothing is not shown as nothing.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        some if some > 0.0 && some < 1.0 => "<1 %".to_owned(),
        some => format!("{some:.0} %"),
    }
}

/// The part of a whole, as a bar; at least a hair where there is anything.
pub fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { eighths };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A name on one line of a table; control characters, which could drive a terminal, are shown as `·`.
pub fn name(text: &str) -> String {
    let clean: Vec<char> = text.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    if clean.len() <= NAME {
        return clean.into_iter().collect();
    }
    let (before, behind) = (NAME / 2, NAME - NAME / 2 - 1);
    clean[..before].iter().chain(['…'].iter()).chain(&clean[clean.len() - behind..]).collect()
}

/// How much more the second one is, `+25 %`, `−40 %`, `=`; `new` where the first one is nothing, `gone` where the second is.
pub fn change(before: f64, after: f64) -> String {
    if before == after {
        return "=".to_owned();
    }
    if before == 0.0 || after == 0.0 {
        return if before == 0.0 { "new" } else { "gone" }.to_owned();
    }
    let percent = ((after / before - 1.0) * 100.0).round();
    match percent {
        0.0 => "≈".to_owned(),
        1000.0.. => format!("×{:.0}", after / before),
        _ if percent > 0.0 => format!("+{percent} %"),
        _ => format!("−{} %", -percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 1_204_332].map(count), ["0", "999", "1,000", "1,204,332"]);
        let pico = 1_000_000_000_000;
        assert_eq!(
            [0, 1, 270_000_000, 12_345_678_900_000, 1_234_567 * pico].map(money),
            ["$0.0000", "<$0.0001", "$0.0003", "$12.35", "$1,234,567.00"]
        );
        assert_eq!([0.0, 0.004, 0.61, 1.0].map(percent), ["0 %", "<1 %", "61 %", "100 %"]);
        assert_eq!(
            [(4.0, 5.0), (5.0, 3.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 40.0)].map(|(a, b)| change(a, b)),
            ["+25 %", "−40 %", "=", "new", "gone", "×40"]
        );
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|share| bar(share).chars().count()), [0, 10, 20, 20]);
        assert_eq!(bar(0.000_1), "▏");
    }

    #[test]
    fn a_foreign_name_can_neither_break_a_table_nor_drive_the_terminal() {
        assert_eq!(name("a\x1b[31m\nb"), "a·[31m·b");
        let long = name(&format!("begins{}ends", "x".repeat(100)));
        assert!(long.chars().count() == NAME && long.starts_with("begins") && long.ends_with("ends"), "{long}");
    }
}
