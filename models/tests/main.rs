//! Models over real HTTP on loopback, managed runs and judges, and what is recorded of them.

mod endpoint;
mod graph;
mod judge;
mod managed;
mod openai;
mod seen;
