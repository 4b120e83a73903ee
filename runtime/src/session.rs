//! Sessions: which conversation a piece of work belongs to.

use std::sync::Arc;

use crate::context::{self, Context};
use crate::future::InContext;
use crate::id::next_uuid;

/// A session for the traces started within it: the given one, else the one that is current, else a fresh UUID.
///
/// ```
/// # async fn chat() {}
/// # async fn example() {
/// spanwright::session_context(Some("user-42/monday")).scope(chat()).await;
/// # }
/// let outer = spanwright::session_context(Some("a"));
/// outer.run(|| {
///     spanwright::session_context(Some("b")).run(|| assert_eq!(spanwright::current_session().as_deref(), Some("b")));
///     assert_eq!(spanwright::current_session().as_deref(), Some("a"));
/// });
/// assert_eq!(spanwright::current_session(), None);
/// ```
pub fn session_context(id: Option<&str>) -> SessionContext {
    let id = id.map(Arc::from).or_else(context::session).unwrap_or_else(|| Arc::from(next_uuid()));
    SessionContext { id }
}

/// The session of the calling thread or task, if it is in one.
pub fn current_session() -> Option<String> {
    context::session().map(|session| session.to_string())
}

/// A session to run work in. See [`session_context`].
#[derive(Clone, Debug)]
pub struct SessionContext {
    id: Arc<str>,
}

impl SessionContext {
    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs `work` in this session.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.context().run(work)
    }

    /// Runs a future in this session.
    pub fn scope<F>(&self, future: F) -> InContext<F> {
        InContext::new(future, self.context())
    }

    fn context(&self) -> Context {
        Context { current: context::current(), session: Some(self.id.clone()) }
    }
}
