//! Faults of the disk and of the files on it: full, read-only, deleted, damaged, of another version. Each is real, on a small file system
//! of the test's own, and met by a program of its own.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use spanwright::store::Store;
use spanwright_tests::mlflow;
use spanwright_tests::program::{Ended, Place};
use spanwright_tests::receiver::Receiver;
use spanwright_tests::tmpfs::Tmpfs;

use crate::delivery::random;
use crate::fault_network::PROGRAM;

/// Steps and values of some size: 36 spans.
const WORK: [&str; 2] = ["do 3 10", "heavy 2 20000"];
const SPANS: u64 = 36;
/// What they give.
const ANSWERS: [&str; 2] = ["did 219", "recited 40000"];

fn assert_unharmed(ended: &Ended, what: &str) {
    // A mapped page that the disk has no room for would end the program with SIGBUS.
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{what}: {}", ended.stderr);
    assert_eq!(ended.answers, ANSWERS, "{what}");
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
}

/// A program on a disk of `kib` that is full sooner or later, then one with room. Everything is in the store or was counted.
fn runs_on_a_disk_of(kib: u64, prepare: impl FnOnce(&Place, &Tmpfs)) -> u64 {
    let disk = Tmpfs::of_kib(8 * 1024);
    let place = Place::with_store(PROGRAM, &disk.path().join("store"));
    prepare(&place, &disk);
    let before = if place.store.exists() { place.stored_ended() } else { 0 };
    disk.fill_but(kib);
    let full = place.run(&WORK);
    assert_unharmed(&full, &format!("with room for {kib} KiB"));

    disk.clear();
    let after = place.run(&WORK);
    assert_unharmed(&after, "with room again");
    let gone = full.counted("spans are not stored and go") + full.counted("spans were kept in memory only");
    let stored = place.stored().len() as u64;
    assert_eq!(stored + gone, before + 2 * SPANS, "with room for {kib} KiB: {:?} {:?}", full.said, after.said);
    for said in &full.said[..full.said.len().min(1)] {
        assert!(said.contains("full") && said.contains("SPANWRIGHT_STORE"), "{said}");
    }
    assert!(full.said.len() <= 3, "{:?}", full.said);
    gone
}

#[test]
fn a_disk_that_is_full_at_any_moment_of_a_programs_life_ends_nobody_and_what_is_lost_is_counted() {
    // Each step is the room for one page more: the store, its log, its index, the chunks are made one after the other.
    let mut stages: Vec<_> = (0..100).map(|page| 4 * page).collect();
    // A few more steps hit the transactions that follow.
    stages.extend((100..160).step_by(6).map(|page| 4 * page));
    let lost: Vec<_> = stages.into_iter().map(|kib| runs_on_a_disk_of(kib, |_, _| {})).collect();
    assert_eq!(
        (lost.first(), lost.last()),
        (Some(&SPANS), Some(&0)),
        "the smallest takes nothing, the largest everything: {lost:?}"
    );
}

#[test]
fn a_full_disk_beside_a_store_that_is_there_costs_nothing_that_was_in_it() {
    for page in (0..60).step_by(3) {
        runs_on_a_disk_of(4 * page, |place, _| {
            let ended = place.run(&WORK);
            assert_eq!(ended.said, [""; 0]);
        });
    }
}

#[test]
fn a_program_goes_on_when_its_disk_is_full_and_stores_and_delivers_when_there_is_room_again() {
    let receiver = Receiver::start();
    let disk = Tmpfs::of_kib(8 * 1024);
    let place = Place::with_store(PROGRAM, &disk.path().join("store")).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let mut program = place.start();
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert_eq!(program.flush(30_000).count("delivered"), 100);
    disk.fill_but(0);
    let mut made = 100;
    while program.flush(200).is_stored() {
        assert_eq!(program.tell("heavy 9 5000"), "recited 45000");
        made += 10;
        assert!(made < 10_000, "the disk is full some time");
    }
    program.wait_until_said("disk is full");
    assert_eq!(program.tell("do 100 9"), "did 7200");
    made += 1_000;
    disk.clear();
    let flushed = program.flush(60_000);
    assert!(flushed.is_stored(), "{flushed:?}");
    assert_eq!((flushed.count("stored"), flushed.count("delivered"), flushed.count("lost")), (made, made, 0));
    let ended = program.end();
    assert_eq!(ended.code, Some(0));
    assert!(matches!(ended.said.as_slice(), [full] if full.contains("SPANWRIGHT_STORE")), "{:?}", ended.said);
    receiver.assert_took_once(made);
}

