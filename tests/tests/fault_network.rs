//! Faults of the server and of the way to it, each met by a program of its own: what it notices (nothing), what is said (once), and
//! where its spans are, by numbers, during the fault and after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use spanwright_tests::faults::{Act, Faulty, Seen};
use spanwright_tests::mlflow::{self, free_port};
use spanwright_tests::program::{Ended, Flushed, Place, Program};
use spanwright_tests::receiver::Receiver;
use spanwright_tests::tls::TlsServer;

use crate::delivery::fresh;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_program");

/// Ten workflows of nine steps: 100 spans.
const WORK: &str = "do 10 9";
const SPANS: u64 = 100;
/// What they give.
const DONE: &str = "did 720";

pub fn place(uri: &str) -> Place {
    Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", uri).with("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
}

/// Everything made is delivered or waits in the store.
fn assert_kept(flushed: &Flushed, made: u64) {
    assert!(flushed.is_stored(), "{flushed:?}");
    let counts = ["stored", "rejected", "lost"].map(|name| flushed.count(name));
    assert_eq!(counts, [made, 0, 0], "{flushed:?}");
    assert_eq!(flushed.count("delivered") + flushed.count("pending"), made, "{flushed:?}");
}

fn assert_delivered(flushed: &Flushed, made: u64) {
    assert_kept(flushed, made);
    assert_eq!(flushed.count("delivered"), made, "{flushed:?}");
}

/// The one line that is said of an outage: which server, why, where the spans are, what to do.
fn assert_says_once(said: &[String], parts: &[&str]) {
    let [line] = said else { panic!("one line, not {said:?}") };
    for part in parts.iter().chain(&["kept in the store", "spanwright push"]) {
        assert!(line.contains(part), "`{part}` in {line}");
    }
}

fn assert_ended_well(place: &Place, lines: &[&str], ended: &Ended) {
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{}", ended.stderr);
    place.assert_unchanged(lines, ended);
}

