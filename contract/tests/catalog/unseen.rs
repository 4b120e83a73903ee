//! What cannot be followed is listed; what has nothing of ours is not.

use spanwright_contract::catalog::catalog;
use spanwright_contract::program::{Options, outline};

use crate::ground::{app, lines, tree};

#[test]
fn macros_with_our_words_are_listed() {
    for (text, why) in [
        (
            "macro_rules! make { ($n:ident) => { #[spanwright::node] fn $n() {} } }",
            "the body of `macro_rules! make` has `#[spanwright::node]`",
        ),
        ("macro_rules! make { () => { #[tool] fn f() {} } }", "the body of `macro_rules! make` has `#[tool]`"),
        (
            "use spanwright::tool as t; macro_rules! make { () => { #[t] fn f() {} } }",
            "the body of `macro_rules! make` has `#[t]`",
        ),
        (
            "macro_rules! make { () => { #[cfg_attr(a, $crate::node)] fn f() {} } }",
            "the body of `macro_rules! make` has `#[$crate::node]`",
        ),
        (
            "macro_rules! make { () => { spanwright::spans! { } } }",
            "the body of `macro_rules! make` has `spanwright::spans!`",
        ),
        (
            "fn f() { macro_rules! make { () => { #[node] fn f() {} } } }",
            "the body of `macro_rules! make` has `#[node]`",
        ),
        ("use spanwright::node; wrap! { #[node] fn f() {} }", "`#[node]` stands inside `wrap!`"),
        (
            "cfg_if::cfg_if! { if #[cfg(unix)] { #[spanwright::node] fn f() {} } }",
            "`#[spanwright::node]` stands inside `cfg_if::cfg_if!`",
        ),
        (
            "fn f() { run(async { select! { a => { #[spanwright::node] fn g() {} } } }) }",
            "`#[spanwright::node]` stands inside `select!`",
        ),
        ("struct S; impl S { wrap! { #[spanwright::node] fn f() {} } }", "`#[spanwright::node]` stands inside `wrap!`"),
        ("include!(\"more.rs\");", "`include!(\"more.rs\")`"),
        ("include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));", "`include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"))`"),
        ("mod generated;", "module `generated` has no file"),
        ("#[path = concat!(env!(\"OUT_DIR\"), \"/made.rs\")] mod made;", "the path of module `made` is computed"),
        (
            "mod generated; use generated::*; #[tool] fn f() {}",
            "`#[tool]` may be ours: where it comes from cannot be read",
        ),
    ] {
        let found = app(&[("src/lib.rs", text)]);
        let said: Vec<_> = found.unresolved.iter().map(|found| found.why.as_str()).collect();
        assert!(said.contains(&why), "{text}: {said:?}");
        assert_eq!((found.spans.len(), found.mistakes.len()), (0, 0), "{text}");
    }
}

