//! Executions come, end in every way, and make room for others.

use spanwright::testing::Recording;
use spanwright::tracker::RunTracker;
use spanwright::{node, workflow};

use crate::tracker::{ask, is_uuid_v4};

/// A cancelled execution is over, and its place is free.
#[tokio::test]
async fn thousands_of_executions_come_and_go_cancelled_ones_too() {
    #[workflow]
    async fn waiting_workflow() -> RunTracker {
        tokio::task::yield_now().await;
        let tracker = ask();
        std::future::pending::<()>().await;
        tracker
    }
    let recording = Recording::new();
    for _ in 0..3000 {
        let mut waits = Box::pin(recording.scope(waiting_workflow()));
        assert!(futures::poll!(&mut waits).is_pending() && futures::poll!(&mut waits).is_pending());
    }
    let mut many: Vec<_> = (0..500).map(|_| Box::pin(recording.scope(waiting_workflow()))).collect();
    for waits in &mut many {
        assert!(futures::poll!(&mut *waits).is_pending() && futures::poll!(waits).is_pending());
    }
    drop(many);
    assert_eq!(recording.spans().len(), 3500);
}

#[test]
fn an_execution_that_returns_nothing_makes_room_and_one_below_a_node_is_one() {
    #[workflow]
    fn silent_workflow() {}

    #[node]
    fn outermost() -> String {
        reported_workflow()
    }

    #[workflow]
    fn reported_workflow() -> String {
        ask().run_id().to_owned()
    }

    let recording = Recording::new();
    recording.run(|| (0..5000).for_each(|_| silent_workflow()));
    let ids = [0, 1].map(|_| recording.run(outermost));
    assert!(is_uuid_v4(&ids[0]) && ids[0] != ids[1], "{ids:?}");
}
