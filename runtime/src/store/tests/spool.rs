//! What forked processes hand on, and how it gets into a store.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::spool::Spool;
use super::*;

const CHILD: ProcessId = ProcessId(7);

fn spool(store: &Store, max_bytes: u64) -> Spool {
    Spool::beside(store.folder().expect("on disk"), CHILD, Some(A.to_owned()), max_bytes).expect("a spool")
}

fn on_disk() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join(".spanwright")).expect("a store");
    (folder, store)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name != "lock"));
    files.sort();
    files
}

#[test]
fn what_is_handed_on_gets_into_the_store_once_whoever_takes_it_in() {
    let (_folder, store) = on_disk();
    let mut spool = spool(&store, u64::MAX);
    let open = Batch { open: vec![span(1, 0)], callsites: vec![(3, "{}".to_owned())], ..Batch::default() };
    spool.append(&open).expect("appended");
    for n in 1..100 {
        spool.append(&finished([span(1, n), span(1, n)])).expect("appended");
    }
    assert_eq!(files(spool.folder()).len(), 1, "nobody has taken anything in: it is all in one file");
    let copy = fs::read(&files(spool.folder())[0]).expect("readable");

    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| store.reopen().expect("opened").take_in(None, Duration::MAX).expect("taken in"));
        }
    });
    assert!(files(spool.folder()).is_empty());
    assert_eq!(waiting(&store, A).len(), 99, "each once, for the server it was meant for");
    assert_eq!(store.open_spans_of(CHILD).expect("readable").len(), 1);
    assert_eq!(store.callsites_of(CHILD).expect("readable"), [(3, "{}".to_owned())]);

    // As if somebody had died between taking in and removing, and the child goes on.
    fs::write(spool.folder().join("0000000000000007-00000000.batches"), copy).expect("written");
    spool.append(&finished([span(1, 0)])).expect("appended");
    assert_eq!(store.take_in(Some(CHILD), Duration::MAX).expect("taken in").damaged, 0);
    assert_eq!(waiting(&store, A).len(), 100);
    assert!(store.open_spans_of(CHILD).expect("readable").is_empty(), "the span that was open has ended");
}

#[test]
fn a_file_that_is_cut_or_scribbled_on_is_put_aside_and_the_rest_of_it_is_kept() {
    let (_folder, store) = on_disk();
    let mut spool = spool(&store, u64::MAX);
    spool.append(&finished([span(1, 1)])).expect("appended");
    let first = fs::metadata(&files(spool.folder())[0]).expect("there").len() as usize;
    spool.append(&finished([span(1, 2)])).expect("appended");
    let path = files(spool.folder()).remove(0);
    let whole = fs::read(&path).expect("readable");
    let mut scribbled = whole.clone();
    scribbled[first + 40] ^= 1;
    let mut endless = whole.clone();
    endless[first + 7] = 0xff;
    for (damaged, bytes) in [&whole[..first + 5], &whole[..whole.len() - 1], &scribbled, &endless].iter().enumerate() {
        fs::write(&path, bytes).expect("written");
        let taken = store.take_in(None, Duration::MAX).expect("taken in");
        assert_eq!((taken.spans, taken.damaged), (1, 1), "{damaged}");
        assert!(files(spool.folder())[0].to_string_lossy().ends_with(".damaged"));
    }
    assert_eq!(store.spans(trace_id(1)).expect("readable").len(), 1);
}

#[test]
fn what_nobody_takes_in_stays_within_its_limit_and_within_few_files() {
    let (_folder, store) = on_disk();
    let mut spool = spool(&store, 10 << 20);
    let mut big = span(1, 1);
    big.name = "x".repeat(64 << 10);
    let refused = (0..1000).map(|_| spool.append(&finished([big.clone()]))).find_map(Result::err);
    let refused = refused.expect("it is refused at some time");
    assert!(refused.is_store() && refused.to_string().contains("spanwright push"), "{refused}");
    let sizes: Vec<_> = files(spool.folder()).iter().map(|file| fs::metadata(file).expect("there").len()).collect();
    assert!(sizes.len() == 3 && sizes.iter().sum::<u64>() < 13 << 20, "{sizes:?}");
    assert_eq!(store.take_in(None, Duration::MAX).expect("taken in").damaged, 0);
    spool.append(&finished([big])).expect("there is room again");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_what_is_handed_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, store) = on_disk();
    let mut spool = spool(&store, u64::MAX);
    spool.outlive_power_loss();
    spool.append(&finished([span(1, 1)])).expect("appended");
    spool.append(&finished([span(1, 2)])).expect("appended");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(spool.folder()), mode(&files(spool.folder())[0])), (0o700, 0o600));
}
