//! A workspace as `cargo metadata` knows it: packages, their crates, and the names under which they know each other.
//!
//! Only manifests are read, and the lock file if there is one: no network, no build.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{CrateType, Edition, Metadata, MetadataCommand, TargetKind};
use serde::Deserialize;
use spanwright_macros_core::did_you_mean;

use crate::Error;

/// The packages of a workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Its root folder.
    pub root: PathBuf,
    /// Its members, sorted by name.
    pub packages: Vec<Package>,
}

/// A package.
#[derive(Debug)]
pub(crate) struct Package {
    /// Whether its spans are asked for.
    pub selected: bool,
    /// Its crates: the library first, then binaries, examples, tests and benches by name.
    pub crates: Vec<Crate>,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

/// One crate of a package: what Cargo calls a target.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Its name in paths.
    pub name: String,
    /// Its root file.
    pub root: PathBuf,
    /// Whether others may depend on it.
    pub is_library: bool,
    /// Conditions under which it is compiled at all.
    pub cfg: Vec<String>,
    /// Whether paths of `use` begin at the crate's root, as in the edition of 2015.
    pub rooted_imports: bool,
}

/// A dependency of a package.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// Its name in paths: the rename, else the name of its library.
    pub name: String,
    /// What it is.
    pub what: Depended,
}

/// What a dependency is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depended {
    /// Spanwright.
    Facade,
    /// A member of the workspace, by index.
    Member(usize),
    /// A package outside of the workspace that has spanwright among its own dependencies, and may hand it on.
    Carrier,
    /// Any other package.
    Elsewhere,
}

/// The packages that carry the attributes.
const FACADES: [&str; 2] = ["spanwright", "spanwright-macros"];

impl Workspace {
    /// Reads the workspace around `place`, a folder or a manifest.
    ///
    /// # Errors
    ///
    /// There is no manifest, Cargo cannot be run or refuses it, or a package of `selected` is none of its members.
    pub fn read(place: &Path, selected: &[String]) -> Result<Self, Error> {
        let metadata = metadata(&manifest(place)?)?;
        let mut members: Vec<_> = metadata.workspace_packages();
        members.sort_by(|a, b| a.name.as_ref().cmp(b.name.as_ref()));
        let names: Vec<&str> = members.iter().map(|member| member.name.as_ref()).collect();
        for wanted in selected {
            if !names.contains(&wanted.as_str()) {
                return Err(unknown(wanted, &names));
            }
        }
        let carriers = carriers(metadata.workspace_root.as_std_path());
        let packages = members
            .iter()
            .map(|member| Package {
                selected: selected.is_empty() || selected.iter().any(|name| *name == member.name.as_ref()),
                crates: crates(member),
                dependencies: member
                    .dependencies
                    .iter()
                    .map(|dependency| depended(dependency, &members, &carriers))
                    .collect(),
            })
            .collect();
        Ok(Self { root: metadata.workspace_root.into(), packages })
    }

    /// The packages that are asked for and all members they depend on, also through others.
    pub fn used(&self) -> HashSet<usize> {
        let mut left: Vec<usize> = (0..self.packages.len()).filter(|index| self.packages[*index].selected).collect();
        let mut used = HashSet::new();
        while let Some(package) = left.pop() {
            if used.insert(package) {
                left.extend(self.packages[package].dependencies.iter().filter_map(
                    |dependency| match dependency.what {
                        Depended::Member(member) => Some(member),
                        _ => None,
                    },
                ));
            }
        }
        used
    }
}

fn manifest(place: &Path) -> Result<PathBuf, Error> {
    let shown = if place.as_os_str().is_empty() { Path::new(".") } else { place };
    let place = std::path::absolute(shown).unwrap_or_else(|_| shown.to_owned());
    if place.is_file() {
        return Ok(place);
    }
    if !place.is_dir() {
        return Err(Error::new(format!(
            "cannot read {}: there is no such folder or manifest; name a folder with a Cargo.toml",
            shown.display()
        )));
    }
    let found = place.ancestors().map(|folder| folder.join("Cargo.toml")).find(|file| file.is_file());
    found.ok_or_else(|| {
        Error::new(format!(
            "cannot read {}: neither it nor a folder above has a Cargo.toml; name a folder of a Cargo workspace",
            shown.display()
        ))
    })
}

