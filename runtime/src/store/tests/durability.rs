//! Files: several writers, damage, full disks, versions, limits.

use std::fs;
use std::time::Duration;

use super::*;

#[test]
fn many_writers_and_an_exporter_share_one_file() {
    const WRITERS: u64 = 4;
    const BATCHES: u64 = 30;
    let folder = tempfile::tempdir().expect("a folder");
    let total = (WRITERS * BATCHES * 5) as usize;
    let mut seen = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let folder = folder.path();
            // Each opens the store itself, as processes that start together do.
            scope.spawn(move || {
                let store = Store::open(folder).expect("a store");
                for batch in 0..BATCHES {
                    let spans = (0..5).map(|n| span(writer, batch * 5 + n));
                    store.append(&finished(spans), ProcessId(writer), Some(A)).expect("append");
                }
            });
        }
        let store = Store::open(folder.path()).expect("a store");
        let mut seen = Vec::new();
        while seen.len() < total {
            let queued = store.pending(A, 64, usize::MAX).expect("pending");
            store.ack(A, &queued.iter().map(|queued| queued.seq).collect::<Vec<_>>()).expect("ack");
            seen.extend(queued.iter().map(|queued| (queued.record.trace_id, queued.record.span_id)));
        }
        seen
    });
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), total);
    let store = Store::open(folder.path()).expect("a store");
    assert_eq!(store.statistics().expect("statistics").delivered_spans, total as u64);
}

#[cfg(unix)]
#[test]
fn a_store_is_ours_alone_and_out_of_version_control() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a folder");
    let folder = locate(home.path());
    assert_eq!(folder, home.path().join(".spanwright"));
    let store = Store::open(&folder).expect("a store");
    store.append(&finished([span(1, 0)]), ME, Some(A)).expect("append");
    let _lease = store.exporter_lease(A).expect("lease");
    assert_eq!(fs::metadata(&folder).expect("metadata").permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(folder.join(".gitignore")).expect("readable"), "*\n");
    let mut files = 0;
    for file in fs::read_dir(&folder).expect("readable").map(|entry| entry.expect("an entry").path()) {
        if !file.ends_with(".gitignore") {
            assert_eq!(
                fs::metadata(&file).expect("metadata").permissions().mode() & 0o777,
                0o600,
                "{}",
                file.display()
            );
            files += 1;
        }
    }
    assert_eq!(files, 5, "database, log, its index, two locks");
    let below = home.path().join("a/b");
    fs::create_dir_all(&below).expect("folders");
    assert_eq!(locate(&below), folder);

    // A folder with things of the user's own gets no `.gitignore`.
    fs::write(below.join("notes.txt"), "mine").expect("a file");
    Store::open(&below).expect("a store");
    assert!(!below.join(".gitignore").exists());
}

#[test]
fn looking_for_a_store_makes_none() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(Store::open_existing(folder.path()).expect("looked").is_none());
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    Store::open(folder.path()).expect("a store");
    assert!(Store::open_existing(folder.path()).expect("looked").is_some());
}

#[test]
fn a_damaged_file_is_put_aside_and_said() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("no database", |bytes| *bytes = b"this is a text, and a long one, but not a database".repeat(99)),
        ("torn header", |bytes| bytes[..64].fill(0xA5)),
        ("first page", |bytes| bytes[100..4096].fill(0)),
        ("table roots", |bytes| bytes[4096..].fill(0xFF)),
    ];
    for (what, damage) in damages {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        store.append(&finished((0..500).map(|n| span(1, n))), ME, Some(A)).expect("append");
        store.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoint");
        let path = store.path().expect("on disk").to_owned();
        drop(store);
        let mut bytes = fs::read(&path).expect("readable");
        damage(&mut bytes);
        fs::write(&path, &bytes).expect("damaged");

        let store = Store::open(folder.path()).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert_eq!(store.notices().len(), 1, "{what}: {:?}", store.notices());
        let aside = store.notices()[0].split_once("is now ").expect("a name").1.split_once(',').expect("a name").0;
        assert_eq!(fs::read(aside).expect("readable"), bytes, "{what}");
        store.append(&finished([span(2, 0)]), ME, Some(A)).expect("append");
        assert_eq!(waiting(&store, A), [(trace_id(2), span_id(0))]);
        assert_eq!(Store::open(folder.path()).expect("a store").notices().len(), 0, "said once");
    }
}

