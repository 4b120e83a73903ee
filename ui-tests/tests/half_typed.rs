//! Code as an editor sees it while it is typed: half a body, half an argument. What the attribute makes of it keeps the user's tokens and leaves the
//! rest of the file as it was.

use proc_macro2::TokenStream;
use spanwright_macros_core::{Kind, attribute};

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("balanced")
}

/// The expansion as one text, where `body` stands in it as it was written, once. Around it is Rust.
fn around(args: &str, signature: &str, body: &str) -> String {
    let item = format!("{signature} {{ {body} }}");
    let expanded = attribute(Kind::Node, tokens(args), tokens(&item)).to_string();
    let body = tokens(body).to_string();
    assert_eq!(expanded.matches(&body).count(), 1, "{body} once in\n{expanded}");
    let rest = expanded.replace(&body, "");
    syn::parse_str::<syn::File>(&rest).unwrap_or_else(|error| panic!("{error} around the body of\n{expanded}"));
    expanded
}

#[test]
fn half_a_body_is_traced_as_a_whole_one() {
    // What is not balanced never reaches a macro: an editor closes it first.
    for body in ["x.", "foo(, )", "let a = ;", "if x", "match x { A => }", "x.await.", "&mut", "let a: Vec< = b"] {
        for signature in [
            "fn f(x: u32) -> u32",
            "async fn f(x: u32) -> u32",
            "fn f(x: u32) -> impl Future<Output = u32>",
            "fn f(x: u32) -> BoxFuture<'static, u32>",
            "fn f(x: u32) -> BoxStream<'static, u32>",
        ] {
            let expanded = around("", signature, body);
            assert!(expanded.contains("site ! (\"f\" , Node , [\"x\"])"), "{expanded}");
        }
        let handled = around("handle = s", "fn f(x: u32) -> u32", body);
        assert!(handled.contains("let s = "), "{handled}");
    }
}

#[test]
fn half_an_argument_leaves_the_function_as_it_was() {
    for args in [
        "ski",
        "skip",
        "skip()",
        "skip()x",
        "name =",
        "name = \"a\" handle",
        "attributes",
        "attributes(a)",
        "attributes(a = )",
        "attributes(a = x.)",
        "attributes(a = x +, b = 1)",
        "inputs(a = foo(x.))",
        "span =",
        "span = spans::",
        "expected(Failure::)",
        "crate = ::",
        "handle = ",
    ] {
        let expanded = around(args, "fn f(x: u32) -> u32", "x + 1");
        assert!(expanded.contains("compile_error"), "{args}: {expanded}");
        assert!(expanded.ends_with(&tokens("fn f(x: u32) -> u32 { x + 1 }").to_string()), "{args}: {expanded}");
    }
}

#[test]
fn a_wrong_argument_keeps_the_handle_of_the_others() {
    let expanded = around("ski, handle = s, attributes(a = x.)", "fn f(x: u32) -> u32", "s.event(\"a\"); x");
    assert!(expanded.contains("compile_error") && expanded.contains("let s = "), "{expanded}");
}

/// A signature that is not finished is no function yet: the errors, and what was written.
#[test]
fn half_a_signature_comes_back_as_it_was() {
    for item in
        ["fn f(x: ) -> u32 { x }", "fn f(x: u32) -> { x }", "fn f(x) { x }", "fn (x: u32) { x }", "async fn f(x: u32)"]
    {
        let expanded = attribute(Kind::Node, TokenStream::new(), tokens(item)).to_string();
        assert!(expanded.contains("compile_error"), "{item}: {expanded}");
        assert!(expanded.ends_with(&tokens(item).to_string()), "{item}: {expanded}");
    }
}
