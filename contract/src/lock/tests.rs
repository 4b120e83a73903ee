use proptest::prelude::*;

use super::{Level, Lock, LockedInput, LockedSpan, View};
use crate::catalog::{Attribute, Mistake, Place};
use crate::specimen::{captured, catalog, declared, function, lock, undeclared};

#[test]
fn the_text_has_a_line_a_fact() {
    let mut span = declared();
    span.doc = "Reads the logbook.\n\nWhat it reads is \"raw\": C:\\log.".into();
    insta::assert_snapshot!(lock([undeclared(), span]));
}

#[test]
fn what_is_no_contract_changes_nothing() {
    let before = lock([declared(), undeclared()]);
    let mut span = declared();
    span.place = Place { file: "elsewhere.rs".into(), line: 1, column: 1 };
    span.attributes.reverse();
    span.functions[0].captured.reverse();
    span.functions[0].skipped.push("bus".into());
    let mut checked = function("home::tests::collect");
    checked.cfg = vec!["test".into()];
    checked.inputs = "full".into();
    span.functions.push(checked);
    let mut test_only = undeclared();
    test_only.cfg = vec!["all(test, feature = \"mail\")".into()];
    test_only.id = "home.tests.send".into();
    assert_eq!(lock([span, undeclared(), test_only]).to_string(), before.to_string());
}

#[test]
fn capture_is_what_the_most_talkative_function_leaves() {
    let mut span = declared();
    let mut second = function("home::collect::again");
    second.inputs = "full".into();
    second.captured = vec![captured("query", "redacted"), captured("pin", "debug")];
    span.functions.push(second);
    let locked = lock([span]).spans.remove(0);
    assert_eq!(locked.inputs, Some(Level::Full));
    let views: Vec<(&str, View)> = locked.captured.iter().map(|input| (input.name.as_str(), input.view)).collect();
    assert_eq!(views, [("limit", View::Value), ("pin", View::Debug), ("query", View::Value)]);

    for (level, expected) in [("none", vec![]), ("keys", vec![View::Key; 3])] {
        let mut span = declared();
        span.functions[0].inputs = level.into();
        let views: Vec<View> = lock([span]).spans[0].captured.iter().map(|input| input.view).collect();
        assert_eq!(views, expected, "{level}");
    }
}

#[test]
fn one_id_is_one_span_unless_only_one_of_them_is_ever_compiled() {
    let (mut linux, mut other) = (declared(), declared());
    linux.cfg = vec!["target_os = \"linux\"".into()];
    other.cfg = vec!["not(target_os = \"linux\")".into()];
    other.place.line = 30;
    assert_eq!(lock([linux.clone(), other.clone()]).spans.len(), 2);
    other.cfg.clone_from(&linux.cfg);
    let error = Lock::of(&catalog([linux, other]), &[]).unwrap_err().to_string();
    assert!(error.contains("home/src/spans.rs:12 and home/src/spans.rs:30"), "{error}");
}

#[test]
fn a_catalog_with_mistakes_has_no_lock() {
    let mut wrong = catalog([declared()]);
    let mistake = |line| Mistake {
        place: Place { file: "home/src/lib.rs".into(), line, column: 1 },
        message: "unknown argument `nam`".into(),
    };
    wrong.mistakes = vec![mistake(7)];
    let error = Lock::of(&wrong, &[]).unwrap_err().to_string();
    assert_eq!(error, "cannot read the contract of what does not compile: home/src/lib.rs:7: unknown argument `nam`");
    wrong.mistakes = (1..=10).map(mistake).collect();
    let error = Lock::of(&wrong, &[]).unwrap_err().to_string();
    assert!(error.contains("lib.rs:8") && error.ends_with("and 2 more"), "{error}");
}

#[test]
fn what_is_no_lock_is_said_with_its_line_and_what_to_do() {
    let text = lock([declared()]).to_string();
    let said = |text: &str| Lock::parse(text, "spans.lock").unwrap_err().to_string();
    let versioned = |version: &str| text.replace("version = 1", version);
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();

    let newer = said(&versioned("version = 2"));
    assert!(newer.contains("version 2") && newer.contains("newer spanwright"), "{newer}");
    for (text, parts) in [
        (versioned("# none"), ["no `version`".to_owned(), "--accept".into()]),
        (versioned("version = 0"), ["no version 0".into(), "--accept".into()]),
        (text.replace("kind =", "kin ="), [format!("line {}: ", line("kind =")), "`kin`".into()]),
        (text.replace("\"preview\"", "\"all\""), [format!("line {}: ", line("inputs =")), "`preview`".into()]),
        (text.replace("span_type", "span type"), [format!("line {}: ", line("span_type")), "version control".into()]),
        (format!("{text}<<<<<<< HEAD\n"), [format!("line {} ", text.lines().count() + 1), "merge conflict".into()]),
        (format!("{text}{}", &text[text.find("[[span]]").unwrap()..]), ["`home.node.collect`".into(), "twice".into()]),
    ] {
        let said = said(&text);
        assert!(parts.iter().all(|part| said.contains(part)) && said.contains("spans.lock"), "{said}\nnot {parts:?}");
    }
}

