//! One span, before and now: a function for each part of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Rule, renames};
use crate::catalog::Attribute;
use crate::lock::{Level, LockedSpan, View};

/// The span is gone.
pub fn removed(span: &LockedSpan) -> Change {
    let of = Pair { was: span, is: span };
    let before = format!("{} `{}`", span.kind, span.name);
    let change = of.change(Rule::SpanRemoved, None, Some(before), None, format!("the span `{}` is gone", span.id));
    Change { place: None, ..change }
}

/// The span is new.
pub fn added(span: &LockedSpan) -> Change {
    let of = Pair { was: span, is: span };
    let after = format!("{} `{}`", span.kind, span.name);
    of.change(Rule::SpanAdded, None, None, Some(after), format!("the span `{}` is new", span.id))
}

/// What changed of a span that is still there; `renamed` has the present ids of spans that had another.
pub fn span(was: &LockedSpan, is: &LockedSpan, renamed: &BTreeMap<&str, &str>, out: &mut Vec<Change>) {
    let pair = Pair { was, is };
    pair.identity(out);
    pair.conditions(out);
    pair.parents(renamed, out);
    pair.attributes(out);
    pair.implementation(out);
}

struct Pair<'a> {
    was: &'a LockedSpan,
    is: &'a LockedSpan,
}

