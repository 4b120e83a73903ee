//! Server-sent events, from pieces of any size.

/// Bytes that have come, and the data of events they make.
#[derive(Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    read: usize,
    data: String,
}

impl Events {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next event that is complete.
    pub(super) fn next_event(&mut self) -> Option<String> {
        while let Some(end) = self.bytes[self.read..].iter().position(|byte| *byte == b'\n') {
            let line = &self.bytes[self.read..self.read + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(String::from_utf8_lossy(data).trim_start());
            }
            let ends_event = line.is_empty() && !self.data.is_empty();
            self.read += end + 1;
            if ends_event {
                return Some(std::mem::take(&mut self.data));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let sent = ": a comment\r\n\r\ndata: {\"a\":\"ü\"}\r\n\r\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]\n\nno line end";
        for size in 1..=sent.len() {
            let (mut events, mut seen) = (Events::default(), Vec::new());
            for bytes in sent.as_bytes().chunks(size) {
                events.push(bytes);
                seen.extend(std::iter::from_fn(|| events.next_event()));
            }
            assert_eq!(seen, ["{\"a\":\"ü\"}", "one\ntwo", "[DONE]"], "in pieces of {size}");
        }
    }
}
