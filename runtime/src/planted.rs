//! The secret that tests and fuzzers plant, to see that it does not come out again.

/// What is planted. A fuzzer writes it as the byte 1.
pub(crate) const PLANTED: &str = "Pl4nted-7e3f";

/// Any bytes as text, with [`PLANTED`] for the byte 1.
pub(crate) fn text_with_secrets(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{1}', PLANTED)
}
