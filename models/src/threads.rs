//! Threads of our own, so that neither a request nor an evaluation depends on what the program's threads are doing: they may wait in a flush,
//! belong to no async runtime, or be gone.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};

use crate::error::{ErrorKind, ModelError};

/// One thread with an async runtime, started by the first who needs it.
pub(crate) struct Thread {
    name: &'static str,
    /// Of which process it is a thread: one that was forked has to start its own.
    started: Mutex<Option<(u32, Handle)>>,
}

impl Thread {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, started: Mutex::new(None) }
    }

    /// Runs `work` there. Whoever no longer wants it aborts it.
    pub(crate) fn spawn<F>(&self, work: F) -> Result<tokio::task::JoinHandle<F::Output>, ModelError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(self.handle()?.spawn(work))
    }

    fn handle(&self) -> Result<Handle, ModelError> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        match &*started {
            Some((of, handle)) if *of == process => Ok(handle.clone()),
            _ => {
                let handle = self.start().map_err(|error| {
                    ModelError::new(ErrorKind::Config, format!("start the thread {}: {error}", self.name))
                })?;
                // What a forked process has of its parent's runtime is no runtime: it is left alone.
                std::mem::forget(started.replace((process, handle.clone())));
                Ok(handle)
            }
        }
    }

    fn start(&self) -> std::io::Result<Handle> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(handle)
    }
}
