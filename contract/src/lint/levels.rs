//! How much a finding weighs: the table `[lints]` of `spanwright.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use spanwright_macros_core::did_you_mean;
use toml::de::{DeTable, DeValue};

use super::{rule, rules};
use crate::error::Error;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is not said.
    Allow,
    /// It is said.
    Warn,
    /// It is said, and the check fails.
    Deny,
}

impl Level {
    const ALL: [Self; 3] = [Self::Allow, Self::Warn, Self::Deny];

    /// Its word in `spanwright.toml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// The levels of all rules: those of the rules themselves, unless something else is said.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    said: BTreeMap<&'static str, Level>,
    deny_warnings: bool,
}

impl Levels {
    /// The levels that the nearest `spanwright.toml` upwards from `root` gives, which is the workspace's root.
    ///
    /// ```toml
    /// [lints]
    /// lost-context = "deny"
    /// uncovered-function = "allow"
    /// ```
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not TOML, or its table names a rule or a level that there is not.
    pub fn nearest(root: &Path) -> Result<Self, Error> {
        let Some(path) = root.ancestors().map(|folder| folder.join("spanwright.toml")).find(|path| path.is_file())
        else {
            return Ok(Self::default());
        };
        let shown = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::because(format!("cannot read the levels of the lints from {shown}"), error))?;
        Self::parse(&text).map_err(|(line, wrong)| Error::new(format!("{shown}:{line}: {wrong}")))
    }

    /// The levels in the text of a `spanwright.toml`.
    ///
    /// # Errors
    ///
    /// The line, and what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let table = DeTable::parse(text)
            .map_err(|error| (line_of(error.span().map_or(0, |span| span.start)), error.message().to_owned()))?;
        let Some((key, lints)) = table.get_ref().get_key_value("lints") else { return Ok(Self::default()) };
        let DeValue::Table(lints) = lints.get_ref() else {
            let wrong = "`lints` is a table: write `[lints]`, then `rule = \"allow|warn|deny\"` below it";
            return Err((line_of(key.span().start), wrong.to_owned()));
        };
        let mut levels = Self::default();
        for (name, value) in lints {
            let line = line_of(name.span().start);
            let rule = rule(name.get_ref()).map_err(|wrong| (line, wrong))?;
            let level = level(value.get_ref()).map_err(|wrong| (line, format!("`{}` {wrong}", rule.id)))?;
            levels.said.insert(rule.id, level);
        }
        Ok(levels)
    }

    /// The same, with everything that would be warned of denied.
    #[must_use]
    pub fn deny_warnings(self) -> Self {
        Self { deny_warnings: true, ..self }
    }

    /// The level of the rule of that name.
    pub fn of(&self, id: &str) -> Level {
        let own = || rules().iter().find(|rule| rule.id == id).map_or(Level::Warn, |rule| rule.level);
        match self.said.get(id).copied().unwrap_or_else(own) {
            Level::Warn if self.deny_warnings => Level::Deny,
            level => level,
        }
    }
}

fn level(value: &DeValue<'_>) -> Result<Level, String> {
    let words = Level::ALL.map(Level::word);
    let choices = "the levels are \"allow\", \"warn\" and \"deny\"";
    let DeValue::String(word) = value else { return Err(format!("takes a level as text; {choices}")) };
    if let Some(level) = Level::ALL.into_iter().find(|level| level.word() == word) {
        return Ok(level);
    }
    Err(match did_you_mean(word, words) {
        Some(meant) => format!("has no level \"{word}\"; did you mean \"{meant}\"? {choices}"),
        None => format!("has no level \"{word}\"; {choices}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_denied_and_suspicions_are_warned_of_unless_the_file_says_otherwise() {
        let levels = Levels::default();
        assert_eq!((levels.of("duplicate-id"), levels.of("lost-context")), (Level::Deny, Level::Warn));

        let text = "capture = \"keys\"\n[lints]\nlost-context = \"deny\"\nduplicate-id = \"allow\"\n";
        let levels = Levels::parse(text).expect("a good file");
        assert_eq!((levels.of("duplicate-id"), levels.of("lost-context")), (Level::Allow, Level::Deny));

        let levels = levels.deny_warnings();
        assert_eq!((levels.of("duplicate-id"), levels.of("captured-lock")), (Level::Allow, Level::Deny));
    }

    #[test]
    fn a_mistake_in_the_file_names_its_line_and_the_choices() {
        for (text, line, parts) in [
            ("[lints]\nlost-contxt = \"deny\"", 2, &["`lost-contxt`", "did you mean `lost-context`?"][..]),
            ("[lints]\nzzz = \"deny\"", 2, &["the rules are allow-without-reason, captured-lock, "]),
            ("[lints]\n\nlost-context = \"forbid\"", 3, &["\"forbid\"", "\"allow\", \"warn\" and \"deny\""]),
            ("[lints]\nlost-context = \"wran\"", 2, &["did you mean \"warn\"?"]),
            ("[lints]\nlost-context = 1", 2, &["`lost-context` takes a level as text"]),
            ("\nlints = \"deny\"", 2, &["write `[lints]`"]),
            ("[lints]\nlost-context =", 2, &[]),
        ] {
            let (at, wrong) = Levels::parse(text).expect_err(text);
            assert_eq!(at, line, "{wrong}");
            assert!(parts.iter().all(|part| wrong.contains(part)), "{wrong}");
        }
    }

    #[test]
    fn the_nearest_file_counts() {
        let top = tempfile::tempdir().expect("a folder");
        let root = top.path().join("a/b");
        std::fs::create_dir_all(&root).expect("folders");
        std::fs::write(top.path().join("spanwright.toml"), "[lints]\nlost-context = \"allow\"").expect("a file");
        assert_eq!(Levels::nearest(&root).expect("levels").of("lost-context"), Level::Allow);
        std::fs::write(root.join("spanwright.toml"), "[lints]\nlost-context = 3").expect("a file");
        let wrong = Levels::nearest(&root).expect_err("no level").to_string();
        assert!(wrong.contains("b/spanwright.toml:2: `lost-context`"), "{wrong}");
    }
}
