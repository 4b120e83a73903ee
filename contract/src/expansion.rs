//! What the attributes and declarations of a source tree become, as text for people.
//!
//! In: a program. Out: each annotated function and each `spans!` with its expansion, by path. The same macros as in a
//! build, printed by prettyplease: comments are gone, since the expansion is made of tokens.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;
use serde::{Deserialize, Serialize};
use spanwright_macros_core::{attribute, spans};
use syn::File;
use syn::visit::Visit;

use crate::catalog::Place;
use crate::program::Program;

/// An annotated function or a `spans!`, and what it becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expansion {
    /// `crate::module::Type::function`; `crate::module::spans!` for a declaration.
    pub path: String,
    /// Where the function's name, or the macro's, stands.
    pub place: Place,
    /// Conditions of compilation, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cfg: Vec<String>,
    /// What it becomes; empty where it does not compile.
    pub code: String,
    /// What the compiler would say; empty where it compiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<String>,
}

/// How the body of a function, which passes through an attribute unchanged, is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// As it is written.
    Whole,
    /// As `..`, so that the text changes only when the attribute, the signature or the macro does.
    Elided,
}

/// All expansions, sorted by path, then by place.
pub fn expansions(program: &Program, bodies: Bodies) -> Vec<Expansion> {
    let functions = program.annotated.iter().map(|one| {
        let position = if one.is_associated { Position::Impl } else { Position::Module };
        let (code, mistakes) = match &one.plan {
            Ok(_) => {
                let item = match bodies {
                    Bodies::Whole => one.item.clone(),
                    Bodies::Elided => elided(one.item.clone()),
                };
                (print(attribute(one.kind, one.args.clone(), item), position), Vec::new())
            }
            Err(errors) => (String::new(), errors.messages()),
        };
        Expansion { path: one.path.clone(), place: one.place.clone(), cfg: one.cfg.clone(), code, mistakes }
    });
    let declarations = program.declared.iter().map(|one| {
        let (code, mistakes) = match &one.declaration {
            Ok(_) => (print(spans(one.tokens.clone()), Position::Module), Vec::new()),
            Err(errors) => (String::new(), errors.messages()),
        };
        let path = format!("{}::spans!", one.module);
        Expansion { path, place: one.place.clone(), cfg: one.cfg.clone(), code, mistakes }
    });
    let mut found: Vec<_> = functions.chain(declarations).collect();
    found.sort_by(|a, b| (&a.path, &a.place).cmp(&(&b.path, &b.place)));
    found
}

/// A function with `..` for its body.
fn elided(item: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    if let Some(TokenTree::Group(body)) = tokens.last_mut()
        && body.delimiter() == Delimiter::Brace
    {
        *body = Group::new(Delimiter::Brace, quote!(..));
    }
    tokens.into_iter().collect()
}

/// The expansions as one text without places, so that it changes only when an expansion does.
pub fn text(expansions: &[Expansion]) -> String {
    let texts = expansions.iter().map(|Expansion { path, cfg, code, mistakes, .. }| {
        let conditions: String = cfg.iter().map(|condition| format!("  cfg({condition})")).collect();
        let mistakes: String = mistakes.iter().map(|mistake| format!("// error: {mistake}\n")).collect();
        format!("// {path}{conditions}\n{mistakes}{code}")
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// In a module or a function.
    Module,
    /// In an `impl`, where a function may say `self`.
    Impl,
    /// In a `trait`, where a function may have no body either.
    Trait,
    /// In an `extern` block.
    Foreign,
}

/// Items as prettyplease prints them; what it cannot print, such as a body that is half typed, as tokens in a line.
pub fn print(tokens: TokenStream, position: Position) -> String {
    let wrapped = match position {
        Position::Module => tokens.clone(),
        Position::Impl => quote!(impl Position { #tokens }),
        Position::Trait => quote!(trait Position { #tokens }),
        Position::Foreign => quote!(unsafe extern "C" { #tokens }),
    };
    let file = match syn::parse2::<File>(wrapped) {
        Ok(file) if is_known(&file) => file,
        _ => return format!("{tokens}\n"),
    };
    let text = prettyplease::unparse(&file);
    if position == Position::Module {
        return text;
    }
    let lines: Vec<_> = text.lines().collect();
    let inner = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

/// Whether all of it is syntax that syn has a name for: prettyplease panics on the rest.
fn is_known(file: &File) -> bool {
    struct Known(bool);

    impl<'ast> Visit<'ast> for Known {
        fn visit_token_stream(&mut self, _: &'ast TokenStream) {
            self.0 = false;
        }

        // The tokens of a macro call and of an attribute are printed as they are.
        fn visit_macro(&mut self, _: &'ast syn::Macro) {}
        fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    }

    let mut known = Known(true);
    known.visit_file(file);
    known.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_printed_and_what_cannot_be_is_kept_as_tokens() {
        let method = quote!(
            pub(crate) fn f(self) {}
        );
        assert_eq!(print(method, Position::Impl), "pub(crate) fn f(self) {}\n");
        assert_eq!(
            print(
                quote!(
                    fn f(&self);
                ),
                Position::Trait
            ),
            "fn f(&self);\n"
        );
        let half_typed = print(quote!(fn f() { let x = ; }), Position::Module);
        assert_eq!(half_typed, "fn f () { let x = ; }\n");
        let unknown_to_syn = print(quote!(impl A { fn f(); }), Position::Module);
        assert_eq!(unknown_to_syn, "impl A { fn f () ; }\n");
    }
}
