//! What a catalog says of each span.

use serde_json::json;
use spanwright_contract::catalog::catalog;
use spanwright_contract::program::{Options, outline, read};

use crate::ground::{MANIFEST, app, ids, lines, tree};

#[test]
fn ids_follow_modules_types_and_traits() {
    let text = "
        use spanwright::node;
        struct Planner<T>(T);
        impl<T: Clone> Planner<T> where [T; { 1 + 1 }]: Sized { #[node] pub(crate) async fn plan(&self) {} }
        impl<const N: usize> Runs<{ N }> for Planner<[u8; N]> { #[node] fn run(&self) -> Vec<Vec<u8>> { vec![] } }
        trait Runs<const N: usize> { #[node] fn twice(&self) -> bool { 1 < 2 } fn run(&self) -> Vec<Vec<u8>>; }
        impl Runs<1> for &'static dyn Fn(u8) -> u8 { #[node] fn twice(&self) -> bool { true } }
        unsafe extern \"C\" { safe fn foreign(); }
        #[node] pub const unsafe extern \"C\" fn refused() {}
        #[cfg(unix)] #[node] fn either() {}
        #[cfg(windows)] #[node] fn either() {}
        mod r#async { #[super::node] fn r#type() {} }
    ";
    let found = app(&[("src/lib.rs", text)]);
    let ids: Vec<_> = found.spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "app.Fn.Runs.twice",
            "app.Planner.Runs.run",
            "app.Planner.plan",
            "app.Runs.twice",
            "app.async.type",
            "app.either",
            "app.either-2",
        ]
    );
    let [mistake] = &found.mistakes[..] else { panic!("{:?}", found.mistakes) };
    assert!(mistake.place.line == 9 && mistake.message.contains("const fn"), "{mistake:?}");
}

#[test]
fn a_function_says_what_it_captures() {
    let text = r#"
        /// Asks the model.
        ///
        /// At length.
        #[spanwright::llm(skip(key), redact(token), debug(options), inputs(size = 1), model = "m", output = "none",
            attributes(home.name = "h", retries = 2))]
        fn ask(prompt: &str, key: u32, token: &str, #[cfg(all(a, b))] options: u8, _silent: u8) {}
        #[spanwright::workflow(tags(home = 1), session = "s", run, params(days = 2), capture = "keys")]
        fn plan_workflow(days: u32) {}
        #[spanwright::delegate(from = "a", to = "b", span_type = "HANDOFF")]
        fn hand(content: String) {}
    "#;
    let found = app(&[("src/lib.rs", text)]);
    let spans = serde_json::to_value(&found.spans).unwrap();
    assert_eq!(
        spans[0],
        json!({
            "id": "app.ask", "name": "ask", "kind": "llm", "span_type": "LLM", "doc": "Asks the model.\n\nAt length.",
            "attributes": [{"key": "home.name", "type": "any"}, {"key": "retries", "type": "any"}],
            "place": {"file": "src/lib.rs", "line": 7, "column": 12},
            "functions": [{
                "path": "app::ask", "place": {"file": "src/lib.rs", "line": 7, "column": 12},
                "inputs": "full", "output": "none", "doc": "Asks the model.\n\nAt length.",
                "captured": [
                    {"name": "prompt", "view": "value"},
                    {"name": "token", "view": "redacted"},
                    {"name": "options", "view": "debug", "cfg": ["all(a, b)"]},
                    {"name": "size", "view": "expression"},
                ],
                "skipped": ["key"], "facts": ["model"],
            }],
        })
    );
    let hand = &found.spans[1];
    assert_eq!((hand.name.as_str(), hand.span_type.as_str()), ("delegation", "HANDOFF"));
    assert_eq!(hand.functions[0].facts, ["from", "to", "content"]);
    let plan = &found.spans[2].functions[0];
    assert_eq!((plan.inputs.as_str(), plan.output.as_str()), ("keys", "keys"));
    assert_eq!(plan.facts, ["tag.workflow=plan", "tag.home", "session", "run", "param.days"]);
}

#[test]
fn a_declared_span_has_its_functions_its_parents_and_its_mistakes() {
    let text = r#"
        /// What is declared.
        #[cfg(feature = "home")]
        pub mod spans {
            spanwright::spans! {
                /// The whole.
                pub workflow Run(id = "home.run", name = "run it") {
                    /// Days. Unit: `d`.
                    days: u64,
                    pub node Step(id = "home.step") { home.kinds: [str], extra: json }
                }
                #[cfg(unix)]
                pub tool Look(id = "home.look", parents(Step, crate::more::Other, crate::gone::Lost, root), leaf);
            }
        }
        mod more { spanwright::spans! { pub agent Other(id = "other"); } }
        #[spanwright::workflow(span = spans::Run, attributes(days = 1))] fn run() {}
        #[spanwright::tool(span = spans::Step, attributes(home_kinds = &[], extr = 1))] fn step() {}
    "#;
    let found = app(&[("src/lib.rs", text)]);
    assert_eq!(
        lines(&found),
        [
            "home.look src/lib.rs:13 if feature = \"home\", unix",
            "home.run src/lib.rs:7",
            "home.step src/lib.rs:10",
            "other src/lib.rs:16",
            "? src/lib.rs:13: `crate::gone::Lost` in `parents` leads to no declaration that can be read",
            "! src/lib.rs:18: `#[tool]` on `app::spans::Step`, which is declared as `node`: use `#[node]`, or declare it as `tool`",
            "! src/lib.rs:18: no attribute `extr` on `home.step`: did you mean `extra`?",
        ]
    );
    let [look, run, step, other] = &found.spans[..] else { panic!("{found:?}") };
    let parents = |of: &spanwright_contract::catalog::Span| of.parents.clone();
    assert_eq!(parents(look), Some(vec!["home.step".into(), "other".into(), "root".into()]));
    assert_eq!((parents(run), parents(step), parents(other)), (None, Some(vec!["home.run".into()]), None));
    assert_eq!((run.name.as_str(), run.declared.as_deref()), ("run it", Some("app::spans::Run")));
    assert_eq!((run.doc.as_str(), run.attributes[0].doc.as_str()), ("The whole.", "Days. Unit: `d`."));
    let types: Vec<_> = step.attributes.iter().map(|of| (of.key.as_str(), of.ty.as_str())).collect();
    assert_eq!(types, [("home.kinds", "string[]"), ("extra", "any")]);
    assert_eq!((other.functions.len(), step.functions.len()), (0, 1));
}

