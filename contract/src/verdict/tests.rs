use std::fmt::Write as _;

use super::{Report, Rule, Severity, compare};
use crate::catalog::{Place, Span, Unresolved};
use crate::lock::Lock;
use crate::render;
use crate::specimen::{attribute, captured, catalog, declared, function, lock, undeclared};

/// Changes to the spans before and to those now; both begin as a declared span and one without a declaration.
type Change = fn(&mut Vec<Span>, &mut Vec<Span>);

/// For each rule a change that is of that rule and no other, and one that is near it and is not.
const CASES: [(Rule, Change, Change); Rule::ALL.len()] = [
    (
        Rule::SpanRenamed,
        |_, now| now[0].id = "home.node.gather".into(),
        |_, now| now[0].functions[0].path = "home::gather::all".into(),
    ),
    (
        Rule::SpanUndeclared,
        |_, now| now[0] = without_declaration(),
        |_, now| now[0].declared = Some("house::spans::Collect".into()),
    ),
    (Rule::SpanRemoved, |_, now| _ = now.remove(1), |_, now| now[1].place.file = "bus/src/lib.rs".into()),
    (Rule::NameChanged, |_, now| now[0].name = "gather".into(), |_, now| now[0].declared = Some("home::Gather".into())),
    (Rule::KindChanged, |_, now| now[1].kind = "retriever".into(), |_, now| now[1].span_type = "RETRIEVER".into()),
    (Rule::SpanTypeChanged, |_, now| now[0].span_type = "TASK".into(), |_, now| now[0].kind = "agent".into()),
    (
        Rule::ImplementationRemoved,
        |_, now| now[0].functions.clear(),
        |_, now| now[0].functions.push(function("home::collect::again")),
    ),
    (
        Rule::ConditionAdded,
        |_, now| now[0].functions[0].cfg = vec!["feature = \"bus\"".into()],
        |before, now| {
            let mut other = function("home::collect::otherwise");
            other.cfg = vec!["not(unix)".into()];
            now[0].functions[0].cfg = vec!["unix".into()];
            now[0].functions.push(other);
            before[1].cfg = vec!["feature = \"bus\"".into(), "unix".into()];
            now[1].cfg = vec!["unix".into(), "feature = \"bus\"".into()];
        },
    ),
    (Rule::AttributeRemoved, |_, now| _ = now[0].attributes.pop(), |_, now| now[0].attributes.reverse()),
    (
        Rule::AttributeRenamed,
        |_, now| now[0].attributes[0].key = "entities_count".into(),
        |_, now| now[0].attributes[0] = attribute("entities_count", "double", "Entities read."),
    ),
    (
        Rule::AttributeRetyped,
        |_, now| now[0].attributes[0].ty = "string".into(),
        |_, now| now[0].attributes[0].doc = "A string.".into(),
    ),
    (
        Rule::ParentChanged,
        |_, now| now[0].parents = Some(vec!["root".into()]),
        |before, now| {
            before.push(Span { id: "home.workflow.optimize".into(), parents: None, ..other() });
            now.push(Span { id: "home.workflow.improve".into(), parents: None, ..other() });
            now[0].parents = Some(vec!["home.workflow.improve".into()]);
        },
    ),
    (
        Rule::MoreCaptured,
        |_, now| now[1].functions[0].captured[2].view = "value".into(),
        |_, now| now[1].functions[0].captured.push(captured("token", "redacted")),
    ),
    (
        Rule::CaptureReshaped,
        |_, now| now[1].functions[0].captured[0].view = "debug".into(),
        |_, now| now[1].functions[0].captured.swap(0, 1),
    ),
    (
        Rule::FactRemoved,
        |_, now| now[0].functions[0].facts.clear(),
        |_, now| {
            now[0].functions[0].facts.push("session".into());
        },
    ),
    (
        Rule::SpanAdded,
        |_, now| now.push(other()),
        |_, now| {
            now.push(Span { cfg: vec!["test".into()], ..other() });
        },
    ),
    (Rule::SpanDeclared, |before, _| before[0] = without_declaration(), |_, now| now[1] = without_declaration()),
    (
        Rule::ImplementationAdded,
        |before, _| before[0].functions.clear(),
        |before, now| {
            before[0].functions.clear();
            now[0].functions.clear();
        },
    ),
    (
        Rule::ConditionLifted,
        |before, _| before[0].cfg = vec!["feature = \"bus\"".into()],
        |before, now| {
            before[0].functions[0].cfg = vec!["feature = \"bus\"".into()];
            now[0].functions.clear();
        },
    ),
    (
        Rule::AttributeAdded,
        |_, now| now[0].attributes.push(attribute("rooms", "int", "")),
        |_, now| now[0].attributes[1].key = "house.name".into(),
    ),
    (
        Rule::ParentAdded,
        |_, now| now[0].parents.as_mut().unwrap().push("root".into()),
        |_, now| now[1].parents = Some(vec!["root".into()]),
    ),
    (
        Rule::LessCaptured,
        |_, now| now[1].functions[0].output = "keys".into(),
        |_, now| now[1].functions[0].output = "full".into(),
    ),
    (
        Rule::FactAdded,
        |_, now| now[0].functions[0].facts.push("tag.home".into()),
        |_, now| {
            now[0].functions[0].facts[0] = "session".into();
        },
    ),
    (
        Rule::SpanMoved,
        |_, now| now[1].id = "house.bus.Bus.send".into(),
        |_, now| {
            now[1].id = "house.bus.Bus.emit".into();
            now[1].name = "emit".into();
        },
    ),
    (
        Rule::KeysChanged,
        |before, now| {
            before[1].functions[0].inputs = "keys".into();
            now[1].functions[0].inputs = "keys".into();
            now[1].functions[0].captured[0].name = "question".into();
        },
        |before, now| {
            before[1].functions[0].inputs = "none".into();
            now[1].functions[0].inputs = "none".into();
            now[1].functions[0].captured[0].name = "question".into();
        },
    ),
    (
        Rule::DocChanged,
        |_, now| now[0].doc.push_str(" All of it."),
        |_, now| {
            now[0].functions[0].doc = "Another doc.".into();
        },
    ),
];

