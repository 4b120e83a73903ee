use spanwright::node;

#[node(returns = "futur")]
fn misspelled() -> u32 {
    1
}

#[node(returns = "value")]
fn nothing() {}

#[node(returns = "future")]
async fn already() -> u32 {
    1
}

#[node(expected(std::io::Error))]
fn no_result() {}

fn main() {}