#[test]
fn a_store_found_damaged_at_work_is_put_aside_by_whoever_finds_it_and_the_rest_is_taken_over_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let beside = Store::open(folder.path()).expect("another process's");
    store.append(&finished([span(3, 0)]), ME, Some(A)).expect("append");
    assert_eq!(ack_all(&store, A), 1);
    store.append(&finished([span(1, 0), span(1, 1)]), ME, Some(A)).expect("append");
    store.append(&finished([span(2, 0)]), ME, None).expect("append");
    store.connection().execute_batch("DROP TABLE queue").expect("damage");

    store.append(&finished([span(4, 0)]), ME, Some(A)).expect("kept, by a new store");
    let news = store.take_news();
    assert!(matches!(news.as_slice(), [one] if one.contains("damaged") && one.contains("is now")), "{news:?}");
    assert_eq!(waiting(&beside, A), [(trace_id(4), span_id(0))], "all have moved on");
    beside.append(&finished([span(5, 0)]), ME, Some(A)).expect("append");
    assert_eq!(beside.take_news(), [""; 0], "said once");

    let salvaged = store.salvage().expect("salvaged");
    assert_eq!((salvaged.files, salvaged.spans, salvaged.unreadable), (1, 3, 0));
    assert_eq!(beside.salvage().expect("nothing left"), Salvaged::default());
    let mut waits = waiting(&store, A);
    waits.sort();
    assert_eq!(waits, [(1, 0), (1, 1), (4, 0), (5, 0)].map(|(trace, n)| (trace_id(trace), span_id(n))));
    assert_eq!(store.pending_counts(None).expect("counted").pending.spans, 1, "what stayed here still does");
    assert!(store.trace(trace_id(3)).expect("readable").is_none(), "what was delivered is where it belongs");
}

#[test]
fn what_memory_holds_moves_to_the_disk_as_soon_as_that_can_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("store");
    fs::write(&place, "in the way").expect("a file");
    assert!(Store::open(&place).is_err());
    let store = Store::in_memory_until(&place).expect("memory");
    let exporter = store.reopen().expect("the same");
    store.append(&finished([span(1, 0), span(1, 1)]), ME, Some(A)).expect("append");
    assert_eq!((store.folder(), store.settle().expect("counted")), (None, 2));

    fs::remove_file(&place).expect("out of the way");
    assert_eq!(store.settle().expect("moved"), 0);
    assert_eq!(store.folder(), Some(place.as_path()));
    assert!(matches!(store.take_news().as_slice(), [one] if one.contains("can be used now")));
    exporter.append(&finished([span(1, 2)]), ME, Some(A)).expect("append");
    drop((store, exporter));
    assert_eq!(waiting(&Store::open(&place).expect("a store"), A).len(), 3);
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    store.append(&finished([span(1, 0)]), ME, None).expect("append");
    store.connection().pragma_update(None, "user_version", schema::VERSION + 1).expect("a newer version");
    let error = Store::open(folder.path()).expect_err("refused");
    assert!(error.is_store());
    assert!(
        error.to_string().contains("newer spanwright") && error.to_string().contains("SPANWRIGHT_STORE"),
        "{error}"
    );
    assert_eq!(store.spans(trace_id(1)).expect("still there").len(), 1);
}

