//! The stored form of spans: those of one trace that were stored together, in one block of bytes.
//!
//! In: records, borrowed. Out: the same records, or their ids alone. Older rows are one span each, as JSON, and read too. A block is
//! trusted no further than its bytes reach: whatever stands there gives records or an error.
//!
//! `n` is a LEB128 number, `text` is `n` and that many bytes of UTF-8, `json` a text that holds JSON. Numbers of a fixed length are little-endian.
//!
//! | Part | Is |
//! |---|---|
//! | block | `01`, trace id (16 bytes), spans to the end |
//! | span | length of what follows (4 bytes), span id (8), flags `n`, parent (8), start (8), end minus start `n`, ending (1), site, then what the flags name |
//! | site | its number `n`; a number not used before is followed by name, type, kind, declared id, function and file as texts and line `n` |
//! | attribute | key text, a tag, then nothing (`00` false, `01` true), `n` in zigzag (`02`), 8 bytes (`03` float), text (`04`), json (`05`) |
//!
//! Behind the site, as far as the flags name them: parent (stands above), incomplete (nothing), declared (in the site), kind and message of the error,
//! inputs and outputs as json, `n` and so many attributes, and events, model, workflow and run as the json of their types.

mod brief;

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};

use crate::id::{SpanId, TraceId};
use crate::record::{AttributeValue, Ending, ErrorView, SiteView, SpanRecord, SpanView, ValueView};

/// Spans and bytes after which another block is begun: a reader who wants the last span of one reads all before it.
pub(super) const MOST_SPANS: usize = 64;
const MOST_BYTES: usize = 64 * 1024;

const MARK: u8 = 0x01;
const HEAD_BYTES: usize = 1 + 16;
const LENGTH_BYTES: usize = 4;

const PARENT: u64 = 1;
const INCOMPLETE: u64 = 1 << 1;
const DECLARED: u64 = 1 << 2;
const ERROR: u64 = 1 << 3;
const INPUTS: u64 = 1 << 4;
const OUTPUTS: u64 = 1 << 5;
const ATTRIBUTES: u64 = 1 << 6;
const EVENTS: u64 = 1 << 7;
const MODEL: u64 = 1 << 8;
const WORKFLOW: u64 = 1 << 9;
const RUN: u64 = 1 << 10;

const ENDINGS: [Ending; 6] =
    [Ending::Ok, Ending::Error, Ending::Panic, Ending::Cancelled, Ending::Abandoned, Ending::Unknown];

/// Why a block, or one span in it, cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreadable;

/// One block being written.
#[derive(Debug, Default)]
pub(super) struct Block<'a> {
    bytes: Vec<u8>,
    /// The first span of each site.
    sites: Vec<&'a SpanRecord>,
    spans: usize,
}

