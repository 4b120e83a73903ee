//! Finding a name in a folder or the nearest folder above it.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// The nearest `name` upwards from `start` that `fits` and that belongs to us or to root: in a shared folder such as
/// `/tmp`, somebody else's file must not steer this program.
pub(crate) fn nearest(start: &Path, name: &str, fits: impl Fn(&Metadata) -> bool) -> Option<PathBuf> {
    let us = our_user();
    start
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|path| fs::metadata(path).is_ok_and(|found| fits(&found) && is_trusted(&found, us)))
}

#[cfg(target_os = "linux")]
fn our_user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").ok().map(|process| process.uid())
}

#[cfg(not(target_os = "linux"))]
fn our_user() -> Option<u32> {
    None
}

#[cfg(unix)]
fn is_trusted(found: &Metadata, us: Option<u32>) -> bool {
    use std::os::unix::fs::MetadataExt;
    // Root in a container works on folders that belong to a user outside.
    us.is_none_or(|us| us == 0 || found.uid() == us || found.uid() == 0)
}

#[cfg(not(unix))]
fn is_trusted(_: &Metadata, _: Option<u32>) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_one_wins_and_a_file_is_not_a_folder() {
        let top = tempfile::tempdir().expect("a folder");
        let deep = top.path().join("a/b/c");
        fs::create_dir_all(&deep).expect("folders");
        fs::create_dir(top.path().join("mark")).expect("a folder");
        fs::write(top.path().join("a/b/mark"), "").expect("a file");
        assert_eq!(nearest(&deep, "mark", Metadata::is_dir), Some(top.path().join("mark")));
        assert_eq!(nearest(&deep, "mark", Metadata::is_file), Some(top.path().join("a/b/mark")));
        assert_eq!(nearest(&deep, "no such mark", Metadata::is_file), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_belongs_to_another_user_is_passed_over() {
        use std::os::unix::fs::MetadataExt;
        let ours = tempfile::tempdir().expect("a folder");
        let found = fs::metadata(ours.path()).expect("metadata");
        assert!(is_trusted(&found, Some(found.uid())));
        assert!(is_trusted(&found, Some(0)));
        assert_eq!(is_trusted(&found, Some(found.uid() + 1)), found.uid() == 0);
    }
}
