//! rustc's own errors in a body stand where they stand without the attribute.

use spanwright::node;

#[node]
async fn mismatched(n: u32) -> String {
    n
}

#[node]
async fn moved(text: String) -> usize {
    drop(text);
    text.len()
}

#[node]
async fn unknown_name(n: u32) -> u32 {
    m + n
}

#[node]
async fn early_return(n: u32) -> u32 {
    if n > 1 {
        return "one";
    }
    n
}

#[node]
fn boxed(n: u32) -> std::pin::Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { n })
}

fn main() {}
