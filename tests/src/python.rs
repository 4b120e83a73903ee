//! The Python environment of the MLflow server: made once per target folder, from pinned requirements.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("../requirements-mlflow-server.txt");

/// The folder of the environment. The first call makes it, which takes about a minute; other processes wait for it.
///
/// # Panics
///
/// If it cannot be made: without a server the tests prove nothing.
pub(crate) fn environment() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = match std::env::var_os("SPANWRIGHT_TEST_VENV") {
            Some(folder) => PathBuf::from(folder),
            None => target_folder().join(format!("mlflow-venv-{:016x}", fingerprint(REQUIREMENTS))),
        };
        make(&folder);
        folder
    })
}

/// The target folder this test binary was built into.
pub(crate) fn target_folder() -> PathBuf {
    let binary = std::env::current_exe().expect("a test binary has a path");
    let folder = binary.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    folder.expect("a test binary is in a target folder").to_owned()
}

/// FNV-1a: the same in every build.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn make(folder: &Path) {
    let ready = folder.join("ready");
    fs::create_dir_all(folder).expect("the target folder is writable");
    let lock = File::create(folder.join("lock")).expect("the target folder is writable");
    lock.lock().expect("the target folder's file system locks");
    if ready.exists() {
        return;
    }
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("the target folder is writable");
    run(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
    run(Command::new(folder.join("bin/python")).args(pip).arg(&requirements));
    fs::write(ready, "").expect("the target folder is writable");
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}; install Python 3.11"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
