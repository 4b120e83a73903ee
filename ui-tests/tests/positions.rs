//! rustc's errors in the body of an annotated function against those in the plain one: the same codes at the same tokens.

use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fail/user_errors").join(name);
    std::fs::read_to_string(path).expect("the file is there")
}

/// `error[E0308] 7:5` for each error, sorted: rustc reports in the order in which it looks at bodies.
fn errors(name: &str) -> Vec<String> {
    let text = read(name);
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with("error") {
            continue;
        }
        let code = line.split(':').next().unwrap_or(line);
        let place = lines.next().expect("a place follows");
        let (_, place) = place.split_once(".rs:").expect("a place in the file");
        found.push(format!("{code} {place}"));
    }
    found.sort();
    found
}

#[test]
fn errors_stand_where_they_stand_in_plain_code() {
    for name in ["sync", "asynchronous", "lazy", "methods", "outputs"] {
        let source = read(&format!("{name}.rs"));
        assert_eq!(
            source.replace("#[node]", "#[cfg(all())]"),
            read(&format!("{name}_plain.rs")),
            "{name}: not the same file"
        );
        let annotated = errors(&format!("{name}.stderr"));
        assert!(annotated.len() >= 3, "{name}: {annotated:?}");
        assert_eq!(annotated, errors(&format!("{name}_plain.stderr")), "{name}: annotated against plain");
    }
}