fn metadata(manifest: &Path) -> Result<Metadata, Error> {
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps().other_options(["--offline".to_owned()]);
    if let Some(folder) = manifest.parent() {
        // The toolchain that is pinned there is the one that reads it.
        command.current_dir(folder);
    }
    command.exec().map_err(|error| match error {
        cargo_metadata::Error::Io(error) => {
            Error::because("cannot run `cargo metadata`: install Cargo, or set CARGO to its path", error)
        }
        cargo_metadata::Error::CargoMetadata { stderr } => Error::new(format!(
            "cannot read {}: {}",
            manifest.display(),
            stderr.trim().trim_start_matches("error: ").trim_start()
        )),
        error => Error::because(format!("cannot read {} by `cargo metadata`", manifest.display()), error),
    })
}

fn unknown(wanted: &str, names: &[&str]) -> Error {
    match did_you_mean(wanted, names.iter().copied()) {
        Some(meant) => Error::new(format!("no package `{wanted}` in this workspace: did you mean `{meant}`?")),
        None => Error::new(format!("no package `{wanted}` in this workspace: it has {}", names.join(", "))),
    }
}

fn crates(package: &cargo_metadata::Package) -> Vec<Crate> {
    let mut found: Vec<(u8, Crate)> = package
        .targets
        .iter()
        .filter_map(|target| {
            let (order, is_library) = match target.kind.first()? {
                TargetKind::Bin => (1, false),
                TargetKind::Example => (2, false),
                TargetKind::Test => (3, false),
                TargetKind::Bench => (4, false),
                // A build script is no part of the program.
                TargetKind::CustomBuild => return None,
                _ => (0, true),
            };
            let tested = target.kind.contains(&TargetKind::Test);
            let features = target.required_features.iter().map(|feature| format!("feature = \"{feature}\""));
            Some((
                order,
                Crate {
                    name: target.name.replace('-', "_"),
                    root: target.src_path.clone().into(),
                    is_library: is_library && target.crate_types.iter().any(links),
                    cfg: tested.then(|| "test".to_owned()).into_iter().chain(features).collect(),
                    rooted_imports: target.edition == Edition::E2015,
                },
            ))
        })
        .collect();
    found.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.name.cmp(&y.name)).then_with(|| x.root.cmp(&y.root)));
    found.into_iter().map(|(_, found)| found).collect()
}

/// Whether a Rust crate can be linked to it.
fn links(kind: &CrateType) -> bool {
    matches!(kind, CrateType::Lib | CrateType::RLib | CrateType::DyLib | CrateType::ProcMacro)
}

fn depended(
    dependency: &cargo_metadata::Dependency,
    members: &[&cargo_metadata::Package],
    carriers: &HashSet<String>,
) -> Dependency {
    let is_it = |member: &&cargo_metadata::Package| {
        member.name.as_ref() == dependency.name
            && dependency.path.as_ref().is_some_and(|path| member.manifest_path.parent() == Some(path))
    };
    let member = members.iter().position(is_it);
    let own = member.and_then(|index| crates(members[index]).into_iter().find(|found| found.is_library));
    let name = dependency.rename.clone().or(own.map(|library| library.name)).unwrap_or_else(|| dependency.name.clone());
    let what = match member {
        _ if FACADES.contains(&dependency.name.as_str()) => Depended::Facade,
        Some(index) => Depended::Member(index),
        None if carriers.contains(&dependency.name) => Depended::Carrier,
        None => Depended::Elsewhere,
    };
    Dependency { name: name.replace('-', "_"), what }
}

/// The packages that depend on spanwright, by themselves or through others, as the lock file has them; none where there is no lock file.
fn carriers(root: &Path) -> HashSet<String> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        #[serde(default)]
        dependencies: Vec<String>,
    }
    let text = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let Ok(Lock { package: packages }) = toml::from_str(&text) else { return HashSet::new() };
    let mut found: HashSet<String> = FACADES.map(str::to_owned).into();
    loop {
        let before = found.len();
        for package in &packages {
            // A dependency is `name`, or `name version` where there are several.
            let mut names = package.dependencies.iter().map(|written| written.split(' ').next().unwrap_or_default());
            if names.any(|name| found.contains(name)) {
                found.insert(package.name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}
