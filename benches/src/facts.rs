//! Where a result comes from.

use std::fmt;
use std::process::Command;

use serde::Serialize;

/// What has to stand beside a result so that somebody else can repeat it.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Commit of the working tree, with `+` if it has changes.
    pub commit: String,
    /// `rustc --version`.
    pub toolchain: String,
    /// Model of the processor.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
}

impl Facts {
    /// Of this machine and the working tree in the current folder; what cannot be found out is `unknown`.
    pub fn read() -> Self {
        let changed =
            said("git", &["status", "--porcelain", "--untracked-files=no"]).is_none_or(|text| !text.is_empty());
        let commit = said("git", &["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(unknown);
        Self {
            commit: if changed { commit + "+" } else { commit },
            toolchain: said("rustc", &["--version"]).unwrap_or_else(unknown),
            processor: processor().unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commit, toolchain, processor, cores } = self;
        write!(f, "{commit}; {toolchain}; {processor}, {cores} cores")
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
