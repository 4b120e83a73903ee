//! Which files belong to a crate, and under which conditions.

use crate::ground::{app, lines};

const SPAN: &str = "#[spanwright::node] fn f() {}";

#[test]
fn modules_are_where_the_compiler_looks_for_them() {
    let found = app(&[
        (
            "src/lib.rs",
            "mod a; mod b; mod inline { mod c; #[path = \"d.rs\"] mod renamed; } #[path = \"else/where.rs\"] mod e; #[path = \"folder\"] mod g { mod h; } mod r#type;",
        ),
        (
            "src/a.rs",
            "mod below; mod inline { mod deep; #[path = \"p.rs\"] mod by_path; } #[path = \"beside.rs\"] mod beside;",
        ),
        ("src/a/below.rs", SPAN),
        ("src/a/inline/deep.rs", SPAN),
        ("src/a/inline/p.rs", SPAN),
        ("src/beside.rs", SPAN),
        ("src/b/mod.rs", "mod sibling; mod inline { mod deep; }"),
        ("src/b/sibling.rs", SPAN),
        ("src/b/inline/deep.rs", SPAN),
        ("src/inline/c.rs", SPAN),
        ("src/inline/d.rs", SPAN),
        ("src/else/where.rs", "mod near;"),
        ("src/else/near.rs", SPAN),
        ("src/folder/h.rs", SPAN),
        ("src/type.rs", SPAN),
    ]);
    assert_eq!(
        lines(&found),
        [
            "app.a.below.f src/a/below.rs:1",
            "app.a.beside.f src/beside.rs:1",
            "app.a.inline.by_path.f src/a/inline/p.rs:1",
            "app.a.inline.deep.f src/a/inline/deep.rs:1",
            "app.b.inline.deep.f src/b/inline/deep.rs:1",
            "app.b.sibling.f src/b/sibling.rs:1",
            "app.e.near.f src/else/near.rs:1",
            "app.g.h.f src/folder/h.rs:1",
            "app.inline.c.f src/inline/c.rs:1",
            "app.inline.renamed.f src/inline/d.rs:1",
            "app.type.f src/type.rs:1",
        ]
    );
}

#[test]
fn conditions_are_noted_from_the_outside_in() {
    let found = app(&[
        (
            "src/lib.rs",
            "#![cfg(unix)]
            #[cfg(feature = \"mail\")] mod mail;
            #[cfg(all(test, not(windows)))] mod tests {
                #![cfg(feature  =  \"x\")]
                struct S;
                #[cfg(a)] impl S { #![cfg(in_it)] #[cfg(b)] #[cfg_attr(c, cfg_attr(d, spanwright::node))] #[cfg(e)] fn f() {
                    #[cfg(g)] #[spanwright::node] fn inner() {}
                } }
            }
            #[cfg_attr(a, cfg(b))] #[cfg_attr(all(c), cfg_attr(d, cfg(e)))] #[spanwright::node] fn sometimes() {}
            #[cfg_attr(unix, path = \"u.rs\")] #[cfg_attr(windows, path = \"w.rs\")] mod sys;",
        ),
        ("src/mail.rs", "#![cfg(feature = \"smtp\")]\n#[spanwright::tool] fn send() {}"),
        ("src/u.rs", SPAN),
        ("src/w.rs", SPAN),
    ]);
    assert_eq!(
        lines(&found),
        [
            "app.mail.send src/mail.rs:2 if unix, feature = \"mail\", feature = \"smtp\"",
            "app.sometimes src/lib.rs:10 if unix, any(not(a), b), any(not(all(all(c), d)), e)",
            "app.sys.f src/u.rs:1 if unix, unix",
            "app.sys.f-2 src/w.rs:1 if unix, windows",
            "app.tests.S.f src/lib.rs:6 if unix, all(test, not(windows)), feature = \"x\", a, in_it, b, e, c, d",
            "app.tests.S.f.inner src/lib.rs:7 if unix, all(test, not(windows)), feature = \"x\", a, in_it, b, e, g",
        ]
    );
}

#[test]
fn a_module_in_its_own_file_ends_and_a_deep_tree_is_followed() {
    let deep: Vec<(String, String)> = (0..300)
        .map(|level| {
            let folder: String = (0..level).map(|level| format!("m{level}/")).collect();
            let text = if level == 299 { SPAN.to_owned() } else { format!("mod m{};", level + 1) };
            (format!("src/{folder}m{level}.rs"), text)
        })
        .collect();
    let mut files: Vec<(&str, &str)> = deep.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("src/lib.rs", "mod m0; mod circle;"));
    files.push((
        "src/circle.rs",
        "#[path = \"lib.rs\"] mod again; #[path = \"circle.rs\"] mod own;\n#[spanwright::node] fn g() {}",
    ));
    let found = app(&files);
    assert_eq!(found.spans.len(), 2);
    assert_eq!(
        lines(&found)[2..],
        [
            "? src/circle.rs:1: module `again` is in a file that it stands in itself",
            "? src/circle.rs:1: module `own` is in a file that it stands in itself",
        ]
    );
}

#[test]
fn what_does_not_parse_is_said_and_the_rest_is_read() {
    let nested = format!("const DEEP: u8 = {}1{};", "(".repeat(200), ")".repeat(200));
    let found = app(&[
        ("src/lib.rs", "mod open; mod nested; mod odd; mod bytes; mod body; mod marked;"),
        ("src/open.rs", "fn f() {\n"),
        ("src/nested.rs", &nested),
        ("src/odd.rs", "use a::;\nimpl for {}\nnonsense here;\n#[spanwright::node] fn f() {}"),
        ("src/body.rs", "#[spanwright::node] fn half() { let x = ; fn inner() {} }"),
        ("src/marked.rs", "\u{feff}#!/usr/bin/env run\n#[spanwright::node] fn f() {}"),
    ]);
    let said = lines(&found);
    assert_eq!(said[..3], ["app.body.half src/body.rs:1", "app.marked.f src/marked.rs:2", "app.odd.f src/odd.rs:4"]);
    let starts = [
        "? src/body.rs:1: the body of `half` does not parse: ",
        "? src/lib.rs:1: module `bytes` has no file",
        "? src/nested.rs:1: the file nests more than 100 delimiters",
        "? src/odd.rs:1: does not parse: ",
        "? src/odd.rs:2: does not parse: ",
        "? src/odd.rs:3: does not parse: ",
        "? src/open.rs:",
    ];
    assert_eq!(said.len(), 3 + starts.len(), "{said:#?}");
    for (said, start) in said[3..].iter().zip(starts) {
        assert!(said.starts_with(start), "{said}");
    }
}
