use std::future::Ready;
use std::pin::Pin;

use futures::Stream;
use spanwright::node;

type Later = Pin<Box<dyn Future<Output = u32> + Send>>;
type Many = Pin<Box<dyn Stream<Item = u32> + Send>>;

#[node]
fn alias_of_a_future() -> Later {
    Box::pin(async { 1 })
}

#[node]
fn named_future(n: u32) -> Ready<u32> {
    std::future::ready(n)
}

#[node]
fn alias_of_a_stream() -> Many {
    Box::pin(futures::stream::iter([1]))
}

#[node]
fn in_a_result() -> Result<Later, String> {
    Ok(alias_of_a_future())
}

fn main() {}