#[test]
fn a_disk_that_is_full_while_a_dead_program_is_taken_over_costs_none_of_its_spans() {
    let disk = Tmpfs::of_kib(8 * 1024);
    let place = Place::with_store(PROGRAM, &disk.path().join("store"));
    let mut dead = place.start();
    assert_eq!(dead.tell("do 3 10"), "did 219");
    assert!(dead.flush(10_000).is_stored());
    let locked = mlflow::lock_database(&place.store.join("store.db"));
    // It cannot reach the store any more: these spans stand in its chunks.
    assert_eq!(dead.tell("do 3 10"), "did 219");
    dead.signal(rustix::process::Signal::KILL);
    let ended = dead.end();
    assert_eq!(ended.signal, Some(9));
    drop(locked);

    for page in [0, 1, 2, 4, 8, 16] {
        disk.fill_but(4 * page);
        let heir = place.run(&[]);
        assert_eq!((heir.code, heir.signal), (Some(0), None), "{}", heir.stderr);
        disk.clear();
    }
    assert_eq!(place.run(&[]).code, Some(0));
    assert_eq!(place.stored_ended(), 66);
}

#[test]
fn a_disk_that_may_not_be_written_is_said_and_the_spans_are_delivered_from_memory() {
    let receiver = Receiver::start();
    let disk = Tmpfs::of_kib(1024);
    let mut place = Place::with_store(PROGRAM, &disk.path().join("store"));
    disk.set_read_only(true);
    let alone = place.run(&WORK);
    assert_unharmed(&alone, "without a server");
    assert!(
        matches!(alone.said.as_slice(), [start, end] if start.contains("SPANWRIGHT_STORE")
            && start.contains("Read-only") && end.starts_with("36 spans were kept in memory only")),
        "{:?}",
        alone.said
    );

    place.set("MLFLOW_TRACKING_URI", &receiver.uri());
    let delivered = place.run(&WORK);
    assert_unharmed(&delivered, "with a server");
    assert_eq!(delivered.said.len(), 1, "{:?}", delivered.said);
    receiver.assert_took_once(SPANS);

    // It may be written while the program still runs: then the store is made, and keeps what memory held.
    place.set("MLFLOW_TRACKING_URI", "");
    let mut program = place.start();
    assert_eq!(program.tell("do 10 9"), "did 720");
    disk.set_read_only(false);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert!(program.flush(10_000).is_stored());
    program.wait_until_said("can be used now");
    drop(program);
    assert_eq!(place.stored().len(), 200);
}

#[test]
fn a_store_deleted_under_a_running_program_is_made_again_and_said() {
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let mut program = place.start();
    for round in 1..=3u64 {
        assert_eq!(program.tell("do 10 9"), "did 720");
        let flushed = program.flush(30_000);
        assert_eq!((flushed.count("stored"), flushed.count("delivered")), (100 * round, 100 * round), "{flushed:?}");
        fs::remove_dir_all(&place.store).expect("it is there");
        // Nothing of the program touches the store before the next span.
    }
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert_eq!(program.flush(30_000).count("delivered"), 400);
    let ended = program.end();
    assert_eq!(ended.code, Some(0));
    place.assert_unchanged(&["do 10 9"; 4], &ended);
    assert_eq!(ended.said.len(), 3, "{:?}", ended.said);
    assert!(ended.said.iter().all(|line| line.contains("deleted while this program ran")), "{:?}", ended.said);
    receiver.assert_took_once(400);
    assert_eq!(place.stored().len(), 100, "what was made after the last deletion");
}

#[test]
fn only_the_database_or_only_its_log_deleted_loses_nothing_stored_later() {
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let place = Place::new(PROGRAM);
        let mut program = place.start();
        assert_eq!(program.tell("do 10 9"), "did 720");
        assert!(program.flush(10_000).is_stored());
        fs::remove_file(place.store.join(name)).expect("it is there");
        assert_eq!(program.tell("do 20 9"), "did 1440");
        assert!(program.flush(10_000).is_stored());
        let ended = program.end();
        assert_eq!(ended.code, Some(0));
        let kept = if name == "store.db" { 200 } else { 300 };
        assert_eq!(place.stored().len(), kept, "without {name}: {:?}", ended.said);
    }
}

