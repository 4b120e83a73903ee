//! A misspelled or undeclared span is a name the compiler does not find. Its handle is no further mistake.

mod spans {
    spanwright::spans! {
        pub node Collect(id = "home.collect") {
            count: u64,
        }
    }
}

#[spanwright::node(span = spans::Colect, handle = s, attributes(count = 1))]
fn misspelled() {
    s.count(1);
}

#[spanwright::node(span = undeclared::Collect)]
async fn undeclared() {}

fn main() {}