#[test]
fn mistakes_stand_at_their_tokens() {
    let text = "use spanwright::{node, tool};\n#[node(nmae = \"x\")]\nfn f() {}\n#[tool] struct S;\ntrait T { #[node] fn g(); }\nspanwright::spans! {\n  node Bad(id = \"9\");\n}\n";
    let said = lines(&app(&[("src/lib.rs", text)]));
    let starts = [
        "! src/lib.rs:2: unknown argument `nmae`",
        "! src/lib.rs:4: ",
        "! src/lib.rs:5: `g` has no body",
        "! src/lib.rs:7: ",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}");
    }
}

#[test]
fn two_attributes_on_one_function_are_two_spans() {
    let two = ids("use spanwright::*; #[node] #[tool(name = \"inner\")] fn f() {}");
    assert_eq!(two, ["app.f", "app.f-2"]);
}

#[test]
fn the_defaults_of_each_kind_are_those_of_the_runtime() {
    use spanwright::__private::Kind;
    let attributes = [
        Kind::Workflow,
        Kind::Scheduled,
        Kind::Node,
        Kind::Sandbox,
        Kind::Delegate,
        Kind::Llm,
        Kind::Tool,
        Kind::Retriever,
        Kind::Agent,
        Kind::Evaluator,
    ];
    for (ours, kind) in spanwright_macros_core::Kind::ALL.into_iter().zip(attributes) {
        assert_eq!(ours.word(), kind.as_str());
        assert_eq!(ours.span_type(), kind.span_type());
        assert_eq!(ours.capture().word(), format!("{:?}", kind.capture()).to_lowercase());
    }
}

#[test]
fn bodies_are_read_only_where_they_are_asked_for() {
    let folder = tree(&[
        ("Cargo.toml", MANIFEST),
        ("src/lib.rs", "#[spanwright::node] fn f(a: u8) { g(); fn g() {} }\nstruct S;\nimpl S { fn h(self) {} }"),
    ]);
    let options = Options { manifest: folder.path().into(), packages: Vec::new() };
    let (whole, outline) = (read(&options).unwrap(), outline(&options).unwrap());
    assert_eq!(catalog(&whole), catalog(&outline));
    assert!(outline.bodies.is_empty());
    let bodies: Vec<_> = whole.bodies.iter().map(|body| (body.path.as_str(), body.annotated)).collect();
    assert_eq!(bodies, [("app::f", Some(0)), ("app::f::g", None), ("app::S::h", None)]);
    assert_eq!(whole.bodies[0].signature.inputs.len(), 1);
}

#[test]
fn no_way_to_write_a_span_in_a_body_is_left_out() {
    const LONG: &str = "let long = \"a body that is long enough to be left out\";";
    for (inside, found) in [
        ("# [spanwright::node] fn g() {}", "app.f.g"),
        ("#\n[spanwright::node]\nfn\ng() {}", "app.f.g"),
        ("# /* why */ [spanwright::node] async fn g() {}", "app.f.g"),
        ("declare! { node Step(id = \"home.step\"); }", "home.step"),
        ("declare! { node Step(leaf, id=r\"home.step\"); }", "home.step"),
    ] {
        let text = format!("use spanwright::spans as declare; fn f() {{ {LONG} {inside} }}");
        assert_eq!(ids(&text), [found], "{inside}");
    }
    let included = format!("fn f() {{ {LONG} include !(\"more.rs\") }}");
    let found = app(&[("src/lib.rs", &included), ("src/more.rs", "{ #[spanwright::node] fn g() {} }")]);
    assert_eq!(lines(&found), ["? src/lib.rs:1: `include!(\"more.rs\")`"]);
}

#[test]
fn functions_stand_in_whatever_is_evaluated() {
    let text = "
        enum Bits { One = { #[spanwright::node] fn one() {} 1 }, Two = with as fn(u8) as isize }
        fn sized() -> [u8; { #[spanwright::node] fn size() {} 1 }] { #[spanwright::node] fn inner() {} [1] }
    ";
    assert_eq!(ids(text), ["app.one", "app.sized.inner", "app.sized.size"]);
}

#[test]
fn arguments_may_stand_in_any_brackets() {
    let found = app(&[("src/lib.rs", "#[spanwright::node[name = \"a\"]] fn f() {}\n#[spanwright::tool{}] fn g() {}")]);
    let said: Vec<_> = found.spans.iter().map(|span| (span.id.as_str(), span.name.as_str())).collect();
    assert_eq!((said, found.mistakes), (vec![("app.f", "a"), ("app.g", "g")], Vec::new()));
}

#[test]
fn bodies_are_left_out_only_of_functions() {
    // A macro that is given a signature alone, before a module as deep as that signature.
    let text = "
        macro_rules! eat { ($($token:tt)*) => {}; }
        eat!(fn alone);
        mod a { pub mod prelude { pub use spanwright::{node as step, tool as instrument}; } }
        use a::prelude::*;
        #[step] fn f() {}
    ";
    assert_eq!(ids(text), ["app.f"]);
}