#[test]
fn a_project_deleted_with_its_store_stays_deleted_and_its_spans_are_counted() {
    let project = tempfile::tempdir().expect("a folder");
    let place = Place::with_store(PROGRAM, &project.path().join("project/store"));
    fs::create_dir(project.path().join("project")).expect("a folder");
    let mut program = place.start();
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert!(program.flush(10_000).is_stored());
    fs::remove_dir_all(project.path().join("project")).expect("it is there");
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert!(!program.flush(1_000).is_stored());
    let ended = program.end();
    assert_eq!(ended.code, Some(0));
    assert!(!project.path().join("project").exists(), "nobody asked for it");
    assert_eq!(ended.counted("spans are not stored and go"), 100, "{:?}", ended.said);
}

#[test]
fn another_program_that_looks_into_the_store_takes_nothing_from_it() {
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    let mut program = place.start();
    for _ in 0..3 {
        assert_eq!(program.tell("do 10 9"), "did 720");
        assert!(program.flush(10_000).is_stored());
        // Whoever closes a database that nobody else seems to use writes its log back and removes it.
        mlflow::look_into_database(&place.store.join("store.db"));
        assert!(place.store.join("store.db-wal").exists(), "the log of a running program is still there");
    }
    assert_eq!(program.flush(30_000).count("delivered"), 300);
    drop(program);
    assert_eq!(place.stored().len(), 300);
}

/// Flips bytes of a file at places that `seed` chooses.
fn damage(file: &Path, seed: u64, flips: u64) {
    let Ok(opened) = fs::File::options().read(true).write(true).open(file) else { return };
    let length = opened.metadata().expect("it is there").len();
    let mut state = seed;
    for _ in 0..flips {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut byte = [0];
        let at = (state >> 20) % length.max(1);
        if opened.read_exact_at(&mut byte, at).is_ok() {
            opened.write_all_at(&[byte[0] ^ (state >> 11) as u8 | 1], at).expect("it is writable");
        }
    }
}

/// Damages the part that says what tables there are.
fn damage_head(place: &Place) {
    let file = fs::File::options().write(true).open(place.store.join("store.db")).expect("writable");
    file.write_all_at(&[0xA5; 3_900], 110).expect("written");
}

fn write_log_back(place: &Place) {
    let store = place.store.join("store.db");
    mlflow::query_database(&store, "PRAGMA wal_checkpoint(TRUNCATE)");
}

#[test]
fn a_store_damaged_at_random_is_put_aside_and_never_ends_a_program() {
    for round in 0..24 {
        let seed = random();
        let place = Place::new(PROGRAM);
        assert_eq!(place.run(&["do 30 9"]).code, Some(0));
        if round % 2 == 0 {
            write_log_back(&place);
        }
        // From one byte to a thousand, of the database or of its log.
        damage(&place.store.join(["store.db", "store.db-wal"][round % 2]), seed, 1 << (seed % 11));
        if round == 0 {
            damage_head(&place);
        }
        let ended = place.run(&WORK);
        let mut what = format!("round {round}, seed {seed:#x}: {:?}", ended.said);
        assert_unharmed(&ended, &what);
        let mut said = ended.said;
        let mut names = Vec::new();
        // The damage may be found by any of them, the reader included; the next one to start takes over what can be read.
        for _ in 0..4 {
            let next = place.run(&["do 1 9"]);
            assert_eq!((next.code, next.signal), (Some(0), None), "{what} {}", next.stderr);
            let read = names_and_news(&place, &what);
            what.push_str(&format!(" {:?} {:?}", next.said, read.1));
            said.extend(next.said.into_iter().chain(read.1));
            names = read.0;
            if aside(&place).iter().all(|file| is_taken_over(file)) {
                break;
            }
        }
        let aside = aside(&place);
        assert!(round > 0 || aside.len() == 1, "{what}");
        let is_said = |part| said.iter().any(|line: &String| line.contains(part));
        assert!(
            aside.is_empty() || is_said("its file is now") && is_said("of a damaged store were taken over"),
            "{what}"
        );
        // What this program made is there, whatever was there before.
        assert_eq!(names.iter().filter(|name| *name == "heavy_workflow").count(), 1, "{what}");
    }
}

