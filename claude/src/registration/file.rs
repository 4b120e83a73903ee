//! A settings file on disk: replaced as a whole, with the mode it had, or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The text of a settings file; `None` if there is none.
///
/// # Errors
///
/// That it cannot be read, in words.
pub fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Changes a settings file by `change`: from its text, empty if there is no file, to the new one. Text that says nothing, `{}`, takes the file
/// away. Returns whether anything changed; a file that need not change is not touched.
///
/// # Errors
///
/// What is wrong with the file, in words; it is then as it was.
pub fn edit(path: &Path, change: impl FnOnce(&str) -> Result<String, String>) -> Result<bool, String> {
    let before = read(path)?;
    let text = before.as_deref().unwrap_or_default();
    let after =
        change(text).map_err(|wrong| format!("{} is left as it is: {wrong}; correct it by hand", path.display()))?;
    if after == text || (before.is_none() && after.trim() == "{}") {
        return Ok(false);
    }
    let failed = |error: io::Error| format!("cannot write {}: {error}", path.display());
    if after.trim() == "{}" {
        fs::remove_file(path).map_err(failed)?;
    } else {
        replace(path, &after).map_err(failed)?;
    }
    Ok(true)
}

/// Writes beside the file and moves that into its place. Where the name is a link, what it leads to is replaced.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = folder.join(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        if let Ok(known) = fs::metadata(&target) {
            file.set_permissions(known.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&fresh, &target)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&real, "{\"a\": 1}").expect("writable");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("ours");
        std::os::unix::fs::symlink(&real, &link).expect("links are there");
        assert_eq!(edit(&link, |_| Ok("{\"a\": 2}".into())), Ok(true));
        assert_eq!(fs::read_to_string(&real).expect("there"), "{\"a\": 2}");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 2, "nothing is left beside them");
    }

    #[test]
    fn a_refused_change_touches_nothing_and_an_emptied_file_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/settings.json");
        assert_eq!(edit(&path, |_| Ok("{}\n".into())), Ok(false));
        assert!(!path.exists());
        assert_eq!(edit(&path, |_| Ok("{\"a\":1}".into())), Ok(true));
        assert!(
            edit(&path, |_| Err("it is odd".into())).is_err_and(|error| error.contains("left as it is: it is odd"))
        );
        assert_eq!(fs::read_to_string(&path).expect("there"), "{\"a\":1}");
        assert_eq!(edit(&path, |_| Ok("{}\n".into())), Ok(true));
        assert!(!path.exists());
    }
}
