//! The source tree that the commands of the contract read.

use spanwright_contract::catalog::{Catalog, catalog};
use spanwright_contract::program::{Options, outline};

use crate::args;
use crate::failure::Failure;

/// The spans of the workspace, or of the packages that are asked for.
pub fn read(args: &args::Catalog) -> Result<Catalog, Failure> {
    Ok(catalog(&outline(&options(args))?))
}

/// Which tree, and what of it.
pub fn options(args: &args::Catalog) -> Options {
    Options { manifest: args.path.clone().unwrap_or_default(), packages: args.package.clone() }
}