#[test]
fn macros_without_our_words_are_not() {
    let text = "
        macro_rules! plain { ($($t:tt)*) => { #[test] #[rmcp::tool] fn f() { vec![1]; } } }
        plain! { #[tool] fn g() {} }
        thread_local! { static A: u32 = const { 1 }; }
        rmcp::server! { #[node(a)] thing }
        fn f() {
            println!(\"#[node]\");
            let table = include!(\"table.rs\");
            let text = include_str!(\"more.rs\");
            #[allow(unused)] let node = matches!(1, 2);
        }
        // #[spanwright::node] fn in_a_comment() {}
        const TEXT: &str = \"#[spanwright::node] fn in_a_text() {}\";
    ";
    let found = app(&[("src/lib.rs", text), ("src/table.rs", "[1, 2, 3]"), ("src/more.rs", "#[node]")]);
    assert_eq!(lines(&found), Vec::<String>::new());
}

#[test]
fn a_module_that_a_macro_declares_is_listed_if_it_has_our_words() {
    let text = "cfg_if! { if #[cfg(unix)] { mod traced; mod plain; mod nowhere; } }";
    let files =
        [("src/lib.rs", text), ("src/traced/mod.rs", "#[spanwright::node] fn f() {}"), ("src/plain.rs", "fn g() {}")];
    assert_eq!(lines(&app(&files)), ["? src/lib.rs:1: module `traced` stands inside `cfg_if!`"]);
    assert_eq!(lines(&app(&[files[0], files[2]])), Vec::<String>::new());
}

#[test]
fn a_dependency_that_depends_on_ours_may_hand_it_on() {
    let text = "use rmcp::tool; #[tool] fn f() {} #[rmcp::other] fn g() {}";
    let lock = |of: &str| {
        format!(
            "version = 4\n[[package]]\nname = \"rmcp\"\nversion = \"1.0.0\"\ndependencies = [\"between 1.0.0\"]\n\n[[package]]\nname = \"between\"\nversion = \"1.0.0\"\ndependencies = [\"{of}\"]\n"
        )
    };
    let carried = app(&[("src/lib.rs", text), ("Cargo.lock", &lock("spanwright"))]);
    assert_eq!(lines(&carried), ["? src/lib.rs:1: `#[tool]` may be ours: where it comes from cannot be read"]);
    // Its glob takes nothing away from what is written out.
    let beside = "use rmcp::prelude::*; use spanwright::node; #[node] fn f() {} fn g() { use rmcp::*; #[spanwright::tool] fn h() {} }";
    let written = app(&[("src/lib.rs", beside), ("Cargo.lock", &lock("spanwright"))]);
    assert_eq!(lines(&written), ["app.f src/lib.rs:1", "app.g.h src/lib.rs:1"]);
    let foreign = app(&[("src/lib.rs", text), ("Cargo.lock", &lock("serde"))]);
    assert_eq!(lines(&foreign), Vec::<String>::new());
}

#[test]
fn a_place_says_where_the_unseen_ends() {
    let found = app(&[("src/lib.rs", "\n  macro_rules! make {\n    () => {\n #[spanwright::node] fn f() {}\n }\n}\n")]);
    let [only] = &found.unresolved[..] else { panic!("{found:?}") };
    assert_eq!((only.place.line, only.place.column, only.last_line), (2, 3, 6));
}

#[test]
fn a_package_alone_has_the_unseen_that_its_dependencies_hand_it_and_the_declarations_it_shares() {
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[dependencies]\nspanwright = \"0.1\"\n{rest}")
    };
    let makes = |name: &str| {
        format!(
            "#[macro_export] macro_rules! {name} {{ () => {{ #[spanwright::node] fn made() {{}} }} }}\nmacro_rules! own {{ () => {{ #[spanwright::node] fn made() {{}} }} }}"
        )
    };
    let folder = tree(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"between\", \"home\", \"kit\", \"other\"]\nresolver = \"3\""),
        ("between/Cargo.toml", &manifest("between", "kit = { path = \"../kit\" }")),
        ("between/src/lib.rs", "#[path = \"../../shared.rs\"] mod shared; pub use kit::make; include!(\"more.rs\");"),
        ("home/Cargo.toml", &manifest("home", "between = { path = \"../between\" }")),
        ("home/src/lib.rs", "#[path = \"../../shared.rs\"] mod shared; between::make!();"),
        ("kit/Cargo.toml", &manifest("kit", "")),
        ("kit/src/lib.rs", &makes("make")),
        ("other/Cargo.toml", &manifest("other", "")),
        ("other/src/lib.rs", &makes("make_other")),
        ("shared.rs", "spanwright::spans! { node Step(id = \"step\"); }"),
    ]);
    let of = |package: &str| {
        let packages = vec![package.to_owned()];
        lines(&catalog(&outline(&Options { manifest: folder.path().into(), packages }).unwrap()))
    };
    let made = "? kit/src/lib.rs:1: the body of `macro_rules! make` has `#[spanwright::node]`";
    assert_eq!(of("home"), ["step shared.rs:1", made]);
    assert_eq!(of("between"), ["step shared.rs:1", "? between/src/lib.rs:1: `include!(\"more.rs\")`", made]);
    assert_eq!(of("kit")[..1], [made]);
    assert_eq!(of("other").len(), 2);
}
