//! What a catalog finds in source trees: small ones for each rule, and a workspace that has them all.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]

mod files;
mod ground;
mod names;
mod spans;
mod three;
mod unseen;
