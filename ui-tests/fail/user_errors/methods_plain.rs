//! As `sync.rs`, in methods of types and traits, sync, async and boxed.

#![allow(unused)]

use futures::future::BoxFuture;
use spanwright::node;

struct Service {
    names: Vec<String>,
}

trait Step {
    fn step(&mut self, n: u32) -> u32;
    fn boxed(&self, n: u32) -> BoxFuture<'_, usize>;
}

impl Service {
    #[cfg(all())]
    fn unknown_method(&self, n: u32) -> usize {
        self.names.lenght()
    }

    #[cfg(all())]
    fn not_mutable(&self, name: String) {
        self.names.push(name);
    }

    #[cfg(all())]
    fn moved_out(&self) -> Vec<String> {
        self.names
    }

    #[cfg(all())]
    async fn unknown_field(&self, n: u32) -> usize {
        self.name.len()
    }

    #[cfg(all())]
    async fn not_a_future(&self, n: u32) -> u32 {
        n.await
    }

    #[cfg(all())]
    fn wrong_output(&self, n: u32) -> BoxFuture<'_, usize> {
        Box::pin(async move { "one" })
    }
}

impl Step for Service {
    #[cfg(all())]
    fn step(&mut self, n: u32) -> u32 {
        let first = &self.names[0];
        self.names.clear();
        first.len()
    }

    #[cfg(all())]
    fn boxed(&self, n: u32) -> BoxFuture<'_, usize> {
        Box::pin(async move { self.names.len() + n })
    }
}

fn main() {}
