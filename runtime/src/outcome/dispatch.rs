//! Choosing how a returned value is read, by what its type is known to be in the user's function.
//!
//! `p::ret(r).get()` walks a chain of newtypes by `Deref` and takes the first inherent `get` whose `impl` bounds hold. A bound on the `impl`
//! drops a candidate; a bound on the method is checked only after it was taken, and is how a level refuses with a message of its own.
//! The order of the levels is the meaning of the module.
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
pub fn ret<T>(r: &T) -> Lazy1<'_, T> {
    Lazy1(Lazy2(Lazy3(Lazy4(plain(r)))))
}

/// Reads the value of a function that was declared `returns = "value"`.
pub fn plain<T>(r: &T) -> Ret1<'_, T> {
    Ret1(Ret2(Ret3(Ret4(Ret5(Ret6(Ret7(Ret8(Ret9(r)))))))))
}

/// Reads the value of a model call.
pub fn model<T>(r: &T) -> Model1<'_, T> {
    Model1(Model2(Model3(Model4(Model5(Model6(Model7(Model8(Model9(ret(r))))))))))
}

/// Reads the value of a sandboxed run; refuses one that does not say how the run ended.
pub fn sandbox<T>(r: &T) -> Sandbox1<'_, T> {
    Sandbox1(Sandbox2(Sandbox3(Sandbox4(Sandbox5(Sandbox6(Sandbox7(r)))))))
}

/// Names the type of the value, where it is not known enough to be read.
pub fn opaque<T>(_: &T) -> Observed<'_> {
    Observed::captured(Named::<T>::value())
}

/// Stands where a function never returns.
pub fn unreached<T>(_: &T) -> Observed<'_> {
    Observed::ok()
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
    )*};
}

chain! {
    Lazy1 => Lazy2, Lazy2 => Lazy3, Lazy3 => Lazy4, Lazy4 => Ret1,
    Ret1 => Ret2, Ret2 => Ret3, Ret3 => Ret4, Ret4 => Ret5, Ret5 => Ret6, Ret6 => Ret7, Ret7 => Ret8, Ret8 => Ret9,
    Model1 => Model2, Model2 => Model3, Model3 => Model4, Model4 => Model5, Model5 => Model6, Model6 => Model7,
    Model7 => Model8, Model8 => Model9, Model9 => Lazy1,
    Sandbox1 => Sandbox2, Sandbox2 => Sandbox3, Sandbox3 => Sandbox4, Sandbox4 => Sandbox5, Sandbox5 => Sandbox6,
    Sandbox6 => Sandbox7,
}

/// The last level of `ret`: any value.
#[derive(Debug)]
pub struct Ret9<'r, T>(&'r T);

/// The last level of `sandbox`: a value that does not say how the run ended.
#[derive(Debug)]
pub struct Sandbox7<'r, T>(&'r T);

macro_rules! reaches {
    ($($level:ident),*) => {$(
        impl<'r, T> $level<'r, T> {
            fn value(&self) -> &'r T {
                self.0.value()
            }
        }
    )*};
}

reaches!(Lazy1, Lazy2, Lazy3, Lazy4);
reaches!(Ret1, Ret2, Ret3, Ret4, Ret5, Ret6, Ret7, Ret8);
reaches!(Model1, Model2, Model3, Model4, Model5, Model6, Model7, Model8, Model9);
reaches!(Sandbox1, Sandbox2, Sandbox3, Sandbox4, Sandbox5, Sandbox6);

impl<'r, T> Ret9<'r, T> {
    fn value(&self) -> &'r T {
        self.0
    }
}

impl<'r, T> Sandbox7<'r, T> {
    fn value(&self) -> &'r T {
        self.0
    }
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

impl<'r, T: Future> Lazy1<'r, T> {
    /// A future.
    pub fn get(&self) -> Observed<'r>
    where
        T: DeclaredFuture,
    {
        opaque(self.value())
    }
}

impl<'r, T: Stream> Lazy2<'r, T> {
    /// A stream.
    pub fn get(&self) -> Observed<'r>
    where
        T: DeclaredStream,
    {
        opaque(self.value())
    }
}

impl<'r, T: Future, E> Lazy3<'r, Result<T, E>> {
    /// A future, or an error at once.
    pub fn get(&self) -> Observed<'r>
    where
        T: DeclaredFuture,
    {
        opaque(self.value())
    }
}

impl<'r, T: Stream, E> Lazy4<'r, Result<T, E>> {
    /// A stream, or an error at once.
    pub fn get(&self) -> Observed<'r>
    where
        T: DeclaredStream,
    {
        opaque(self.value())
    }
}

impl<'r, T: Outcome> Ret1<'r, T> {
    /// A value that judges itself.
    pub fn get(&self) -> Observed<'r> {
        self.value().outcome()
    }
}

impl<'r, T: Outcome, E: Display> Ret2<'r, Result<T, E>> {
    /// A value that judges itself, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), T::outcome, Failure::shown)
    }
}