/// A server that does `act` with every message of spans, until it is told that it is well.
fn sick(act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> (Receiver, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let receiver =
        Receiver::start_with(move |seen, before| (!is_well.load(Ordering::Acquire)).then(|| act(seen, before)));
    (receiver, well)
}

/// A program works through a fault, says one line of `parts`, and delivers everything once the fault is over.
fn works_through(act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static, parts: &[&str]) -> Receiver {
    let (receiver, well) = sick(act);
    let place = place(&receiver.uri());
    let mut program = place.start();
    assert_eq!(program.tell(WORK), DONE);
    let asked = Instant::now();
    let during = program.flush(1_500);
    assert!(asked.elapsed() < Duration::from_secs(10), "a flush ends at its deadline: {:?}", asked.elapsed());
    assert_kept(&during, SPANS);
    assert_eq!(program.tell(WORK), DONE);
    program.wait_until_said(parts[0]);
    assert_says_once(&program.said(), &[&[receiver.uri().as_str()], parts].concat());

    well.store(true, Ordering::Release);
    assert_delivered(&program.flush(60_000), 2 * SPANS);
    let ended = program.end();
    assert_ended_well(&place, &[WORK, WORK], &ended);
    assert!(matches!(ended.said.as_slice(), [_, back] if back.contains("answers again")), "{:?}", ended.said);
    receiver
}

#[test]
fn a_server_that_never_answers_costs_no_span_and_no_time() {
    works_through(|_, _| Act::Swallow, &["no answer"]).assert_took_once(2 * SPANS);
}

#[test]
fn a_server_that_resets_every_connection_costs_no_span() {
    works_through(|_, _| Act::Reset, &["reset"]).assert_took_once(2 * SPANS);
}

#[test]
fn half_an_answer_is_no_answer_and_what_had_arrived_is_not_counted_twice() {
    let receiver = works_through(|_, _| Act::Half(200), &["answer"]);
    // It may get again what it had taken, which the real one takes for the same span; it gets nothing else and all of it.
    assert_eq!(receiver.taken().len() as u64, 2 * SPANS);
}

#[test]
fn half_a_refusal_is_a_refusal() {
    works_through(|_, _| Act::Half(503), &["503"]).assert_took_once(2 * SPANS);
}

#[test]
fn a_server_that_fails_for_now_gets_everything_once_it_is_well() {
    works_through(|_, _| Act::status(500), &["500"]).assert_took_once(2 * SPANS);
}

#[test]
fn a_server_that_asks_to_be_left_alone_is_left_alone() {
    let receiver = Receiver::start_with(|_, before| {
        (before == 0).then(|| Act::Answer(429, vec![("retry-after", "3".into())], "slow down".into()))
    });
    let place = place(&receiver.uri());
    let mut program = place.start();
    assert_eq!(program.tell(WORK), DONE);
    program.wait_until_said("answers again");
    let posts = receiver.server().seen_at("/v1/traces");
    let pause = posts[1].at - posts[0].at;
    assert!(pause >= Duration::from_secs(3), "{pause:?}");
    assert_delivered(&program.flush(60_000), SPANS);
    let ended = program.end();
    assert_ended_well(&place, &[WORK], &ended);
    assert_says_once(&ended.said[..1], &[&receiver.uri(), "429"]);
    receiver.assert_took_once(SPANS);
}

#[test]
fn a_server_that_answers_slowly_slows_nothing_else() {
    let receiver = Receiver::start_with(|_, before| {
        let slow = Duration::from_millis(if before % 2 == 0 { 1_500 } else { 20 });
        Some(if before % 2 == 0 { Act::Late(slow, Box::new(Act::json(200, "{}"))) } else { Act::Drip(slow, 200) })
    });
    let place = place(&receiver.uri()).with("MLFLOW_HTTP_REQUEST_TIMEOUT", "60");
    let mut program = place.start();
    let started = Instant::now();
    assert_eq!(program.tell("do 100 9"), "did 7200");
    let worked = started.elapsed();
    assert_delivered(&program.flush(60_000), 10 * SPANS);
    assert!(worked < started.elapsed() / 2, "worked for {worked:?} of {:?}", started.elapsed());
    let ended = program.end();
    assert_ended_well(&place, &["do 100 9"], &ended);
    assert_eq!(ended.said, [""; 0], "slow is no fault");
    receiver.assert_took_once(10 * SPANS);
}

/// A program that ends while the server is sick: what it says, and that the next one delivers.
fn ends_before_it_is_well(uri: &str, parts: &[&str], well: impl FnOnce(&mut Place)) {
    // Time enough to find out what is wrong, and not all of it taken.
    let mut place = place(uri).with("SPANWRIGHT_FLUSH_TIMEOUT_MS", "50000");
    let started = Instant::now();
    let ended = place.run(&[WORK]);
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    assert_ended_well(&place, &[WORK], &ended);
    assert_says_once(&ended.said, &[&[uri], parts].concat());
    assert_eq!(place.stored_ended(), SPANS);

    well(&mut place);
    let mut program = place.start();
    let flushed = program.flush(60_000);
    assert_eq!((flushed.count("delivered"), flushed.count("pending")), (SPANS, 0), "{flushed:?}");
    let ended = program.end();
    assert_eq!((ended.code, ended.said.as_slice()), (Some(0), &[][..]), "{}", ended.stderr);
}

#[test]
fn what_a_server_failed_to_take_for_the_whole_life_of_a_program_the_next_one_delivers() {
    let (receiver, well) = sick(|_, _| Act::status(500));
    ends_before_it_is_well(&receiver.uri(), &["500"], |_| well.store(true, Ordering::Release));
    receiver.assert_took_once(SPANS);
}

#[test]
fn a_server_nobody_vouches_for_gets_nothing_until_it_is_trusted() {
    let receiver = Receiver::start();
    let server = TlsServer::in_front_of(receiver.server().port());
    ends_before_it_is_well(&server.uri(), &["certificate"], |place| {
        assert_eq!(receiver.server().seen().len(), 0, "nothing was sent");
        place.set("MLFLOW_TRACKING_SERVER_CERT_PATH", &server.authority().display().to_string());
    });
    receiver.assert_took_once(SPANS);
}

#[test]
fn a_wrong_token_is_said_and_never_shown() {
    let behind = Receiver::start();
    let port = behind.server().port();
    let door = Faulty::start(move |seen, _| match seen.header("authorization") {
        Some("Bearer r1ght-token") => Act::Forward(port, Box::new(seen.clone())),
        _ => Act::status(401),
    });
    let mut place =
        place(&door.uri()).with("MLFLOW_TRACKING_TOKEN", "wr0ng-token").with("SPANWRIGHT_FLUSH_TIMEOUT_MS", "50000");
    let ended = place.run(&[WORK]);
    assert_ended_well(&place, &[WORK], &ended);
    assert_says_once(&ended.said, &[&door.uri(), "401", "MLFLOW_TRACKING_TOKEN"]);
    assert!(!ended.stderr.contains("wr0ng-token"), "{}", ended.stderr);

    place.set("MLFLOW_TRACKING_TOKEN", "r1ght-token");
    let mut program = place.start();
    let flushed = program.flush(60_000);
    assert_eq!((flushed.count("delivered"), flushed.count("pending")), (SPANS, 0), "{flushed:?} {:?}", program.said());
    assert_eq!(program.end().said, [""; 0]);
    behind.assert_took_once(SPANS);
}

#[test]
fn a_server_that_is_down_for_longer_than_the_first_pauses_is_found_again() {
    let port = free_port();
    let uri = format!("http://127.0.0.1:{port}");
    let place = place(&uri);
    let mut program = place.start();
    assert_eq!(program.tell(WORK), DONE);
    program.wait_until_said("refused");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(program.tell(WORK), DONE);
    assert_kept(&program.flush(500), 2 * SPANS);
    assert_says_once(&program.said(), &[&uri, "refused"]);

    // Nobody asks for it: the program finds out by itself.
    let receiver = Receiver::start_on(port);
    program.wait_until_said("answers again");
    assert_delivered(&program.flush(60_000), 2 * SPANS);
    assert_ended_well(&place, &[WORK, WORK], &program.end());
    receiver.assert_took_once(2 * SPANS);
}

/// Spans of an experiment on a real server: different ones, and all of them.
fn read_back(server: &mlflow::Server, experiment: &str) -> (usize, usize) {
    let mut ids = Vec::new();
    for trace in server.traces(experiment) {
        let trace = server.trace(trace["trace_id"].as_str().expect("an id")).expect("it is listed");
        assert_eq!(trace["state"], "OK");
        ids.extend(trace["spans"].as_array().expect("spans").iter().map(|span| span["id"].to_string()));
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    (ids.len(), all)
}

#[test]
fn a_real_server_killed_while_a_request_is_on_its_way_and_read_only_when_it_is_back_has_each_span_once() {
    let mut server = mlflow::Server::start();
    let experiment = fresh("killed");
    let place =
        place(server.uri()).with("MLFLOW_EXPERIMENT_NAME", &experiment).with("MLFLOW_HTTP_REQUEST_TIMEOUT", "60");
    let mut program = place.start();
    assert_eq!(program.tell("do 1 9"), "did 72");
    assert_eq!(program.flush(180_000).count("delivered"), 10);
    // The server has read the request, and waits for its database when it is killed.
    let lock = server.lock_database();
    assert_eq!(program.tell("do 4 249"), "did 223296");
    std::thread::sleep(Duration::from_secs(2));
    server.kill();
    drop(lock);
    program.wait_until_said(server.uri());
    assert_kept(&program.flush(100), 1_010);

    server.resume_read_only();
    assert_eq!(program.tell(WORK), DONE);
    assert_kept(&program.flush(20_000), 1_110);
    assert_says_once(&program.said(), &[server.uri()]);

    server.stop();
    server.resume();
    assert_delivered(&program.flush(180_000), 1_110);
    assert_ended_well(&place, &["do 1 9", "do 4 249", WORK], &program.end());
    assert_eq!(read_back(&server, &experiment), (1_110, 1_110));
}

#[test]
fn an_account_that_may_only_read_is_told_what_it_needs() {
    let server = mlflow::Server::start_with_basic_auth();
    let experiment = fresh("readable");
    let as_user = |name: &str, password: &str| {
        let place = place(server.uri()).with("MLFLOW_EXPERIMENT_NAME", &experiment);
        let place = place.with("MLFLOW_HTTP_REQUEST_TIMEOUT", "60");
        place.with("MLFLOW_TRACKING_USERNAME", name).with("MLFLOW_TRACKING_PASSWORD", password)
    };
    // The administrator's program makes the experiment.
    let mut first: Program = as_user(mlflow::ADMIN.0, mlflow::ADMIN.1).start();
    assert_eq!(first.tell("do 1 9"), "did 72");
    assert_eq!(first.flush(180_000).count("delivered"), 10);
    drop(first);
    server.create_user("reader", "reader-password-1");

    let place = as_user("reader", "reader-password-1");
    let mut program = place.start();
    assert_eq!(program.tell(WORK), DONE);
    program.wait_until_said("403");
    assert_kept(&program.flush(20_000), SPANS);
    let said = program.said();
    let [line] = said.as_slice() else { panic!("one line, not {said:?}") };
    assert!(line.contains("permission to edit") && line.contains("kept in the store"), "{line}");

    server.permit(&experiment, "reader", "EDIT");
    assert_ended_well(&place, &[WORK], &program.end());
    let mut next = place.start();
    let flushed = next.flush(180_000);
    assert_eq!((flushed.count("delivered"), flushed.count("pending")), (SPANS, 0), "{flushed:?}");
    drop(next);
    assert_eq!(read_back(&server, &experiment), (110, 110));
}
