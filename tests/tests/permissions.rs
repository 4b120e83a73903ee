//! Who may read what a program leaves on disk: its user, whatever the umask says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use spanwright_tests::mlflow::free_port;
use tempfile::TempDir;

/// A program of ours in a folder of its own, where everybody may do everything with new files.
fn without_umask(program: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\"", program]).args(arguments);
    command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command.env("MLFLOW_TRACKING_URI", format!("http://127.0.0.1:{}", free_port()));
    command
}

/// Waits for a line that begins so.
fn wait_for(child: &mut Child, line: &str) {
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.any(|said| said.is_ok_and(|said| said.starts_with(line))), "it never said {line}");
}

/// The modes of everything below a folder, by file name.
fn modes(folder: &Path) -> BTreeMap<String, (bool, u32)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        // A file may come and go meanwhile.
        let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
        found.insert(entry.path().display().to_string(), (about.is_dir(), about.permissions().mode() & 0o7777));
        if about.is_dir() {
            found.append(&mut modes(&entry.path()));
        }
    }
    found
}

fn assert_private(folder: &Path, expected: &[&str]) {
    let modes = modes(folder);
    for (path, (is_folder, mode)) in &modes {
        assert_eq!(*mode, if *is_folder { 0o700 } else { 0o600 }, "{path} has {mode:o}");
    }
    for name in expected {
        assert!(modes.keys().any(|path| path.contains(name)), "no {name} in {:?}", modes.keys());
    }
}

#[test]
fn every_file_and_folder_of_ours_is_its_users_alone_from_the_first_to_the_last() {
    const AGENT: &str = env!("CARGO_BIN_EXE_agent");
    let folder = TempDir::new().expect("a folder");
    let chunks = TempDir::new().expect("a folder");
    let lasting = |elsewhere: bool| {
        let mut command = without_umask(AGENT, folder.path(), &["last"]);
        if elsewhere {
            command.env("SPANWRIGHT_CHUNKS", chunks.path());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
        // Some cycles of the collector, and a round of the exporter.
        wait_for(&mut child, "did 100");
        child
    };
    // Alive.
    let (mut here, mut elsewhere) = (lasting(false), lasting(true));
    let store = folder.path().join(".spanwright");
    let live = [".gitignore", "store.db", "store.db-wal", "store.db-shm", "open.lock", "export-", ".chunk", "lease"];
    assert_private(folder.path(), &live);
    assert_private(chunks.path(), &[".chunk", "lease"]);
    // Dead.
    for child in [&mut here, &mut elsewhere] {
        child.kill().and_then(|()| child.wait()).expect("killed");
    }
    assert_private(folder.path(), &live);
    // Damaged, and put aside by the next one.
    for name in ["store.db", "store.db-wal"] {
        fs::write(store.join(name), b"no database, and longer than a page of one".repeat(200)).expect("damaged");
    }
    let next = without_umask(AGENT, folder.path(), &["steps", "20"]).output().expect("started");
    assert!(next.status.success());
    assert_private(folder.path(), &["store.db", "corrupt"]);
    // And read by people.
    const TOOL: &str = env!("CARGO_BIN_EXE_spanwright-tool");
    for arguments in [["list", "--json"], ["doctor", "--json"], ["push", "--json"], ["tree", "--json"]] {
        without_umask(TOOL, folder.path(), &arguments).output().expect("started");
        assert_private(folder.path(), &["store.db"]);
    }
}
