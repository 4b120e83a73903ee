mod planning {
    spanwright::spans! {
        pub node Plan(id = "home.plan");
    }
    #[spanwright::node(span = Plan)]
    fn plan() {}
}

mod replanning {
    spanwright::spans! {
        pub node Replan(id = "home.replan");
    }
    #[spanwright::node(span = Replan)]
    fn replan() {}
}

#[cfg(unix)]
mod lights {
    spanwright::spans! {
        pub tool Dim(id = "home.dim");
    }
    #[spanwright::tool(span = Dim)]
    fn dim() {}
}

#[cfg(not(unix))]
mod other_lights {
    spanwright::spans! {
        pub tool Dim(id = "home.dim");
    }
    #[spanwright::tool(span = Dim)]
    fn dim() {}
}
