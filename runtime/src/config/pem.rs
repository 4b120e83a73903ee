//! Certificates a setting points at.

use std::path::Path;

use crate::error::{Error, Kind};

/// The content of a PEM file.
pub(crate) fn read_pem(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|cause| Error::because(Kind::Config, format!("cannot read the certificate {}", path.display()), cause))
}
