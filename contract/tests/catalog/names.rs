//! Whose attribute it is, through every way in which a name can come in.

use crate::ground::{MANIFEST, app, ids, lines, workspace};

#[test]
fn a_name_that_a_use_brings_in_is_ours() {
    for text in [
        "use spanwright::node; #[node] fn f() {}",
        "use spanwright::{llm, tool as instrument, node}; #[instrument(skip(a))] fn f(a: u32) {}",
        "use spanwright::*; #[tool] fn f() {}",
        "use ::spanwright::{self as sw}; #[sw::tool] fn f() {}",
        "use spanwright as sw; use sw::agent; #[agent] fn f() {}",
        "extern crate spanwright as sw; #[sw::node] fn f() {}",
        "#[macro_use] extern crate spanwright; mod m {} #[node] fn f() {}",
        "#[spanwright::node] fn f() {}",
        "#[::spanwright::node] fn f() {}",
        "use spanwright::node; mod node {} #[node] fn f() {}",
        "use rmcp::*; use spanwright::tool; #[tool] fn f() {}",
        "use crate::inner::*; mod inner { pub use spanwright::tool; } #[tool] fn f() {}",
        "use inner::tool; mod inner { pub(crate) use crate::deeper::*; } mod deeper { pub use spanwright::*; } #[tool] fn f() {}",
        "#[cfg(feature = \"a\")] use rmcp::tool; #[cfg(not(feature = \"a\"))] use spanwright::tool; #[tool] fn f() {}",
        "mod a { pub use crate::b::*; } mod b { pub use crate::a::*; pub use spanwright::node; } use a::node; #[node] fn f() {}",
        "#[derive(Debug)] struct S; #[cfg_attr(any(), rmcp::tool, spanwright::node(name = \"n\"))] fn f() {}",
    ] {
        assert_eq!(ids(text), ["app.f"], "{text}");
    }
}