/// Names of traces that can be read, of which a damaged record may be one, and what the reader noticed.
fn names_and_news(place: &Place, what: &str) -> (Vec<String>, Vec<String>) {
    let store = Store::open(&place.store).unwrap_or_else(|error| panic!("{what}: {error:#}"));
    let all = spanwright::store::TraceFilter { limit: usize::MAX, ..Default::default() };
    let traces = store.traces(&all).unwrap_or_else(|error| panic!("{what}: {error:#}"));
    let news = store.notices().iter().cloned().chain(store.take_news()).collect();
    (traces.into_iter().map(|trace| trace.name).collect(), news)
}

/// Whether what could be read of a store that was put aside is in the new one.
fn is_taken_over(aside: &Path) -> bool {
    fs::metadata(format!("{}.read", aside.display())).is_ok_and(|mark| mark.len() > 0)
}

fn aside(place: &Place) -> Vec<PathBuf> {
    let files = fs::read_dir(&place.store).expect("it is there").flatten().map(|file| file.path());
    let is_aside = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("store.db.corrupt-")
            && !name.ends_with("-wal")
            && !name.ends_with("-shm")
            && !name.ends_with("read")
    };
    files.filter(is_aside).collect()
}

#[test]
fn what_can_be_read_of_a_damaged_store_is_taken_over_and_delivered_once() {
    let receiver = Receiver::start();
    let mut place = Place::new(PROGRAM);
    place.set("MLFLOW_TRACKING_URI", &receiver.uri());
    let mut program = place.start();
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert_eq!(program.flush(30_000).count("delivered"), 100);
    drop(program.end());
    let port = mlflow::free_port();
    let elsewhere = format!("http://127.0.0.1:{port}");
    place.set("MLFLOW_TRACKING_URI", &elsewhere);
    assert_eq!(place.run(&["do 10 9"]).code, Some(0));
    place.set("MLFLOW_TRACKING_URI", "");
    assert_eq!(place.run(&["do 10 9"]).code, Some(0));
    write_log_back(&place);
    let database = place.store.join("store.db");
    let page = mlflow::query_database(&database, "SELECT rootpage FROM sqlite_schema WHERE name = 'ledger'");
    let at = (page.parse::<u64>().expect("a number") - 1) * 4096;
    let file = fs::File::options().write(true).open(&database).expect("writable");
    file.write_all_at(&[0xA5; 4096], at).expect("written");

    let ended = place.run(&["do 1 9"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        matches!(ended.said.as_slice(), [aside, taken] if aside.contains("is now")
            && taken == "200 undelivered spans of a damaged store were taken over"),
        "{:?}",
        ended.said
    );
    assert_eq!(place.run(&["do 1 9"]).said, [""; 0], "said once, taken over once");
    let found =
        place.doctor()["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "damaged").cloned();
    let detail = found.expect("the doctor knows")["detail"].to_string();
    assert!(detail.contains("200 undelivered spans taken over"), "{detail}");
    assert_eq!(place.stored().len(), 220);

    let second = Receiver::start_on(port);
    place.set("MLFLOW_TRACKING_URI", &elsewhere);
    assert_eq!(place.start().flush(30_000).count("delivered"), 100);
    second.assert_took_once(100);
    receiver.assert_took_once(100);
}

#[test]
fn a_store_damaged_under_a_running_program_is_put_aside_at_once() {
    let receiver = Receiver::start();
    let place = Place::new(PROGRAM).with("MLFLOW_TRACKING_URI", &receiver.uri());
    for _ in 0..6 {
        let seed = random();
        let mut program = place.start();
        assert_eq!(program.tell("do 30 9"), "did 2160");
        assert!(program.flush(30_000).is_stored());
        // Everything but the head, so that it cannot be overlooked.
        write_log_back(&place);
        let database = place.store.join("store.db");
        let length = fs::metadata(&database).expect("it is there").len();
        let file = fs::File::options().write(true).open(&database).expect("writable");
        let noise: Vec<u8> = (0..length - 4096).map(|at| (at.wrapping_mul(seed) >> 13) as u8).collect();
        file.write_all_at(&noise, 4096).expect("written");
        // Another process has changed it, as far as the log says: pages are read again.
        assert_eq!(program.tell("do 100 9"), "did 7200");
        let flushed = program.flush(30_000);
        let what = format!("seed {seed:#x}: {flushed:?} {:?}", program.said());
        assert!(flushed.is_stored(), "{what}");
        assert_eq!(flushed.count("lost"), 0, "{what}");
        let ended = program.end();
        assert_eq!((ended.code, ended.signal), (Some(0), None), "{what} {}", ended.stderr);
        let next = place.run(&["do 1 9"]);
        assert_eq!((next.code, next.signal), (Some(0), None), "{what} {}", next.stderr);
        assert!(next.said.iter().chain(&ended.said).any(|line| line.contains("damaged")), "{what} {:?}", next.said);
    }
}

#[test]
fn a_damaged_log_is_said_when_whole_transactions_stand_behind_the_damage() {
    let place = Place::new(PROGRAM);
    let mut program = place.start();
    for _ in 0..5 {
        assert_eq!(program.tell("do 3 9"), "did 216");
        assert!(program.flush(10_000).is_stored());
    }
    drop(program.end());
    let log = place.store.join("store.db-wal");
    let length = fs::metadata(&log).expect("it is there").len();
    let file = fs::File::options().write(true).open(&log).expect("writable");
    file.write_all_at(&[0xA5; 16], length / 2).expect("written");
    let ended = place.run(&["do 1 9"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        matches!(ended.said.as_slice(), [one] if one.contains("log of the store") && one.contains("are lost")),
        "{:?}",
        ended.said
    );
    assert!(place.stored().len() < 160, "they are");
    assert_eq!(place.run(&["do 1 9"]).said, [""; 0], "said once");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_and_the_spans_are_counted_or_delivered() {
    let mut place = Place::new(PROGRAM);
    assert_eq!(place.run(&["do 10 9"]).code, Some(0));
    let database = place.store.join("store.db");
    let version = mlflow::query_database(&database, "PRAGMA user_version");
    let newer = version.trim().parse::<u64>().expect("a number") + 1;
    mlflow::query_database(&database, &format!("PRAGMA user_version = {newer}"));
    write_log_back(&place);
    let before = fs::read(&database).expect("readable");

    let alone = place.run(&WORK);
    assert_unharmed(&alone, "without a server");
    assert!(
        matches!(alone.said.as_slice(), [start, end] if start.contains("newer spanwright")
            && start.contains("SPANWRIGHT_STORE") && end.starts_with("36 spans were kept in memory only")),
        "{:?}",
        alone.said
    );
    let receiver = Receiver::start();
    place.set("MLFLOW_TRACKING_URI", &receiver.uri());
    let delivered = place.run(&WORK);
    assert_unharmed(&delivered, "with a server");
    assert_eq!(delivered.said.len(), 1, "{:?}", delivered.said);
    receiver.assert_took_once(SPANS);
    assert_eq!(fs::read(&database).expect("readable"), before, "not a byte of it has changed");

    mlflow::query_database(&database, &format!("PRAGMA user_version = {}", newer - 1));
    assert_eq!(place.stored().len(), 100);
}

#[test]
fn a_store_brought_up_to_date_under_a_running_program_is_left_alone_and_its_spans_wait_for_the_next_one() {
    let place = Place::new(PROGRAM);
    let database = place.store.join("store.db");
    let mut program = place.start();
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert!(program.flush(10_000).is_stored());
    let version = mlflow::query_database(&database, "PRAGMA user_version").parse::<u64>().expect("a number");
    mlflow::query_database(&database, "ALTER TABLE spans ADD COLUMN newer");
    mlflow::query_database(&database, &format!("PRAGMA user_version = {}", version + 1));
    assert_eq!(program.tell("do 10 9"), "did 720");
    assert!(!program.flush(1_000).is_stored());
    let ended = program.end();
    assert_eq!(ended.code, Some(0));
    place.assert_unchanged(&["do 10 9", "do 10 9"], &ended);
    assert!(ended.said[0].contains("newer spanwright"), "{:?}", ended.said);
    assert_eq!(ended.counted("spans are not stored yet and stay in chunk files"), 100, "{:?}", ended.said);
    assert!(aside(&place).is_empty());

    mlflow::query_database(&database, "ALTER TABLE spans DROP COLUMN newer");
    mlflow::query_database(&database, &format!("PRAGMA user_version = {version}"));
    assert_eq!(place.run(&[]).said, [""; 0]);
    assert_eq!(place.stored_ended(), 200);
}
