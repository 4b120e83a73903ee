//! Keys that live forever, as they are written and what is known of them, by their address.
//!
//! The names of fields and parameters stand in the program once, so their address says which they are. What is found out of one is put down
//! once, in the first of two places its address leads to, and never changed: a reader needs no second look. Where both are taken by others, the
//! key is looked at each time.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tape::{short, tag};

/// Keys that are kept by one set of rules. The places of one are within 32 KiB.
const PLACES: usize = 1024;

/// Longest key that is kept as it is written: with its tag and length, two words.
const LONGEST: usize = 14;

/// Longest key that is kept at all.
const LONGEST_KNOWN: usize = u32::MAX as usize;

pub(super) struct Keys {
    places: [Place; PLACES],
}

/// One key; the address is written last.
struct Place {
    /// [`FREE`], [`BEING_FILLED`], or where the key stands.
    address: AtomicU64,
    /// The length of a key that is written as it is. Of another one the length, and above that what it falls under.
    length: AtomicU64,
    text: [AtomicU64; 2],
}

const FREE: u64 = 0;
const BEING_FILLED: u64 = u64::MAX;

/// A key that falls under no rule, and is too long to be kept as it is written; rule `n` is `n + 2`.
const NO_RULE: u64 = 1;

impl Keys {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { places: [const { Place::free() }; PLACES] })
    }

    /// The tag, length and text of a key under no rule, and zeros.
    #[inline]
    pub(super) fn plain(&self, key: &'static str) -> Option<[u8; 16]> {
        let place = &self.places[first(key)];
        let is_it = place.address.load(Ordering::Acquire) == address(key)
            && place.length.load(Ordering::Relaxed) == key.len() as u64;
        is_it.then(|| place.bytes())
    }

    /// Which rule a key falls under; `None` if it is not known.
    #[inline]
    pub(super) fn rule_of(&self, key: &'static str) -> Option<Option<usize>> {
        [first(key), second(key)].into_iter().find_map(|place| self.places[place].rule_of(key))
    }

    /// Keeps which rule a key falls under.
    #[cold]
    #[inline(never)]
    pub(super) fn keep(&self, key: &'static str, rule: Option<usize>) {
        if key.len() <= LONGEST_KNOWN {
            let _ = [first(key), second(key)].into_iter().any(|place| self.places[place].keep(key, rule));
        }
    }
}

impl Place {
    const fn free() -> Self {
        Self { address: AtomicU64::new(FREE), length: AtomicU64::new(0), text: [const { AtomicU64::new(0) }; 2] }
    }

    #[inline]
    fn bytes(&self) -> [u8; 16] {
        let [head, tail] = &self.text;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&head.load(Ordering::Relaxed).to_le_bytes());
        bytes[8..].copy_from_slice(&tail.load(Ordering::Relaxed).to_le_bytes());
        bytes
    }

    #[inline]
    fn rule_of(&self, key: &'static str) -> Option<Option<usize>> {
        if self.address.load(Ordering::Acquire) != address(key) {
            return None;
        }
        let length = self.length.load(Ordering::Relaxed);
        let rule = (length >> 32) as usize;
        (length & u64::from(u32::MAX) == key.len() as u64).then(|| rule.checked_sub(2))
    }

    /// Whether the key is kept here, by this call or another.
    fn keep(&self, key: &'static str, rule: Option<usize>) -> bool {
        if self.address.compare_exchange(FREE, BEING_FILLED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return self.rule_of(key).is_some();
        }
        let under = match rule {
            None if key.len() <= LONGEST => 0,
            None => NO_RULE,
            Some(rule) => rule as u64 + 2,
        };
        self.length.store(key.len() as u64 | under << 32, Ordering::Relaxed);
        if under == 0 {
            let (head, tail) = key.as_bytes().split_at(key.len().min(6));
            let head = short(head) << 16 | (key.len() as u64) << 8 | u64::from(tag::KEY);
            self.text[0].store(head, Ordering::Relaxed);
            self.text[1].store(short(tail), Ordering::Relaxed);
        }
        self.address.store(address(key), Ordering::Release);
        true
    }
}

#[inline]
fn address(key: &'static str) -> u64 {
    key.as_ptr().addr() as u64
}

#[inline]
fn first(key: &'static str) -> usize {
    key.as_ptr().addr() % PLACES
}

fn second(key: &'static str) -> usize {
    (key.as_ptr().addr() / PLACES + key.len()) % PLACES
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.places.iter().filter(|place| place.address.load(Ordering::Relaxed) != FREE).count();
        write!(f, "Keys({known} known)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that share an address, as a linker may have it.
    const TEXT: &str = "abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn a_key_is_known_by_its_address_and_its_length() {
        let keys = Keys::new();
        assert_eq!(keys.rule_of(&TEXT[..3]), None);
        keys.keep(&TEXT[..3], None);
        assert_eq!(keys.plain(&TEXT[..3]), Some(*b"\x0f\x03abc\0\0\0\0\0\0\0\0\0\0\0"));
        assert_eq!((keys.plain(&TEXT[..4]), keys.rule_of(&TEXT[..4])), (None, None));
        keys.keep(&TEXT[..4], Some(7));
        assert_eq!((keys.plain(&TEXT[..4]), keys.rule_of(&TEXT[..4])), (None, Some(Some(7))));
        keys.keep(&TEXT[5..], None);
        assert_eq!((keys.plain(&TEXT[5..]), keys.rule_of(&TEXT[5..])), (None, Some(None)));
        assert_eq!(keys.rule_of(&TEXT[..3]), Some(None), "what is known stays");
    }

    #[test]
    fn many_keys_kept_by_many_threads_are_each_what_they_are() {
        let texts: &'static str = Box::leak("k".repeat(4 * PLACES).into_boxed_str());
        let keys = Keys::new();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for place in 0..texts.len() - 20 {
                        let key = &texts[place..place + 1 + place % 20];
                        let rule = (place % 7 == 0).then_some(place % 30);
                        keys.keep(key, rule);
                        assert!(keys.rule_of(key).is_none_or(|known| known == rule), "{place}");
                        let plain = keys.plain(key);
                        assert!(plain.is_none_or(|plain| plain[1] as usize == key.len() && rule.is_none()), "{place}");
                    }
                });
            }
        });
    }
}
