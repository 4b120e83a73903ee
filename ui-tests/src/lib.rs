//! Expansion corpus.
