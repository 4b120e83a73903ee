use std::sync::{Arc, Mutex, RwLock};

use spanwright::{node, tool};

#[node]
fn plan(shared: &Mutex<State>) {}

#[tool]
fn all(homes: Arc<RwLock<Vec<Home>>>, pair: (u32, &parking_lot::Mutex<u32>), names: &[Option<Mutex<String>>]) {}
