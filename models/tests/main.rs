//! Models over real HTTP on loopback, and what is recorded of asking them.

mod endpoint;
mod openai;