impl Pair<'_> {
    fn change(
        &self,
        rule: Rule,
        part: Option<&str>,
        before: Option<String>,
        after: Option<String>,
        sentence: String,
    ) -> Change {
        Change {
            rule,
            severity: rule.severity(),
            span: self.is.id.clone(),
            former: (self.was.id != self.is.id).then(|| self.was.id.clone()),
            part: part.map(str::to_owned),
            before,
            after,
            place: self.is.place.clone(),
            sentence,
        }
    }

    /// A property of the span that has another value.
    fn property(&self, rule: Rule, what: &str, was: &str, is: &str, out: &mut Vec<Change>) {
        if was != is {
            let sentence = format!("{what} of `{}` was `{was}` and is `{is}`", self.is.id);
            out.push(self.change(rule, None, Some(was.to_owned()), Some(is.to_owned()), sentence));
        }
    }

    /// Whether it got or lost a declaration; only a declaration knows parents, types and docs of attributes.
    fn is_declared_on_one_side(&self) -> bool {
        self.was.declared.is_some() != self.is.declared.is_some()
    }

    /// What the span is known by: a declared one by its id, one without a declaration by its display name, since an id
    /// that only follows from a path is never sent.
    fn identity(&self, out: &mut Vec<Change>) {
        let (was, is) = (self.was, self.is);
        // The function has another name, and the display name went with it.
        let is_renamed = was.name != is.name && [was, is].iter().all(|span| renames::last(&span.id) == span.name);
        let found = match (was.declared.is_some(), is.declared.is_some()) {
            (false, true) => Some((Rule::SpanDeclared, format!("`{}` is declared as `{}` now", was.id, is.id))),
            (true, false) => Some((Rule::SpanUndeclared, format!("`{}` has lost its declaration", was.id))),
            _ if was.id == is.id => None,
            (false, false) if is_renamed => {
                Some((Rule::SpanRenamed, format!("the span `{}` is called `{}` now", was.id, is.name)))
            }
            (false, false) => Some((Rule::SpanMoved, format!("the function of `{}` is `{}` now", was.id, is.id))),
            (true, true) => Some((Rule::SpanRenamed, format!("the span `{}` has the id `{}` now", was.id, is.id))),
        };
        let is_said = matches!(found, Some((Rule::SpanRenamed, _))) && is.declared.is_none();
        if let Some((rule, sentence)) = found {
            out.push(self.change(rule, None, Some(was.id.clone()), Some(is.id.clone()), sentence));
        }
        if !is_said {
            self.property(Rule::NameChanged, "the display name", &was.name, &is.name, out);
        }
        self.property(Rule::KindChanged, "the kind", &was.kind, &is.kind, out);
        self.property(Rule::SpanTypeChanged, "the span type", &was.span_type, &is.span_type, out);
        if was.doc != is.doc {
            let sentence = format!("the doc of `{}` differs", is.id);
            out.push(self.change(Rule::DocChanged, None, some(&was.doc), some(&is.doc), sentence));
        }
    }

    fn conditions(&self, out: &mut Vec<Change>) {
        let (was, is) = (set(&self.was.cfg), set(&self.is.cfg));
        // Those of its functions come and go with them, which is said on its own.
        let rule = match self.was.inputs.is_some() == self.is.inputs.is_some() {
            false => return,
            true if was == is => return,
            true if is.is_subset(&was) => Rule::ConditionLifted,
            true => Rule::ConditionAdded,
        };
        let words =
            |cfg: &[String]| if cfg.is_empty() { "always".to_owned() } else { format!("cfg({})", cfg.join(", ")) };
        let (before, after) = (words(&self.was.cfg), words(&self.is.cfg));
        let sentence = format!("`{}` existed {} and exists {} now", self.is.id, under(&before), under(&after));
        out.push(self.change(rule, None, Some(before), Some(after), sentence));
    }

    fn parents(&self, renamed: &BTreeMap<&str, &str>, out: &mut Vec<Change>) {
        if self.is_declared_on_one_side() {
            return;
        }
        let present = |id: &String| renamed.get(id.as_str()).map_or_else(|| id.clone(), |&id| id.to_owned());
        let was: Option<BTreeSet<String>> = self.was.parents.as_ref().map(|ids| ids.iter().map(present).collect());
        let is: Option<BTreeSet<String>> = self.is.parents.as_ref().map(|ids| ids.iter().cloned().collect());
        let rule = match (&was, &is) {
            _ if was == is => return,
            (None, Some(_)) => Rule::ParentChanged,
            (Some(was), Some(is)) if !was.is_subset(is) => Rule::ParentChanged,
            _ => Rule::ParentAdded,
        };
        let (before, after) = (places(self.was.parents.as_deref()), places(self.is.parents.as_deref()));
        let sentence = format!("`{}` could stand {before} and can stand {after} now", self.is.id);
        out.push(self.change(rule, None, Some(before), Some(after), sentence));
    }

    fn attributes(&self, out: &mut Vec<Change>) {
        let id = &self.is.id;
        let by_key = |attributes: &[Attribute]| -> BTreeMap<String, Attribute> {
            attributes.iter().map(|attribute| (attribute.key.clone(), attribute.clone())).collect()
        };
        let (was, is) = (by_key(&self.was.attributes), by_key(&self.is.attributes));
        for (key, before) in &was {
            let Some(after) = is.get(key) else { continue };
            self.attribute(before, after, out);
        }
        let gone: Vec<&Attribute> = was.values().filter(|attribute| !is.contains_key(&attribute.key)).collect();
        let new: Vec<&Attribute> = is.values().filter(|attribute| !was.contains_key(&attribute.key)).collect();
        let renamed = renames::attributes(&gone, &new);
        let taken: BTreeSet<usize> = renamed.values().copied().collect();
        for (index, attribute) in gone.iter().enumerate() {
            let (rule, after, sentence) = match renamed.get(&index).map(|&at| new[at]) {
                Some(now) => {
                    let sentence = format!("the attribute `{}` of `{id}` is `{}` now", attribute.key, now.key);
                    (Rule::AttributeRenamed, Some(typed(now)), sentence)
                }
                None => (Rule::AttributeRemoved, None, format!("the attribute `{}` of `{id}` is gone", attribute.key)),
            };
            out.push(self.change(rule, Some(&attribute.key), Some(typed(attribute)), after, sentence));
            if let Some(now) = renamed.get(&index).map(|&at| new[at]) {
                self.attribute(attribute, now, out);
            }
        }
        for (_, attribute) in new.iter().enumerate().filter(|(index, _)| !taken.contains(index)) {
            let sentence = format!("the attribute `{}` of `{id}` is new", attribute.key);
            let after = Some(typed(attribute));
            out.push(self.change(Rule::AttributeAdded, Some(&attribute.key), None, after, sentence));
        }
    }

    fn attribute(&self, was: &Attribute, is: &Attribute, out: &mut Vec<Change>) {
        if self.is_declared_on_one_side() {
            return;
        }
        let (id, key) = (&self.is.id, &is.key);
        if was.ty != is.ty {
            let sentence = format!("the attribute `{key}` of `{id}` was `{}` and is `{}`", was.ty, is.ty);
            let (before, after) = (Some(was.ty.clone()), Some(is.ty.clone()));
            out.push(self.change(Rule::AttributeRetyped, Some(key), before, after, sentence));
        }
        if was.doc != is.doc {
            let sentence = format!("the doc of the attribute `{key}` of `{id}` differs");
            out.push(self.change(Rule::DocChanged, Some(key), some(&was.doc), some(&is.doc), sentence));
        }
    }

    /// What a call leaves behind, as far as functions make the span.
    fn implementation(&self, out: &mut Vec<Change>) {
        let (id, known) = (&self.is.id, out.len());
        match (self.was.inputs.zip(self.was.output), self.is.inputs.zip(self.is.output)) {
            (None, None) => {}
            (None, Some(_)) => {
                let sentence = format!("a function makes `{id}` now");
                out.push(self.change(Rule::ImplementationAdded, None, None, None, sentence));
            }
            (Some(_), None) => {
                let sentence = format!("no function makes `{id}` any more");
                let before = Some(self.was.functions.join(", "));
                out.push(self.change(Rule::ImplementationRemoved, None, before, None, sentence));
            }
            (Some((inputs_were, output_was)), Some((inputs_are, output_is))) => {
                self.level("inputs", inputs_were, inputs_are, out);
                self.level("output", output_was, output_is, out);
                match (inputs_were.has_values(), inputs_are.has_values()) {
                    (true, true) => self.inputs(out),
                    (false, false) if inputs_were == inputs_are => self.keys(out),
                    // The change of the level says it all.
                    _ => {}
                }
                self.facts(out);
            }
        }
        if let Some(place) = &self.is.made_at {
            out[known..].iter_mut().for_each(|change| change.place = Some(place.clone()));
        }
    }

    fn level(&self, what: &str, was: Level, is: Level, out: &mut Vec<Change>) {
        if was == is {
            return;
        }
        let rule = if is > was { Rule::MoreCaptured } else { Rule::LessCaptured };
        let verb = if what == "output" { "was" } else { "were" };
        let (before, after) = (was.word(), is.word());
        let now = if what == "output" { "is" } else { "are" };
        let sentence =
            format!("the {what} of `{}` {verb} captured at `{before}` and {now} captured at `{after}`", self.is.id);
        out.push(self.change(rule, Some(what), Some(before.to_owned()), Some(after.to_owned()), sentence));
    }

    /// Single inputs, where values are captured.
    fn inputs(&self, out: &mut Vec<Change>) {
        let id = &self.is.id;
        let (was, is) = (views(self.was), views(self.is));
        let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
        for name in names {
            let (before, after) = (was.get(name).copied(), is.get(name).copied());
            let clear = |view: Option<View>| view.is_some_and(View::is_clear);
            let (rule, sentence) = match (clear(before), clear(after)) {
                _ if before == after => continue,
                (false, true) if before.is_some() => {
                    (Rule::MoreCaptured, format!("`{name}` of `{id}` is no longer redacted"))
                }
                (false, true) => (Rule::MoreCaptured, format!("`{name}` of `{id}` is newly captured")),
                (true, false) if after.is_some() => (Rule::LessCaptured, format!("`{name}` of `{id}` is redacted now")),
                (true, false) => (Rule::LessCaptured, format!("`{name}` of `{id}` is no longer captured")),
                (true, true) => (Rule::CaptureReshaped, format!("`{name}` of `{id}` is captured in another form")),
                (false, false) => (Rule::KeysChanged, format!("the inputs of `{id}` have another set of names")),
            };
            let word = |view: Option<View>| view.map(|view| view.word().to_owned());
            out.push(self.change(rule, Some(name), word(before), word(after), sentence));
        }
    }

    /// Their names, where only these are captured.
    fn keys(&self, out: &mut Vec<Change>) {
        let names = |span: &LockedSpan| views(span).into_keys().collect::<Vec<_>>().join(", ");
        let (before, after) = (names(self.was), names(self.is));
        if before != after {
            let sentence = format!("the inputs of `{}` have another set of names", self.is.id);
            out.push(self.change(Rule::KeysChanged, None, some(&before), some(&after), sentence));
        }
    }

    fn facts(&self, out: &mut Vec<Change>) {
        let id = &self.is.id;
        let (was, is) = (set(&self.was.facts), set(&self.is.facts));
        for fact in was.difference(&is) {
            let sentence = format!("`{id}` no longer says `{fact}`");
            out.push(self.change(Rule::FactRemoved, Some(fact), Some((*fact).to_owned()), None, sentence));
        }
        for fact in is.difference(&was) {
            let sentence = format!("`{id}` says `{fact}` at each call now");
            out.push(self.change(Rule::FactAdded, Some(fact), None, Some((*fact).to_owned()), sentence));
        }
    }
}

fn set(words: &[String]) -> BTreeSet<&str> {
    words.iter().map(String::as_str).collect()
}

fn views(span: &LockedSpan) -> BTreeMap<&str, View> {
    span.captured.iter().map(|input| (input.name.as_str(), input.view)).collect()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn typed(attribute: &Attribute) -> String {
    format!("{}: {}", attribute.key, attribute.ty)
}

fn under(condition: &str) -> String {
    if condition == "always" { condition.to_owned() } else { format!("under `{condition}`") }
}

/// Where a span may stand, in words.
fn places(parents: Option<&[String]>) -> String {
    let Some(parents) = parents else { return "anywhere".into() };
    let (roots, ids): (Vec<&String>, Vec<&String>) = parents.iter().partition(|id| *id == "root");
    let ids = ids.into_iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" or ");
    match (ids.is_empty(), roots.is_empty()) {
        (true, true) => "nowhere".into(),
        (true, false) => "as a root".into(),
        (false, true) => format!("under {ids}"),
        (false, false) => format!("under {ids} or as a root"),
    }
}
