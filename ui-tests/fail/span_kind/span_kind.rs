//! The attribute and the declaration are of one kind. The handle is typed all the same.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            count: u64,
        }
    }
}

#[spanwright::tool(span = spans::Collect, handle = s)]
fn collect() {
    s.count(1);
}

#[spanwright::workflow(span = spans::Collect)]
async fn outer() {}

#[spanwright::node(span = spans::Collect)]
fn fine() {}

fn main() {}
