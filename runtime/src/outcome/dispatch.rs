//! Choosing how a returned value is read, by what its type is known to be in the user's function.
//!
//! `p::ret(r).ok().get()` takes two steps. `ok` sets aside the error of a `Result`, of which only the text is kept; `get` reads the value that is left. Each
//! walks a chain of newtypes by `Deref` and takes the first inherent method whose `impl` bounds hold. A bound on the `impl` drops a candidate; a
//! bound on the method is checked only after it was taken, and is how a level refuses with a message of its own. The order of the levels
//! is the meaning of the module; every level that is passed over costs each annotated function compile time, so the common types come first.
//!
//! A type that is not yet known counts as meeting every bound, so the caller writes the return type down before it dispatches.

use std::fmt::Display;
use std::future::Future;
use std::ops::Deref;

use futures_core::Stream;
use serde::Serialize;

use super::{FactsOf, Failure, ModelOutcome, Observed, Outcome, SandboxOutcome};
use crate::capture::Named;

/// Reads the value of a function whose return type names no future and no stream; refuses one that is.
pub fn ret<T>(r: &T) -> Ret1<'_, T> {
    Ret1(Ret2(Ret3(r)))
}

/// Reads the value of a function that was declared `returns = "value"`.
pub fn plain<T>(r: &T) -> Plain1<'_, T> {
    Plain1(Plain2(Plain3(r)))
}

/// Reads the value of a model call; refuses a future and a stream.
pub fn model<T>(r: &T) -> Reply1<'_, T> {
    Reply1(Reply2(Reply3(r)))
}

/// Reads the value of a sandboxed run; refuses one that does not say how the run ended.
pub fn sandbox<T>(r: &T) -> Run1<'_, T> {
    Run1(Run2(Run3(r)))
}

/// Names the type of the value, where it is not known enough to be read.
pub fn opaque<T>(_: &T) -> Observed<'_> {
    Observed::captured(Named::<T>::value())
}

/// Stands where a function never returns.
pub fn unreached<T>(_: &T) -> Observed<'_> {
    Observed::ok()
}

/// What was returned, without the `Result` around it.
#[derive(Debug)]
pub struct Seen<'r, T>(Result<&'r T, Failure<'r>>);

impl<'r, T> Seen<'r, T> {
    fn seen(&self) -> &Self {
        self
    }

    fn read(&self, value: impl FnOnce(&'r T) -> Observed<'r>) -> Observed<'r> {
        match self.0 {
            Ok(seen) => value(seen),
            Err(failure) => Observed::failed(failure),
        }
    }
}

macro_rules! chain {
    ($($outer:ident => $inner:ident),* $(,)?) => {$(
        /// A level of the dispatch.
        #[derive(Debug)]
        pub struct $outer<'r, T>($inner<'r, T>);

        impl<'r, T> Deref for $outer<'r, T> {
            type Target = $inner<'r, T>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<'r, T> $outer<'r, T> {
            fn seen(&self) -> &Seen<'r, T> {
                self.0.seen()
            }
        }
    )*};
}

chain! {
    Value1 => Value2, Value2 => Value3, Value3 => Value4, Value4 => Value5, Value5 => Seen,
    Any1 => Any2, Any2 => Any3, Any3 => Seen,
    Model1 => Model2, Model2 => Model3, Model3 => Value1,
    Sandbox1 => Sandbox2, Sandbox2 => Seen,
}

macro_rules! sides {
    ($($text:ident > $name:ident > $whole:ident => $levels:ident = $new:expr;)*) => {$(
        /// A `Result` whose error has a text.
        #[derive(Debug)]
        pub struct $text<'r, T>($name<'r, T>);

        /// A `Result` whose error has none.
        #[derive(Debug)]
        pub struct $name<'r, T>($whole<'r, T>);

        /// Any other value.
        #[derive(Debug)]
        pub struct $whole<'r, T>(&'r T);

        impl<'r, T> Deref for $text<'r, T> {
            type Target = $name<'r, T>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<'r, T> Deref for $name<'r, T> {
            type Target = $whole<'r, T>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<'r, T, E: Display> $text<'r, Result<T, E>> {
            /// The value, or the error's text.
            pub fn ok(&self) -> $levels<'r, T> {
                ($new)(Seen(self.0.0.0.as_ref().map_err(Failure::shown)))
            }
        }

        impl<'r, T, E> $name<'r, Result<T, E>> {
            /// The value, or the name of the error's type.
            pub fn ok(&self) -> $levels<'r, T> {
                ($new)(Seen(self.0.0.as_ref().map_err(|_| Failure::named::<E>())))
            }
        }

        impl<'r, T> $whole<'r, T> {
            /// The value.
            pub fn ok(&self) -> $levels<'r, T> {
                ($new)(Seen(Ok(self.0)))
            }
        }
    )*};
}

