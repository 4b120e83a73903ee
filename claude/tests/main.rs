//! Transcripts as traces.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]

mod any;
mod cases;
mod required;
