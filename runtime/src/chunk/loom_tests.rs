//! The hand-over under loom: the interleavings of threads that trace, threads that end, and the collector, as the code has them.

use std::sync::Mutex;

use loom::model::Builder;
use loom::thread;

use super::memory::{HEADER_WORDS, Memory};
use super::sync::Ordering;
use super::table::{Phase, Table, Urgency};
use super::{Chunks, Drain, Entry, Losses, NoteKind, SMALL_WORDS, Source};
use crate::id::{SpanId, TraceId};
use crate::record::Ending;

/// Tries what `model` does in every order of at most so many switches of threads that are not forced.
fn explore(switches: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(model);
}

/// One table of one tiny slot, filled ahead of need.
fn table() -> &'static Table {
    let table = Box::leak(Box::new(Table::new(1, 1, HEADER_WORDS + 2)));
    assert!(table.stock(Memory::heap(HEADER_WORDS + 2)).is_ok());
    table
}

fn write(table: &'static Table, values: [u64; 2]) -> bool {
    let Some(taken) = table.take(Urgency::Closing) else { return false };
    let memory = taken.slot.memory().expect("a taken slot has memory");
    for (offset, value) in values.into_iter().enumerate() {
        memory.words()[HEADER_WORDS + offset].store(value, Ordering::Relaxed);
        Memory::publish(memory.words(), HEADER_WORDS + offset + 1);
    }
    taken.slot.seal();
    true
}

/// One sweep: what is published, and whether the chunk is done.
fn sweep(table: &'static Table, read: &mut usize, into: &mut Vec<u64>) -> bool {
    let slot = table.slots().next().expect("a slot");
    let phase = slot.phase();
    if phase == Phase::Idle {
        return false;
    }
    let words = slot.memory().expect("it is stocked").published(*read);
    into.extend(words.iter().map(|word| word.load(Ordering::Relaxed)));
    *read += words.len();
    phase == Phase::Sealed
}

