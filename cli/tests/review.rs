//! The commands that read a source tree, on a git repository of their own: `expand`, `review`, `catalog --verify`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::ground::Run;

const SOURCE: &str = r#"
/// Its spans.
pub mod spans {
    spanwright::spans! {
        /// Plans a day.
        pub workflow Plan(id = "home.workflow.plan") {
            days: u64,
            /// Reads the logbook.
            pub node Collect(id = "home.node.collect") {
                entity_count: u64,
            }
        }
    }
}

/// Plans a day.
#[spanwright::workflow(span = spans::Plan, handle = s)]
pub fn plan(days: u64) -> usize {
    s.days(days);
    collect("home")
}

#[spanwright::node(span = spans::Collect)]
fn collect(name: &str) -> usize {
    name.len()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_day_is_planned() {
        let recording = spanwright::testing::Recording::new();
        recording.run(|| super::plan(1));
        spanwright::assert_span_tree!(
            recording,
            "
            plan [WORKFLOW]
              collect [CHAIN]
            "
        );
    }
}
"#;

const MANIFEST: &str = r#"
[package]
name = "home"
version = "0.0.0"
edition = "2024"

[dependencies]
spanwright = { path = "{runtime}", default-features = false, features = ["testing"] }

[workspace]
"#;

/// A repository with one commit, on the branch `main`.
struct Repository {
    folder: TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        let runtime = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime");
        repository.write("app/Cargo.toml", &MANIFEST.replace("{runtime}", runtime));
        repository.write("app/src/lib.rs", SOURCE);
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.commit();
        repository
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Replaces each text in the source, which must be there.
    fn edit(&self, changes: &[(&str, &str)]) {
        let text = changes.iter().fold(SOURCE.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        self.write("app/src/lib.rs", &text);
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"];
        let mut command = Command::new("git");
        command.args(identity).args(arguments).current_dir(self.folder.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a step"]);
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Run {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path().join("app")).env_remove("CARGO_TARGET_DIR");
        Run::of(command.output().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.command(env!("CARGO_BIN_EXE_spanwright"), arguments)
    }
}

#[test]
fn expand_shows_what_is_asked_for_and_suggests_what_was_meant() {
    let repository = Repository::new();
    let all = repository.run(&["expand"]);
    assert_eq!(all.code, Some(0), "{}", all.err);
    let headings: Vec<_> = all.out.lines().filter(|line| line.starts_with("// ")).collect();
    assert_eq!(
        headings,
        ["// home::collect  src/lib.rs:24", "// home::plan  src/lib.rs:18", "// home::spans::spans!  src/lib.rs:4",]
    );
    let one = repository.run(&["expand", "collect"]);
    assert!(one.out.contains("name.len()") && !one.out.contains("s.days"), "{}", one.out);
    let object = repository.run(&["expand", "--json", "home::plan"]).json();
    assert_eq!(object["expansions"][0]["place"]["line"], 18);

    let misspelled = repository.run(&["expand", "colect"]);
    assert_eq!(misspelled.code, Some(1));
    assert!(misspelled.err.contains("did you mean `collect`?"), "{}", misspelled.err);

    repository.edit(&[("(span = spans::Collect)", "(span = spans::Collect, skpi(name))")]);
    let mistaken = repository.run(&["expand", "collect"]);
    assert_eq!(mistaken.code, Some(1));
    assert!(mistaken.out.contains("error: ") && mistaken.out.contains("`skip`"), "{}", mistaken.out);
}

#[test]
fn cargo_runs_the_same_program() {
    let repository = Repository::new();
    let program = env!("CARGO_BIN_EXE_cargo-spanwright");
    // Cargo repeats the name of the subcommand.
    for arguments in [&["spanwright", "expand", "collect"][..], &["expand", "collect"]] {
        let run = repository.command(program, arguments);
        assert_eq!((run.code, run.out), (Some(0), repository.run(&["expand", "collect"]).out), "{}", run.err);
    }
}

#[test]
fn review_shows_contract_expansions_and_trees_of_a_branch() {
    let repository = Repository::new();
    let unchanged = repository.run(&["review"]);
    assert_eq!(unchanged.code, Some(0), "{}", unchanged.err);
    assert!(unchanged.out.contains("nothing changed"), "{}", unchanged.out);

    repository.git(&["switch", "--quiet", "--create", "change"]);
    repository.edit(&[
        ("id = \"home.node.collect\"", "id = \"home.node.collect\", name = \"collect all\""),
        ("  collect [CHAIN]", "  collect all [CHAIN]"),
        ("fn collect(name: &str)", "fn collect(name: &str, _limit: u8)"),
        ("collect(\"home\")", "collect(\"home\", 3)"),
    ]);
    repository.commit();
    let changed = repository.run(&["review"]);
    assert_eq!(changed.code, Some(2), "{}", changed.err);
    let place = |part: &str| changed.out.find(part).unwrap_or_else(|| panic!("no {part}: {}", changed.out));
    assert!(place("merge-base with main") < place("name-changed"));
    assert!(place("name-changed") < place("expansion changed: home::collect"));
    assert!(place("expansion changed: home::collect") < place("trace tree changed: home::tests::a_day_is_planned"));
    assert!(place("-  collect [CHAIN]") < place("+  collect all [CHAIN]"));
    assert!(!changed.out.contains("expansion changed: home::plan"), "only its body changed: {}", changed.out);
    assert_eq!(repository.run(&["review", "--base", "HEAD"]).code, Some(0));

    let object = repository.run(&["review", "--json"]).json();
    assert_eq!(object["groups"][0]["title"], "home.node.collect");
    assert_eq!(object["groups"][0]["trees"][0]["before"], "plan [WORKFLOW]\n  collect [CHAIN]");

    let page = repository.folder.path().join("review.html");
    let written = repository.run(&["review", "--format", "html", "--output", page.to_str().unwrap()]);
    assert_eq!((written.code, written.out.as_str()), (Some(2), ""), "{}", written.err);
    assert!(fs::read_to_string(page).unwrap().contains("collect all"));
    assert!(repository.run(&["review", "--format", "markdown"]).out.contains("```diff"));
}

#[test]
fn review_sees_what_is_not_committed_and_what_nobody_has_accepted() {
    let repository = Repository::new();
    repository.edit(&[("entity_count: u64,", "entity_count: u64, kinds: [str],")]);
    let header = "---\nsource: tests/day.rs\nexpression: tree\n---\n";
    repository.write("app/tests/snapshots/day.snap.new", &format!("{header}plan [WORKFLOW]\n"));
    let changed = repository.run(&["review"]);
    assert_eq!(changed.code, Some(1), "{}", changed.err);
    assert!(changed.out.contains("compared with HEAD") && changed.out.contains("attribute-added"), "{}", changed.out);
    assert!(changed.out.contains("recorded, not accepted: tests/snapshots/day.snap"), "{}", changed.out);
    let lists = |folder: PathBuf| fs::read_dir(folder).unwrap().count();
    assert_eq!(lists(repository.folder.path().to_owned()), 2, "nothing is left in the work tree");
}

#[test]
fn review_that_cannot_compare_says_why_with_a_code_of_its_own() {
    let repository = Repository::new();
    let unknown = repository.run(&["review", "--base", "v9"]);
    assert_eq!(unknown.code, Some(3));
    assert!(unknown.err.contains("`v9`"), "{}", unknown.err);
    // A shallow clone, as a build server makes it: there is nothing to compare with, which must not look like "nothing
    // changed".
    repository.git(&["branch", "change"]);
    let clone = tempfile::tempdir().unwrap();
    let origin = format!("file://{}", repository.folder.path().display());
    let whole = clone.path().join("whole");
    repository.git(&["clone", "--quiet", "--depth", "1", "--branch", "change", &origin, whole.to_str().unwrap()]);
    let shallow = Run::of(
        Command::new(env!("CARGO_BIN_EXE_spanwright")).arg("review").current_dir(whole.join("app")).output().unwrap(),
    );
    assert_eq!(shallow.code, Some(3));
    assert!(shallow.err.contains("fetch-depth: 0"), "{}", shallow.err);

    repository.edit(&[("home.node.collect", "home node")]);
    let mistaken = repository.run(&["review"]);
    assert_eq!(mistaken.code, Some(3));
    assert!(mistaken.err.contains("src/lib.rs"), "{}", mistaken.err);
}

#[test]
fn the_catalog_is_verified_by_a_build() {
    let repository = Repository::new();
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    repository.write("app/Cargo.lock", &fs::read_to_string(ours).unwrap());
    // Stays between runs, so that what is not the repository's is built once.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("verified");
    repository.write("app/.cargo/config.toml", &format!("[build]\ntarget-dir = {target:?}\n"));
    let verified = repository.run(&["catalog", "--verify", "--offline"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
    assert_eq!(verified.out, "equal: 4 spans\n");
    let object = repository.run(&["catalog", "--verify", "--offline", "--json"]).json();
    assert_eq!((&object["equal"], &object["same"]), (&true.into(), &4.into()));

    repository.edit(&[("name.len()", "name.length()")]);
    let broken = repository.run(&["catalog", "--verify", "--offline"]);
    assert_eq!(broken.code, Some(1));
    assert!(broken.err.contains("E0599") && broken.err.contains("does not build"), "{}", broken.err);
}
