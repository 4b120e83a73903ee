//! parse, lower, check, expand.