#[test]
fn another_set_of_packages_is_another_contract() {
    let of = |packages: &[&str]| Lock {
        packages: packages.iter().map(|&package| package.to_owned()).collect(),
        spans: Vec::new(),
    };
    assert!(of(&["a", "b"]).covers_as(&of(&["a", "b"]), "spans.lock").is_ok());
    let narrower = of(&[]).covers_as(&of(&["a"]), "spans.lock").unwrap_err().to_string();
    assert!(narrower.contains("the whole workspace") && narrower.contains("leave out `--package`"), "{narrower}");
    let wider = of(&["a", "b"]).covers_as(&of(&[]), "spans.lock").unwrap_err().to_string();
    assert!(wider.contains("--package a --package b"), "{wider}");
}

#[test]
fn the_file_is_written_whole_and_only_if_it_differs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spans.lock");
    let missing = Lock::open(&file).unwrap_err().to_string();
    assert!(missing.contains("spans.lock") && missing.contains("--accept"), "{missing}");

    let first = lock([declared()]);
    assert!(first.keep(&file).unwrap());
    assert_eq!(Lock::open(&file).unwrap().to_string(), first.to_string());
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    assert!(!first.keep(&file).unwrap(), "equal");
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written);
    assert!(lock([undeclared()]).keep(&file).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    std::fs::write(&file, "version = 2\n").unwrap();
    let error = first.keep(&file).unwrap_err().to_string();
    assert!(error.contains("newer spanwright") && Lock::open(&file).is_err(), "{error}");
    let error = first.keep(&folder.path().join("none/spans.lock")).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.\"\\\\\n\r\t \u{7f}]{0,12}", any::<String>()]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    (words(), words(), words()).prop_map(|(key, ty, doc)| Attribute { key, ty, doc })
}

fn capture() -> impl Strategy<Value = (Option<Level>, Option<Level>, Vec<LockedInput>, Vec<String>)> {
    let view = prop_oneof![Just(View::Key), Just(View::Redacted), Just(View::Value)];
    let input = (words(), view).prop_map(|(name, view)| LockedInput { name, view });
    let level = || prop::option::of(prop_oneof![Just(Level::None), Just(Level::Keys), Just(Level::Full)]);
    (level(), level(), prop::collection::vec(input, 0..3), prop::collection::vec(words(), 0..3))
}

fn span() -> impl Strategy<Value = LockedSpan> {
    let several = || prop::collection::vec(words(), 0..3);
    let identity = (words(), several(), words(), prop::option::of(words()));
    let tree = (several(), prop::option::of(several()), prop::collection::vec(attribute(), 0..3), words());
    (identity, tree, capture()).prop_map(
        |(
            (id, cfg, name, declared),
            (functions, parents, mut attributes, doc),
            (inputs, output, mut captured, facts),
        )| {
            attributes.sort_by(|a, b| a.key.cmp(&b.key));
            captured.sort();
            let (kind, span_type) = ("node".into(), "CHAIN".into());
            LockedSpan {
                id,
                cfg,
                name,
                kind,
                span_type,
                declared,
                functions,
                parents,
                attributes,
                doc,
                inputs,
                output,
                captured,
                facts,
                place: None,
                made_at: None,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_lock_reads_back_as_it_was_written(
        spans in prop::collection::btree_map(words(), span(), 0..4),
        packages in prop::collection::btree_set("[a-z-]{1,8}", 0..3),
    ) {
        let spans = spans.into_iter().map(|(id, span)| LockedSpan { id, ..span }).collect();
        let lock = Lock { packages: packages.into_iter().collect(), spans };
        let text = lock.to_string();
        let read = Lock::parse(&text, "spans.lock");
        prop_assert_eq!(read.as_ref().ok(), Some(&lock), "{:?}\n{}", read, text);
        let turned = Lock::parse(&text.replace('\n', "\r\n"), "spans.lock");
        prop_assert_eq!(turned.ok(), Some(lock));
    }
}
