//! YAML as a tree in which everything knows its line.
//!
//! Scalars stay texts: what they mean is for the setting to say, as with the environment. Aliases and `<<` are followed.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle};

/// One node, and the line it starts on, from 1.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// A member of a map, and the line of its key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Rc<Node>,
}

impl Node {
    /// The member of this key, of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    pub(super) fn items(&self) -> &[Rc<Node>] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

/// The first document of a text; what is wrong with it, and on which line, if it is no YAML.
pub(super) fn read(text: &str) -> Result<Node, (usize, String)> {
    let mut reader = Reader::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| (error.marker().line(), error.info()))?;
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Text(text.into_owned()) };
                reader.put(Node { line, value }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => reader.open(line, anchor, Value::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => reader.open(line, anchor, Value::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => reader.close(),
            Event::Alias(anchor) => reader.refer(line, anchor),
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    let root = reader.root.and_then(|root| Rc::try_unwrap(root).ok());
    Ok(root.unwrap_or(Node { line: 1, value: Value::Null }))
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

/// A list or map that has not ended.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, usize)>,
}

impl Reader {
    fn open(&mut self, line: usize, anchor: usize, value: Value) {
        self.open.push(Open { node: Node { line, value }, anchor, key: None });
    }

    fn close(&mut self) {
        if let Some(Open { mut node, anchor, .. }) = self.open.pop() {
            if let Value::Map(entries) = &mut node.value {
                merge(entries);
            }
            self.put(node, anchor);
        }
    }

    fn refer(&mut self, line: usize, anchor: usize) {
        // What refers to itself is nothing yet.
        let unknown = || Rc::new(Node { line, value: Value::Null });
        let node = self.anchors.get(&anchor).cloned().unwrap_or_else(unknown);
        self.take(node);
    }

    fn put(&mut self, node: Node, anchor: usize) {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.take(node);
    }

    fn take(&mut self, node: Rc<Node>) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            // A key that is no text is nobody's setting.
            (_, None) => open.key = Some((node.text().unwrap_or_default().to_owned(), node.line)),
            (Value::Map(entries), Some((key, line))) => {
                // Of two of one name the later one holds.
                if key != MERGE {
                    entries.retain(|entry| entry.key != key);
                }
                entries.push(Entry { key, line, node });
            }
            _ => {}
        }
    }
}

const MERGE: &str = "<<";

/// Takes in what `<<` refers to, where the map has no member of its own of that name.
fn merge(entries: &mut Vec<Entry>) {
    let (merged, own): (Vec<_>, Vec<_>) = std::mem::take(entries).into_iter().partition(|entry| entry.key == MERGE);
    *entries = own;
    for Entry { node, .. } in merged {
        let maps: Vec<&Node> =
            if node.items().is_empty() { vec![&node] } else { node.items().iter().map(|map| &**map).collect() };
        for entry in maps.into_iter().flat_map(Node::entries) {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry.clone());
            }
        }
    }
}