/// A store as version 1 left it: one span of trace 1 delivered, its root and another span waiting, one span refused.
fn of_version_1(folder: &std::path::Path) {
    drop(Store::open(folder).expect("a folder"));
    let path = folder.join("store.db");
    ["", "-wal", "-shm"].iter().for_each(|end| drop(fs::remove_file(format!("{}{end}", path.display()))));
    let old = Connection::open(&path).expect("a database");
    old.execute_batch(schema::STEPS[0]).expect("its tables");
    old.execute_batch(
        "INSERT INTO destinations VALUES (1, 'http://a.test');
         INSERT INTO traces (number, trace_id, destination, name, start_unix_ns, end_unix_ns, root_known, ending, spans,
             undelivered, rejected)
         VALUES (1, x'10000000000000070000000000000001', 1, 'span 0', 1000, 1103, 1, 'ok', 4, 2, 1);
         INSERT INTO queue VALUES (1, 2, 1), (1, 4, 1);
         INSERT INTO rejections VALUES (3, 1, 'refused');
         UPDATE counters SET value = 5 WHERE name = 'next_seq';
         PRAGMA user_version = 1;",
    )
    .expect("its rows");
    for (seq, n) in [(1, 1), (2, 2), (3, 3), (4, 0)] {
        let parent = if n > 0 { r#""8000000000000000""# } else { "null" };
        let (start, end) = (1000 + n, 1100 + n);
        let record = format!(
            r#"{{"trace_id":"10000000000000070000000000000001","span_id":"800000000000000{n}","parent_id":{parent},
                "name":"span {n}","span_type":"CHAIN","kind":"node","source":{{"function":"","file":"","line":0}},
                "start_unix_ns":{start},"end_unix_ns":{end},"ending":"ok"}}"#
        );
        old.execute("INSERT INTO spans VALUES (?1, 1, ?2, ?3)", (seq, row::span_key(span_id(n)), record.into_bytes()))
            .expect("a span");
    }
}

#[test]
fn a_store_of_version_1_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    of_version_1(folder.path());
    let store = Store::open(folder.path()).expect("an upgrade");
    assert_eq!(store.notices(), [] as [&str; 0]);
    let version: i64 = store.connection().pragma_query_value(None, "user_version", |row| row.get(0)).expect("version");
    assert_eq!(version, schema::VERSION);
    assert_eq!(store.spans(trace_id(1)).expect("spans"), [span(1, 0), span(1, 1), span(1, 2), span(1, 3)]);
    assert_eq!(waiting(&store, A), [(trace_id(1), span_id(2)), (trace_id(1), span_id(0))]);

    // What it had is known, delivered or not; what comes to it is added.
    let again = [span(1, 1), span(1, 2), span(1, 3), span(1, 0)];
    store
        .append(&finished(again.into_iter().chain([span(1, 4), span(1, 5), span(2, 0)])), ME, Some(A))
        .expect("append");
    let expected = [(1, 2), (1, 0), (1, 4), (1, 5), (2, 0)].map(|(trace, n)| (trace_id(trace), span_id(n)));
    assert_eq!(waiting(&store, A), expected);
    assert_eq!((summary(&store, 1).spans, summary(&store, 1).undelivered, summary(&store, 1).rejected), (6, 4, 1));
    assert_eq!(ack_all(&store, A), 5);
    assert_eq!(store.adopt(B, Adopt::All).expect("adopt"), Counts { traces: 2, spans: 7 });
    assert_eq!(ack_all(&store, B), 7);
    store.sweep(Limits { max_bytes: 0, ..Limits::default() }).expect("sweep");
    assert_eq!(store.statistics().expect("statistics").stored, Counts::default());
    let left: i64 = store
        .connection()
        .query_row(
            "SELECT (SELECT count(*) FROM spans) + (SELECT count(*) FROM span_ids) + (SELECT count(*) FROM queue)",
            [],
            |row| row.get(0),
        )
        .expect("counts");
    assert_eq!(left, 0, "nothing of a trace that is gone stays");
}

#[test]
fn a_full_disk_is_an_error_that_says_so_and_keeps_nothing_of_the_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    store.append(&finished([span(1, 1)]), ME, Some(A)).expect("append");
    let pages: i64 = store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).expect("pages");
    let limit = |pages: i64| {
        store.connection().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).expect("a limit");
    };
    limit(pages + 4);
    let large = (2..2_000).map(|n| span(1, n));
    let error = store.append(&finished(large.clone()), ME, Some(A)).expect_err("no room");
    assert!(error.is_store() && error.to_string().contains("disk is full"), "{error:#}");
    assert_eq!((summary(&store, 1).spans, waiting(&store, A).len()), (1, 1));
    limit(1 << 30);
    store.append(&finished(large), ME, Some(A)).expect("room again");
    assert_eq!(waiting(&store, A).len(), 1_999);
}

