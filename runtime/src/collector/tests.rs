//! What becomes of spans where threads, full chunks, a refusing sink and a sudden end meet.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::callsite::{Callsite, Kind};
use crate::capture::{Policy, Value, simple};
use crate::chunk::{Chunks, Entry, NoteKind};
use crate::context::{Context, Current};
use crate::contract::{DeclaredAttribute, DeclaredSpan};
use crate::diagnostics::Diagnostics;
use crate::error::Kind as ErrorKind;
use crate::id::{SpanId, TraceId};
use crate::outcome::Observed;
use crate::record::{AttributeValue, Ending, SpanRecord};
use crate::span::{Facts, Span, call, handle, start};
use crate::traced::traced_call;

static SITE: Callsite = Callsite::new("work", Kind::Tool, &["first", "second"]);
static CHILD: Callsite = Callsite::new("child", Kind::Node, &[]);

/// What a sink was given; it refuses while `refuses` is set.
#[derive(Clone, Default)]
struct Kept {
    finished: Arc<Mutex<Vec<SpanRecord>>>,
    open: Arc<Mutex<Vec<SpanRecord>>>,
    callsites: Arc<Mutex<Vec<(u32, String)>>>,
    offers: Arc<AtomicU64>,
    refuses: Arc<AtomicBool>,
    every_other: bool,
}

impl RecordSink for Kept {
    fn append(&mut self, batch: &Batch) -> Result<(), Error> {
        let offer = self.offers.fetch_add(1, Ordering::Relaxed);
        if self.refuses.load(Ordering::Relaxed) || (self.every_other && offer.is_multiple_of(2)) {
            return Err(Error::new(ErrorKind::Store, "refused"));
        }
        self.finished.lock().expect("no panic").extend_from_slice(&batch.finished);
        self.open.lock().expect("no panic").extend_from_slice(&batch.open);
        self.callsites.lock().expect("no panic").extend_from_slice(&batch.callsites);
        Ok(())
    }
}

impl Kept {
    fn finished(&self) -> Vec<SpanRecord> {
        self.finished.lock().expect("no panic").clone()
    }
}

fn recorder(small: usize, large: usize) -> &'static Recorder {
    Recorder::start(Chunks::with_slots(small, large), Policy::default(), 1.0)
}

fn scope(recorder: &'static Recorder) -> Context {
    Context { current: Current::scope(recorder), session: None }
}

fn traced<R>(site: &'static Callsite, work: impl FnOnce() -> R) -> R {
    call(start(site, &[]), work, |_| Observed::ok())
}

