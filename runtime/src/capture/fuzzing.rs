//! What is written of values that hold secrets.

use serde_json::value::RawValue;

use super::{Capture, Policy, scan};
use crate::planted::{PLANTED, text_with_secrets};
use crate::tape::{self, Tape};

/// The quick look misses nothing, what is clean stays as it is, and a credential is gone whatever stands around it.
pub(crate) fn redaction(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for cut in [false, true] {
        let Some(clean) = scan::clean(&text, cut) else { continue };
        // Of a text that was cut the end is looked at in any case.
        assert!(cut || scan::is_suspicious(&text), "{text}");
        let again = scan::clean(&clean, cut);
        assert!(again.as_ref().is_none_or(|again| *again == clean), "{text}: {clean}: {again:?}");
    }
    // Which a fuzzer finds out, as it sees what is compared: there it is no credential, and may stay.
    if text.contains(PLANTED) {
        return;
    }
    let (before, after) = text.split_at(text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at));
    for credential in [format!("Bearer {PLANTED}"), format!("sk-{PLANTED}"), format!("db://u:{PLANTED}@h")] {
        for text in [format!("{before} {credential} {after}"), format!("{before}\n{credential}\"{after}")] {
            let clean = scan::clean(&text, false).unwrap_or_default();
            assert!(!clean.is_empty() && !clean.contains(PLANTED), "{text}: {clean}");
        }
    }
}

/// Any JSON of a user's becomes JSON within its limit; none of it is kept under a key that tells a secret.
pub(crate) fn json(bytes: &[u8]) {
    let text = text_with_secrets(bytes);
    let Ok(value) = RawValue::from_string(text.clone()) else { return };
    let policy = Policy { preview_bytes: 64, ..Policy::default() };
    for level in [Capture::Keys, Capture::Preview, Capture::Full] {
        let mut written = Tape::default();
        super::value(&mut written, &value, level, &policy);
        let Some(read) = tape::output(written.written(), false) else { panic!("nothing is left of {text}") };
        assert!(read.as_str().len() <= policy.limit(level).max(16), "{read:?}");
        let valid: Result<serde_json::Value, _> = serde_json::from_str(read.as_str());
        assert!(valid.is_ok(), "{text}: {read:?}: {valid:?}");
    }
    let Ok(secret) = RawValue::from_string(format!("{{\"password\":{text},\"list\":[{{\"apiKey\":{text}}}]}}")) else {
        // One level deeper than is read.
        return;
    };
    let mut written = Tape::default();
    super::value(&mut written, &secret, Capture::Full, &policy);
    let is_planted = written.written().windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
    assert!(!is_planted, "{text}: {:?}", tape::output(written.written(), false));
}
