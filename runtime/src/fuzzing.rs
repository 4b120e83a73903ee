//! Every reader of bytes from outside, as a function that a fuzzer calls: it reads whatever it is given, and panics where a promise is broken.
//!
//! In: any bytes. Out: nothing. Each function stands in the room of its reader; the fuzzers themselves are in `fuzz/`, and what they found is in
//! `fuzz/seeds`, which the test below reads again. Compiled for tests and fuzzers only.

use crate::context;

/// A reader under its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 15] = [
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
    ("workflow", crate::config::fuzzing::workflow),
    ("uri", crate::config::fuzzing::uri),
    ("redaction", crate::capture::fuzzing::redaction),
    ("json", crate::capture::fuzzing::json),
    ("token", crate::tracker::fuzzing),
];

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
    use std::hash::{BuildHasherDefault, DefaultHasher};
    use std::path::Path;

    use super::*;

    /// Changed copies that are read of each seed.
    const COPIES: u64 = 60;

    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let seeds: Vec<_> = files.map(|file| std::fs::read(file.expect("listed").path()).expect("readable")).collect();
        assert!(!seeds.is_empty(), "`{name}` has no seed");
        seeds
    }

    #[test]
    fn what_the_fuzzers_started_from_and_found_is_read_as_promised() {
        for (name, read) in TARGETS {
            seeds(name).iter().for_each(|seed| read(seed));
        }
    }

    /// A few bytes changed, and perhaps the end cut off, or a piece said twice: the same copies each time.
    fn changed(seed: &[u8], copy: u64) -> Vec<u8> {
        use std::hash::BuildHasher as _;
        let draw = |what: u64, below: usize| {
            let drawn = BuildHasherDefault::<DefaultHasher>::default().hash_one((copy, what));
            (drawn % below.max(1) as u64) as usize
        };
        let mut bytes = seed.to_vec();
        for change in 0..1 + copy % 4 {
            let at = draw(change, bytes.len());
            let byte = [0, 1, 0xff, b'"', b'@', draw(change + 10, 256) as u8][draw(change + 20, 6)];
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        match copy % 3 {
            0 => bytes.truncate(draw(30, bytes.len() + 1)),
            1 => {
                let (from, at) = (draw(31, bytes.len()), draw(32, bytes.len()));
                let piece = bytes[from..].iter().copied().take(32).collect::<Vec<_>>();
                bytes.splice(at..at, piece);
            }
            _ => {}
        }
        bytes
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_read_as_promised() {
        // Each copy for `http` is a connection.
        for (name, read) in TARGETS.into_iter().filter(|(name, _)| *name != "http") {
            for seed in seeds(name) {
                (0..COPIES).for_each(|copy| read(&changed(&seed, copy)));
            }
        }
    }
}
