//! One fuzzer for all readers: `SPANWRIGHT_FUZZ` names the one. Without it, their names are printed.
//!
//! Beside what each reader promises, a reader may not take more memory than its input explains.

#![no_main]

mod contract;
mod memory;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use spanwright::fuzzing::{TARGETS, Target};

static READER: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let readers = || TARGETS.into_iter().chain(contract::TARGETS).chain(spanwright_claude::fuzzing::TARGETS);
        let wanted = std::env::var("SPANWRIGHT_FUZZ").unwrap_or_default();
        let Some(reader) = readers().find(|(name, _)| *name == wanted) else {
            readers().for_each(|(name, _)| println!("{name}"));
            std::process::exit(i32::from(!wanted.is_empty()));
        };
        READER.get_or_init(|| reader);
    },
    |bytes: &[u8]| {
        if let Some((_, read)) = READER.get() {
            memory::bounded(bytes.len(), || read(bytes));
        }
    }
);
