//! As much YAML as a registry needs: maps, lists and strings, in block style.
//!
//! Written here because the crates that write YAML are no longer maintained or choose their own quoting with each
//! release, and the text is to be reviewed and compared. A string that could be read as anything else is quoted as in
//! JSON, which YAML contains.

use std::fmt::{self, Display};

use crate::lock::is_hidden;

/// A value.
#[derive(Clone, Debug)]
pub enum Node {
    /// A string.
    Text(String),
    /// In order.
    List(Vec<Node>),
    /// In order; the keys are plain words.
    Map(Vec<(&'static str, Node)>),
}

impl Node {
    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn is_block(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::List(nodes) => !nodes.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
        }
    }

    /// Writes a block with its lines at `depth`; the first line's indentation is there already.
    fn block(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = |f: &mut fmt::Formatter<'_>, index: usize| match index {
            0 => Ok(()),
            _ => write!(f, "{:depth$}", ""),
        };
        match self {
            Self::List(nodes) if !nodes.is_empty() => {
                for (index, node) in nodes.iter().enumerate() {
                    indent(f, index)?;
                    f.write_str("- ")?;
                    node.block(f, depth + 2)?;
                }
                Ok(())
            }
            Self::Map(entries) if !entries.is_empty() => {
                for (index, (key, node)) in entries.iter().enumerate() {
                    indent(f, index)?;
                    write!(f, "{key}:")?;
                    if node.is_block() {
                        write!(f, "\n{:width$}", "", width = depth + 2)?;
                    } else {
                        f.write_str(" ")?;
                    }
                    node.block(f, depth + 2)?;
                }
                Ok(())
            }
            Self::List(_) => f.write_str("[]\n"),
            Self::Map(_) => f.write_str("{}\n"),
            Self::Text(text) => scalar(f, text, depth),
        }
    }
}

/// One document.
impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block(f, 0)
    }
}

fn scalar(f: &mut fmt::Formatter<'_>, text: &str, depth: usize) -> fmt::Result {
    if is_plain(text) {
        writeln!(f, "{text}")
    } else if depth > 0 && is_literal(text) {
        f.write_str("|-\n")?;
        for line in text.lines() {
            match line {
                "" => writeln!(f)?,
                line => writeln!(f, "{:depth$}{line}", "")?,
            }
        }
        Ok(())
    } else {
        f.write_str("\"")?;
        for character in text.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                // Beyond what `\u` can say there is nothing hidden.
                hidden if is_hidden(hidden) => write!(f, "\\u{:04x}", u32::from(hidden))?,
                // No characters, and refused as they are.
                '\u{fffe}' | '\u{ffff}' => write!(f, "\\u{:04x}", u32::from(character))?,
                character => write!(f, "{character}")?,
            }
        }
        f.write_str("\"\n")
    }
}

/// Whether it needs no quotes: words that begin with a letter, and none that stand for something else.
fn is_plain(text: &str) -> bool {
    const TAKEN: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./[]-".contains(c))
        && !TAKEN.contains(&&*text.to_ascii_lowercase())
}

/// Whether it can stand as lines: several, the first of them not indented, and nothing in them that has to be quoted.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with('\n')
        && !text.lines().any(|line| line.ends_with(' '))
        && !text.chars().any(|c| (is_hidden(c) && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}'))
}
