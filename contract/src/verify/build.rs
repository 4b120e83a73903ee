//! A build that registers its spans: `cargo check` of every target, with each member of the workspace expanded anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::Error;
use crate::verify::Registered;

/// What to build, and how.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// A folder inside the workspace, or a `Cargo.toml`; empty: the working folder.
    pub manifest: PathBuf,
    /// Packages to build; empty: all members of the workspace.
    pub packages: Vec<String>,
    /// Features to switch on.
    pub features: Vec<String>,
    /// Whether all features are on.
    pub all_features: bool,
    /// Whether the default features are off.
    pub no_default_features: bool,
    /// Whether cargo may not use the network.
    pub offline: bool,
}

/// Builds and collects what was registered. Cargo's own words go to standard error. The build has a folder of its own,
/// `target/spanwright-verify`, so that it leaves others alone.
///
/// # Errors
///
/// If cargo cannot be started, the build fails, or what was registered cannot be read.
pub fn build(build: &Build) -> Result<Vec<Registered>, Error> {
    let metadata = build.metadata()?;
    let target = metadata.target_directory.as_std_path().join("spanwright-verify");
    let records = target.join("expansions");
    let unusable = |error| Error::because(format!("cannot use the folder {}", target.display()), error);
    fs::create_dir_all(&target).map_err(unusable)?;
    // A second verification would take what this one registers, or find everything expanded already.
    let turn = File::create(target.join("verify.lock")).map_err(unusable)?;
    turn.lock().map_err(unusable)?;
    if records.exists() {
        fs::remove_dir_all(&records).map_err(unusable)?;
    }
    fs::create_dir_all(&records).map_err(unusable)?;
    build.clean(&metadata, &target)?;
    build.check(&metadata, &target, &records)?;
    let members = metadata.workspace_packages();
    let mut registered = read(&records)?;
    registered.retain_mut(|record| {
        let folder = Path::new(&record.package);
        let member = members.iter().find(|member| member.manifest_path.as_std_path().parent() == Some(folder));
        record.is_selected = member.is_some_and(|member| {
            build.packages.is_empty() || build.packages.iter().any(|name| *name == member.name.as_str())
        });
        // A build script is no part of the program, nor of the catalog.
        member.is_some_and(|member| !builds(member, &record.crate_name))
    });
    Ok(registered)
}

/// Whether the crate of this name is a build script of the package.
fn builds(package: &Package, crate_name: &str) -> bool {
    let mut targets = package.targets.iter();
    targets.any(|target| target.is_custom_build() && target.name.replace('-', "_") == crate_name)
}

impl Build {
    fn metadata(&self) -> Result<Metadata, Error> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        if self.manifest.is_file() {
            command.manifest_path(&self.manifest);
        } else if !self.manifest.as_os_str().is_empty() {
            command.current_dir(&self.manifest);
        }
        if self.offline {
            command.other_options(["--offline".to_owned()]);
        }
        command.exec().map_err(|error| Error::because("cannot read the workspace with `cargo metadata`", error))
    }

    /// Without this a member that has not changed since would not be expanded, and would register nothing.
    fn clean(&self, metadata: &Metadata, target: &Path) -> Result<(), Error> {
        let mut command = self.cargo("clean", metadata, target);
        command.arg("--quiet");
        for member in metadata.workspace_packages() {
            command.args(["--package", &member.id.repr]);
        }
        run(&mut command, "cannot clean the workspace's members in the folder of the verifying build")
    }

    fn check(&self, metadata: &Metadata, target: &Path, records: &Path) -> Result<(), Error> {
        let mut command = self.cargo("check", metadata, target);
        command.arg("--all-targets").env("SPANWRIGHT_EXPANSIONS", records);
        // Members are compiled anew each time, so there is nothing to gain from it.
        command.env("CARGO_INCREMENTAL", "0");
        // A wrapper that answers from a cache would expand nothing.
        command.env("RUSTC_WRAPPER", "");
        if self.packages.is_empty() {
            command.arg("--workspace");
        }
        for package in &self.packages {
            command.args(["--package", package]);
        }
        if !self.features.is_empty() {
            command.args(["--features", &self.features.join(",")]);
        }
        for (flag, set) in [("--all-features", self.all_features), ("--no-default-features", self.no_default_features)]
        {
            if set {
                command.arg(flag);
            }
        }
        run(&mut command, "the workspace does not build, so its catalog cannot be verified: see cargo's output above")
    }

    fn cargo(&self, subcommand: &str, metadata: &Metadata, target: &Path) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.arg(subcommand).arg("--target-dir").arg(target).current_dir(&metadata.workspace_root);
        if self.offline {
            command.arg("--offline");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

fn run(command: &mut Command, failed: &str) -> Result<(), Error> {
    let status = command.status().map_err(|error| Error::because("cannot start cargo", error))?;
    if status.success() { Ok(()) } else { Err(Error::new(failed)) }
}

/// The records of all compiler processes, in no particular order.
fn read(records: &Path) -> Result<Vec<Registered>, Error> {
    let unreadable = |error: std::io::Error| {
        Error::because(format!("cannot read what the build registered in {}", records.display()), error)
    };
    let mut registered = Vec::new();
    for entry in fs::read_dir(records).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        registered.append(&mut Registered::parse(&text, &path.display().to_string())?);
    }
    Ok(registered)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it expects")]

    use super::*;

    #[test]
    fn a_build_script_is_known_by_whatever_name_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "[package]\nname = \"app\"\nedition = \"2024\"\nbuild = \"make-it.rs\"\n";
        for (name, text) in [("Cargo.toml", manifest), ("make-it.rs", ""), ("src/lib.rs", "")] {
            fs::create_dir_all(folder.path().join("src")).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
        }
        let metadata = Build { manifest: folder.path().into(), offline: true, ..Build::default() }.metadata().unwrap();
        let app = &metadata.packages[0];
        assert!(builds(app, "build_script_make_it") && !builds(app, "app"), "{:?}", app.targets);
    }
}