#[test]
fn a_name_that_nothing_brings_in_is_not_ours() {
    for text in [
        "#[tool] fn f() {}",
        "use rmcp::tool; #[tool] fn f() {}",
        "use rmcp::*; #[tool] fn f() {}",
        "#[rmcp::tool] fn f() {}",
        "use rmcp::tool; use spanwright::*; #[tool] fn f() {}",
        "use spanwright::node; mod m { #[node] fn f() {} }",
        "mod a { use spanwright::node; } use a::*; #[node] fn f() {}",
        "mod a { pub use crate::b::*; } mod b { pub use crate::a::*; } use a::node; #[node] fn f() {}",
        "use self::node; #[node] fn f() {}",
        "use super::super::node; #[node] fn f() {}",
        "use spanwright as rmcp; mod m { use rmcp::tool; #[tool] fn f() {} }",
        "use spanwright::tool as t; #[tool] fn f() {}",
        "fn outer() { use spanwright::node; } #[node] fn f() {}",
        "#[test] #[inline] fn f() { #[allow(unused)] let a = 1; }",
    ] {
        assert_eq!(ids(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn names_reach_blocks_and_modules_as_far_as_the_language_lets_them() {
    let text = "
        use spanwright::node;
        fn outer() {
            if true { use spanwright::tool; #[tool] fn in_block() {} }
            #[node] fn in_body() { #[node] async fn deeper() {} }
            let later = || { #[spanwright::llm] fn in_closure() {} };
        }
        mod m { use super::*; #[node] fn private_imports_reach_children() {} }
        const _: () = { #[node] fn in_constant() {} };
        static S: fn() = { #[node] fn in_static() {} in_static };
    ";
    assert_eq!(
        ids(text),
        [
            "app.in_constant",
            "app.in_static",
            "app.m.private_imports_reach_children",
            "app.outer.in_block",
            "app.outer.in_body",
            "app.outer.in_body.deeper",
            "app.outer.in_closure",
        ]
    );
}

#[test]
fn dependencies_are_known_by_the_names_they_are_given() {
    let manifest =
        |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\nedition = \"2021\"\n[dependencies]\n{rest}");
    let found = workspace(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\", \"c\"]\nresolver = \"3\""),
        ("a/Cargo.toml", &manifest("kit-a", "sw = { package = \"spanwright\", version = \"0.1\" }")),
        ("a/src/lib.rs", "pub use sw::*; pub mod short { pub use sw::node as n; } #[sw::node] pub fn f() {}"),
        ("b/Cargo.toml", &manifest("b", "kit = { package = \"kit-a\", path = \"../a\" }")),
        (
            "b/src/lib.rs",
            "pub mod again { pub use kit::{short::n, tool}; } #[kit::llm] fn f() {} #[spanwright::llm] fn g() {}",
        ),
        ("b/src/main.rs", "use b::again::n; #[n] fn main() {}"),
        ("c/Cargo.toml", &manifest("c", "b = { path = \"../b\" }\nkit-a = { path = \"../a\" }")),
        (
            "c/src/lib.rs",
            "use b::again::*; #[tool] fn f() {} #[n] fn g() {} #[kit_a::node] fn h() {} #[kit::node] fn i() {}",
        ),
    ]);
    assert_eq!(
        lines(&found),
        [
            "b.f b/src/lib.rs:1",
            "b.main b/src/main.rs:1",
            "c.f c/src/lib.rs:1",
            "c.g c/src/lib.rs:1",
            "c.h c/src/lib.rs:1",
            "kit_a.f a/src/lib.rs:1",
        ]
    );
}

#[test]
fn paths_of_the_edition_of_2015_begin_at_the_root() {
    let manifest = MANIFEST.replace("2024", "2015");
    let text = "extern crate spanwright; mod m { use spanwright::node; use inner::tool; #[node] fn f() {} #[tool] fn g() {} } mod inner { pub use spanwright::tool; }";
    let found = workspace(&[("Cargo.toml", &manifest), ("src/lib.rs", text)]);
    assert_eq!(lines(&found), ["app.m.f src/lib.rs:1", "app.m.g src/lib.rs:1"]);
}

#[test]
fn each_crate_of_a_package_is_read_and_a_shared_file_is_listed_once() {
    let manifest =
        format!("{MANIFEST}[lib]\npath = \"src/deep/root.rs\"\n[[example]]\nname = \"show\"\npath = \"shown/by.rs\"\n");
    let found = workspace(&[
        ("Cargo.toml", &manifest),
        ("src/deep/root.rs", "pub mod part;"),
        ("src/deep/part.rs", "use spanwright::*;\n#[node] fn f() {}"),
        ("src/bin/one-two.rs", "#[path = \"../deep/part.rs\"] mod shared; #[spanwright::workflow] fn main() {}"),
        ("shown/by.rs", "#[spanwright::workflow] fn main() {}"),
        ("tests/t.rs", "#[path = \"../src/deep/part.rs\"] mod shared;\n#[spanwright::workflow] fn helps() {}"),
        ("benches/b.rs", "#[spanwright::workflow] fn main() {}"),
        ("build.rs", "#[spanwright::workflow] fn main() {}"),
    ]);
    assert_eq!(
        lines(&found),
        [
            "app.part.f src/deep/part.rs:2",
            "b.main benches/b.rs:1",
            "one_two.main src/bin/one-two.rs:1",
            "show.main shown/by.rs:1",
            "t.helps tests/t.rs:2 if test",
        ]
    );
}

#[test]
fn a_declaration_is_found_by_every_path_that_leads_to_it() {
    let text = "
        pub mod spans { spanwright::spans! { pub workflow Run(id = \"run\") { pub node Step(id = \"step\"); } } }
        use spans as declared;
        #[spanwright::workflow(span = spans::Run)] fn a() {}
        #[spanwright::node(span = declared::Step)] fn b() {}
        mod m {
            use super::spans::*;
            use spanwright::node;
            #[node(span = Step)] fn c() {}
            #[node(span = crate::spans::Step)] fn d() {}
            #[node(span = super::spans::Stop)] fn e() {}
        }
    ";
    let found = app(&[("src/lib.rs", text)]);
    let functions = |id: &str| {
        let span = found.spans.iter().find(|span| span.id == id).unwrap();
        span.functions.iter().map(|function| function.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(functions("run"), ["app::a"]);
    assert_eq!(functions("step"), ["app::b", "app::m::c", "app::m::d"]);
    let why: Vec<_> = found.unresolved.iter().map(|found| found.why.as_str()).collect();
    assert_eq!(why, ["`span = super::spans::Stop` leads to no declaration that can be read"]);
    assert_eq!(functions("app.m.e"), ["app::m::e"]);
}
