spanwright::spans! {
    pub node Plan(id = "home.plan");
    pub tool Mail(id = "home.mail");
}

#[spanwright::node(span = Plan)]
fn plan() {}

#[spanwright::node(span = Plan)]
fn plan_again() {}

#[cfg(feature = "smtp")]
#[spanwright::tool(span = Mail)]
fn mail_by_smtp() {}

// Nothing says that only one of the two features is chosen.
#[cfg(feature = "http")]
#[spanwright::tool(span = Mail)]
fn mail_by_http() {}