impl<'a> Block<'a> {
    /// An empty block of a trace.
    pub(super) fn of(trace: TraceId) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        bytes.push(MARK);
        bytes.extend_from_slice(&trace.to_bytes());
        Self { bytes, ..Self::default() }
    }

    /// Whether the next span belongs into another block.
    pub(super) fn is_full(&self) -> bool {
        self.spans >= MOST_SPANS || self.bytes.len() >= MOST_BYTES
    }

    pub(super) fn spans(&self) -> usize {
        self.spans
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends a span of the block's trace.
    pub(super) fn push(&mut self, span: &'a SpanRecord) {
        let start = self.bytes.len();
        let to = &mut self.bytes;
        to.extend_from_slice(&[0; LENGTH_BYTES]);
        to.extend_from_slice(&span.span_id.to_u64().to_le_bytes());
        put_number(to, flags(span));
        if let Some(parent) = span.parent_id {
            to.extend_from_slice(&parent.to_u64().to_le_bytes());
        }
        to.extend_from_slice(&span.start_unix_ns.to_le_bytes());
        put_number(to, span.end_unix_ns.wrapping_sub(span.start_unix_ns));
        to.push(span.ending as u8);
        match self.sites.iter().position(|site| is_same_site(site, span)) {
            Some(number) => put_number(to, number as u64),
            None => {
                put_number(to, self.sites.len() as u64);
                put_site(to, span);
                self.sites.push(span);
            }
        }
        put_rest(to, span);
        let length = (self.bytes.len() - start - LENGTH_BYTES) as u32;
        self.bytes[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        self.spans += 1;
    }
}

/// One span alone, as a block.
pub(super) fn encode_one(span: &SpanRecord) -> Vec<u8> {
    let mut block = Block::of(span.trace_id);
    block.push(span);
    block.bytes
}

fn flags(span: &SpanRecord) -> u64 {
    let named = [
        (PARENT, span.parent_id.is_some()),
        (INCOMPLETE, span.incomplete),
        (DECLARED, span.declared.is_some()),
        (ERROR, span.error.is_some()),
        (INPUTS, span.inputs.is_some()),
        (OUTPUTS, span.outputs.is_some()),
        (ATTRIBUTES, !span.attributes.is_empty()),
        (EVENTS, !span.events.is_empty()),
        (MODEL, span.model.is_some()),
        (WORKFLOW, span.workflow.is_some()),
        (RUN, span.run.is_some()),
    ];
    named.iter().fold(0, |flags, (flag, is_set)| if *is_set { flags | flag } else { flags })
}

fn is_same_site(one: &SpanRecord, other: &SpanRecord) -> bool {
    one.source.line == other.source.line
        && one.name == other.name
        && one.source.function == other.source.function
        && one.source.file == other.source.file
        && one.span_type == other.span_type
        && one.kind == other.kind
        && one.declared == other.declared
}

fn put_site(to: &mut Vec<u8>, span: &SpanRecord) {
    let declared = span.declared.as_deref().unwrap_or_default();
    for text in [&span.name, &span.span_type, &span.kind, declared, &span.source.function, &span.source.file] {
        put_text(to, text);
    }
    put_number(to, span.source.line.into());
}

fn put_rest(to: &mut Vec<u8>, span: &SpanRecord) {
    if let Some(error) = &span.error {
        put_text(to, &error.kind);
        put_text(to, &error.message);
    }
    for value in [&span.inputs, &span.outputs].into_iter().flatten() {
        put_text(to, value.as_str());
    }
    if !span.attributes.is_empty() {
        put_number(to, span.attributes.len() as u64);
        span.attributes.iter().for_each(|(key, value)| put_attribute(to, key, value));
    }
    if !span.events.is_empty() {
        put_json(to, &span.events);
    }
    span.model.iter().for_each(|model| put_json(to, model));
    span.workflow.iter().for_each(|workflow| put_json(to, workflow));
    span.run.iter().for_each(|run| put_json(to, run));
}

fn put_attribute(to: &mut Vec<u8>, key: &str, value: &AttributeValue) {
    put_text(to, key);
    match value {
        AttributeValue::Bool(value) => to.push(u8::from(*value)),
        AttributeValue::Int(value) => {
            to.push(2);
            put_number(to, (value << 1 ^ value >> 63) as u64);
        }
        AttributeValue::Float(value) => {
            to.push(3);
            to.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        AttributeValue::Text(text) => {
            to.push(4);
            put_text(to, text);
        }
        AttributeValue::Json(json) => {
            to.push(5);
            put_text(to, json.as_str());
        }
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put_number(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

fn put_json(to: &mut Vec<u8>, value: &impl Serialize) {
    // Texts, numbers and lists of our own: nothing in them can fail to serialise.
    put_text(to, &serde_json::to_string(value).unwrap_or_default());
}

/// The spans of a stored block, front to back. What stands behind one that cannot be read is read all the same, unless it
/// shares the site that was lost.
#[derive(Debug)]
pub(super) struct Spans<'b> {
    form: Form<'b>,
}

#[derive(Debug)]
enum Form<'b> {
    /// One span as JSON.
    Json(Option<&'b [u8]>),
    Block {
        trace: TraceId,
        rest: &'b [u8],
        sites: Vec<Option<SiteView<'b>>>,
    },
}

impl<'b> Spans<'b> {
    /// Begins to read a block.
    pub(super) fn of(stored: &'b [u8]) -> Result<Self, Unreadable> {
        let form = match stored.first() {
            Some(b'{') => Form::Json(Some(stored)),
            Some(&MARK) => {
                let (head, rest) = stored.split_at_checked(HEAD_BYTES).ok_or(Unreadable)?;
                let trace = head[1..].try_into().map_err(|_| Unreadable)?;
                Form::Block { trace: TraceId::from_bytes(trace), rest, sites: Vec::new() }
            }
            _ => return Err(Unreadable),
        };
        Ok(Self { form })
    }
}

impl Spans<'_> {
    /// Shows the next span, with the bytes it takes, to `with`; `None` behind the last one.
    pub(super) fn next_with<T>(
        &mut self,
        with: impl FnOnce(Result<&SpanView<'_>, Unreadable>, usize) -> T,
    ) -> Option<T> {
        match &mut self.form {
            Form::Json(stored) => {
                let stored = stored.take()?;
                let record: Result<SpanRecord, _> = serde_json::from_slice(stored);
                let span = record.as_ref().map(SpanView::from);
                Some(with(span.as_ref().map_err(|_| Unreadable), stored.len()))
            }
            Form::Block { trace, rest, sites } => {
                let span = next_span(rest)?;
                let bytes = LENGTH_BYTES + span.len();
                let span = Reader { rest: span }.span(*trace, sites);
                Some(with(span.as_ref().map_err(|unreadable| *unreadable), bytes))
            }
        }
    }
}

impl Iterator for Spans<'_> {
    type Item = Result<SpanRecord, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(|span, _| span.map(SpanView::to_record))
    }
}

/// The ids of the spans in a block.
pub(super) fn ids(stored: &[u8]) -> Result<Vec<SpanId>, Unreadable> {
    match Spans::of(stored)?.form {
        Form::Json(_) => {
            let span: SpanRecord = serde_json::from_slice(stored).map_err(|_| Unreadable)?;
            Ok(vec![span.span_id])
        }
        Form::Block { mut rest, .. } => {
            let spans = std::iter::from_fn(|| next_span(&mut rest));
            spans.map(|span| Reader { rest: span }.word().map(SpanId::from_u64)).collect()
        }
    }
}

/// How many spans a block holds.
pub(super) fn count(stored: &[u8]) -> usize {
    match Spans::of(stored) {
        Ok(Spans { form: Form::Block { mut rest, .. } }) => std::iter::from_fn(|| next_span(&mut rest)).count(),
        _ => 1,
    }
}

/// Cuts the next span off `rest`. Bytes that are none end the block: they are a span that cannot be read, so that it is not passed over.
fn next_span<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    if rest.is_empty() {
        return None;
    }
    let framed = rest
        .split_first_chunk()
        .and_then(|(length, behind)| behind.split_at_checked(u32::from_le_bytes(*length) as usize));
    let (span, behind) = framed.unwrap_or_default();
    *rest = behind;
    Some(span)
}

struct Reader<'b> {
    rest: &'b [u8],
}

