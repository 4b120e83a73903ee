//! Every reader of bytes from outside, as a function that a fuzzer calls: it reads whatever it is given, and panics where a promise is broken.
//!
//! In: any bytes. Out: nothing. Each function stands in the room of its reader; the fuzzers themselves are in `fuzz/`, and what they found is in
//! `fuzz/seeds`, which the test below reads again. Compiled for tests and fuzzers only.

use crate::context;

/// A reader under its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 13] = [
    ("chunk", crate::chunk::fuzzing::chunk),
    ("assembly", crate::collector::fuzzing::assembly),
    ("tape", crate::tape::fuzzing::tape),
    ("record", crate::export::fuzzing::record),
    ("rows", crate::store::fuzzing::rows),
    ("traceparent", traceparent),
    ("reply", crate::export::fuzzing::reply),
    ("http", crate::export::fuzzing::http),
    ("certificate", crate::export::fuzzing::certificate),
    ("settings", crate::config::fuzzing::settings),
    ("uri", crate::config::fuzzing::uri),
    ("redaction", crate::capture::fuzzing::redaction),
    ("json", crate::capture::fuzzing::json),
];

/// What is planted where it must not come out again. A fuzzer writes it as the byte 1.
pub(crate) const PLANTED: &str = "Pl4nted-7e3f";

/// Any bytes as text, with [`PLANTED`] for the byte 1.
pub(crate) fn text_with_secrets(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{1}', PLANTED)
}

/// What is taken is what W3C's grammar has, and is written again as it was read.
fn traceparent(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((trace, span)) = context::read_traceparent(&text) else { return };
    assert!(trace.is_valid() && span.is_valid());
    let written = format!("00-{trace}-{span}-01");
    assert_eq!(context::read_traceparent(&written), Some((trace, span)));
    assert_eq!(text.trim().get(2..53), written.get(2..53), "{text}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_the_fuzzers_started_from_and_found_is_read_as_promised() {
        for (name, read) in TARGETS {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
            let seeds = std::fs::read_dir(&seeds).unwrap_or_else(|error| panic!("{}: {error}", seeds.display()));
            let read = seeds.map(|seed| read(&std::fs::read(seed.expect("listed").path()).expect("readable"))).count();
            assert!(read > 0, "`{name}` has no seed");
        }
    }
}
