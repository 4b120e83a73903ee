//! Random programs on several threads, read as the collector reads them: in whatever order it meets the chunks, and wherever the program is killed,
//! the spans are the ones that were made.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::Assembly;
use crate::chunk::{Entry, NoteKind};
use crate::id::{SpanId, TraceId};
use crate::record::{AttributeValue, Batch, Ending, SpanRecord};
use crate::tree;

const THREADS: usize = 3;
const FACTS: &[u8] =
    br#"{"name":"work","kind":"node","span_type":"CHAIN","values":["n"],"function":"work","file":"a.rs","line":1}"#;

/// One span of a random program, as it is made.
#[derive(Clone, Debug)]
struct Made {
    /// Place of its parent among the spans before it; of the first span none.
    parent: Index,
    /// Who begins it, and who ends it.
    threads: [usize; 2],
    notes: Vec<(usize, Said)>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug)]
enum Said {
    Attribute(bool, u8),
    Event,
    Error(u8),
    Tokens(bool, u8),
    Output(u8),
}

impl Said {
    /// What has no time of its own is said by the thread that begins the span: of two, nobody knows which came later.
    fn is_timeless(self) -> bool {
        matches!(self, Self::Tokens(..) | Self::Output(_))
    }
}

/// What one thread publishes, in the true order of all threads.
#[derive(Clone, Copy, Debug)]
struct Step {
    thread: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Site,
    Begin(usize),
    Note(usize, usize),
    End(usize),
}

#[derive(Clone, Debug)]
struct Program {
    spans: Vec<Made>,
    steps: Vec<Step>,
}

fn made() -> impl Strategy<Value = Made> {
    let said = prop_oneof![
        (any::<bool>(), 0u8..50).prop_map(|(key, value)| Said::Attribute(key, value)),
        Just(Said::Event),
        (0u8..50).prop_map(Said::Error),
        (any::<bool>(), 0u8..50).prop_map(|(key, value)| Said::Tokens(key, value)),
        (0u8..50).prop_map(Said::Output),
    ];
    let ending = prop_oneof![Just(Ending::Ok), Just(Ending::Panic), Just(Ending::Cancelled)];
    let notes = prop::collection::vec((0..THREADS, said), 0..4);
    (any::<Index>(), [0..THREADS, 0..THREADS], notes, ending).prop_map(|(parent, threads, notes, ending)| Made {
        parent,
        threads,
        notes,
        ending,
    })
}

/// A program whose steps come in any order in which a span begins before its children, before what is said of it, and that before it ends.
fn program() -> impl Strategy<Value = Program> {
    (prop::collection::vec(made(), 1..8), prop::collection::vec(any::<Index>(), 64), 0..THREADS).prop_map(
        |(spans, choices, announcer)| {
            let mut steps = vec![Step { thread: announcer, what: What::Site }];
            let (mut done, mut begun) = (vec![0; spans.len()], 0);
            for choice in choices.iter().cycle() {
                // The next step of each span that has one: its begin once those before it have begun.
                let open: Vec<_> =
                    (0..spans.len().min(begun + 1)).filter(|&span| done[span] < spans[span].notes.len() + 2).collect();
                if open.is_empty() {
                    break;
                }
                let span = open[choice.index(open.len())];
                let made = &spans[span];
                let (thread, what) = match done[span] {
                    0 => (made.threads[0], What::Begin(span)),
                    next if next <= made.notes.len() => {
                        let (thread, said) = made.notes[next - 1];
                        (if said.is_timeless() { made.threads[0] } else { thread }, What::Note(span, next - 1))
                    }
                    _ => (made.threads[1], What::End(span)),
                };
                begun += usize::from(done[span] == 0);
                done[span] += 1;
                steps.push(Step { thread, what });
            }
            Program { spans, steps }
        },
    )
}

fn id(span: usize) -> SpanId {
    SpanId::from_u64(span as u64 + 1)
}

fn at(step: usize) -> u64 {
    1000 + step as u64
}

impl Program {
    fn parent(&self, span: usize) -> Option<usize> {
        (span > 0).then(|| self.spans[span].parent.index(span))
    }

    /// Hands the entry of a step to the assembly.
    fn give(&self, step: usize, to: &mut Assembly) {
        let time_unix_ns = at(step);
        match self.steps[step].what {
            What::Site => to.take(Entry::Site { number: 1, facts: FACTS }),
            What::Begin(span) => to.take(Entry::Begin {
                site: 1,
                span: id(span),
                parent: self.parent(span).map(id),
                trace: TraceId::from_halves(1, 1),
                start_unix_ns: time_unix_ns,
            }),
            What::End(span) => to.take(Entry::End {
                span: id(span),
                end_unix_ns: time_unix_ns,
                ending: self.spans[span].ending,
                incomplete: false,
            }),
            What::Note(span, note) => {
                let (kind, key, value) = match self.spans[span].notes[note].1 {
                    Said::Attribute(key, value) => (NoteKind::Attribute, if key { "a" } else { "b" }, value),
                    Said::Event => (NoteKind::Event, "event", 0),
                    Said::Error(value) => (NoteKind::Error, "bad", value),
                    Said::Tokens(key, value) => (NoteKind::Model, if key { "input" } else { "output" }, value),
                    Said::Output(value) => (NoteKind::Output, "", value),
                };
                let time_unix_ns = if kind.has_time() { time_unix_ns } else { 0 };
                to.take(Entry::Note { span: id(span), kind, time_unix_ns, key: key.as_bytes(), body: &[0x80 + value] });
            }
        }
    }

