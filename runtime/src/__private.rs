//! What generated code names: re-exports, and nothing else. No promise is made about it.

pub use crate::__site as site;
pub use crate::callsite::{Callsite, Capture as Level, Kind};
pub use crate::capture::{Text, Texts, Value, arg, debug, redacted, simple};
pub use crate::contract::{Contract, DeclaredAttribute, DeclaredSpan};
pub use crate::future::{
    Instrumented, InstrumentedStream, Then, future, future_from, future_then, promised_future, stream, try_future,
    try_stream,
};
pub use crate::outcome::{Observed, error, model, opaque, plain as value, ret, sandbox, unreached};
pub use crate::span::{
    Begun, Declared, Facts, Handle, Inside, MadeBy, OpenSpan, Span, attribute, call, checked, declaration, declared,
    handle, kind, start,
};
pub use serde::Serialize;
pub use std::boxed::Box;
