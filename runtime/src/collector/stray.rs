//! Attributes that are outside of the declaration of their span: counted each, said once a key.
//!
//! The compiler checks what is set by typed setters; this is for what is set by name, through the handle of the current span.

use std::collections::HashSet;

use crate::conformance::{self, Stray};
use crate::record::{AttributeValue, SpanRecord};

use super::site::Site;

/// Keys that are said at most; the others are counted only.
const MAX_SAID: usize = 100;

/// What was found so far in the spans of one collector.
#[derive(Debug, Default)]
pub(super) struct Strays {
    count: u64,
    /// Id of the span and key of the attribute.
    said: HashSet<(String, String)>,
    remarks: Vec<String>,
}

impl Strays {
    /// Compares the attributes of a closed span with what its function is declared as.
    pub(super) fn look_at(&mut self, record: &SpanRecord, site: &Site) {
        let Some(declared) = &site.declared else { return };
        for (key, value) in &record.attributes {
            let Some(stray) = conformance::stray(&record.kind, key, value, declared.type_of(key)) else { continue };
            self.count += 1;
            let key = (declared.id.clone(), key.clone());
            if self.said.len() < MAX_SAID && !self.said.contains(&key) {
                self.remarks.push(remark(record, &key, value, stray));
                self.said.insert(key);
            }
        }
    }

    /// Attributes found so far: one for each span and key.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What has not been said yet.
    pub(super) fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }
}

fn remark(record: &SpanRecord, (id, key): &(String, String), value: &AttributeValue, stray: Stray<'_>) -> String {
    let source = &record.source;
    let set = format!("attribute `{key}` on `{}` ({}:{}) is kept", source.function, source.file, source.line);
    match stray {
        Stray::Undeclared => {
            format!("{set} though `{id}` does not declare it: declare it in `spans!`")
        }
        Stray::Mistyped(ty) => {
            let found = conformance::type_of(value);
            format!("{set} as `{found}` though `{id}` declares it as `{ty}`: use its typed setter")
        }
    }
}