    /// Fails unless the spans are those that these steps made, ended or not.
    fn assert_made(&self, steps: usize, records: &[SpanRecord]) {
        let mut records: BTreeMap<SpanId, &SpanRecord> =
            records.iter().map(|record| (record.span_id, record)).collect();
        for (step, Step { what, .. }) in self.steps[..steps].iter().enumerate() {
            let What::Begin(span) = *what else { continue };
            let record = records.remove(&id(span)).unwrap_or_else(|| panic!("span {span} is lost"));
            let expected = (self.parent(span).map(id), "work", "CHAIN", at(step));
            assert_eq!(
                (record.parent_id, record.name.as_str(), record.span_type.as_str(), record.start_unix_ns),
                expected
            );
            self.assert_said(steps, span, record);
        }
        assert!(records.is_empty(), "nobody made {records:?}");
    }

    fn assert_said(&self, steps: usize, span: usize, record: &SpanRecord) {
        let (mut attributes, mut events, mut tokens) = (BTreeMap::new(), 0, [None; 2]);
        let (mut error, mut output, mut end) = (None, None, None);
        for (step, Step { what, .. }) in self.steps[..steps].iter().enumerate() {
            match *what {
                What::End(ended) if ended == span => end = Some((at(step), self.spans[span].ending)),
                What::Note(of, note) if of == span => match self.spans[span].notes[note].1 {
                    Said::Attribute(key, value) => {
                        attributes.insert(if key { "a" } else { "b" }, i64::from(value));
                    }
                    Said::Event => events += 1,
                    Said::Error(value) => error = Some(value.to_string()),
                    Said::Tokens(key, value) => tokens[usize::from(!key)] = Some(u64::from(value)),
                    Said::Output(value) => output = Some(value.to_string()),
                },
                _ => {}
            }
        }
        match end {
            Some((end, ending)) => assert_eq!((record.end_unix_ns, record.ending), (end, ending)),
            None => assert_eq!(record.ending, Ending::Abandoned),
        }
        // Without one, it says how it ended.
        let said = record.error.as_ref().filter(|said| error.is_some() || said.kind == "bad");
        assert_eq!(said.map(|said| said.message.clone()), error);
        let said: BTreeMap<_, _> = record.attributes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        assert_eq!(said, attributes.into_iter().map(|(key, value)| (key, AttributeValue::Int(value))).collect());
        assert_eq!((record.events.len(), record.attributes.len()), (events, said.len()));
        let usage = record.model.as_ref().and_then(|model| model.usage);
        assert_eq!(
            usage.map(|usage| [usage.input, usage.output]),
            tokens.iter().any(Option::is_some).then(|| tokens.map(Option::unwrap_or_default))
        );
        assert_eq!(record.outputs.as_ref().map(|output| output.as_str().to_owned()), output);
    }

    /// The tree as it was made.
    fn tree(&self) -> String {
        let mut text = String::new();
        self.branch(0, 0, &mut text);
        text
    }

    fn branch(&self, span: usize, depth: usize, text: &mut String) {
        let mut errors = self.steps.iter().filter_map(|step| match step.what {
            What::Note(of, note) if of == span => Some(self.spans[span].notes[note].1),
            _ => None,
        });
        let ending = match (self.spans[span].ending, errors.rfind(|said| matches!(said, Said::Error(_)))) {
            (Ending::Ok, _) => String::new(),
            (Ending::Cancelled, _) => " CANCELLED".to_owned(),
            (_, Some(Said::Error(value))) => format!(" ERROR: {value}"),
            _ => " ERROR".to_owned(),
        };
        text.push_str(&format!("{}work [CHAIN]{ending}\n", "  ".repeat(depth)));
        // Spans begin in the order of their places.
        for child in (0..self.spans.len()).filter(|&child| self.parent(child) == Some(span)) {
            self.branch(child, depth + 1, text);
        }
    }
}

/// The collector's way through the chunks of a program that goes on meanwhile.
struct Reading<'p> {
    program: &'p Program,
    /// Steps that have happened by now, and at most happen.
    now: usize,
    most: usize,
    /// Of each thread, the steps before this one have been read.
    read: [usize; THREADS],
    pace: std::iter::Cycle<std::slice::Iter<'p, u8>>,
}

