//! A method sets one attribute, and hides no other method.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            home.name: str,
            home_name: str,
            homeName: str,
            event: str,
            trace.id: str,
            self: str,
            fine: str,
        }
    }
}

#[spanwright::node(span = spans::Collect, handle = s)]
fn collect() {
    s.home_name("a").fine("b").event("c");
}

fn main() {}
