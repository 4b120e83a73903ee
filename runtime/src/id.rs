//! Identifiers of traces and spans, and how a thread draws them.
//!
//! A span id is a bijective mix of a prefix that only its thread has and a counter: no lock, no system call, no repeat within
//! 2^32 spans of a thread. A trace id is 128 bits from the same per-thread generator.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// 128 bits naming one trace, printed as 32 lower-case hexadecimal digits (W3C trace context).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId {
    high: u64,
    low: u64,
}

/// 64 bits naming one span, printed as 16 lower-case hexadecimal digits (W3C trace context).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(u64);

/// The share of all traces that is kept. Their ids decide, so that whoever asks decides alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The lower half of an id is below or at this.
    up_to: u64,
}

impl Share {
    /// From 0 for none to 1 for all.
    pub(crate) fn of(ratio: f64) -> Self {
        Self { up_to: if ratio >= 1.0 { u64::MAX } else { (ratio.max(0.0) * u64::MAX as f64) as u64 } }
    }

    #[inline]
    pub(crate) fn has(self, trace: TraceId) -> bool {
        trace.halves().1 <= self.up_to && self.up_to != 0
    }
}

impl TraceId {
    /// Builds an id from its upper and lower half.
    pub const fn from_halves(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The upper and lower half.
    pub const fn halves(self) -> (u64, u64) {
        (self.high, self.low)
    }

    /// Big-endian bytes, as OTLP carries them.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.high) << 64) | u128::from(self.low)).to_be_bytes()
    }

    /// The id of big-endian bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        Self { high: (all >> 64) as u64, low: all as u64 }
    }

    /// False for the all-zero id, which W3C trace context forbids.
    pub const fn is_valid(self) -> bool {
        self.high != 0 || self.low != 0
    }
}

impl SpanId {
    /// Builds an id from its bits; 0 is not a valid id.
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits of this id.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Big-endian bytes, as OTLP carries them.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The id of big-endian bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// False for the all-zero id, which W3C trace context forbids.
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }
}

/// For tables of this process's own span ids, which are mixed when they are drawn.
pub(crate) type SpanIdHash = BuildHasherDefault<SpanIdHasher>;

/// Takes a span id for its own hash.
#[derive(Debug, Default)]
pub(crate) struct SpanIdHasher(u64);

impl Hasher for SpanIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        // One multiplication more, for ids that somebody else has drawn.
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0.rotate_left(32)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

/// The text is not an id: wrong length, or a character outside `0-9a-fA-F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError {
    digits: usize,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: expected {} hexadecimal digits", self.digits)
    }
}

impl std::error::Error for ParseIdError {}

fn parse_hex(text: &str, digits: usize) -> Result<u128, ParseIdError> {
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ParseIdError { digits });
    }
    u128::from_str_radix(text, 16).map_err(|_| ParseIdError { digits })
}

impl FromStr for TraceId {
    type Err = ParseIdError;

    /// Accepts 32 hexadecimal digits, with or without MLflow's `tr-` before them.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let all = parse_hex(text.strip_prefix("tr-").unwrap_or(text), 32)?;
        Ok(Self { high: (all >> 64) as u64, low: all as u64 })
    }
}

impl FromStr for SpanId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text, 16).map(|bits| Self(bits as u64))
    }
}