/// The callsite of a function tied to a span declared with these attributes.
fn declared(kind: Kind, attributes: &'static [DeclaredAttribute]) -> &'static Callsite {
    let (id, name) = ("home.collect", "collect");
    let span = DeclaredSpan {
        id,
        name,
        kind: kind.as_str(),
        span_type: kind.span_type(),
        parents: None,
        leaf: false,
        attributes,
    };
    Box::leak(Box::new(Callsite::new(name, kind, &[]).declared(Box::leak(Box::new(span)))))
}

const COUNT: DeclaredAttribute = DeclaredAttribute { key: "count", ty: "int" };
const RATES: DeclaredAttribute = DeclaredAttribute { key: "rates", ty: "double[]" };

#[test]
fn what_is_set_by_name_outside_of_the_declaration_is_kept_counted_and_said_once_a_key() {
    let recorder = recorder(8, 2);
    let kept = Kept::default();
    let (collector, said) = spawn(recorder, kept.clone());
    let site = declared(Kind::Node, &[COUNT, RATES]);
    scope(recorder).run(|| {
        for n in 0..3 {
            traced(site, || {
                handle().set("count", n);
                handle().set("rates", [1.0, f64::NAN]);
                handle().set("coutn", n);
            });
            traced(site, || handle().set("count", "three"));
            // A function tied to no declaration sets what it likes.
            traced(&CHILD, || handle().set("coutn", n));
        }
        // What was set later counts.
        traced(site, || {
            handle().set("count", "three");
            handle().set("count", 3);
        });
    });
    let report = collector.flush(soon()).expect("it answers");
    assert_eq!(report.tally.stray, 6);
    let said = said.lock().expect("no panic").clone();
    let about = |words: &str| said.iter().filter(|line| line.contains(words)).count();
    assert_eq!(
        (said.len(), about("`coutn`"), about("as `string` though `home.collect` declares it as `int`")),
        (2, 1, 1)
    );
    let spans = kept.finished();
    let of = |name: &str| spans.iter().filter(|span| span.name == name).cloned().collect::<Vec<_>>();
    assert!(of("collect").iter().all(|span| span.declared.as_deref() == Some("home.collect")));
    assert!(of("child").iter().all(|span| span.declared.is_none() && span.attribute("coutn").is_some()));
    assert_eq!(of("collect").iter().filter(|span| span.attribute("coutn").is_some()).count(), 3);
}

#[test]
fn what_the_attributes_and_the_policy_make_of_a_span_is_no_stray() {
    let recorder = Recorder::start(
        Chunks::with_slots(8, 2),
        Policy { cap: crate::callsite::Capture::Keys, ..Policy::default() },
        1.0,
    );
    const NAMED: DeclaredAttribute = DeclaredAttribute { key: "named", ty: "string" };
    const PASSWORD: DeclaredAttribute = DeclaredAttribute { key: "password", ty: "string" };
    let node = declared(Kind::Node, &[COUNT, RATES, NAMED, PASSWORD]);
    let delegation = declared(Kind::Delegate, &[]);
    let kept = Kept::default();
    let mut collector = Collector::new(recorder, Box::new(kept.clone()), None);
    scope(recorder).run(|| {
        traced(node, || {
            handle().set("count", u64::MAX);
            handle().set("rates", [1.0]);
            handle().set("named", "x");
            handle().set("password", "x");
        });
        let span = start(delegation, &[]).with(|facts: &Facts<'_>| {
            facts.from("a");
            facts.to("b");
            facts.content(&"c");
        });
        call(span, || (), |_| Observed::ok());
    });
    collector.cycle().expect("it takes everything");
    assert_eq!(collector.take_remarks(), Vec::<String>::new());
    assert_eq!((collector.tally().stray, collector.tally().stored), (0, 2));
}

#[test]
fn a_program_that_invents_keys_is_heard_a_hundred_times_and_counted_exactly() {
    let recorder = recorder(64, 2);
    // However long its declaration is.
    let site = declared(Kind::Tool, Box::leak(vec![COUNT; 10_000].into()));
    let mut collector = Collector::new(recorder, Box::new(Kept::default()), None);
    scope(recorder).run(|| traced(site, || (0..250).for_each(|n| handle().set(&format!("k{n}"), n))));
    collector.cycle().expect("it takes everything");
    assert_eq!((collector.take_remarks().len(), collector.tally().stray), (100, 250));
    assert!(collector.take_remarks().is_empty());
}

/// Lengths of the inputs of a call with so many texts of 1 MiB, each captured in full.
fn lengths_of_long_inputs(site: &'static Callsite) -> Vec<usize> {
    let recorder = recorder(8, 2);
    let long = "x".repeat(1 << 20);
    scope(recorder).run(|| {
        let values: Vec<&dyn Value> = site.values.iter().map(|_| &long as &dyn Value).collect();
        call(start(site, &values), || (), |_| Observed::ok());
    });
    let kept = Kept::default();
    let mut collector = Collector::new(recorder, Box::new(kept.clone()), None);
    collector.cycle().expect("it takes everything");
    assert_eq!(collector.tally().losses.values, 0);
    let inputs = kept.finished()[0].inputs.as_ref().expect("they are captured").to_value();
    site.values.iter().map(|name| inputs[name].as_str().expect("a text").len()).collect()
}

