//! The ground the other tests stand on.

use spanwright_tests::mlflow;

#[test]
fn the_server_answers_and_holds_nothing_yet() {
    let server = mlflow::shared();
    assert_eq!(server.trace("tr-00000000000000000000000000000000"), None);
    assert!(server.traces("no such experiment").is_empty());
}