macro_rules! serde_as_text {
    ($($id:ty)*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
serde_as_text!(TraceId SpanId);

thread_local! {
    /// Prefix and counter of the thread's next span id; no prefix yet where the counter is 0.
    static NEXT_SPAN: Cell<u64> = const { Cell::new(0) };
    /// State of the thread's generator of trace ids; zeros before it is seeded.
    static SEED: Cell<[u64; 2]> = const { Cell::new([0; 2]) };
}

/// Three words from the operating system's generator, by way of the keys `RandomState` draws. A process that was forked has the keys of
/// its parent: who it is, and when, makes the difference.
fn seeds() -> [u64; 3] {
    let (process, now) = (std::process::id(), Instant::now());
    [0u64, 1, 2].map(|n| RandomState::new().hash_one((n, process, now)))
}

/// The upper half of the first prefix of this process, and [`DRAWN`] once there is one.
static PROCESS: AtomicU64 = AtomicU64::new(0);
const DRAWN: u64 = 1 << 32;

fn process_prefix() -> u32 {
    let drawn = PROCESS.load(Ordering::Relaxed);
    if drawn != 0 {
        return drawn as u32;
    }
    let fresh = u64::from(seeds()[0] as u32) | DRAWN;
    match PROCESS.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh as u32,
        Err(earlier) => earlier as u32,
    }
}

/// In the only thread of a process that was just forked: draws nothing its parent draws.
pub(crate) fn start_over() {
    PROCESS.store(0, Ordering::Relaxed);
    let _ = NEXT_SPAN.try_with(|next| next.set(0));
    let _ = SEED.try_with(|seed| seed.set([0; 2]));
}

/// The upper half of what a thread's span ids are made of: random for the process, one further for each thread, so that no two
/// threads share it.
#[cold]
#[inline(never)]
fn next_prefix() -> u64 {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    u64::from(process_prefix().wrapping_add(THREADS.fetch_add(1, Ordering::Relaxed))) << 32
}

/// A permutation of the 64-bit words (the finaliser of SplitMix64): distinct inputs give distinct ids.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// As [`mix`], for less: what is mixed differs in its lower half from one span of a thread to the next, and in its upper half from thread to
/// thread.
#[inline(always)]
const fn scatter(mut word: u64) -> u64 {
    word = (word ^ (word >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^ (word >> 32)
}

/// Draws a span id nobody else in this process has; across processes a clash needs two equal 32-bit prefixes and counters.
#[inline]
pub(crate) fn next_span_id() -> SpanId {
    NEXT_SPAN.with(|next| {
        let mut word = next.get();
        if word as u32 == 0 {
            word = next_prefix() | 1;
        }
        next.set(word.wrapping_add(1));
        // `scatter` maps only 0 to 0, the id that means "none", and the counter is never 0 here.
        SpanId(scatter(word))
    })
}

/// As [`next_span_id`], for a thread that has its prefix; `None` until it has one.
#[inline(always)]
pub(crate) fn next_span_id_at_hand() -> Option<SpanId> {
    NEXT_SPAN.with(|next| {
        let word = next.get();
        if word as u32 == 0 {
            return None;
        }
        next.set(word.wrapping_add(1));
        Some(SpanId(scatter(word)))
    })
}

/// Draws a trace id.
#[inline]
pub(crate) fn next_trace_id() -> TraceId {
    SEED.with(|seed| {
        let [mut a, mut b] = seed.get();
        if a == 0 && b == 0 {
            [a, b] = fresh_seed();
        }
        // xoroshiro128+: two words of state, period 2^128 - 1, and never two zeros after others.
        let sum = a.wrapping_add(b);
        let c = a ^ b;
        seed.set([a.rotate_left(24) ^ c ^ (c << 16), c.rotate_left(37)]);
        TraceId { high: mix(sum), low: mix(sum.rotate_left(32) ^ b) | 1 }
    })
}

#[cold]
#[inline(never)]
fn fresh_seed() -> [u64; 2] {
    let [a, b, _] = seeds();
    [a | 1, b]
}

/// Draws a random version 4 UUID, as sessions and runs are named.
pub(crate) fn next_uuid() -> String {
    let [a, b, _] = seeds();
    uuid_of(TraceId::from_halves(a, b))
}

/// The run id of a trace: its random bits as a version 4 UUID, so that whoever knows the trace knows the run, in whatever process, and
/// a call pays nothing for it.
pub(crate) fn uuid_of(trace: TraceId) -> String {
    let (a, b) = trace.halves();
    let (a, b) = ((a & !0xf000) | 0x4000, (b & !(0b11 << 62)) | (0b10 << 62));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat_across_threads() {
        let drawn: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..50_000).map(|_| (next_trace_id(), next_span_id())).collect()))
                .collect();
            threads.into_iter().flat_map(|thread| -> Vec<_> { thread.join().expect("no panic") }).collect()
        });
        assert_eq!(drawn.iter().map(|ids| ids.0).collect::<HashSet<_>>().len(), 200_000);
        assert_eq!(drawn.iter().map(|ids| ids.1).collect::<HashSet<_>>().len(), 200_000);
        assert!(drawn.iter().all(|(trace, span)| trace.is_valid() && span.is_valid()));
    }

    #[test]
    fn no_two_threads_have_the_same_prefix() {
        let drawn: HashSet<_> = (0..400_000).map(|_| next_prefix()).collect();
        assert_eq!(drawn.len(), 400_000);
    }

    #[test]
    fn text_form_round_trips_and_refuses_everything_else() {
        let trace = next_trace_id();
        assert_eq!(trace.to_string().parse(), Ok(trace));
        assert_eq!(format!("tr-{trace}").parse(), Ok(trace));
        assert_eq!(TraceId::from_bytes(trace.to_bytes()), trace);
        for bad in ["", "0", "g0000000000000000000000000000000", "+0000000000000000000000000000000", "tr-"] {
            assert!(bad.parse::<TraceId>().is_err(), "{bad}");
        }
        assert!("００００００００".parse::<SpanId>().is_err());
    }

    #[test]
    fn a_uuid_is_version_4() {
        let uuid = next_uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