sides! {
    Ret1 > Ret2 > Ret3 => Value1 = value;
    Plain1 > Plain2 > Plain3 => Any1 = |seen| Any1(Any2(Any3(seen)));
    Reply1 > Reply2 > Reply3 => Model1 = |seen| Model1(Model2(Model3(value(seen))));
    Run1 > Run2 > Run3 => Sandbox1 = |seen| Sandbox1(Sandbox2(seen));
}

fn value<T>(seen: Seen<'_, T>) -> Value1<'_, T> {
    Value1(Value2(Value3(Value4(Value5(seen)))))
}

/// Never implemented: a future that was not declared is not traced as a value, since its work would happen after the span.
#[diagnostic::on_unimplemented(
    message = "the returned value is a future, but the signature does not show it",
    label = "returns a future",
    note = "add `returns = \"future\"` to the attribute to trace the future until it is done",
    note = "or `returns = \"value\"` to trace only the call that makes it"
)]
pub trait DeclaredFuture {}

/// Never implemented: a stream that was not declared is not traced as a value, since its items would come after the span.
#[diagnostic::on_unimplemented(
    message = "the returned value is a stream, but the signature does not show it",
    label = "returns a stream",
    note = "add `returns = \"stream\"` to the attribute to trace the stream until it is done",
    note = "or `returns = \"value\"` to trace only the call that makes it"
)]
pub trait DeclaredStream {}

impl<'r, T: Outcome> Value1<'r, T> {
    /// A value that judges itself.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(T::outcome)
    }
}

impl<'r, T: Serialize> Value2<'r, T> {
    /// A value; before futures and streams, none of which can be serialised.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(Observed::value)
    }
}

impl<'r, T: Future> Value3<'r, T> {
    /// A future.
    pub fn get(&self) -> Observed<'r>
    where
        T: DeclaredFuture,
    {
        self.seen().read(opaque)
    }
}

impl<'r, T: Stream> Value4<'r, T> {
    /// A stream.
    pub fn get(&self) -> Observed<'r>
    where
        T: DeclaredStream,
    {
        self.seen().read(opaque)
    }
}

impl<'r, T> Value5<'r, T> {
    /// A value known by its type.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(opaque)
    }
}

impl<'r, T: Outcome> Any1<'r, T> {
    /// A value that judges itself.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(T::outcome)
    }
}

impl<'r, T: Serialize> Any2<'r, T> {
    /// A value.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(Observed::value)
    }
}

impl<'r, T> Any3<'r, T> {
    /// A value known by its type.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(opaque)
    }
}

impl<'r, T: ModelOutcome + Outcome> Model1<'r, T> {
    /// A reply that judges itself.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(|value| reply(value, T::outcome))
    }
}

impl<'r, T: ModelOutcome + Serialize> Model2<'r, T> {
    /// A reply.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(|value| reply(value, Observed::value))
    }
}

impl<'r, T: ModelOutcome> Model3<'r, T> {
    /// A reply known by its type.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(|value| reply(value, opaque))
    }
}

impl<'r, T: SandboxOutcome + Serialize> Sandbox1<'r, T> {
    /// A run.
    pub fn get(&self) -> Observed<'r> {
        self.seen().read(|value| run(value, Observed::value))
    }
}

impl<'r, T> Sandbox2<'r, T> {
    /// A run known by its type; the last word on everything else.
    pub fn get(&self) -> Observed<'r>
    where
        T: SandboxOutcome,
    {
        self.seen().read(|value| run(value, opaque))
    }
}

fn reply<'r, T: ModelOutcome>(value: &'r T, observe: impl FnOnce(&'r T) -> Observed<'r>) -> Observed<'r> {
    observe(value).with(FactsOf::Model(value))
}

fn run<'r, T: SandboxOutcome>(value: &'r T, observe: impl FnOnce(&'r T) -> Observed<'r>) -> Observed<'r> {
    Observed { failure: Failure::of_run(value), ..observe(value) }.with(FactsOf::Sandbox(value))
}

/// Reads the error of a `Result` whose other side is a future or a stream.
pub fn error<E>(error: &E) -> Error1<'_, E> {
    Error1(Error2(error))
}

/// The error's own text, where it has one.
#[derive(Debug)]
pub struct Error1<'r, E>(Error2<'r, E>);

/// The name of the error's type.
#[derive(Debug)]
pub struct Error2<'r, E>(&'r E);

impl<'r, E> Deref for Error1<'r, E> {
    type Target = Error2<'r, E>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'r, E: Display> Error1<'r, E> {
    /// What was seen.
    pub fn get(&self) -> Observed<'r> {
        Observed::failed(Failure::shown(self.0.0))
    }
}

impl<'r, E> Error2<'r, E> {
    /// What was seen.
    pub fn get(&self) -> Observed<'r> {
        Observed::failed(Failure::named::<E>())
    }
}
