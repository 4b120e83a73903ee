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
    /// The member of this key, of a map: of two of one name the later one.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| entry.key == key)
    }

    /// The members of a map, those that are taken in by `<<` first.
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
            Event::SequenceEnd | Event::MappingEnd => reader.close().map_err(|wrong| (line, wrong))?,
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
    /// Members taken in by `<<`.
    merged: usize,
}

/// More than these are taken in by nobody who writes a file by hand.
const MOST_MERGED: usize = 10_000;

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

    fn close(&mut self) -> Result<(), String> {
        if let Some(Open { mut node, anchor, .. }) = self.open.pop() {
            if let Value::Map(entries) = &mut node.value {
                self.merged += merge(entries, MOST_MERGED - self.merged)?;
            }
            self.put(node, anchor);
        }
        Ok(())
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
            (Value::Map(entries), Some((key, line))) => entries.push(Entry { key, line, node }),
            _ => {}
        }
    }
}

const MERGE: &str = "<<";

/// Puts what `<<` refers to before the members of a map, so that those hold; how many that were.
fn merge(entries: &mut Vec<Entry>, most: usize) -> Result<usize, String> {
    if entries.iter().all(|entry| entry.key != MERGE) {
        return Ok(0);
    }
    let (references, own): (Vec<_>, Vec<_>) = std::mem::take(entries).into_iter().partition(|entry| entry.key == MERGE);
    // Of several maps the first holds.
    for Entry { node, .. } in references.iter().rev() {
        let several = node.items().iter().rev().flat_map(|map| map.entries());
        entries.extend(node.entries().iter().chain(several).take(most + 1 - entries.len()).cloned());
    }
    if entries.len() > most {
        return Err(format!("`<<` takes in more than {MOST_MERGED} members"));
    }
    let merged = entries.len();
    entries.extend(own);
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_know_their_lines_and_own_ones_win_over_those_taken_in() {
        let text = "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\nall:\n  b: 5\n  <<: [*base, *other]\n  list: [x, 'null', null]\n";
        let root = read(text).expect("it is YAML");
        let all = &root.get("all").expect("it is there").node;
        let member = |key: &str| all.get(key).map(|entry| (entry.node.text().unwrap_or("-"), entry.line));
        assert_eq!(["a", "b", "c", "d"].map(member), [Some(("1", 1)), Some(("5", 4)), Some(("4", 2)), None]);
        let (list, texts) = (&all.get("list").expect("it is there").node, [Some("x"), Some("null"), None]);
        assert_eq!(list.items().iter().map(|item| item.text()).collect::<Vec<_>>(), texts);
        assert!(list.items()[2].is_null() && read("").expect("nothing is YAML too").is_null());
    }

    #[test]
    fn what_grows_beyond_its_text_is_refused() {
        let mut text = "a0: &a0 {k: 1, l: 1}\n".to_owned();
        for n in 1..100 {
            text += &format!("a{n}: &a{n} {{<<: [*a{before}, *a{before}, *a{before}]}}\n", before = n - 1);
        }
        let (line, wrong) = read(&text).expect_err("it grows by three");
        assert!(line < 20 && wrong.contains("more than 10000"), "{line}: {wrong}");
    }
}
