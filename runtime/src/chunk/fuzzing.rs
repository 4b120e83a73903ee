//! A chunk file of a process that is gone.

use super::sync::AtomicU64;
use super::{Entry, entry, folder};

/// What is read is no more than there is, and is written again as it was read.
pub(crate) fn chunk(bytes: &[u8]) {
    let mut held = 0;
    entries(bytes, |entry| {
        held += match entry {
            Entry::Note { key, body, .. } => key.len() + body.len(),
            Entry::Site { facts, .. } => facts.len(),
            Entry::Begin { .. } | Entry::End { .. } => 0,
        };
        let words = written(entry);
        assert_eq!(entry::read(&words, &mut Vec::new()), Ok((entry, words.len())));
    });
    assert!(held <= bytes.len(), "{held} bytes out of {}", bytes.len());
}

/// Hands each entry of a chunk file to `take`.
pub(crate) fn entries(bytes: &[u8], mut take: impl FnMut(Entry<'_>)) {
    // What cannot be read to its end is what the caller tries.
    let _ = folder::read_bytes(bytes, &mut take);
}

fn written(entry: Entry<'_>) -> Vec<AtomicU64> {
    let memory = |words: usize| (0..words).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
    match entry {
        Entry::Begin { site, span, parent, trace, start_unix_ns } => {
            entry::begin(entry::begin_head(site), span, parent, trace, start_unix_ns).map(AtomicU64::new).into()
        }
        Entry::End { span, end_unix_ns, ending, incomplete } => {
            entry::end(span, end_unix_ns, ending, incomplete).map(AtomicU64::new).into()
        }
        Entry::Note { span, kind, time_unix_ns, key, body } => {
            let words = memory(entry::note_words(key.len(), body.len()));
            entry::note(&words, span, kind, time_unix_ns, key, body);
            words
        }
        Entry::Site { number, facts } => {
            let words = memory(entry::site_words(facts.len()));
            entry::site(&words, number, facts);
            words
        }
    }
}
