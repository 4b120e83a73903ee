//! The layers a setting is looked up in, and what may stand in them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::uri::shown;
use super::variables::CONFIG;
use super::{
    ArtifactLevel, ChunkPlace, Durability, NamedConfig, Setting, Source, StorePlace, Variable, file, level, workflow,
};
use crate::callsite::Capture;

/// Environment and files, and what has to be said about them.
pub(super) struct Layers<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) file: Option<file::Layer>,
    pub(super) workflow: Option<workflow::Layer>,
    /// Who names the workflow file.
    pub(super) named_by: Source,
    working_folder: &'a Path,
    pub(super) warnings: Vec<String>,
    /// Those of the warnings that are about a workflow file, or another that was named.
    pub(super) invalid: Vec<String>,
}

/// A value as it stands in a layer.
pub(super) struct Found<'a> {
    pub(super) text: String,
    pub(super) source: Source,
    /// What it is called there.
    key: &'a str,
    /// What a relative path is relative to.
    folder: &'a Path,
}

/// What is wrong with a value: the rest of the sentence "… is ignored: ".
pub(super) type Parsed<T> = Result<T, &'static str>;

impl<'a> Layers<'a> {
    /// The layers of a process. `named` is a file the program names.
    pub(super) fn new(
        env: &'a dyn Fn(&str) -> Option<String>,
        working_folder: &'a Path,
        named: Option<&NamedConfig>,
    ) -> Self {
        let mut layers = Self::of(env, None, working_folder, Vec::new());
        layers.file = match named {
            Some(NamedConfig::Path(path)) if path.extension().is_some_and(|extension| extension == "toml") => {
                let path = working_folder.join(path);
                let read = file::content(&path).and_then(|text| file::parse(&path, &text, &mut layers.warnings));
                layers.or_say(read)
            }
            _ => file::read(working_folder, &mut layers.warnings),
        };
        layers.workflow = match named {
            Some(NamedConfig::Yaml(text)) => {
                let read = workflow::parse(Path::new("the workflow given as text"), text, &mut layers.warnings);
                layers.or_say(read)
            }
            Some(NamedConfig::Path(path)) if path.extension().is_none_or(|extension| extension != "toml") => {
                layers.read_workflow(&working_folder.join(path))
            }
            _ => {
                let found = layers.in_env(&CONFIG).or_else(|| layers.in_file(&CONFIG));
                found.map(|found| (found.resolved(), found.source)).and_then(|(path, named_by)| {
                    layers.named_by = named_by;
                    layers.read_workflow(&path)
                })
            }
        };
        layers
    }

    fn read_workflow(&mut self, path: &Path) -> Option<workflow::Layer> {
        let read = file::content(path).and_then(|text| workflow::parse(path, &text, &mut self.warnings));
        self.or_say(read)
    }