/// A span unlike the two.
fn other() -> Span {
    Span {
        id: "home.workflow.review".into(),
        name: "review".into(),
        kind: "workflow".into(),
        span_type: "WORKFLOW".into(),
        declared: Some("home::spans::Review".into()),
        parents: Some(vec!["root".into()]),
        attributes: Vec::new(),
        doc: "Looks at what was done.".into(),
        functions: vec![function("home::review::review")],
        ..declared()
    }
}

/// The declared one before it was declared: its attributes have no types, and nobody knows where it may stand.
fn without_declaration() -> Span {
    Span {
        id: "home.collect.collect".into(),
        declared: None,
        parents: None,
        attributes: vec![attribute("entity_count", "any", ""), attribute("home.name", "any", "")],
        ..declared()
    }
}

fn report(change: Change) -> Report {
    let (mut before, mut now) = (vec![declared(), undeclared()], vec![declared(), undeclared()]);
    change(&mut before, &mut now);
    // As it is checked: the lock before has been a text.
    let before = Lock::parse(&lock(before).to_string(), "spans.lock").unwrap();
    Report::of(&before, &lock(now.clone()), &catalog(now))
}

#[test]
fn every_rule_has_a_change_that_is_one_and_a_near_one_that_is_not() {
    let mut printed = String::new();
    for ((rule, is, is_not), expected) in CASES.into_iter().zip(Rule::ALL) {
        assert_eq!(rule, *expected, "the cases are in the order of the rules");
        let report = report(is);
        let rules: Vec<Rule> = report.changes.iter().map(|change| change.rule).collect();
        assert_eq!(rules, [rule], "{report:#?}");
        let near = self::report(is_not);
        assert!(near.changes.iter().all(|change| change.rule != rule), "{rule}: {near:#?}");
        let _ = writeln!(printed, "{}", render::plain(&report));
    }
    insta::assert_snapshot!(printed);
}

#[test]
fn the_exit_code_is_that_of_the_gravest_change() {
    let code = |change: Change| report(change).exit_code();
    let doc: Change = |_, now| now[0].doc.clear();
    assert_eq!([code(|_, _| {}), code(doc)], [0, 0]);
    assert_eq!(
        code(|_, now| {
            now[0].doc.clear();
            now.push(other());
        }),
        1
    );
    assert_eq!(
        code(|_, now| {
            now[0].name.clear();
            now.push(other());
        }),
        2
    );
}

#[test]
fn a_span_that_moved_is_no_change_and_the_lock_wants_renewal() {
    let report = report(|_, now| {
        now[0].declared = Some("house::spans::Collect".into());
        now[0].functions[0].path = "house::collect::collect".into();
    });
    assert!(report.changes.is_empty() && report.moved, "{report:#?}");
    assert!(render::plain(&report).contains("--accept"));
}

