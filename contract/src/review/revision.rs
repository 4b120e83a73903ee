//! A revision of the repository as a folder, and which revision a change is compared with.
//!
//! Nothing of the repository is touched: the files are written out through an index of their own, and no work tree is
//! registered.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Error;

/// A git repository, from within.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

/// A commit to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The commit's full hash.
    pub commit: String,
    /// How it was named or found: `v1.0`, `merge-base with main`, `HEAD`.
    pub name: String,
}

/// The files of a revision, gone when this is dropped.
#[derive(Debug)]
pub struct Exported {
    folder: TempDir,
}

impl Repository {
    /// The repository that `folder` lies in.
    ///
    /// # Errors
    ///
    /// If it lies in none, or git is not there.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let place = Self { root: folder.to_owned() };
        let root = place.git(&["rev-parse", "--show-toplevel"], "find the git repository of this workspace")?;
        Ok(Self { root: PathBuf::from(root) })
    }

    /// Its top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The commit to compare with: `revision`, else where this branch left the default branch, else `HEAD`.
    ///
    /// # Errors
    ///
    /// If there is no such revision, no commit yet, or too little history in a shallow clone.
    pub fn base(&self, revision: Option<&str>) -> Result<Base, Error> {
        if let Some(revision) = revision {
            let what = format!(
                "find the revision `{revision}`: name a commit, tag or branch of this clone (a shallow one has few)"
            );
            return Ok(Base { commit: self.commit(revision, &what)?, name: revision.to_owned() });
        }
        let head = self.commit("HEAD", "find the last commit to compare with")?;
        let left = match self.default_branch() {
            Some(branch) => {
                self.git(&["merge-base", "HEAD", &branch], "compare branches").map(|commit| (commit, branch))
            }
            None if self.is_shallow() => Err(Error::new("there is no default branch in this clone")),
            None => return Ok(Base { commit: head, name: "HEAD".into() }),
        };
        // Comparing with the last commit instead would find nothing and look like success.
        let (commit, branch) = left.map_err(|error| {
            let what = "cannot find where this branch left the default branch: fetch its history \
                        (`fetch-depth: 0`), or name a revision with `--base`";
            Error::because(what, error)
        })?;
        let name = if commit == head { "HEAD".into() } else { format!("merge-base with {branch}") };
        Ok(Base { commit, name })
    }

    /// The default branch under the names it may have here, those of the remote first.
    fn default_branch(&self) -> Option<String> {
        let remote = ["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"];
        let named = self.git(&remote, "find the default branch").ok();
        let usual = ["origin/main", "origin/master", "main", "master"].map(str::to_owned);
        let exists = |branch: &String| self.commit(branch, "find a branch").is_ok();
        named.into_iter().chain(usual).find(exists)
    }

    fn is_shallow(&self) -> bool {
        self.git(&["rev-parse", "--is-shallow-repository"], "look at the clone").is_ok_and(|said| said == "true")
    }

    fn commit(&self, revision: &str, what: &str) -> Result<String, Error> {
        self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")], what)
    }

    /// Writes the files of `base` into a temporary folder.
    ///
    /// # Errors
    ///
    /// If that is not possible, for want of space for example.
    pub fn export(&self, base: &Base) -> Result<Exported, Error> {
        let unusable = |error| Error::because("cannot make a temporary folder for the base revision", error);
        let folder = tempfile::Builder::new().prefix("spanwright-base-").tempdir().map_err(unusable)?;
        // With links resolved, as cargo gives the paths of the packages in it.
        let root = folder.path().canonicalize().map_err(unusable)?;
        let index = root.join("index");
        let what = format!("write out the files of {}", base.name);
        let with_index = |arguments: &[&str]| {
            let mut command = self.command(arguments);
            command.env("GIT_INDEX_FILE", &index);
            run(&mut command, &what)
        };
        with_index(&["read-tree", &base.commit])?;
        with_index(&["checkout-index", "--all", "--force", &format!("--prefix={}/", root.join("tree").display())])?;
        Ok(Exported { folder })
    }

    fn git(&self, arguments: &[&str], what: &str) -> Result<String, Error> {
        run(&mut self.command(arguments), what)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        // Set where git itself runs this, as in a hook; they would name another repository or index.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(name);
        }
        command
    }
}

impl Exported {
    /// The top folder of the revision.
    pub fn root(&self) -> PathBuf {
        let folder = self.folder.path();
        folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join("tree")
    }
}

fn run(command: &mut Command, what: &str) -> Result<String, Error> {
    let output = command.output().map_err(|error| Error::because("cannot start git", error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.is_empty() {
        Error::new(format!("cannot {what}"))
    } else {
        Error::because(format!("cannot {what}"), said)
    })
}
