//! For tests and fuzzers only: the reader of transcripts as a function that panics where its promise is broken.

use std::collections::HashSet;

use spanwright::Retelling;
use spanwright::config::{Config, Overrides};

use crate::registration::{Hook, Registered, register, unregister};
use crate::spans::{Subject, tell};
use crate::transcript::{Scope, Turns};
use crate::turn::Turn;

/// A reader under its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 2] = [("transcript", transcript), ("assistant", assistant_settings)];

/// Any bytes are a transcript: what is no entry is left out, what is left makes whole trees, and no span ends before it starts or after its
/// root.
pub fn transcript(bytes: &[u8]) {
    let (config, _) = Config::load(Overrides::default(), &|_| None, std::path::Path::new("/"));
    let mut retelling = Retelling::new(&config);
    for scope in [Scope::Session, Scope::Agent] {
        for raw in Turns::of(bytes, scope) {
            let raw = raw.unwrap_or_else(|error| panic!("memory is readable: {error}"));
            let turn = Turn::of(&raw, scope, 1);
            let told = tell(&turn, &Subject::default(), None, &mut retelling).spans;
            let ids: HashSet<_> = told.iter().map(|span| span.span_id).collect();
            assert_eq!(ids.len(), told.len(), "an id stands for one span");
            for span in &told {
                assert!(span.start_unix_ns <= span.end_unix_ns && span.end_unix_ns <= told[0].end_unix_ns, "{span:?}");
                assert!(span.parent_id.map_or(span.span_id == told[0].span_id, |parent| ids.contains(&parent)));
            }
        }
    }
}

/// Any bytes are a settings file: what can be read is registered once, and what was added goes again.
pub fn assistant_settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let hook = Hook { command: "/opt/spanwright claude stop-hook".into(), event: "Stop" };
    let env = [("MLFLOW_CLAUDE_TRACING_ENABLED", Some("true".to_owned()))];
    let Ok(written) = register(&text, std::slice::from_ref(&hook), &env) else { return };
    assert_eq!(
        register(&written, std::slice::from_ref(&hook), &env).as_deref(),
        Ok(&*written),
        "once more changes nothing"
    );
    assert_eq!(Registered::of(&written).map(|found| found.stop), Ok(1), "{written}");
    let removed =
        unregister(&written, &["MLFLOW_CLAUDE_TRACING_ENABLED"]).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(Registered::of(&removed).map(|found| found.own + found.old), Ok(0), "{removed}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Each seed whole, cut in many places, and with a byte changed there.
    #[test]
    fn what_the_fuzzers_start_from_is_read_as_promised_cut_or_changed_anywhere() {
        for (name, read) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
            let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let seeds: Vec<_> =
                files.map(|file| std::fs::read(file.expect("listed").path()).expect("readable")).collect();
            assert!(!seeds.is_empty(), "`{name}` has no seed");
            for seed in seeds {
                read(&seed);
                for at in (0..seed.len()).step_by(seed.len() / 16 + 1) {
                    read(&seed[..at]);
                    for byte in [0, 0xff, b'"', b'{', b'7'] {
                        let mut changed = seed.clone();
                        changed[at] = byte;
                        read(&changed);
                    }
                }
            }
        }
    }
}
