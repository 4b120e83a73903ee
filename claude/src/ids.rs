//! Ids made of what they name: the same turn has the same trace, and the same call the same span, however often it is read. A server that gets a
//! span twice then has it once.

use spanwright::{SpanId, TraceId};

/// FNV-1a over all parts, each with its end: the same on every machine and in every version.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    mix(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// The finaliser of SplitMix64, which lets every bit depend on every other.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The trace of a turn of a session, or of one of a sub-agent of it.
pub(crate) fn trace(session: &str, agent: &str, turn: &str) -> TraceId {
    let half = |which| hash(&[which, session, agent, turn]);
    TraceId::from_halves(half("high"), half("low") | 1)
}

/// A span of a trace, by the way to it. Of two that start together, the one with the smaller rank stands first.
pub(crate) fn span(trace: TraceId, way: &str, rank: u8) -> SpanId {
    let id = hash(&[&trace.to_string(), way]) >> 8;
    SpanId::from_u64(u64::from(rank) << 56 | id.max(1))
}