#[test]
fn a_folder_that_cannot_be_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let error = Store::open(&path).expect_err("not a folder");
        assert!(error.is_store() && error.to_string().contains(&*path.to_string_lossy()), "{error:#}");
    }
}

/// A trace of about 40 kB that ended so many days ago.
fn heavy(trace: u64, days_ago: u64) -> Vec<SpanRecord> {
    let end = crate::clock::now_unix_ns() - days_ago * 86_400_000_000_000;
    let sized = |n| SpanRecord { name: "x".repeat(10_000), end_unix_ns: end, ..span(trace, n) };
    (0..4).map(sized).collect()
}

fn kept(store: &Store) -> Vec<u64> {
    (0..10).filter(|n| store.trace(trace_id(*n)).expect("readable").is_some()).collect()
}

#[test]
fn delivered_traces_go_first_then_the_oldest_and_never_in_part() {
    let store = memory();
    // 1 delivered and old, 2 delivered, 3 and 4 not, 5 delivered so far but still running.
    for (trace, days_ago) in [(3, 400), (1, 15), (2, 13), (4, 0)] {
        let destination = if trace < 3 { Some(A) } else { None };
        store.append(&finished(heavy(trace, days_ago)), ME, destination).expect("append");
    }
    store.append(&finished(heavy(5, 0).into_iter().skip(1)), ME, Some(A)).expect("append");
    ack_all(&store, A);

    stored_as_it_happened(&store);
    let generous = store.sweep(Limits::default()).expect("sweep");
    assert_eq!(generous.delivered, Counts { traces: 1, spans: 4 });
    assert_eq!(generous.undelivered, Counts::default());
    assert_eq!(kept(&store), [2, 3, 4, 5]);

    let evict_one = || {
        let used = store.statistics().expect("statistics").bytes;
        store.sweep(Limits { max_age: Duration::MAX, max_bytes: used - 4096 }).expect("sweep")
    };
    assert_eq!(evict_one(), Evicted { delivered: Counts { traces: 1, spans: 4 }, ..Evicted::default() });
    assert_eq!(kept(&store), [3, 4, 5]);
    assert_eq!(evict_one(), Evicted { delivered: Counts { traces: 1, spans: 3 }, ..Evicted::default() });
    assert_eq!(kept(&store), [3, 4]);
    assert_eq!(evict_one(), Evicted { undelivered: Counts { traces: 1, spans: 4 }, ..Evicted::default() });
    assert_eq!(kept(&store), [4]);
    assert_eq!(store.statistics().expect("statistics").evicted, Counts { traces: 1, spans: 4 });
    assert_eq!(store.spans(trace_id(4)).expect("spans").len(), 4);
}

#[test]
fn what_was_removed_gives_its_room_back_and_its_numbers_are_not_used_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    for trace in 1..10 {
        for part in 0..20 {
            let spans = (0..20).map(|n| SpanRecord { name: "x".repeat(4_000), ..span(trace, part * 20 + n) });
            store.append(&finished(spans), ME, Some(A)).expect("append");
        }
    }
    let last = store.pending_after(A, 0, 1 << 30, usize::MAX).expect("pending").last().map(|queued| queued.seq);
    let limits = Limits { max_bytes: 2 << 20, ..Limits::default() };
    let evicted = store.sweep(limits).expect("sweep");
    assert_eq!(evicted.undelivered.spans + waiting(&store, A).len() as u64, 9 * 400);
    store.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoint");
    let statistics = store.statistics().expect("statistics");
    assert!(statistics.bytes <= limits.max_bytes && statistics.bytes_on_disk < 8 << 20, "{statistics:?}");

    store.sweep(Limits { max_bytes: 0, ..Limits::default() }).expect("sweep");
    assert_eq!(kept(&store), [0u64; 0]);
    store.append(&finished([span(1, 0)]), ME, Some(A)).expect("append");
    store.ack(A, &[1, last.expect("a span")]).expect("a late ack");
    assert_eq!(waiting(&store, A).len(), 1);
}