#[test]
fn every_published_word_is_read_once_and_in_order() {
    loom::model(|| {
        let table = table();
        let writer = thread::spawn(move || assert!(write(table, [1, 2])));
        let (mut read, mut seen) = (HEADER_WORDS, Vec::new());
        // Without the yield the model tries one order only, and a relaxed `seal` stays unseen.
        while !sweep(table, &mut read, &mut seen) {
            assert!(seen.is_empty() || seen == [1] || seen == [1, 2]);
            thread::yield_now();
        }
        writer.join().expect("the writer ends");
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn a_recycled_chunk_shows_nothing_of_its_former_life() {
    loom::model(|| {
        let table = table();
        assert!(write(table, [1, 2]));
        let (mut read, mut seen) = (HEADER_WORDS, Vec::new());
        assert!(sweep(table, &mut read, &mut seen));
        let second = thread::spawn(move || write(table, [3, 4]));
        table.slots().next().expect("a slot").recycle();
        read = HEADER_WORDS;
        let wrote = second.join().expect("the second writer ends") || write(table, [3, 4]);
        assert!(wrote);
        assert!(sweep(table, &mut read, &mut seen));
        assert_eq!(seen, [1, 2, 3, 4]);
    });
}

#[test]
fn two_writers_never_hold_the_same_chunk() {
    loom::model(|| {
        let table = table();
        let other = thread::spawn(move || table.take(Urgency::Closing).is_some());
        let mine = table.take(Urgency::Closing).is_some();
        assert!(mine ^ other.join().expect("it ends"));
    });
}

/// What could not be taken; a chunk from the heap is no loss.
fn lost(chunks: &Chunks) -> Losses {
    Losses { heap_chunks: 0, ..chunks.losses() }
}

/// Chunks that come from the heap ahead of need, and where they went.
#[derive(Default)]
struct Heap {
    made: Mutex<usize>,
}

impl Source for Heap {
    fn makes_chunks(&self) -> bool {
        true
    }

    fn make(&self, words: usize, count: usize) -> Vec<Memory> {
        *self.made.lock().expect("no panic") += count;
        (0..count).map(|_| Memory::heap(words)).collect()
    }

    fn counts(&self) -> Option<Memory> {
        None
    }

    fn remains(&self) -> bool {
        true
    }

    fn remove(&self) {}

    fn is_removed(&self) -> bool {
        false
    }
}

/// A collector without a thread: what it has read, by span.
struct Reader {
    chunks: &'static Chunks,
    drain: Drain,
    /// Begun, ended, notes; of spans 1 to 3.
    seen: [[u32; 3]; 3],
    /// Bodies of notes, in the order they were read.
    bodies: Vec<Vec<u8>>,
}

impl Reader {
    fn new(chunks: &'static Chunks) -> Self {
        Self { chunks, drain: Drain::new(chunks), seen: [[0; 3]; 3], bodies: Vec::new() }
    }

    /// What the collector does between two pauses.
    fn cycle(&mut self) {
        for _ in 0..2 {
            let (seen, bodies) = (&mut self.seen, &mut self.bodies);
            let malformed = self.drain.sweep(|entry| match entry {
                Entry::Begin { span, parent, start_unix_ns, .. } => {
                    // Words of one entry are those of one writer.
                    assert_eq!((parent.map(SpanId::to_u64), start_unix_ns), (Some(7), span.to_u64()));
                    seen[span.to_u64() as usize - 1][0] += 1;
                }
                Entry::End { span, end_unix_ns, .. } => {
                    assert_eq!(end_unix_ns, span.to_u64());
                    seen[span.to_u64() as usize - 1][1] += 1;
                }
                Entry::Note { span, body, .. } => {
                    seen[span.to_u64() as usize - 1][2] += 1;
                    bodies.push(body.to_vec());
                }
                Entry::Site { .. } => panic!("nobody announced a callsite"),
            });
            assert_eq!(malformed, 0);
        }
        self.drain.recycle();
    }

    /// Cycles until all chunks are back. In the model a thread can be joined before its locals are gone.
    fn settle(&mut self) {
        while self.chunks.slots().any(|slot| slot.phase() == Phase::Written) {
            thread::yield_now();
        }
        (0..3).for_each(|_| self.cycle());
        assert!(!self.drain.has_settled());
    }
}

fn chunks(small: usize, medium: usize) -> &'static Chunks {
    Box::leak(Box::new(Chunks::with_each(small, medium, 0)))
}

fn begin(chunks: &'static Chunks, number: u64) -> bool {
    let (span, parent) = (SpanId::from_u64(number), SpanId::from_u64(7));
    chunks.begin(1, span, Some(parent), TraceId::from_halves(1, number), number)
}

fn end(chunks: &'static Chunks, number: u64) {
    chunks.end(SpanId::from_u64(number), number, Ending::Ok, false);
}

#[test]
fn an_end_that_comes_late_from_another_thread_meets_a_chunk_being_recycled() {
    explore(3, || {
        let chunks = chunks(2, 0);
        let mut reader = Reader::new(chunks);
        // The begin is in a chunk that its thread has sealed; the end is written while that chunk is read and recycled.
        assert!(begin(chunks, 1));
        Chunks::release_thread();
        let late = thread::spawn(move || end(chunks, 1));
        reader.cycle();
        reader.cycle();
        late.join().expect("it ends");
        reader.settle();
        assert_eq!((reader.seen[0], lost(chunks)), ([1, 1, 0], Losses::default()));
    });
}

#[test]
fn two_threads_trace_and_end_while_their_chunks_are_drained() {
    explore(2, || {
        let chunks = chunks(2, 0);
        let mut reader = Reader::new(chunks);
        let [one, two] = [1, 2].map(|number| {
            thread::spawn(move || {
                assert!(begin(chunks, number));
                end(chunks, number);
                // Nothing is released: the thread's end seals its chunk.
            })
        });
        reader.cycle();
        one.join().and_then(|()| two.join()).expect("they end");
        reader.settle();
        assert_eq!((reader.seen, lost(chunks)), ([[1, 1, 0], [1, 1, 0], [0; 3]], Losses::default()));
        assert!(chunks.slots().all(|slot| slot.phase() == Phase::Idle), "the chunks of both are back");
    });
}

#[test]
fn a_thread_that_finds_no_chunk_counts_its_span_and_the_next_one_finds_it_free() {
    explore(2, || {
        let chunks = chunks(1, 0);
        let mut reader = Reader::new(chunks);
        assert!(begin(chunks, 1));
        end(chunks, 1);
        Chunks::release_thread();
        let other = thread::spawn(move || begin(chunks, 2).then(|| end(chunks, 2)).is_some());
        reader.cycle();
        reader.cycle();
        let took = u32::from(other.join().expect("it ends"));
        reader.settle();
        assert_eq!(reader.seen, [[1, 1, 0], [took, took, 0], [0; 3]]);
        assert_eq!(lost(chunks), Losses { spans: u64::from(1 - took), ..Losses::default() });
    });
}

#[test]
fn a_chunk_that_is_stocked_while_threads_look_for_one_is_taken_once() {
    explore(2, || {
        let (chunks, heap) = (chunks(2, 0), Heap::default());
        let mut reader = Reader::new(chunks);
        let [one, two] = [1, 2].map(|number| {
            thread::spawn(move || {
                if begin(chunks, number) {
                    end(chunks, number);
                }
            })
        });
        // None is there before, one is made while they look.
        chunks.small.set_stocked(1);
        chunks.stock(&heap);
        one.join().and_then(|()| two.join()).expect("they end");
        reader.settle();
        let dropped = lost(chunks);
        let seen: u32 = reader.seen.iter().map(|[begun, ..]| begun).sum();
        assert_eq!(u64::from(seen) + dropped.spans, 2, "each is read once or counted");
        assert!(reader.seen.iter().all(|[begun, ended, _]| begun == ended && *begun < 2));
        // Memory is made once a slot, by whoever came first.
        let made = *heap.made.lock().expect("no panic") as u64 + chunks.heap_chunks();
        let held = chunks.slots().filter(|slot| slot.memory().is_some()).count() as u64;
        assert_eq!(made, held);
    });
}

#[test]
fn a_long_note_has_a_chunk_of_its_own_that_comes_back() {
    explore(2, || {
        let chunks = chunks(1, 1);
        let mut reader = Reader::new(chunks);
        // Longer than a small chunk, shorter than a long one.
        let body = [0xab; (SMALL_WORDS - HEADER_WORDS) * 8];
        let note = move |number: u64| {
            chunks.note(SpanId::from_u64(number), NoteKind::Attribute, number, b"k", &body);
        };
        let writer = thread::spawn(move || {
            note(1);
            note(2);
        });
        reader.cycle();
        writer.join().expect("it ends");
        reader.settle();
        let lost = lost(chunks).values;
        assert_eq!(reader.bodies.len() as u64 + lost, 2, "each is read once or counted");
        assert!(lost <= 1 && reader.bodies.iter().all(|read| read[..] == body));
        note(3);
        reader.settle();
        assert_eq!(reader.seen[2], [0, 0, 1], "its chunk is free again");
    });
}