impl<'r, T: Outcome, E> Ret3<'r, Result<T, E>> {
    /// A value that judges itself, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), T::outcome, unnamed)
    }
}

impl<'r, T: Serialize, E: Display> Ret4<'r, Result<T, E>> {
    /// A value, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), Observed::value, Failure::shown)
    }
}

impl<'r, T: Serialize, E> Ret5<'r, Result<T, E>> {
    /// A value, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), Observed::value, unnamed)
    }
}

impl<'r, T, E: Display> Ret6<'r, Result<T, E>> {
    /// A value known by its type, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), opaque, Failure::shown)
    }
}

impl<'r, T, E> Ret7<'r, Result<T, E>> {
    /// A value known by its type, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), opaque, unnamed)
    }
}

impl<'r, T: Serialize> Ret8<'r, T> {
    /// A value.
    pub fn get(&self) -> Observed<'r> {
        Observed::value(self.value())
    }
}

impl<'r, T> Ret9<'r, T> {
    /// A value known by its type.
    pub fn get(&self) -> Observed<'r> {
        opaque(self.value())
    }
}

impl<'r, T: ModelOutcome + Outcome> Model1<'r, T> {
    /// A reply that judges itself.
    pub fn get(&self) -> Observed<'r> {
        reply(self.value(), T::outcome)
    }
}

impl<'r, T: ModelOutcome + Serialize> Model2<'r, T> {
    /// A reply.
    pub fn get(&self) -> Observed<'r> {
        reply(self.value(), Observed::value)
    }
}

impl<'r, T: ModelOutcome> Model3<'r, T> {
    /// A reply known by its type.
    pub fn get(&self) -> Observed<'r> {
        reply(self.value(), opaque)
    }
}

impl<'r, T: ModelOutcome + Outcome, E: Display> Model4<'r, Result<T, E>> {
    /// A reply that judges itself, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| reply(value, T::outcome), Failure::shown)
    }
}

impl<'r, T: ModelOutcome + Outcome, E> Model5<'r, Result<T, E>> {
    /// A reply that judges itself, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| reply(value, T::outcome), unnamed)
    }
}

impl<'r, T: ModelOutcome + Serialize, E: Display> Model6<'r, Result<T, E>> {
    /// A reply, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| reply(value, Observed::value), Failure::shown)
    }
}

impl<'r, T: ModelOutcome + Serialize, E> Model7<'r, Result<T, E>> {
    /// A reply, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| reply(value, Observed::value), unnamed)
    }
}

impl<'r, T: ModelOutcome, E: Display> Model8<'r, Result<T, E>> {
    /// A reply known by its type, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| reply(value, opaque), Failure::shown)
    }
}

impl<'r, T: ModelOutcome, E> Model9<'r, Result<T, E>> {
    /// A reply known by its type, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| reply(value, opaque), unnamed)
    }
}

impl<'r, T: SandboxOutcome + Serialize> Sandbox1<'r, T> {
    /// A run.
    pub fn get(&self) -> Observed<'r> {
        run(self.value(), Observed::value)
    }
}

impl<'r, T: SandboxOutcome> Sandbox2<'r, T> {
    /// A run known by its type.
    pub fn get(&self) -> Observed<'r> {
        run(self.value(), opaque)
    }
}

impl<'r, T: SandboxOutcome + Serialize, E: Display> Sandbox3<'r, Result<T, E>> {
    /// A run, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| run(value, Observed::value), Failure::shown)
    }
}

impl<'r, T: SandboxOutcome + Serialize, E> Sandbox4<'r, Result<T, E>> {
    /// A run, or an error without a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| run(value, Observed::value), unnamed)
    }
}

impl<'r, T: SandboxOutcome, E: Display> Sandbox5<'r, Result<T, E>> {
    /// A run known by its type, or an error with a text.
    pub fn get(&self) -> Observed<'r> {
        either(self.value(), |value| run(value, opaque), Failure::shown)
    }
}

impl<'r, T, E> Sandbox6<'r, Result<T, E>> {
    /// A run known by its type, or an error without a text; the last word on every other `Result`.
    pub fn get(&self) -> Observed<'r>
    where
        T: SandboxOutcome,
    {
        either(self.value(), |value| run(value, opaque), unnamed)
    }
}

impl<'r, T> Sandbox7<'r, T> {
    /// The last word on everything else.
    pub fn get(&self) -> Observed<'r>
    where
        T: SandboxOutcome,
    {
        run(self.value(), opaque)
    }
}

fn either<'r, T, E>(
    result: &'r Result<T, E>,
    ok: impl FnOnce(&'r T) -> Observed<'r>,
    error: impl FnOnce(&'r E) -> Failure<'r>,
) -> Observed<'r> {
    match result {
        Ok(value) => ok(value),
        Err(value) => Observed::failed(error(value)),
    }
}

fn unnamed<E>(_: &E) -> Failure<'_> {
    Failure::named::<E>()
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
