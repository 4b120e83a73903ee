//! How long a catalog of 10,000 annotated functions takes: writes a workspace of such functions, reads it, prints the time of each step.
//!
//! `cargo run --release -p spanwright-contract --example ten_thousand [FOLDER]`; the folder, if given, keeps the workspace, for
//! `time spanwright catalog FOLDER`.

#![allow(clippy::print_stdout, reason = "this is its output")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use spanwright_contract::catalog::catalog;
use spanwright_contract::program::{Options, outline, read};

const CRATES: usize = 10;
const MODULES: usize = 20;
const FUNCTIONS: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let folder = std::env::args_os().nth(1).map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let (lines, bytes) = write(&folder)?;
    println!("{} functions, {lines} lines, {bytes} bytes", CRATES * MODULES * FUNCTIONS);

    let options = Options { manifest: folder, packages: Vec::new() };
    let start = Instant::now();
    let program = outline(&options)?;
    println!("outline     {:>6} ms", start.elapsed().as_millis());
    let start = Instant::now();
    let spans = catalog(&program).spans.len();
    println!("catalog     {:>6} ms  {spans} spans", start.elapsed().as_millis());
    let start = Instant::now();
    let bodies = read(&options)?.bodies.len();
    println!("with bodies {:>6} ms  {bodies} bodies", start.elapsed().as_millis());
    Ok(())
}

/// Writes the workspace. Its lines and bytes.
fn write(folder: &Path) -> Result<(usize, usize), Box<dyn Error>> {
    let members: Vec<String> = (0..CRATES).map(|number| format!("\"crate{number}\"")).collect();
    put(&folder.join("Cargo.toml"), &format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", members.join(", ")))?;
    let (mut lines, mut bytes) = (0, 0);
    for number in 0..CRATES {
        let of = folder.join(format!("crate{number}"));
        let earlier = number.checked_sub(1);
        let uses = earlier.map(|earlier| format!("crate{earlier} = {{ path = \"../crate{earlier}\" }}\n"));
        put(
            &of.join("Cargo.toml"),
            &format!(
                "[package]\nname = \"crate{number}\"\nedition = \"2024\"\n[dependencies]\nspanwright = \"0.1\"\n{}",
                uses.unwrap_or_default()
            ),
        )?;
        let mut root = String::from("pub mod prelude {\n    pub use spanwright::*;\n}\n");
        for module in 0..MODULES {
            writeln!(root, "pub mod part{module};")?;
            let text = module_text(number, module)?;
            lines += text.lines().count();
            bytes += text.len();
            put(&of.join(format!("src/part{module}.rs")), &text)?;
        }
        put(&of.join("src/lib.rs"), &root)?;
    }
    Ok((lines, bytes))
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn module_text(number: usize, module: usize) -> Result<String, std::fmt::Error> {
    // Names come in through every kind of `use`.
    let mut text = String::from(match module % 3 {
        0 => "use spanwright::{llm, node, tool};\n",
        1 => "use crate::prelude::*;\n",
        _ => "use spanwright::tool as tool;\nuse crate::prelude::{llm, node};\n",
    });
    text.push_str("use std::collections::HashMap;\n\npub struct Planner<T> {\n    entries: Vec<T>,\n}\n\n");
    for function in 0..FUNCTIONS {
        let attribute = match function % 3 {
            0 => "node(skip(store), attributes(entity_count = entries.len()))",
            1 => "tool(name = \"look up\", redact(token), capture = \"preview\")",
            _ => "llm(model = model, output = \"keys\")",
        };
        let method = function % 4 == 3;
        let (open, close) = if method { ("impl<T: Clone> Planner<T> {\n", "}\n") } else { ("", "") };
        let receiver = if method { "&self, " } else { "" };
        write!(
            text,
            "{open}/// Reads the entries of a home and counts those that matter: part {module} of {number}.
#[{attribute}]
pub async fn step_{function}({receiver}store: &Store, model: &str, token: &str, entries: Vec<Entry>) -> Result<Vec<Found>, Error> {{
    let mut seen = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.kind == Kind::State) {{
        let slot: &mut Vec<_> = seen.entry(entry.entity.clone()).or_insert_with(Vec::new);
        slot.push((entry.at, entry.value.clone()));
        if slot.len() > 1000 {{
            return Err(Error::new(format!(\"too many entries for {{}}: {{}}\", entry.entity, slot.len())));
        }}
    }}
    let mut found = Vec::new();
    for (entity, values) in &seen {{
        match values.as_slice() {{
            [] => continue,
            [(at, value)] if *at > 0 => found.push(Found {{ entity: entity.clone(), at: *at, value: value.clone() }}),
            [.., (at, value)] => {{
                let previous = store.last(entity, model).await?;
                if previous.as_ref().is_none_or(|previous| previous.value != *value) {{
                    found.push(Found {{ entity: entity.clone(), at: *at, value: value.clone() }});
                }}
            }}
        }}
    }}
    tracing::debug!(count = found.len(), \"found what there is\");
    Ok(found)
}}
{close}
"
        )?;
    }
    Ok(text)
}
