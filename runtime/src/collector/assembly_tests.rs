//! What is written of spans before they end, and what an heir makes of it.

use super::Assembly;
use crate::chunk::{Entry, NoteKind};
use crate::id::{SpanId, TraceId};
use crate::record::{Batch, Ending};

fn begin(site: u32, span: u64) -> Entry<'static> {
    let trace = TraceId::from_halves(1, 2);
    Entry::Begin { site, span: SpanId::from_u64(span), parent: None, trace, start_unix_ns: 5 }
}

fn event(span: u64, body: &[u8]) -> Entry<'_> {
    Entry::Note { span: SpanId::from_u64(span), kind: NoteKind::Event, time_unix_ns: 7, key: b"seen", body }
}

#[test]
fn an_open_span_is_written_once_its_begin_is_known() {
    let (mut assembly, mut batch) = (Assembly::default(), Batch::default());
    assembly.take(event(3, &[]));
    assembly.write_open(&mut batch);
    assert_eq!(batch.open, []);
    assembly.take(begin(1, 3));
    assembly.write_open(&mut batch);
    assert_eq!(batch.open.len(), 1);
}

#[test]
fn what_the_last_sweep_alone_has_read_is_not_written_before_its_chunk_may_be_freed() {
    let (mut assembly, mut batch) = (Assembly::default(), Batch::default());
    assembly.start_sweep();
    assembly.take(begin(1, 3));
    assembly.write_open_of_earlier_sweeps(&mut batch);
    assert_eq!(batch.open, []);
    assembly.start_sweep();
    assembly.take(begin(1, 4));
    assembly.take(event(3, &[]));
    assembly.write_open_of_earlier_sweeps(&mut batch);
    assert_eq!(batch.open.iter().map(|span| span.span_id.to_u64()).collect::<Vec<_>>(), [3]);
    assert_eq!(batch.open[0].events.len(), 1);
    assembly.write_open(&mut batch);
    assert_eq!(batch.open.len(), 2, "at the end all of them are");
}

#[test]
fn what_stands_in_the_store_and_in_a_chunk_is_recovered_once() {
    let (mut assembly, mut batch) = (Assembly::default(), Batch::default());
    assembly.take(begin(1, 3));
    assembly.take(event(3, &[]));
    assembly.write_open(&mut batch);
    let mut heir = Assembly::default();
    heir.resume(Vec::new(), batch.open);
    heir.take(begin(1, 3));
    heir.take(event(3, &[]));
    let recovered = heir.close_all();
    assert_eq!(recovered.finished.len(), 1);
    assert_eq!(recovered.finished[0].events.len(), 1);
    assert_eq!(recovered.finished[0].ending, Ending::Abandoned);

    let mut heir = Assembly::default();
    heir.resume(Vec::new(), recovered.finished);
    heir.take(Entry::End { span: SpanId::from_u64(3), end_unix_ns: 9, ending: Ending::Ok, incomplete: false });
    let ended = heir.close_all().finished;
    assert_eq!((ended[0].ending, &ended[0].error), (Ending::Ok, &None), "it had ended after it was written");
}
