//! JSON that is opened only where something changes; what stays closed is carried over as its text.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// An object, opened, in its order.
    Object(Vec<(String, Node)>),
    /// A list, opened.
    List(Vec<Node>),
    /// Anything, closed.
    Raw(Box<RawValue>),
}

/// By what it says: whether it has been opened makes no difference.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Raw(one), Self::Raw(other)) => one.get() == other.get(),
            (Self::Object(one), Self::Object(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Raw(raw), opened) | (opened, Self::Raw(raw)) => {
                let mut closed = Self::Raw(raw.clone());
                match opened {
                    Self::Object(_) if closed.open_object() => closed == *opened,
                    Self::List(_) if closed.open_list() => closed == *opened,
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

impl Node {
    /// A settings file; nothing at all is an empty one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::Object(Vec::new()));
        }
        let raw: Box<RawValue> = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let mut node = Self::Raw(raw);
        if node.open_object() { Ok(node) } else { Err("it is not a JSON object".into()) }
    }

    /// The node of a value that cannot fail to serialise.
    pub(super) fn of(value: &impl serde::Serialize) -> Self {
        serde_json::value::to_raw_value(value).map_or_else(|_| Self::Object(Vec::new()), Self::Raw)
    }

    /// Opens an object; false if it is none.
    pub(super) fn open_object(&mut self) -> bool {
        if let Self::Raw(raw) = self {
            let Ok(Entries(entries)) = serde_json::from_str(raw.get()) else { return false };
            *self = Self::Object(entries.into_iter().map(|(key, value)| (key, Self::Raw(value))).collect());
        }
        matches!(self, Self::Object(_))
    }

    fn open_list(&mut self) -> bool {
        if let Self::Raw(raw) = self {
            let Ok(list) = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()) else { return false };
            *self = Self::List(list.into_iter().map(Self::Raw).collect());
        }
        matches!(self, Self::List(_))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        matches!(self, Self::Object(entries) if entries.iter().any(|(known, _)| known == key))
    }

    pub(super) fn keys(&self) -> Vec<String> {
        match self {
            Self::Object(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Self::Object(entries) = self {
            entries.retain(|(known, _)| known != key);
        }
    }

    /// A text in an opened object.
    pub(super) fn text_of(&self, key: &str) -> Option<String> {
        let Self::Object(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).and_then(|(_, value)| raw_text(value))
    }

    /// What stands under `key`, made by `make` if nothing does.
    fn entry(&mut self, key: &str, make: fn() -> Self) -> Result<&mut Self, String> {
        let Self::Object(entries) = self else { return Err("it is not a JSON object".into()) };
        let place = entries.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            entries.push((key.to_owned(), make()));
            entries.len() - 1
        });
        Ok(&mut entries[place].1)
    }

    /// The object under `key`, opened.
    pub(super) fn object(&mut self, key: &str) -> Result<&mut Self, String> {
        let node = self.entry(key, || Self::Object(Vec::new()))?;
        if node.open_object() { Ok(node) } else { Err(format!("`{key}` is not an object")) }
    }

    /// The list under `key`, opened.
    pub(super) fn list(&mut self, key: &str) -> Result<&mut Vec<Self>, String> {
        let node = self.entry(key, || Self::List(Vec::new()))?;
        node.open_list();
        match node {
            Self::List(list) => Ok(list),
            _ => Err(format!("`{key}` is not a list")),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, level: usize) -> fmt::Result {
        let inside = "  ".repeat(level + 1);
        let around = "  ".repeat(level);
        let separator = |n: usize, count: usize| if n + 1 < count { "," } else { "" };
        match self {
            Self::Raw(raw) => f.write_str(raw.get()),
            Self::Object(entries) if entries.is_empty() => f.write_str("{}"),
            Self::List(list) if list.is_empty() => f.write_str("[]"),
            Self::Object(entries) => {
                f.write_str("{\n")?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    let key = serde_json::to_string(key).map_err(|_| fmt::Error)?;
                    write!(f, "{inside}{key}: ")?;
                    value.write(f, level + 1)?;
                    writeln!(f, "{}", separator(n, entries.len()))?;
                }
                write!(f, "{around}}}")
            }
            Self::List(list) => {
                f.write_str("[\n")?;
                for (n, value) in list.iter().enumerate() {
                    f.write_str(&inside)?;
                    value.write(f, level + 1)?;
                    writeln!(f, "{}", separator(n, list.len()))?;
                }
                write!(f, "{around}]")
            }
        }
    }
}

/// Two spaces a level, and a last line end.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)?;
        f.write_str("\n")
    }
}

/// The text that a closed node is.
pub(super) fn raw_text(node: &Node) -> Option<String> {
    let Node::Raw(raw) = node else { return None };
    serde_json::from_str(raw.get()).ok()
}

/// The entries of an object in their order. Of a key that stands twice, nobody could say which one holds.
struct Entries(Vec<(String, Box<RawValue>)>);

impl<'de> de::Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let (mut entries, mut keys) = (Vec::new(), HashSet::new());
                while let Some((key, value)) = map.next_entry::<String, _>()? {
                    if !keys.insert(key.clone()) {
                        return Err(de::Error::custom("a key stands twice"));
                    }
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }
        json.deserialize_map(Each)
    }
}
