//! More spans than anybody takes: memory stays bounded, and each span is delivered, in the store, or counted by what became of it.

use spanwright_tests::faults::Act;
use spanwright_tests::program::{Place, Program};
use spanwright_tests::receiver::Receiver;
use spanwright_tests::tmpfs::Tmpfs;

use crate::fault_network::PROGRAM;

/// What `spanwright doctor` says of one thing, with the first number in it.
fn diagnosed(place: &Place, name: &str) -> Option<(u64, String)> {
    let found = place.doctor();
    let check = found["checks"].as_array().expect("checks").iter().find(|check| check["name"] == name)?.clone();
    let detail = check["detail"].as_str().expect("text").to_owned();
    let digits: String =
        detail.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(char::is_ascii_digit).collect();
    Some((digits.parse().unwrap_or(0), detail))
}

#[test]
fn a_stalled_server_costs_bounded_memory_and_what_the_store_cannot_hold_is_counted_exactly() {
    const LIMIT: u64 = 1 << 20;
    let receiver = Receiver::start_with(|_, _| Some(Act::Swallow));
    let place = Place::new(PROGRAM)
        .with("MLFLOW_TRACKING_URI", &receiver.uri())
        .with("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        .with("SPANWRIGHT_STORE_MAX_BYTES", &LIMIT.to_string());
    let mut program = place.start();
    let work = |program: &mut Program| {
        assert_eq!(program.tell("do 20 49"), "did 43280");
        while !program.flush(2_000).is_stored() {}
    };
    work(&mut program);
    let before = program.peak_kib();
    (0..15).for_each(|_| work(&mut program));
    let made = 16_000;
    let flushed = program.flush(2_000);
    assert_eq!((flushed.count("stored"), flushed.count("lost")), (made, 0), "{flushed:?}");
    let peak = program.peak_kib();
    assert!(peak < before + 64 * 1024, "from {before} to {peak} KiB");
    let ended = program.end();
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{}", ended.stderr);

    let stored = place.stored().len() as u64;
    let evicted = place.opened().statistics().expect("readable").evicted.spans;
    assert!(evicted > 0, "{stored} spans fit");
    assert_eq!(stored + evicted, made);
    assert_eq!(ended.counted("spans were evicted"), evicted, "{:?}", ended.said);
    assert!(place.opened().used_bytes().expect("readable") < 4 * LIMIT, "the limit holds while the program runs");
    let (counted, detail) = diagnosed(&place, "evicted").expect("the doctor says it");
    assert_eq!(counted, evicted, "{detail}");
    let (waiting, detail) = diagnosed(&place, "delivery").expect("the doctor says it");
    assert_eq!(waiting, stored, "{detail}");

    // With a server that takes them, what was kept is delivered once.
    let port = receiver.server().port();
    drop(receiver);
    let well = Receiver::start_on(port);
    let mut next = place.start();
    assert_eq!(next.flush(60_000).count("delivered"), stored);
    well.assert_took_once(stored);
}

#[test]
fn a_store_that_takes_nothing_costs_bounded_memory_and_what_the_chunks_cannot_hold_is_counted_exactly() {
    let disk = Tmpfs::of_kib(128 * 1024);
    let place = Place::with_store(PROGRAM, &disk.path().join("store"));
    let mut program = place.start();
    assert_eq!(program.tell("do 1 9"), "did 72");
    assert!(program.flush(10_000).is_stored());
    disk.fill_but(0);
    // Each stands in a chunk almost alone, and there are 2048 of them.
    assert_eq!(program.tell("heavy 2200 20000"), "recited 44000000");
    // There is no room left for spans either.
    assert_eq!(program.tell("do 20 49"), "did 43280");
    let peak = program.peak_kib();
    assert!(peak < 512 * 1024, "{peak} KiB");
    let during = program.flush(1_000);
    assert!(!during.is_stored() && during.count("lost") > 0, "more than the chunks hold: {during:?}");
    disk.clear();
    let after = program.flush(120_000);
    assert!(after.is_stored(), "{after:?} {:?}", program.said());
    assert_eq!(after.count("stored") + after.count("lost"), 3_211, "{after:?}");
    let ended = program.end();
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{}", ended.stderr);
    assert!(ended.said.iter().any(|line| line.contains("spans dropped, the chunks were full")), "{:?}", ended.said);
    assert_eq!(place.stored().len() as u64, after.count("stored"));
}
