//! The binary as its users run it.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]

mod catalog;
mod claude;
mod commands;
mod contract;
mod evaluate;
mod ground;
mod lint;
mod report;
mod review;
mod server;
