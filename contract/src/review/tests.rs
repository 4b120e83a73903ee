use super::*;
use crate::specimen::{catalog, declared, undeclared};

fn place(line: usize) -> Place {
    Place { file: "home/src/lib.rs".into(), line, column: 4 }
}

fn expansion(path: &str, code: &str) -> Expansion {
    Expansion { path: path.into(), place: place(3), cfg: Vec::new(), code: code.into(), mistakes: Vec::new() }
}

fn tree(key: &str, text: &str) -> Tree {
    Tree { key: key.into(), place: place(90), text: text.into(), pending: None }
}

fn before() -> Side {
    Side {
        catalog: catalog([declared(), undeclared()]),
        expansions: vec![
            expansion("home::collect::collect", "fn collect() {\n    start(\"collect\", &[\"query\"]);\n    ..\n}\n"),
            expansion("home::devices::Bus::send", "fn send() {\n    start(\"send\");\n    ..\n}\n"),
            expansion("home::kept", "fn kept() {\n    ..\n}\n"),
        ],
        trees: vec![
            tree("home::tests::a_day", "optimize [WORKFLOW]\n  collect [CHAIN]"),
            tree("home::tests::kept", "collect [CHAIN]"),
        ],
    }
}

/// The declared node has another name and the tool is gone.
fn after() -> Side {
    let mut node = declared();
    node.name = "collect <all>".into();
    let mut side = before();
    side.catalog = catalog([node]);
    side.expansions[0].code = "fn collect() {\n    start(\"collect\", &[\"query\", \"days\"]);\n    ..\n}\n".into();
    side.expansions.remove(1);
    side.trees[0].text = "optimize [WORKFLOW]\n  collect <all> [CHAIN]".into();
    side.trees
        .push(Tree { pending: Some("lone [LLM]".into()), ..tree("home/tests/snapshots/lone.snap", "lonely [LLM]") });
    side
}

fn reviewed(before: &Side, after: &Side) -> Review {
    Review::of(before, after, &Options::default(), "merge-base with main, 0123456789".into()).unwrap()
}

#[test]
fn all_that_changed_about_a_span_stands_together() {
    let review = reviewed(&before(), &after());
    let titles: Vec<_> = review.groups.iter().map(|group| group.title.as_str()).collect();
    assert_eq!(titles, ["home.devices.Bus.send", "home.node.collect", "home/tests/snapshots/lone.snap"]);
    let node = &review.groups[1];
    assert_eq!((node.changes.len(), node.expansions.len(), node.trees.len()), (1, 1, 1));
    assert_eq!(review.report.exit_code(), 2);
    insta::assert_snapshot!("text", plain(&review));
    insta::assert_snapshot!("markdown", markdown(&review));
}

#[test]
fn what_did_not_change_is_not_mentioned() {
    let review = reviewed(&before(), &before());
    assert!(review.is_empty());
    assert_eq!((review.summary().as_str(), review.report.exit_code()), ("nothing changed", 0));
    assert!(!html(&review).contains("<section>"));
}

#[test]
fn the_tree_of_a_test_that_moved_is_compared_with_what_it_was() {
    let moved = |text: &str| {
        let mut after = before();
        after.trees[0] = tree("house::agents::tests::a_day", text);
        reviewed(&before(), &after)
    };
    assert!(moved(&before().trees[0].text).is_empty(), "only moved");
    let review = moved("optimize [WORKFLOW]");
    let trees: Vec<&Changed> = review.groups.iter().flat_map(|group| &group.trees).collect();
    assert!(trees.len() == 1 && trees[0].before.is_some() && trees[0].after.is_some(), "{trees:#?}");

    let mut after = before();
    after.trees[0] = tree("home::tests::another_day", &before().trees[0].text);
    let review = reviewed(&before(), &after);
    assert_eq!(review.groups.iter().map(|group| group.trees.len()).sum::<usize>(), 2, "another test");
}

#[test]
fn a_tree_that_shows_two_spans_stands_with_one_and_is_named_by_the_other() {
    let mut after = after();
    let mut tool = undeclared();
    tool.name = "deliver".into();
    after.catalog = catalog([after.catalog.spans[0].clone(), tool]);
    let mut before = before();
    before.trees[0].text.push_str("\n    send [TOOL]");
    after.trees[0].text.push_str("\n    deliver [TOOL]");
    let review = reviewed(&before, &after);
    let group = |title: &str| review.groups.iter().find(|group| group.title == title).unwrap();
    assert_eq!(group("home.devices.Bus.send").trees.len(), 1);
    assert_eq!(group("home.node.collect").seen_in, ["home::tests::a_day"]);
}

#[test]
fn a_function_with_another_path_is_found_again_by_the_id_of_its_span() {
    let mut after = before();
    after.catalog.spans[1].functions[0].path = "home::read::collect".into();
    after.expansions[0] = expansion("home::read::collect", "fn collect() {\n    start(\"read\");\n    ..\n}\n");
    let review = reviewed(&before(), &after);
    let changed = &review.groups[0].expansions[0];
    assert_eq!((changed.subject.as_str(), changed.fate()), ("home::read::collect", "changed"));
}

#[test]
fn a_page_shows_foreign_text_as_text() {
    let page = html(&reviewed(&before(), &after()));
    assert!(page.contains("collect &lt;all&gt;") && !page.contains("<all>"));
    assert!(!page.contains("<script") && !page.contains("http"));
}

#[test]
fn a_comment_stays_below_the_limit_and_says_what_is_missing() {
    let (mut before, mut after) = (Side::default(), Side::default());
    for n in 0..200 {
        let path = format!("home::f{n}");
        before.expansions.push(expansion(&path, "fn f() {}\n"));
        after.expansions.push(expansion(&path, &"    let ``` = 1;\n".repeat(100)));
    }
    let comment = markdown(&reviewed(&before, &after));
    assert!(comment.chars().count() < 65_536, "{}", comment.chars().count());
    assert!(comment.contains("more; `spanwright review --format html` shows them all."));
    assert!(comment.contains("\n````diff\n"), "the fence is longer than what is in it");
}