#[test]
fn long_values_arrive_whole_and_too_many_of_them_as_previews() {
    static THREE: Callsite = Callsite::new("full", Kind::Llm, &["a", "b", "c"]);
    static NINE: Callsite = Callsite::new("full", Kind::Llm, &["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    for length in lengths_of_long_inputs(&THREE) {
        assert!(length > (1 << 20) - 10, "{length}: cut by its own limit only");
    }
    for length in lengths_of_long_inputs(&NINE) {
        assert!((1000..4000).contains(&length), "{length}");
    }
}

#[test]
fn what_is_set_later_wins_though_a_chunk_with_a_lower_place_takes_it() {
    let recorder = recorder(4, 2);
    let kept = Kept::default();
    let mut collector = Collector::new(recorder, Box::new(kept.clone()), None);
    scope(recorder).run(|| {
        std::thread::scope(|threads| {
            threads.spawn(|| scope(recorder).run(|| traced(&CHILD, || ())));
        });
        traced(&SITE, || {
            collector.cycle().expect("it takes everything");
            handle().set("state", "earlier");
            Chunks::release_thread();
            handle().set("state", "later");
        });
    });
    collector.cycle().expect("it takes everything");
    let spans = kept.finished();
    let work = spans.iter().find(|span| span.name == "work").expect("it has ended");
    assert_eq!(work.attribute("state"), Some(&AttributeValue::Text("later".into())));
}

#[test]
fn a_dropped_span_takes_its_children_along_and_all_are_counted() {
    let recorder = recorder(0, 0);
    scope(recorder).run(|| traced(&SITE, || traced(&CHILD, || traced(&CHILD, || ()))));
    assert_eq!(recorder.chunks().losses().spans, 3);
}

#[test]
fn a_root_that_stays_open_is_handed_on_once_and_again_for_what_is_news_of_its_trace() {
    let after = |after: Option<Duration>| {
        let (recorder, kept) = (recorder(8, 2), Kept::default());
        let collector = Collector::new(recorder, Box::new(kept.clone()), None).show_after(after);
        (recorder, kept, collector)
    };
    let (recorder, kept, mut collector) = after(Some(Duration::ZERO));
    let mut look = || {
        std::thread::sleep(Duration::from_millis(300));
        collector.cycle().expect("it takes everything");
        kept.open.lock().expect("no panic").clone()
    };
    scope(recorder).run(|| {
        traced(&SITE, || {
            handle().set("state", "early");
            let open = traced(&CHILD, &mut look);
            assert_eq!(open.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["work"], "a child is not");
            assert_eq!(open[0].attribute("state"), Some(&AttributeValue::Text("early".into())));
            handle().set("state", "later");
            handle().event("seen");
            assert_eq!(look().len(), 1, "that is for its end");
            handle().tag("stage", "late");
            let open = look();
            let tags = |span: &SpanRecord| span.workflow.as_ref().map(|facts| facts.tags.clone());
            assert_eq!((open.len(), tags(&open[1])), (2, Some(vec![("stage".into(), "late".into())])));
        });
    });
    assert_eq!(look().len(), 2, "nor when it has ended");
    assert_eq!(kept.finished().len(), 2);

    for never in [None, Some(Duration::from_secs(3600))] {
        let (recorder, kept, mut collector) = after(never);
        scope(recorder).run(|| traced(&SITE, || collector.cycle().expect("it takes everything")));
        assert_eq!(*kept.open.lock().expect("no panic"), [], "{never:?}");
    }
}

#[test]
fn what_was_added_to_the_inputs_outlives_the_chunk_it_stood_in() {
    let recorder = recorder(4, 2);
    scope(recorder).run(|| {
        let say = |facts: &Facts<'_>| facts.input("prompt", &"why?");
        call(start(&SITE, &[&1, &2]).with(say), || (), |_| Observed::ok());
    });
    Chunks::release_thread();
    let (mut assembly, mut written) = (Assembly::default(), Batch::default());
    Drain::new(recorder.chunks()).sweep(|entry| {
        if !matches!(entry, Entry::End { .. }) {
            assembly.take(entry);
        }
    });
    assembly.write_open(&mut written);
    let mut heir = Assembly::default();
    heir.resume(written.callsites, written.open);
    // All but that note, whose chunk has been used again.
    Drain::new(recorder.chunks()).sweep(|entry| {
        if !matches!(entry, Entry::Note { kind: NoteKind::Input, .. }) {
            heir.take(entry);
        }
    });
    let ended = heir.close_all().finished;
    let inputs = ended[0].inputs.as_ref().expect("inputs").to_value();
    assert_eq!(inputs, serde_json::json!({"first": 1, "second": 2, "prompt": "why?"}));
    assert_eq!(ended[0].ending, Ending::Ok);
}

#[test]
fn inputs_keep_their_names_though_the_start_stood_in_a_chunk_that_was_used_again() {
    let recorder = recorder(4, 2);
    scope(recorder).run(|| call(start(&SITE, &[&1, &2]), || (), |_| Observed::ok()));
    Chunks::release_thread();
    let is_first = |entry: &Entry<'_>| matches!(entry, Entry::Site { .. } | Entry::Begin { .. });
    let (mut assembly, mut written, mut heir) = (Assembly::default(), Batch::default(), Assembly::default());
    Drain::new(recorder.chunks()).sweep(|entry| {
        if is_first(&entry) {
            assembly.take(entry)
        }
    });
    assembly.write_open(&mut written);
    heir.resume(written.callsites, written.open);
    Drain::new(recorder.chunks()).sweep(|entry| {
        if !is_first(&entry) {
            heir.take(entry)
        }
    });
    let ended = heir.close_all().finished;
    let inputs = ended[0].inputs.as_ref().expect("inputs").to_value();
    assert_eq!(inputs, serde_json::json!({"first": 1, "second": 2}));
}

#[test]
fn a_chunk_whose_last_entries_are_just_read_is_not_freed_before_they_are_kept() {
    let recorder = recorder(4, 2);
    let span = SpanId::from_u64(3);
    let chunks = recorder.chunks();
    chunks.begin(1, span, None, TraceId::from_halves(1, 2), 5);
    let mut drain = Drain::new(chunks);
    drain.sweep(|_| ());
    chunks.end(span, 9, Ending::Ok, false);
    Chunks::release_thread();
    drain.sweep(|_| ());
    drain.recycle();
    let mut left = 0;
    Drain::new(chunks).sweep(|_| left += 1);
    assert_eq!(left, 2, "the end was read by the last sweep and its span is not closed yet");
}

#[test]
fn a_trace_is_seen_through_another_watch() {
    let work = || traced(&SITE, || ());
    scope(recorder(4, 2)).run(|| {
        let ((inner, ()), outer) = traced_call(|| (traced_call(work).1, work()));
        assert!(inner.is_some());
        assert_eq!(inner, outer);
    });
}

#[test]
fn a_trace_that_is_not_recorded_is_no_trace() {
    let unsampled = Recorder::start(Chunks::with_slots(4, 2), Policy::default(), 0.0);
    for recorder in [unsampled, recorder(0, 0)] {
        assert_eq!(scope(recorder).run(|| traced_call(|| traced(&SITE, || ()))).1, None);
    }
}

#[test]
fn spans_open_at_the_end_reach_a_sink_that_is_all_there_is() {
    let recorder = recorder(4, 2);
    let kept = Kept::default();
    let (collector, _) = spawn(recorder, kept.clone());
    let span = scope(recorder).run(|| start(&SITE, &[]));
    collector.close(soon()).expect("it ends");
    drop(span);
    assert_eq!(kept.finished().iter().map(|span| span.ending).collect::<Vec<_>>(), [Ending::Abandoned]);
}

struct ThrowsWhenDropped;

impl Drop for ThrowsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_panic_that_panics_again_when_it_is_dropped_stays_ours() {
    let recorder = recorder(4, 2);
    let kept = Kept::default();
    let mut collector = Collector::new(recorder, Box::new(kept.clone()), None);
    fn throw() -> ! {
        std::panic::panic_any(ThrowsWhenDropped)
    }
    let returned = scope(recorder).run(|| {
        let span: Span = start(&SITE, &[]).with(|_: &Facts<'_>| throw());
        call(span, || 5, |_| -> Observed<'_> { throw() })
    });
    assert_eq!(returned, 5);
    collector.cycle().expect("it takes everything");
    assert_eq!(kept.finished()[0].ending, Ending::Ok);
}

#[test]
fn what_is_said_at_the_start_reads_the_same_whichever_way_the_span_started() {
    static SAYS: Callsite = Callsite::new("says", Kind::Tool, &[]).attributes(&["room", "less", "ratio", "key"]);
    let recorder = recorder(4, 2);
    let kept = Kept::default();
    let mut collector = Collector::new(recorder, Box::new(kept.clone()), None);
    let say = |key: &str| {
        let said = [simple(&"living room").said(), simple(&-3i32).said(), simple(&0.1f32).said(), simple(&key).said()];
        SAYS.say(&[], |f| f.say(&said))
    };
    let each = |key: &str| (0..3).for_each(|_| call(say(key), || (), |_| Observed::ok()));
    scope(recorder).run(|| traced(&CHILD, || ["plain", "sk-abcdef123", "longer than two words"].map(each)));
    collector.cycle().expect("it takes everything");
    let finished = kept.finished();
    let said: Vec<_> = finished.iter().filter(|span| span.name == "says").collect();
    let text = |text: &str| Some(AttributeValue::Text(text.to_owned()));
    let keys = ["plain", "[redacted]", "longer than two words"].map(|key| [text(key), text(key), text(key)]).concat();
    assert_eq!(said.iter().map(|span| span.attribute("key").cloned()).collect::<Vec<_>>(), keys);
    for span in said {
        let three = ["room", "less", "ratio"].map(|key| span.attribute(key).cloned());
        assert_eq!(three, [text("living room"), Some(AttributeValue::Int(-3)), Some(AttributeValue::Float(0.1))]);
        assert_eq!(span.attributes.len(), 4);
    }
}

/// Starts a collector's thread; what it says is kept.
fn spawn(recorder: &'static Recorder, sink: impl RecordSink + 'static) -> (Handle, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let into = said.clone();
    let diagnostics = Diagnostics::to(move |line| into.lock().expect("no panic").push(line.to_owned()));
    let collector = Collector::new(recorder, Box::new(sink), None);
    (Handle::spawn(collector, diagnostics, |_| ()).expect("a thread can be started"), said)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

#[test]
fn a_flush_in_the_middle_of_load_keeps_what_had_ended_and_says_so() {
    let recorder = recorder(256, 2);
    let kept = Kept::default();
    let (collector, _) = spawn(recorder, kept.clone());
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            scope(recorder).run(|| {
                while !stop.load(Ordering::Relaxed) {
                    traced(&CHILD, || ());
                }
            });
        });
        let mut reports = Vec::new();
        for _ in 0..5 {
            scope(recorder).run(|| traced(&SITE, || ()));
            let report = collector.flush(soon());
            let works = kept.finished.lock().expect("no panic").iter().filter(|span| span.name == "work").count();
            reports.push((report.is_some_and(|report| report.is_kept()), works));
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(reports, Vec::from_iter((1..=5).map(|works| (true, works))));
    });
    collector.close(soon()).expect("it ends");
}

#[test]
fn a_sink_that_refuses_is_not_asked_without_a_pause_however_many_spans_are_dropped() {
    let recorder = recorder(2, 0);
    let kept = Kept::default();
    kept.refuses.store(true, Ordering::Relaxed);
    let (collector, said) = spawn(recorder, kept.clone());
    let until = Instant::now() + Duration::from_millis(500);
    scope(recorder).run(|| {
        while Instant::now() < until {
            traced(&CHILD, || ());
        }
    });
    let offers = kept.offers.load(Ordering::Relaxed);
    assert!((1..=25).contains(&offers), "{offers} times in half a second");
    assert!(recorder.chunks().losses().spans > 0);
    kept.refuses.store(false, Ordering::Relaxed);
    assert!(collector.close(soon()).expect("it ends").is_kept());
    assert!(said.lock().expect("no panic").iter().any(|line| line.contains("cannot store spans")));
}

#[test]
fn a_sink_that_panics_ends_tracing_and_that_is_said() {
    struct Panics;
    impl RecordSink for Panics {
        fn append(&mut self, _: &Batch) -> Result<(), Error> {
            panic!("the sink gives up")
        }
    }
    let recorder = recorder(4, 2);
    let (collector, said) = spawn(recorder, Panics);
    scope(recorder).run(|| traced(&SITE, || ()));
    assert!(collector.flush(soon()).is_none());
    assert!(collector.close(soon()).is_none());
    let said = said.lock().expect("no panic").clone();
    assert!(said.iter().any(|line| line.contains("the sink gives up")), "{said:?}");
    assert!(!recorder.is_accepting());
}

/// Starts a span on this thread, adds a child, and leaves its end to `elsewhere`.
fn migrate(elsewhere: &std::sync::mpsc::Sender<Span>) {
    let span = start(&SITE, &[]);
    let context = span.context();
    {
        let _entered = context.map(crate::context::enter);
        traced(&CHILD, || handle().event("there"));
    }
    elsewhere.send(span).expect("the other end is there");
}

#[test]
fn every_span_made_is_kept_or_counted_whatever_happens_to_chunks_and_sink() {
    const THREADS: u64 = 8;
    const EACH: u64 = 3_000;
    let recorder = recorder(12, 2);
    let kept = Kept { every_other: true, ..Kept::default() };
    let (collector, _) = spawn(recorder, kept.clone());
    std::thread::scope(|threads| {
        let (sender, inbox) = std::sync::mpsc::channel::<Span>();
        for _ in 0..THREADS {
            let sender = sender.clone();
            threads.spawn(move || {
                scope(recorder).run(|| {
                    for n in 0..EACH {
                        migrate(&sender);
                        if n.is_multiple_of(500) {
                            Chunks::release_thread();
                        }
                    }
                });
            });
        }
        drop(sender);
        for mut span in inbox {
            span.finish(Observed::ok);
        }
        Chunks::release_thread();
    });
    let report = loop {
        let report = collector.flush(soon()).expect("it answers");
        if report.is_kept() && report.tally.waiting == 0 {
            break report;
        }
    };
    let (spans, losses) = (kept.finished(), report.tally.losses);
    let ids: HashSet<_> = spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "no span is kept twice");
    assert_eq!(report.tally.open, losses.ends);
    assert_eq!(spans.len() as u64 + losses.spans + losses.ends, 2 * THREADS * EACH, "{report:?}");
    assert_eq!((report.tally.losses.malformed, report.tally.losses.orphaned), (0, 0));
}

#[test]
fn the_chunks_of_threads_that_are_gone_are_read_and_used_again_even_if_they_trace_to_their_last() {
    /// Traces when its thread ends: before the thread's chunk is sealed, and after, as both orders occur.
    struct Last(&'static Recorder);
    impl Drop for Last {
        fn drop(&mut self) {
            scope(self.0).run(|| traced(&CHILD, || ()));
        }
    }
    thread_local! {
        static BEFORE: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
        static AFTER: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let (recorder, kept) = (recorder(16, 2), Kept::default());
    let mut collector = Collector::new(recorder, Box::new(kept.clone()), None);
    for _ in 0..1000 {
        let gone = std::thread::spawn(move || {
            BEFORE.set(Some(Last(recorder)));
            scope(recorder).run(|| traced(&SITE, || ()));
            AFTER.set(Some(Last(recorder)));
        });
        gone.join().expect("it ends");
        (0..3).for_each(|_| collector.cycle().expect("it keeps"));
    }
    let finished = kept.finished();
    let losses = Losses { heap_chunks: 0, ..collector.tally().losses };
    assert_eq!((finished.len(), losses), (3000, Losses::default()));
    assert!(finished.iter().all(|record| record.ending == Ending::Ok));
}
