//! What generated code names: re-exports, and nothing else. No promise is made about it.

pub use crate::callsite::{Callsite, Capture as Level, Kind};
pub use crate::capture::{Text, Value, arg, debug, redacted};
pub use crate::future::{
    Instrumented, InstrumentedStream, Then, future, future_from, future_then, promised_future, stream, try_future,
    try_stream,
};
pub use crate::outcome::{Observed, error, model, opaque, plain as value, ret, sandbox, unreached};
pub use std::boxed::Box;

pub use crate::span::{Facts, Handle, Span, call, handle, start};
