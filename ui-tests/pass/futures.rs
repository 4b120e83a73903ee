//! An annotated future is `Send` where the plain one is, and little larger.

use std::future::Future;
use std::rc::Rc;

use futures::stream::{BoxStream, Stream, StreamExt};
use spanwright::node;

macro_rules! corpus {
    ($name:ident $(, #[$attribute:meta])?) => {
        mod $name {
            use super::*;

            $(#[$attribute])?
            pub async fn level1() -> u32 {
                let buffer = [1_u8; 1024];
                tokio::task::yield_now().await;
                u32::from(buffer[7])
            }

            $(#[$attribute])?
            pub async fn level2() -> u32 {
                level1().await + 1
            }

            $(#[$attribute])?
            pub async fn level3() -> u32 {
                level2().await + 1
            }

            $(#[$attribute])?
            pub async fn by_value(text: String) -> usize {
                tokio::task::yield_now().await;
                text.len()
            }

            $(#[$attribute])?
            pub fn future(n: u32) -> impl Future<Output = u32> {
                async move {
                    tokio::task::yield_now().await;
                    n
                }
            }
        }
    };
}

corpus!(plain);
corpus!(annotated, #[node]);

#[node]
async fn borrows(text: &str, mut buffer: Vec<u8>) -> Result<usize, std::io::Error> {
    buffer.push(1);
    tokio::task::yield_now().await;
    Ok(text.len() + buffer.len())
}

#[node]
async fn generic<T: Send + Sync>(item: T, read: impl Fn(&T) -> u32 + Send) -> u32 {
    tokio::task::yield_now().await;
    read(&item)
}

#[node]
fn stream(n: u32) -> impl Stream<Item = u32> + Send {
    futures::stream::iter(0..n)
}

#[node]
async fn async_stream(n: u32) -> Result<BoxStream<'static, u32>, String> {
    Ok(futures::stream::iter(0..n).boxed())
}

#[node]
async fn local(shared: Rc<u32>) -> u32 {
    tokio::task::yield_now().await;
    *shared
}

trait Step {
    fn run(&self, n: u32) -> impl Future<Output = u32> + Send;
}

struct One;

impl Step for One {
    #[node]
    async fn run(&self, n: u32) -> u32 {
        level(n).await
    }
}

#[node]
async fn level(n: u32) -> u32 {
    n
}

fn send<T: Send>(value: T) -> T {
    value
}

/// Bytes a future may grow by for each level of annotated functions; an argument by value is stored once more.
const PER_LEVEL: usize = 48;

fn grows(what: &str, plain: usize, annotated: usize, allowed: usize) {
    println!("{what:<10}{plain:>6} B{annotated:>6} B");
    assert!(annotated <= plain + allowed, "{what}: {plain} B became {annotated} B, more than {allowed} B");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    grows("level 1", size_of_val(&plain::level1()), size_of_val(&annotated::level1()), PER_LEVEL);
    grows("level 2", size_of_val(&plain::level2()), size_of_val(&annotated::level2()), 2 * PER_LEVEL);
    grows("level 3", size_of_val(&plain::level3()), size_of_val(&annotated::level3()), 3 * PER_LEVEL);
    let (plain, annotated) = (plain::by_value(String::new()), annotated::by_value(String::new()));
    grows("by value", size_of_val(&plain), size_of_val(&annotated), PER_LEVEL + size_of::<String>());
    let (plain, annotated) = (plain::future(1), annotated::future(1));
    grows("future", size_of_val(&plain), size_of_val(&annotated), PER_LEVEL);

    assert_eq!(send(annotated::level3()).await, 3);
    assert_eq!(send(borrows("ab", vec![])).await.unwrap(), 3);
    assert_eq!(send(generic(1_u8, |n| u32::from(*n))).await, 1);
    assert_eq!(send(stream(2)).count().await, 2);
    assert_eq!(send(async_stream(2)).await.unwrap().count().await, 2);
    assert_eq!(send(One.run(1)).await, 1);
    assert_eq!(local(Rc::new(1)).await, 1);
}