    fn or_say<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|wrong| self.say_invalid(wrong)).ok()
    }

    /// Says what is wrong in a file that was named.
    pub(super) fn say_invalid(&mut self, wrong: String) {
        self.invalid.push(wrong.clone());
        self.warnings.push(wrong);
    }

    pub(super) fn of(
        env: &'a dyn Fn(&str) -> Option<String>,
        file: Option<file::Layer>,
        working_folder: &'a Path,
        warnings: Vec<String>,
    ) -> Self {
        Self { env, file, workflow: None, named_by: Source::Code, working_folder, warnings, invalid: Vec::new() }
    }

    /// The value of an environment variable; a blank one is as good as none.
    pub(super) fn env(&self, name: &str) -> Option<String> {
        (self.env)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn in_env(&self, variable: &Variable) -> Option<Found<'_>> {
        let text = self.env(variable.name)?;
        Some(Found { text, source: Source::Env(variable.name), key: variable.name, folder: self.working_folder })
    }

    pub(super) fn in_file(&self, variable: &Variable) -> Option<Found<'_>> {
        let file = self.file.as_ref()?;
        let (text, line) = file.values.get(variable.key)?;
        let folder = file.path.parent().unwrap_or(self.working_folder);
        let source = Source::File(file.path.clone(), Some(*line));
        Some(Found { text: text.clone(), source, key: variable.key, folder })
    }

    /// What the section of the workflow file says, under whichever name.
    pub(super) fn in_workflow(&self, variable: &Variable) -> Option<Found<'_>> {
        let file = self.workflow.as_ref()?;
        let renamed = workflow::RENAMED.iter().find(|(_, key)| *key == variable.key).map(|(name, _)| *name);
        let key = renamed.filter(|name| file.values.contains_key(*name)).unwrap_or(variable.key);
        let (text, line) = file.values.get(key)?;
        let folder = file.path.parent().filter(|folder| folder.is_absolute()).unwrap_or(self.working_folder);
        Some(Found { text: text.clone(), source: Source::File(file.path.clone(), Some(*line)), key, folder })
    }

    /// Where a key of the workflow file that is no setting stands, and what it says.
    pub(super) fn in_section(&self, key: &str) -> Option<(String, Source)> {
        let file = self.workflow.as_ref()?;
        let (text, line) = file.values.get(key)?;
        Some((text.clone(), Source::File(file.path.clone(), Some(*line))))
    }

    /// Where the section stands; `None` if there is no workflow file, and without a line if it has none.
    pub(super) fn section(&self) -> Option<Source> {
        let file = self.workflow.as_ref()?;
        Some(Source::File(file.path.clone(), file.section))
    }

    /// Whether a workflow file is in force that has the section.
    pub(super) fn has_section(&self) -> bool {
        self.workflow.as_ref().is_some_and(|file| file.section.is_some())
    }

    /// The value of the program's own, else of the environment, else of the file, else of the workflow file, else the default. A value that cannot be
    /// used is as good as none, and said.
    pub(super) fn setting<T>(
        &mut self,
        code: Option<T>,
        variable: &Variable,
        default: T,
        parse: impl Fn(&Found<'_>) -> Parsed<T>,
    ) -> Setting<T> {
        if let Some(value) = code {
            return Setting { value, source: Source::Code };
        }
        let mut complaints = Vec::new();
        let mut usable = None;
        for found in self.found(variable) {
            match parse(&found) {
                Ok(value) => {
                    usable = Some(Setting { value, source: found.source });
                    break;
                }
                Err(wrong) => complaints.push((complaint(variable, &found, wrong), found.source)),
            }
        }
        self.complain(complaints);
        usable.unwrap_or(Setting { value: default, source: Source::Default })
    }

    /// What is said of a variable outside of the program, the layer that wins first.
    pub(super) fn found(&self, variable: &Variable) -> impl Iterator<Item = Found<'_>> + use<'_> {
        [self.in_env(variable), self.in_file(variable), self.in_workflow(variable)].into_iter().flatten()
    }

    /// Says what is wrong with values.
    pub(super) fn complain(&mut self, complaints: Vec<(String, Source)>) {
        for (complaint, source) in complaints {
            let is_of = |path: &Path| matches!(&source, Source::File(file, _) if file == path);
            let is_invalid = self.workflow.as_ref().is_some_and(|file| is_of(&file.path));
            if is_invalid { self.say_invalid(complaint) } else { self.warnings.push(complaint) }
        }
    }
}

/// One line that names the variable or key, its value and what is wrong with it.
pub(super) fn complaint(variable: &Variable, found: &Found<'_>, wrong: &str) -> String {
    let value = shown(&found.text);
    match &found.source {
        Source::File(path, Some(line)) => {
            format!("{}:{line}: {} = {value} is ignored: {wrong}", path.display(), found.key)
        }
        Source::Code => format!("{value}, set by the program for {}, is ignored: {wrong}", variable.name),
        _ => format!("{}={value} is ignored: {wrong}", variable.name),
    }
}

impl Found<'_> {
    pub(super) fn by_program(text: String) -> Self {
        Found { text, source: Source::Code, key: "", folder: Path::new("") }
    }

    /// A value of a node.
    pub(super) fn in_node(text: &str, source: &Source) -> Self {
        Self { text: text.trim().to_owned(), source: source.clone(), key: "", folder: Path::new("") }
    }

    fn resolved(&self) -> PathBuf {
        self.folder.join(&self.text)
    }
}

