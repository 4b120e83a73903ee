//! The hand-over under loom: every interleaving of a writer, the collector, and a second writer that takes over the chunk.

use loom::thread;

use super::memory::{HEADER_WORDS, Memory};
use super::sync::Ordering;
use super::table::{Phase, Table, Urgency};

/// One table of one tiny slot, filled ahead of need.
fn table() -> &'static Table {
    let table = Box::leak(Box::new(Table::new(1, HEADER_WORDS + 2)));
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
