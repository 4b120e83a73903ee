//! `spanwright catalog --format weaver`: the spans as a registry of OpenTelemetry Weaver.

use std::fs;
use std::path::Path;

use spanwright_contract::catalog::Catalog;
use spanwright_contract::lock::Lock;
use spanwright_contract::weaver;

use crate::args;
use crate::failure::Failure;
use crate::screen::Screen;

/// Prints the files one after the other, or writes them to the folder that is asked for.
pub fn write(args: &args::Catalog, catalog: &Catalog, screen: &mut Screen) -> Result<(), Failure> {
    let lock = Lock::of(catalog, &args.package)?;
    let files = weaver::registry(&lock, &args.schema_url)?;
    match &args.output {
        Some(folder) => {
            fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
            for file in files {
                let name = folder.join(file.name);
                fs::write(&name, file.text).map_err(|error| cannot(&name, &error))?;
                screen.line(format!("wrote {}", name.display()))?;
            }
        }
        None => {
            for (index, file) in files.iter().enumerate() {
                if index > 0 {
                    screen.line("---")?;
                }
                screen.line(format!("# {}\n{}", file.name, file.text.trim_end()))?;
            }
        }
    }
    Ok(())
}

fn cannot(place: &Path, error: &std::io::Error) -> Failure {
    Failure::said(
        format!("cannot write {}: {error}", place.display()),
        "give another folder with --output, or leave it out to print the registry",
    )
}
