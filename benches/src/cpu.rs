//! CPU time of programs that were started and have ended.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Clock ticks a second in `/proc`: part of Linux's interface, the same on every machine.
const TICKS_PER_SECOND: u64 = 100;

/// Runs `command` to its end. Returns its CPU time, user and system, with that of all programs it started; in steps of 10 ms. Linux only.
///
/// # Errors
///
/// The command cannot be started or fails (its standard error is in the message), or the system does not say what it used.
pub fn of(command: &mut Command) -> io::Result<Duration> {
    let before = children()?;
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{command:?}: {}\n{said}", output.status)));
    }
    Ok(children()?.saturating_sub(before))
}

/// CPU time of all ended children of this process and of theirs.
fn children() -> io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let unclear = || io::Error::other("read CPU time: `/proc/self/stat` is not as on Linux");
    // The second field, the program's name, may hold spaces; after its parenthesis come field 3 and the rest. 16 and 17 are the children's.
    let (_, rest) = stat.rsplit_once(')').ok_or_else(unclear)?;
    let mut fields = rest.split_whitespace().skip(13).map(|field| field.parse::<u64>().ok());
    let mut next = || fields.next().flatten().ok_or_else(unclear);
    let ticks = next()? + next()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
