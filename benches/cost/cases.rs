//! What is asked of whom, and the limits.

use crate::programs::{Build, Subject};

use Subject::{Bare, Fastrace, Floor, Otel, Spanwright, Tracing};

/// One load, carried by several programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// As the programs take it.
    load: &'static str,
    /// Spans of a tree.
    spans: u32,
    pub(crate) state: &'static str,
    pub(crate) build: Build,
    pub(crate) subjects: &'static [Subject],
    pub(crate) limits: Limits,
}

/// The most that a span of ours may cost beyond the bare load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: Option<f64>,
}

/// The project's targets; `RESULTS.md` has the list. Times have none: they depend on the machine and on what else it does.
mod target {
    /// A sync span, whatever stands in it short of a whole value.
    pub(super) const SYNC: f64 = 200.0;
    /// An async span that yields once.
    pub(super) const ASYNC: f64 = 500.0;
    /// A struct of 289 bytes of JSON, in and out.
    pub(super) const STRUCT: f64 = 3000.0;
    /// A call of an annotated function while nothing records.
    pub(super) const NOT_RECORDING: f64 = 20.0;
    /// The same compiled with `--cfg spanwright_off`: nothing but how the compiler lays out the same code.
    pub(super) const COMPILED_OUT: f64 = 0.5;
    /// Calls of the allocator a span in the steady state.
    pub(super) const ALLOCATIONS: f64 = 0.01;
}

const NONE: Limits = Limits { instructions: None, allocations: None };

const fn most(instructions: f64) -> Limits {
    Limits { instructions: Some(instructions), allocations: Some(target::ALLOCATIONS) }
}

const ALL: &[Subject] = &[Bare, Floor, Spanwright, Fastrace, Tracing, Otel];
/// Where there is no floor.
const LIBRARIES: &[Subject] = &[Bare, Spanwright, Fastrace, Tracing, Otel];
/// The SDK cannot be compiled out.
const REMOVABLE: &[Subject] = &[Bare, Spanwright, Fastrace, Tracing];

const RECORDING: Case = Case {
    name: "",
    load: "tree=attributes",
    spans: 100,
    state: "state=recording",
    build: Build::Recording,
    subjects: ALL,
    limits: most(target::SYNC),
};
const ABSENT: Case =
    Case { state: "state=absent", subjects: LIBRARIES, limits: most(target::NOT_RECORDING), ..RECORDING };
const OUT: Case = Case { build: Build::CompiledOut, subjects: REMOVABLE, limits: most(target::COMPILED_OUT), ..ABSENT };

pub(crate) const CASES: [Case; 14] = [
    Case { name: "empty span, trees of 100", load: "tree=empty", ..RECORDING },
    Case { name: "two attributes, trees of 100", ..RECORDING },
    Case {
        name: "struct in and out, trees of 100",
        load: "tree=report",
        subjects: LIBRARIES,
        limits: most(target::STRUCT),
        ..RECORDING
    },
    Case { name: "two attributes, trees of 1", spans: 1, limits: NONE, ..RECORDING },
    Case { name: "two attributes, trees of 10", spans: 10, limits: NONE, ..RECORDING },
    Case { name: "two attributes, trees of 1000", spans: 1000, ..RECORDING },
    Case { name: "async, empty, one thread", load: "tree=empty-async", limits: most(target::ASYNC), ..RECORDING },
    Case {
        name: "async, two attributes, one thread",
        load: "tree=attributes-async",
        limits: most(target::ASYNC),
        ..RECORDING
    },
    Case {
        name: "async, two attributes, two threads",
        load: "tree=attributes-async runtime=multi",
        // Waking another thread is part of a poll, and happens as it happens.
        limits: NONE,
        ..RECORDING
    },
    Case {
        name: "switched off, two attributes",
        state: "state=off",
        subjects: LIBRARIES,
        limits: most(target::NOT_RECORDING),
        ..RECORDING
    },
    Case { name: "no collector, two attributes", ..ABSENT },
    Case { name: "no collector, async, two attributes", load: "tree=attributes-async", ..ABSENT },
    Case { name: "compiled out, two attributes", ..OUT },
    Case { name: "compiled out, async, two attributes", load: "tree=attributes-async", ..OUT },
];

impl Case {
    /// What a program is asked for; about so many spans.
    pub(crate) fn request(&self, spans: u32) -> String {
        let trees = (spans / self.spans).max(4);
        format!("{} spans={} trees={trees}", self.load, self.spans)
    }
}
