//! A value that never shows itself.

/// A value that never shows itself.
#[derive(Clone)]
pub struct Secret<T>(T);
