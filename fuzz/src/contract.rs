//! The readers of the crate `contract`.

use spanwright::fuzzing::Target;
use spanwright_contract::lock::Lock;
use spanwright_contract::verify::Registered;

pub const TARGETS: [Target; 2] = [("lock", lock), ("expansions", expansions)];

/// A lock that is read is written, and read again, as it was read.
fn lock(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Lock::parse(&text, "spans.lock") {
        Ok(lock) => {
            let written = lock.to_string();
            let again = Lock::parse(&written, "spans.lock").unwrap_or_else(|error| panic!("{error}: {written}"));
            assert_eq!(again, lock, "{written}");
            assert_eq!(again.to_string(), written);
        }
        Err(error) => assert!(error.to_string().starts_with("cannot read spans.lock"), "{error}"),
    }
}

/// What a build registered agrees with itself, and a difference is one from something else.
fn expansions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(registered) = Registered::parse(&text, "expansions") else { return };
    for (one, next) in registered.iter().zip(registered.iter().skip(1)) {
        assert!(one.facts.agrees_with(&one.facts), "{one:?}");
        assert_eq!(
            one.facts.difference(&next.facts).is_empty(),
            next.facts.agrees_with(&one.facts),
            "{one:?} {next:?}"
        );
    }
}