impl<'p> Reading<'p> {
    fn new(program: &'p Program, most: usize, pace: &'p [u8]) -> Self {
        Self { program, now: 0, most, read: [0; THREADS], pace: pace.iter().cycle() }
    }

    /// Reads the chunks one after the other while the program goes on.
    fn sweep(&mut self, into: &mut Assembly) {
        into.start_sweep();
        for thread in 0..THREADS {
            self.go_on();
            self.read(thread, into);
        }
    }

    /// Reads all chunks as they stand at one moment.
    ///
    /// What is written of an open span has no times: if the program goes on during the sweep that is written, and dies, of two values of one
    /// attribute that two threads set within that sweep either may be kept.
    fn sweep_at_once(&mut self, into: &mut Assembly) {
        into.start_sweep();
        self.go_on();
        (0..THREADS).for_each(|thread| self.read(thread, into));
    }

    fn read(&mut self, thread: usize, into: &mut Assembly) {
        for step in self.read[thread]..self.now {
            if self.program.steps[step].thread == thread {
                self.program.give(step, into);
            }
        }
        self.read[thread] = self.now;
    }

    fn go_on(&mut self) {
        let pace = self.pace.next().copied().unwrap_or(1);
        self.now = (self.now + usize::from(pace)).min(self.most);
    }

    fn is_over(&self) -> bool {
        self.read.iter().all(|&read| read == self.most)
    }
}

proptest! {
    #[test]
    fn however_the_chunks_of_threads_are_met_the_spans_are_the_ones_that_were_made(
        program in program(),
        pace in prop::collection::vec(0u8..6, 1..20).prop_filter("it goes on", |pace| pace.iter().any(|&pace| pace > 0)),
        shuffle in any::<Index>(),
    ) {
        let (mut assembly, mut batch) = (Assembly::default(), Batch::default());
        let mut reading = Reading::new(&program, program.steps.len(), &pace);
        let mut cycles_left = 2;
        while cycles_left > 0 {
            cycles_left -= i32::from(reading.is_over());
            reading.sweep(&mut assembly);
            reading.sweep(&mut assembly);
            assembly.close(&mut batch);
        }
        prop_assert!(assembly.is_empty());
        prop_assert_eq!((assembly.orphaned(), assembly.ended(), assembly.open()), (0, 0, 0));
        prop_assert_eq!(batch.finished.len(), program.spans.len());
        program.assert_made(program.steps.len(), &batch.finished);
        // The tree is the one that was made, from the spans in any order.
        let mut spans = batch.finished;
        let middle = shuffle.index(spans.len());
        spans.rotate_left(middle);
        spans[middle..].reverse();
        prop_assert_eq!(tree::render(&spans, tree::Style::redacted()), program.tree());
    }

    #[test]
    fn wherever_a_program_is_killed_its_heir_has_each_span_once_and_whole(
        program in program(),
        killed in any::<Index>(),
        cycles in 0usize..6,
        pace in prop::collection::vec(0u8..6, 1..20),
        recycled in [any::<Index>(), any::<Index>(), any::<Index>()],
        heirs_order in any::<bool>(),
    ) {
        let killed = killed.index(program.steps.len() + 1);
        let (mut assembly, mut stored) = (Assembly::default(), Batch::default());
        let mut open: BTreeMap<SpanId, SpanRecord> = BTreeMap::new();
        let mut reading = Reading::new(&program, killed, &pace);
        let mut kept = [0; THREADS];
        for _ in 0..cycles {
            reading.sweep_at_once(&mut assembly);
            // What this sweep has read to its end is free once the batch is stored.
            let settled = reading.read;
            reading.sweep_at_once(&mut assembly);
            let mut batch = Batch::default();
            assembly.close(&mut batch);
            assembly.write_open(&mut batch);
            open.extend(batch.open.into_iter().map(|record| (record.span_id, record)));
            batch.finished.iter().for_each(|record| drop(open.remove(&record.span_id)));
            stored.finished.append(&mut batch.finished);
            stored.callsites.append(&mut batch.callsites);
            kept = settled;
        }
        // Of each thread, as much as was free may be gone, or none of it.
        let gone: Vec<_> = (0..THREADS).map(|thread| recycled[thread].index(kept[thread] + 1)).collect();
        let mut heir = Assembly::default();
        heir.resume(stored.callsites, open.into_values().collect());
        let threads: Vec<_> = if heirs_order { (0..THREADS).collect() } else { (0..THREADS).rev().collect() };
        for thread in threads {
            for step in gone[thread]..killed {
                if program.steps[step].thread == thread {
                    program.give(step, &mut heir);
                }
            }
        }
        let known: HashSet<_> = stored.finished.iter().map(|record| record.span_id).collect();
        // The store takes the first record of a span.
        stored.finished.extend(heir.close_all().finished.into_iter().filter(|record| !known.contains(&record.span_id)));
        program.assert_made(killed, &stored.finished);
    }
}
