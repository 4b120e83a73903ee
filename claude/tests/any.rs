//! Transcripts nobody has seen yet.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use spanwright_claude::spans::{Subject, tell};
use spanwright_claude::transcript::{Scope, Turns};
use spanwright_claude::turn::Turn;

use crate::cases::{assistant, entry, lines, user};
use crate::required::retelling;

/// An entry as an assistant might write it, with ids and times that clash and go back.
fn any_entry() -> impl Strategy<Value = Value> {
    let id = || prop::sample::select(vec!["a", "b", "c"]);
    let second = || 0u64..60;
    let block = prop_oneof![
        "[a-z <>]{0,12}".prop_map(|text| json!({"type": "text", "text": text})),
        id().prop_map(|id| json!({"type": "tool_use", "id": id, "name": "Task", "input": {"prompt": "p"}})),
        (id(), any::<bool>()).prop_map(
            |(id, error)| json!({"type": "tool_result", "tool_use_id": id, "content": "r", "is_error": error})
        ),
        Just(json!({"type": "thinking", "thinking": "t"})),
        Just(json!(7)),
    ];
    let blocks = || prop::collection::vec(block.clone(), 0..3).prop_map(Value::from);
    let plain = prop_oneof![
        (second(), "[a-z ]{0,8}").prop_map(|(second, text)| user(second, text.into())),
        (second(), blocks()).prop_map(|(second, blocks)| user(second, blocks)),
        (second(), id(), blocks()).prop_map(|(second, id, blocks)| assistant(second, id, blocks)),
        (second(), id()).prop_map(|(second, id)| {
            entry("progress", second, json!({"parentToolUseID": id, "data": {"type": "agent_progress", "message": assistant(second, "x", json!("y"))}}))
        }),
        second().prop_map(|second| entry("system", second, json!({"subtype": "compact_boundary", "compactMetadata": {"preTokens": 1}}))),
        Just(Value::Null),
    ];
    let flag = prop::sample::select(vec!["", "isSidechain", "isMeta", "isApiErrorMessage", "timestamp"]);
    (plain, flag, id()).prop_map(|(mut entry, flag, agent)| {
        match (entry.as_object_mut(), flag) {
            (None, _) | (_, "") => {}
            (Some(fields), "timestamp") => drop(fields.remove("timestamp")),
            (Some(fields), flag) => {
                fields.insert(flag.to_owned(), true.into());
                fields.insert("toolUseResult".into(), json!({"agentId": agent}));
            }
        }
        entry
    })
}

/// What holds of every transcript, cut anywhere.
fn holds(text: &str) {
    for scope in [Scope::Session, Scope::Agent] {
        let mut read = 0;
        for raw in Turns::of(text.as_bytes(), scope).map(Result::unwrap) {
            read += raw.lines.lines().count();
            let turn = Turn::of(&raw, scope, 5);
            let told = tell(&turn, &Subject::default(), None, &mut retelling()).spans;
            let ids: HashSet<_> = told.iter().map(|span| span.span_id).collect();
            assert_eq!(ids.len(), told.len(), "an id stands for one span");
            let root = &told[0];
            for span in &told {
                assert!(span.start_unix_ns <= span.end_unix_ns && span.end_unix_ns <= root.end_unix_ns, "{span:?}");
                assert!(span.parent_id.map_or(span.span_id == root.span_id, |parent| ids.contains(&parent)));
            }
            let messages: Vec<_> = turn.calls.iter().filter_map(|call| call.id.as_deref()).collect();
            assert_eq!(messages.iter().collect::<HashSet<_>>().len(), messages.len(), "a message is one call");
            assert_eq!(tell(&turn, &Subject::default(), None, &mut retelling()).spans, told);
        }
        assert!(read <= text.lines().count(), "no line belongs to two turns");
    }
}

proptest! {
    #[test]
    fn any_entries_in_any_order_make_whole_trees(entries in prop::collection::vec(any_entry(), 0..12), cut in 0usize..4000) {
        let text = lines(&entries);
        holds(&text);
        if let Some(part) = text.get(..cut) {
            holds(part);
        }
    }
}
