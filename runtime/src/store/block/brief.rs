//! Spans as reports read them: who called whom, for how long, and what a model was asked for. Everything else is stepped over unread.

use std::borrow::Cow;

use serde::Deserialize;

use super::{
    ATTRIBUTES, ERROR, EVENTS, Form, Head, INCOMPLETE, INPUTS, MODEL, OUTPUTS, Reader, SiteView, Spans, Unreadable,
    next_span,
};
use crate::record::{ModelCallCost, SpanRecord, Usage};
use crate::store::brief::{ModelBrief, SpanBrief};

/// The parts of [`crate::record::ModelFacts`] that are read here, borrowed.
#[derive(Deserialize)]
struct Asked<'b> {
    #[serde(borrow, default)]
    model: Option<Cow<'b, str>>,
    #[serde(borrow, default)]
    provider: Option<Cow<'b, str>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    cost: Option<ModelCallCost>,
}

impl<'b> Spans<'b> {
    /// Adds what reports read of each span to `briefs`, and all of those with one of the attributes `whole_if`; returns how many spans
    /// cannot be read.
    pub(in crate::store) fn briefs(self, whole_if: &[&str], briefs: &mut Vec<SpanBrief<'b>>) -> u64 {
        let mut lost = 0;
        match self.form {
            Form::Json(stored) => match stored.and_then(|stored| serde_json::from_slice::<SpanRecord>(stored).ok()) {
                None => lost += 1,
                Some(record) => {
                    let is_wanted = whole_if.iter().any(|name| record.attribute(name).is_some());
                    let whole = is_wanted.then(|| Box::new(record.clone()));
                    briefs.push(SpanBrief { whole, ..SpanBrief::from(record) });
                }
            },
            Form::Block { trace, mut rest, mut sites } => {
                while let Some(span) = next_span(&mut rest) {
                    let known = sites.len();
                    let read = Reader { rest: span }.brief(whole_if, &mut sites).and_then(|(mut brief, is_wanted)| {
                        if is_wanted {
                            // A site that stands in this span is read with it again.
                            sites.truncate(known);
                            let span = Reader { rest: span }.span(trace, &mut sites)?;
                            brief.whole = Some(Box::new(span.to_record()));
                        }
                        Ok(brief)
                    });
                    match read {
                        Ok(brief) => briefs.push(brief),
                        Err(Unreadable) => lost += 1,
                    }
                }
            }
        }
        lost
    }
}

impl<'b> Reader<'b> {
    /// The span, and whether it has one of the attributes `whole_if`.
    fn brief(
        mut self,
        whole_if: &[&str],
        sites: &mut Vec<Option<SiteView<'b>>>,
    ) -> Result<(SpanBrief<'b>, bool), Unreadable> {
        let Head { span_id, flags, parent_id, start_unix_ns, end_unix_ns, ending, site } = self.head(sites)?;
        let has = |flag| flags & flag != 0;
        let mut is_wanted = false;
        let mut model = None;
        if has(MODEL | ATTRIBUTES) {
            let texts = 2 * usize::from(has(ERROR)) + usize::from(has(INPUTS)) + usize::from(has(OUTPUTS));
            (0..texts).try_for_each(|_| self.passed_text().map(drop))?;
            for _ in 0..if has(ATTRIBUTES) { self.number()? } else { 0 } {
                let key = self.passed_attribute()?;
                is_wanted |= whole_if.iter().any(|name| name.as_bytes() == key);
            }
            if has(MODEL) {
                model = Some(self.asked(has(EVENTS))?);
            }
        }
        let brief = SpanBrief {
            span_id,
            parent_id,
            name: site.name.into(),
            span_type: site.span_type.into(),
            kind: site.kind.into(),
            start_unix_ns,
            end_unix_ns,
            is_error: ending.is_failure() && !has(INCOMPLETE),
            model,
            whole: None,
        };
        Ok((brief, is_wanted))
    }

    /// The facts of a model call, behind the events.
    fn asked(&mut self, has_events: bool) -> Result<ModelBrief<'b>, Unreadable> {
        if has_events {
            self.passed_text()?;
        }
        let Asked { model, provider, usage, cost } =
            serde_json::from_str::<Asked<'b>>(self.text()?).map_err(|_| Unreadable)?;
        Ok(ModelBrief { model, provider, usage, cost })
    }

    fn passed_text(&mut self) -> Result<&'b [u8], Unreadable> {
        let length = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(text)
    }

    /// The key of an attribute, past its value.
    fn passed_attribute(&mut self) -> Result<&'b [u8], Unreadable> {
        let key = self.passed_text()?;
        match self.byte()? {
            0 | 1 => {}
            2 => drop(self.number()?),
            3 => drop(self.word()?),
            4 | 5 => drop(self.passed_text()?),
            _ => return Err(Unreadable),
        }
        Ok(key)
    }
}
