//! Mistakes: collected, never thrown one by one. Every message names the thing in backticks, says what is wrong and what to do.

use proc_macro2::{Span, TokenStream};

/// A mistake at the tokens of `$at`: a format string and its arguments.
macro_rules! err {
    ($at:expr, $($message:tt)+) => {
        ::darling::Error::custom(::std::format!($($message)+)).with_span(&$at)
    };
}
pub(crate) use err;

/// All mistakes of one attribute, each at its token.
#[derive(Clone, Debug)]
pub struct Errors(darling::Error);

impl Errors {
    /// One `compile_error!` per mistake.
    pub fn into_compile_errors(self) -> TokenStream {
        self.0.flatten().write_errors()
    }

    /// Each mistake with its place, in the order of their discovery.
    pub fn placed(&self) -> Vec<(Span, String)> {
        self.0.clone().flatten().into_iter().map(|error| (error.span(), error.to_string())).collect()
    }

    /// The messages, in the order of their discovery.
    pub fn messages(&self) -> Vec<String> {
        self.0.clone().flatten().into_iter().map(|error| error.to_string()).collect()
    }
}

/// Mistakes so far.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<darling::Error>);

impl Mistakes {
    /// The value, or its mistake kept.
    pub(crate) fn keep<T>(&mut self, result: darling::Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    pub(crate) fn push(&mut self, error: darling::Error) {
        self.0.push(error);
    }

    pub(crate) fn add(&mut self, errors: Vec<darling::Error>) {
        self.0.extend(errors);
    }

    /// The mistakes as one error of darling, where there are any.
    pub(crate) fn checked<T>(self, value: T) -> darling::Result<T> {
        if self.0.is_empty() { Ok(value) } else { Err(darling::Error::multiple(self.0)) }
    }

    pub(crate) fn finish(self) -> Result<(), Errors> {
        self.checked(()).map_err(Errors)
    }

    /// For a caller that knows there is one.
    pub(crate) fn into_errors(mut self) -> Errors {
        if self.0.is_empty() {
            self.0.push(darling::Error::custom("the attribute could not be read"));
        }
        Errors(darling::Error::multiple(self.0))
    }
}

/// The name in `known` that `written` was most likely meant to be.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|name| (distance(written, name), name)).min()?;
    let (edits, name) = near;
    // A third of the letters may be wrong: `nmae` is `name`, `foo` is nothing.
    (edits * 3 <= name.len().max(written.len())).then_some(name)
}

/// Edits between two words, where swapping two neighbours counts as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swap = if swapped { table[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1).min(swap)
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["name", "span_type", "skip", "capture"];
        for (written, meant) in [
            ("nmae", Some("name")),
            ("names", Some("name")),
            ("spantype", Some("span_type")),
            ("skp", Some("skip")),
            ("captures", Some("capture")),
            ("foo", None),
            ("x", None),
        ] {
            assert_eq!(did_you_mean(written, known), meant, "{written}");
        }
    }
}
