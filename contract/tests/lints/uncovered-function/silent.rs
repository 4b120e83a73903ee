mod spans {
    spanwright::spans! {
        pub workflow Evening(id = "home.evening") {
            pub tool CloseBlinds(id = "home.close_blinds");
        }
    }
}

use spanwright::{node, tool, workflow};

#[workflow(span = spans::Evening)]
fn evening() {
    log("evening");
    prepare();
    retry();
    "blind".to_owned().close();
    fn log(_: &str) {
        // Another `close`, which no span is tied to.
        inner::close();
    }
}

// Undeclared, and yet a span: no gap.
#[node]
fn prepare() {
    close("north");
}

// spanwright: allow(uncovered-function) only calls again what it is given
fn retry() {
    close("south");
}

#[tool(span = spans::CloseBlinds)]
fn close(blind: &str) {}

// Nobody tied calls it.
fn main() {
    close("east");
    evening();
}

mod inner {
    pub fn close() {}
}