pub(super) fn flag(found: &Found<'_>) -> Parsed<bool> {
    match found.text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false"),
    }
}

/// Whether tracing is off: a workflow file says whether it is on.
pub(super) fn disabled(found: &Found<'_>) -> Parsed<bool> {
    flag(found).map(|flag| flag != (found.key == "enabled"))
}

pub(super) fn text(found: &Found<'_>) -> Parsed<Option<String>> {
    Ok(Some(found.text.clone()))
}

pub(super) fn path(found: &Found<'_>) -> Parsed<Option<PathBuf>> {
    Ok(Some(found.resolved()))
}

pub(super) fn words(found: &Found<'_>) -> Parsed<Vec<String>> {
    Ok(found.text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

pub(super) fn ratio(found: &Found<'_>) -> Parsed<f64> {
    found.text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or("expected a number from 0 to 1")
}

pub(super) fn count(found: &Found<'_>) -> Parsed<u32> {
    found.text.parse().map_err(|_| "expected a number, 0 or more")
}

pub(super) fn bytes(found: &Found<'_>) -> Parsed<u64> {
    found.text.parse().ok().filter(|bytes| *bytes > 0).ok_or("expected a number of bytes above 0")
}

pub(super) fn seconds(found: &Found<'_>) -> Parsed<Duration> {
    let seconds = found.text.parse().ok().filter(|seconds| *seconds > 0.0);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or("expected a number of seconds above 0")
}

pub(super) fn milliseconds(found: &Found<'_>) -> Parsed<Duration> {
    found.text.parse().map(Duration::from_millis).map_err(|_| "expected a number of milliseconds, 0 or more")
}

/// A time, or `off`.
pub(super) fn milliseconds_or_off(found: &Found<'_>) -> Parsed<Option<Duration>> {
    if found.text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    milliseconds(found).map(Some).map_err(|_| "expected a number of milliseconds, 0 or more, or off")
}

pub(super) fn days(found: &Found<'_>) -> Parsed<Duration> {
    let days = found.text.parse::<u32>().map_err(|_| "expected a number of days, 0 or more")?;
    Ok(Duration::from_secs(u64::from(days) * 86_400))
}

pub(super) fn capture(found: &Found<'_>) -> Parsed<Capture> {
    match found.text.to_ascii_lowercase().as_str() {
        "none" => Ok(Capture::None),
        "keys" => Ok(Capture::Keys),
        "preview" => Ok(Capture::Preview),
        "full" => Ok(Capture::Full),
        _ => Err("expected none, keys, preview or full"),
    }
}

pub(super) fn artifact_level(found: &Found<'_>) -> Parsed<ArtifactLevel> {
    found.text.parse().map_err(|_| level::CHOICES)
}

/// Whether message contents may be recorded. Later versions of the convention have words instead of a boolean.
pub(super) fn content(found: &Found<'_>) -> Parsed<bool> {
    match found.text.to_ascii_lowercase().as_str() {
        "no_content" | "event_only" => Ok(false),
        "span_only" | "span_and_event" => Ok(true),
        _ => flag(found),
    }
}

pub(super) fn store_place(found: &Found<'_>) -> Parsed<StorePlace> {
    let off = ["off", "false"].iter().any(|word| found.text.eq_ignore_ascii_case(word));
    Ok(if off { StorePlace::Off } else { StorePlace::At(found.resolved()) })
}

pub(super) fn durability(found: &Found<'_>) -> Parsed<Durability> {
    match found.text.to_ascii_lowercase().as_str() {
        "process" => Ok(Durability::Process),
        "power" => Ok(Durability::Power),
        _ => Err("expected process or power"),
    }
}

pub(super) fn chunk_place(found: &Found<'_>) -> Parsed<ChunkPlace> {
    Ok(match found.text.to_ascii_lowercase().as_str() {
        "store" => ChunkPlace::Store,
        "heap" => ChunkPlace::Heap,
        _ => ChunkPlace::At(found.resolved()),
    })
}