#[test]
fn a_function_without_a_declaration_is_known_by_its_display_name() {
    let rules = |change: fn(&mut Span)| {
        let mut now = undeclared();
        change(&mut now);
        let changes = compare(&lock([undeclared()]), &lock([now]));
        changes.iter().map(|change| change.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(|span| span.id = "bus.Line.send".into()), [Rule::SpanMoved], "to another crate and type");
    let renamed = |span: &mut Span| (span.id, span.name) = ("home.devices.Bus.emit".into(), "emit".into());
    assert_eq!(rules(renamed), [Rule::SpanRenamed]);
    assert_eq!(rules(|span| span.id = "home.devices.Bus.emit".into()), [Rule::SpanMoved], "with its name given");
    let given = |span: &mut Span| (span.id, span.name) = ("home.bus.send".into(), "emit".into());
    assert_eq!(rules(given), [Rule::NameChanged, Rule::SpanMoved]);
    assert_eq!(rules(|span| *span = other()), [Rule::SpanRemoved, Rule::SpanAdded]);
}

#[test]
fn to_declare_a_function_breaks_nobody_and_what_else_changes_is_said() {
    let rules = |change: fn(&mut Span)| {
        let mut now = Span {
            id: "home.tool.send".into(),
            declared: Some("home::spans::Send".into()),
            parents: Some(vec!["root".into()]),
            attributes: vec![attribute("bytes", "int", "What was sent.")],
            ..undeclared()
        };
        change(&mut now);
        let changes = compare(&lock([undeclared()]), &lock([now]));
        changes.iter().map(|change| change.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(|_| {}), [Rule::SpanDeclared, Rule::AttributeAdded]);
    let former = |span: &mut Span| span.id = undeclared().id;
    assert_eq!(rules(former), [Rule::SpanDeclared, Rule::AttributeAdded], "under the id of its path");
    let worse = |span: &mut Span| (span.name, span.kind) = ("emit".into(), "retriever".into());
    assert_eq!(rules(worse), [Rule::NameChanged, Rule::KindChanged, Rule::SpanDeclared, Rule::AttributeAdded]);

    let lost = compare(&lock([declared()]), &lock([Span { attributes: Vec::new(), ..without_declaration() }]));
    let lost: Vec<Rule> = lost.iter().map(|change| change.rule).collect();
    let gone = Rule::AttributeRemoved;
    assert_eq!(lost, [Rule::SpanUndeclared, gone, gone]);
}

#[test]
fn a_rename_is_found_by_what_is_left_of_the_span() {
    let mut reworded = declared();
    (reworded.id, reworded.name, reworded.doc) = ("flat.gather".into(), "gather".into(), "Other words.".into());
    reworded.functions[0].path = "flat::gather".into();
    reworded.declared = Some("flat::Collect".into());
    let changes = compare(&lock([declared()]), &lock([reworded]));
    assert_eq!(changes[0].rule, Rule::SpanRenamed, "{changes:#?}");
    assert_eq!(changes[0].former.as_deref(), Some("home.node.collect"));
}

#[test]
fn functions_without_docs_are_recognised_by_what_else_their_module_lost_and_got() {
    let tool = |name: &str, input: &str| {
        let mut span = undeclared();
        (span.id, span.name, span.doc) = (format!("home.devices.{name}"), name.into(), String::new());
        span.functions = vec![function("")];
        span.functions[0].captured = vec![captured(input, "value")];
        span
    };
    let changes = |before: &[Span], now: &[Span]| {
        let changes = compare(&lock(before.to_vec()), &lock(now.to_vec()));
        changes.into_iter().map(|change| (change.rule, change.former, change.span)).collect::<Vec<_>>()
    };
    let renamed =
        |was: &str, is: &str| (Rule::SpanRenamed, Some(format!("home.devices.{was}")), format!("home.devices.{is}"));
    let found = changes(&[tool("helper", "a"), tool("open", "b")], &[tool("aid", "a"), tool("shut", "b")]);
    assert_eq!(found, [renamed("helper", "aid"), renamed("open", "shut")], "the only ones of their shape");
    let found = changes(&[tool("send_mail", "a"), tool("open", "a")], &[tool("shut", "a"), tool("send_mails", "a")]);
    assert_eq!(found[1], renamed("send_mail", "send_mails"), "a name that is nearly the same: {found:?}");
    let found = changes(&[tool("open", "a"), tool("turn", "a")], &[tool("shut", "a"), tool("read", "a")]);
    assert!(found.iter().all(|(rule, ..)| *rule != Rule::SpanRenamed), "which of them is which? {found:?}");
}

#[test]
fn of_two_candidates_the_nearer_one_is_the_rename() {
    let twin = |id: &str, path: &str| {
        let mut span = declared();
        span.id = id.into();
        span.functions[0].path = path.into();
        span.declared = Some(format!("{path}::Span"));
        span
    };
    let before = lock([twin("a.one", "home::one"), twin("a.two", "home::two")]);
    let now = lock([twin("b.second", "home::two"), twin("b.first", "home::one")]);
    let changes = compare(&before, &now);
    let pairs: Vec<(&str, &str)> =
        changes.iter().map(|change| (change.former.as_deref().unwrap(), change.span.as_str())).collect();
    assert_eq!(pairs, [("a.one", "b.first"), ("a.two", "b.second")], "{changes:#?}");
}

#[test]
fn ten_thousand_spans_of_a_renamed_crate_are_all_recognised() {
    let spans = |name: &str| {
        lock((0..10_000).map(|number| Span {
            id: format!("{name}.module_{}.work_{number}", number % 100),
            name: format!("work_{number}"),
            doc: "The same text everywhere.".into(),
            ..undeclared()
        }))
    };
    let changes = compare(&spans("old"), &spans("new"));
    assert_eq!(changes.len(), 10_000);
    assert!(changes.iter().all(|change| change.rule == Rule::SpanMoved));
    let ends =
        |change: &super::Change| change.span.rsplit('.').next() == change.former.as_deref().unwrap().rsplit('.').next();
    assert!(changes.iter().all(ends));
}

#[test]
fn methods_of_one_name_in_a_renamed_crate_each_keep_their_type() {
    let spans = |name: &str| {
        lock((0..200).map(|number| {
            let mut span = undeclared();
            span.id = format!("{name}.agents.Agent{number}.run");
            (span.name, span.doc) = ("run".into(), String::new());
            span.functions[0].captured[0].name = format!("question_{number}");
            span
        }))
    };
    let changes = compare(&spans("old"), &spans("new"));
    assert!(changes.iter().all(|change| change.rule == Rule::SpanMoved), "{:#?}", changes[0]);
    assert_eq!(changes.len(), 200);
}

#[test]
fn a_pull_request_shows_what_no_markup_can_break() {
    let mut report = report(|_, now| {
        now[0].name = "a `tick` | a pipe\nand a line".into();
        now[0].attributes[0].ty = "string".into();
        now[1].doc = format!("<details>{}", "long ".repeat(100));
        now.push(other());
    });
    report.unresolved.push(Unresolved {
        place: declared().place,
        last_line: 20,
        why: "the body of `macro_rules! make`".into(),
    });
    let table = render::markdown(&report);
    insta::assert_snapshot!("markdown", table);
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let borders = |row: &str| row.replace("\\|", "").matches('|').count();
    assert!(rows.clone().all(|row| borders(row) == 7) && rows.count() == 6, "{table}");

    insta::assert_snapshot!("markdown_without_a_change", render::markdown(&Report::default()));
    insta::assert_snapshot!("text", render::plain(&report));
}

#[test]
fn a_pull_request_takes_the_longest_table() {
    fn long(word: &str) -> String {
        word.repeat(60)
    }
    let mut report = report(|before, now| {
        for number in 0..150 {
            let mut span = other();
            span.id = format!("{}.span_{number}", long("long"));
            (span.doc, span.place.file) = (long("before "), format!("{}.rs", long("path/")));
            before.push(span.clone());
            span.doc = long("after ");
            now.push(span);
        }
    });
    let unresolved =
        |line| Unresolved { place: Place { file: long("path/"), line, column: 1 }, last_line: line, why: long("why ") };
    report.unresolved = (1..=150).map(unresolved).collect();
    let text = render::markdown(&report);
    assert!(text.chars().count() < 60_000, "{}", text.chars().count());
    let rows = text.lines().filter(|line| line.starts_with("| patch")).count();
    assert!(rows > 50 && text.contains(&format!("…and {} more", 150 - rows)), "{rows}");
}

#[test]
fn a_long_text_is_shown_from_where_it_differs() {
    let report = report(|before, now| {
        before[0].doc = format!("{}before.", "the same words ".repeat(40));
        now[0].doc = format!("{}after.", "the same words ".repeat(40));
    });
    for shown in [render::plain(&report), render::markdown(&report)] {
        assert!(shown.contains("before.") && shown.contains("after.") && shown.contains('…'), "{shown}");
    }
}

#[test]
fn the_rules_explain_themselves() {
    let mut names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert!(Rule::ALL.iter().all(|rule| Rule::named(rule.id()) == Some(*rule)));
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
    let severities: Vec<Severity> = Rule::ALL.iter().map(|rule| rule.severity()).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b));
    insta::assert_snapshot!("explanation", render::explanation(Rule::MoreCaptured));
}
