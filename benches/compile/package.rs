//! Generated packages, and cargo at work on them.
//!
//! Two packages under the target folder: `peers`, from the manifest and lock file beside this module, and `ours`, with the workspace's own lock file. So nothing
//! is resolved anew and no peer is known to the workspace. One example target per variant.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use spanwright_benches::cpu;

use crate::source::Variant;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// `cargo check`
    Check,
    /// `cargo build --release`
    Release,
}

/// Size of the code after expansion, as rustc prints it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expanded {
    pub(crate) lines: usize,
    /// Without indentation.
    pub(crate) bytes: usize,
}

/// One generated crate.
#[derive(Debug)]
pub(crate) struct Package {
    folder: PathBuf,
    variant: Variant,
}

impl Package {
    pub(crate) fn generate(variant: Variant) -> io::Result<Self> {
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = crate_root.join("..").canonicalize()?;
        let (folder, manifest, lock) = if variant == Variant::Spanwright {
            ("ours", our_manifest(&workspace), fs::read_to_string(workspace.join("Cargo.lock"))?)
        } else {
            let peers = crate_root.join("compile/peers");
            let [manifest, lock] = ["Cargo.toml", "Cargo.lock"].map(|name| fs::read_to_string(peers.join(name)));
            ("peers", manifest?, lock?)
        };
        let folder = target_folder()?.join("compile").join(folder);
        fs::create_dir_all(folder.join("examples"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("Cargo.lock"), lock)?;
        // Cargo wants to find every target that the manifest names.
        for of_folder in Variant::ALL {
            Self { folder: folder.clone(), variant: of_folder }.write_source()?;
        }
        Ok(Self { folder, variant })
    }

    /// Compiles what the crate depends on, and the crate.
    pub(crate) fn warm(&self, work: Work) -> io::Result<()> {
        cpu::of(&mut self.cargo(work)).map(drop)
    }

    /// CPU time of compiling the crate alone. Not incremental: what a fresh checkout or CI pays.
    pub(crate) fn compile(&self, work: Work) -> io::Result<Duration> {
        self.write_source()?;
        cpu::of(&mut self.cargo(work))
    }

    /// How large the crate is after expansion.
    pub(crate) fn expanded(&self) -> io::Result<Expanded> {
        self.write_source()?;
        let mut cargo = self.cargo(Work::Check);
        let output = cargo.arg("-v").output()?;
        // Only rustc may know that it prints something unstable: the dependencies would be compiled again.
        let said = String::from_utf8_lossy(&output.stderr);
        let call = said.lines().filter_map(|line| line.trim().strip_prefix("Running `")?.strip_suffix('`')).next_back();
        let call = call.ok_or_else(|| io::Error::other(format!("cargo did not say how it calls rustc:\n{said}")))?;
        let script = format!("{call} -Zunpretty=expanded");
        let output =
            Command::new("sh").args(["-c", &script]).env("RUSTC_BOOTSTRAP", "1").current_dir(&self.folder).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Expanded { lines: text.lines().count(), bytes: text.lines().map(|line| line.trim_start().len()).sum() })
    }

    /// Newly written, so that cargo compiles it again.
    fn write_source(&self) -> io::Result<()> {
        fs::write(self.folder.join(format!("examples/{}.rs", self.variant.target())), self.variant.source())
    }

    fn cargo(&self, work: Work) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        match work {
            Work::Check => command.args(["check"]),
            Work::Release => command.args(["build", "--release"]),
        };
        command.args(["--example", self.variant.target()]).current_dir(&self.folder);
        if self.variant != Variant::Spanwright {
            command.arg("--locked");
        }
        command.env("CARGO_TARGET_DIR", self.folder.join("target")).env("CARGO_INCREMENTAL", "0");
        command.env_remove("RUSTFLAGS");
        command
    }
}

/// Without the store, whose dependencies a caller's crate never reads.
fn our_manifest(workspace: &Path) -> String {
    let runtime = workspace.join("runtime");
    format!(
        r#"[package]
name = "ours"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
serde = {{ version = "1", features = ["derive"] }}
spanwright = {{ path = {runtime:?}, default-features = false }}

[[example]]
name = "spanwright"
crate-type = ["lib"]
"#
    )
}

/// The folder cargo builds in, of which this program is part.
fn target_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(3).ok_or_else(|| io::Error::other("the benchmark is in no target folder"))?;
    Ok(folder.to_owned())
}