/// What every span begins with, up to what its flags name.
struct Head<'b> {
    span_id: SpanId,
    flags: u64,
    parent_id: Option<SpanId>,
    start_unix_ns: u64,
    end_unix_ns: u64,
    ending: Ending,
    site: SiteView<'b>,
}

impl<'b> Reader<'b> {
    #[inline]
    fn head(&mut self, sites: &mut Vec<Option<SiteView<'b>>>) -> Result<Head<'b>, Unreadable> {
        let span_id = SpanId::from_u64(self.word()?);
        let flags = self.number()?;
        let parent_id = (flags & PARENT != 0).then(|| self.word().map(SpanId::from_u64)).transpose()?;
        let start_unix_ns = self.word()?;
        let end_unix_ns = start_unix_ns.wrapping_add(self.number()?);
        let ending = *ENDINGS.get(usize::from(self.byte()?)).ok_or(Unreadable)?;
        let site = self.site(sites)?;
        Ok(Head { span_id, flags, parent_id, start_unix_ns, end_unix_ns, ending, site })
    }

    fn span(mut self, trace: TraceId, sites: &mut Vec<Option<SiteView<'b>>>) -> Result<SpanView<'b>, Unreadable> {
        let Head { span_id, flags, parent_id, start_unix_ns, end_unix_ns, ending, site } = self.head(sites)?;
        let has = |flag| flags & flag != 0;
        Ok(SpanView {
            trace_id: trace,
            span_id,
            parent_id,
            site: SiteView { declared: site.declared.filter(|_| has(DECLARED)), ..site },
            start_unix_ns,
            end_unix_ns,
            ending,
            incomplete: has(INCOMPLETE),
            error: has(ERROR).then(|| self.error()).transpose()?,
            inputs: has(INPUTS).then(|| self.text()).transpose()?,
            outputs: has(OUTPUTS).then(|| self.text()).transpose()?,
            attributes: has(ATTRIBUTES).then(|| self.attributes()).transpose()?.unwrap_or_default(),
            events: Cow::Owned(has(EVENTS).then(|| self.parsed()).transpose()?.unwrap_or_default()),
            model: has(MODEL).then(|| self.parsed()).transpose()?.map(Cow::Owned),
            workflow: has(WORKFLOW).then(|| self.parsed()).transpose()?.map(Cow::Owned),
            run: has(RUN).then(|| self.parsed()).transpose()?.map(Cow::Owned),
        })
    }

    fn site(&mut self, sites: &mut Vec<Option<SiteView<'b>>>) -> Result<SiteView<'b>, Unreadable> {
        let number = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        if let Some(known) = sites.get(number) {
            return known.ok_or(Unreadable);
        }
        // Those between were lost with the spans that brought them.
        if number >= MOST_SPANS {
            return Err(Unreadable);
        }
        let mut text = || self.text();
        let (name, span_type, kind, declared) = (text()?, text()?, text()?, text()?);
        let (function, file) = (text()?, text()?);
        let line = u32::try_from(self.number()?).map_err(|_| Unreadable)?;
        let site = SiteView { name, span_type, kind, declared: Some(declared), function, file, line };
        sites.resize(number, None);
        sites.push(Some(site));
        Ok(site)
    }

    fn error(&mut self) -> Result<ErrorView<'b>, Unreadable> {
        Ok(ErrorView { kind: self.text()?, message: self.text()? })
    }

    fn attributes(&mut self) -> Result<Vec<(&'b str, ValueView<'b>)>, Unreadable> {
        let count = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        // Each takes two bytes at least.
        let mut attributes = Vec::with_capacity(count.min(self.rest.len() / 2));
        for _ in 0..count {
            let key = self.text()?;
            let value = match self.byte()? {
                flag @ (0 | 1) => ValueView::Bool(flag == 1),
                2 => {
                    let number = self.number()?;
                    ValueView::Int((number >> 1) as i64 ^ -((number & 1) as i64))
                }
                3 => ValueView::Float(f64::from_bits(self.word()?)),
                4 => ValueView::Text(self.text()?),
                5 => ValueView::Json(self.text()?),
                _ => return Err(Unreadable),
            };
            attributes.push((key, value));
        }
        Ok(attributes)
    }

    fn parsed<T: DeserializeOwned>(&mut self) -> Result<T, Unreadable> {
        serde_json::from_str(self.text()?).map_err(|_| Unreadable)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        let (&byte, rest) = self.rest.split_first().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(byte)
    }

    fn word(&mut self) -> Result<u64, Unreadable> {
        let (word, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*word))
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable)
    }

    fn text(&mut self) -> Result<&'b str, Unreadable> {
        let length = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Unreadable)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| Unreadable)
    }
}
