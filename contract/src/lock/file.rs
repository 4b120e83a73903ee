//! A lock on disk.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Lock, read};
use crate::Error;

impl Lock {
    /// The lock in that file.
    ///
    /// # Errors
    /// It is not there or cannot be read; the message says what to do.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let name = file.display();
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text, &name.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::new(format!(
                "there is no {name}: `spanwright catalog --accept` writes it, then check it in"
            ))),
            Err(error) => Err(Error::because(format!("cannot read {name}"), error)),
        }
    }

    /// Writes the lock to that file, whole or not at all; `false` if it is there already, in which case nothing is
    /// touched.
    ///
    /// # Errors
    /// It cannot be written, or what is there was written by a newer version.
    pub fn keep(&self, file: &Path) -> Result<bool, Error> {
        let text = self.to_string();
        // A checkout on Windows may have turned the line ends.
        if let Ok(kept) = fs::read_to_string(file) {
            if kept.replace("\r\n", "\n") == text {
                return Ok(false);
            }
            read::not_newer(&kept, &file.display().to_string())?;
        }
        let failed = |error: io::Error| Error::because(format!("cannot write {}", file.display()), error);
        // Where the lock is a link, the file behind it is meant.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let mut beside = file.clone().into_os_string();
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = Path::new(&beside);
        let written = fs::File::create(beside)
            .and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()))
            .and_then(|()| fs::rename(beside, &file));
        if written.is_err() {
            // What is left of it is of no use, and the failure is said.
            let _ = fs::remove_file(beside);
        }
        written.map(|()| true).map_err(failed)
    }
}
