//! A loss of power, for real as far as a file system is concerned: an ext4 image is copied at the moment a workflow has returned. What
//! had not been written to the device by then is not in the copy.
//!
//! Needs root, loop devices and `mkfs.ext4`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use spanwright::config::{Config, Overrides, StorePlace};
use spanwright::store::{Store, TraceFilter};
use tempfile::TempDir;

const IMAGE_BYTES: u64 = 64 << 20;

/// Lets a workflow of `steps` steps return, cuts the power, and counts the spans that are there afterwards.
///
/// # Errors
///
/// What of it is not permitted here, in words.
pub fn cut(program: &Path, durability: &str, steps: u64) -> Result<u64, String> {
    let folder = TempDir::with_prefix("spanwright-power-").map_err(|error| error.to_string())?;
    let (image, copy) = (folder.path().join("disk"), folder.path().join("disk-after"));
    let file = fs::File::create(&image).map_err(|error| error.to_string())?;
    file.set_len(IMAGE_BYTES).map_err(|error| error.to_string())?;
    drop(file);
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
    {
        let mounted = Mounted::mount(&image, folder.path().join("before"))?;
        let mut child = Command::new(program)
            .args(["return", &steps.to_string()])
            .env_clear()
            .env("HOME", folder.path())
            .env("SPANWRIGHT_STORE", mounted.folder.join("store"))
            .env("SPANWRIGHT_DURABILITY", durability)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        let read = BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line);
        let copied = fs::copy(&image, &copy);
        let _ = child.kill();
        let _ = child.wait();
        read.map_err(|error| error.to_string())?;
        copied.map_err(|error| error.to_string())?;
        if line != "returned\n" {
            return Err(format!("the program said {line:?}"));
        }
    }
    let mounted = Mounted::mount(&copy, folder.path().join("after"))?;
    count(&mounted.folder.join("store"))
}

fn count(folder: &Path) -> Result<u64, String> {
    let text = |error: spanwright::Error| format!("{error:#}");
    let Some(store) = Store::open_existing(folder).map_err(text)? else { return Ok(0) };
    let overrides = Overrides { store: Some(StorePlace::At(folder.to_owned())), ..Overrides::default() };
    spanwright::recover(&store, &Config::load(overrides, &|_| None, Path::new("/")).0);
    let mut whole = 0;
    for trace in store.traces(&TraceFilter::default()).map_err(text)? {
        let spans = store.spans(trace.trace_id).map_err(text)?;
        whole += spans.iter().filter(|span| !span.is_error()).count() as u64;
    }
    Ok(whole)
}

struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    fn mount(image: &Path, folder: PathBuf) -> Result<Self, String> {
        fs::create_dir(&folder).map_err(|error| error.to_string())?;
        // Nothing is written by and by: what is on the device is there because somebody asked for it.
        run(Command::new("mount").args(["-o", "loop,commit=600"]).arg(image).arg(&folder))?;
        Ok(Self { folder })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg(&self.folder));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}
