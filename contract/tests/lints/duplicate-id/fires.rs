mod planning {
    spanwright::spans! {
        pub node Plan(id = "home.plan");
        pub node Draft(id = "sample.drafts.draft");
    }
    #[spanwright::node(span = Plan)]
    fn plan() {}
    #[spanwright::node(span = Draft)]
    fn draft() {}
}

mod replanning {
    spanwright::spans! {
        pub node Replan(id = "home.plan");
    }
    #[spanwright::node(span = Replan)]
    fn replan() {}
}

mod drafts {
    // Undeclared: its id is `sample.drafts.draft`.
    #[spanwright::node]
    fn draft() {}
}
