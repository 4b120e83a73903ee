//! A source text without the bodies that no span depends on: most of a program is bodies, and a catalog that does not read them takes a fraction of the time.
//!
//! Every token that is left keeps its line and column. What does not look like balanced Rust is left as it is, for the parser to refuse.

/// `text`, where the bodies of functions for which `is_needed` is false are blank.
pub(super) fn without_bodies(text: &str, is_needed: impl Fn(&str) -> bool) -> Option<String> {
    let mut short = String::with_capacity(text.len() / 2);
    let mut kept = 0;
    for (start, end) in Scanner::new(text).bodies()? {
        let body = &text[start..end];
        if body.len() < SHORT || is_needed(body) {
            continue;
        }
        short.push_str(&text[kept..start]);
        let last_line = body.rfind('\n').map_or(body, |newline| &body[newline + 1..]);
        short.extend(body.bytes().filter(|byte| *byte == b'\n').map(char::from));
        short.extend(last_line.chars().map(|_| ' '));
        kept = end;
    }
    short.push_str(&text[kept..]);
    Some(short)
}

/// Bytes of a body that is not worth leaving out. Braces of a signature, as in `-> Buffer<{ SIZE }>`, are shorter.
const SHORT: usize = 40;

/// Goes through a text token by token, as far as finding braces needs it.
struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// The insides of the braces of all functions that stand in no other, in their order; `None` if delimiters do not match.
    fn bodies(mut self) -> Option<Vec<(usize, usize)>> {
        let mut open: Vec<u8> = Vec::new();
        // How deep the function stands whose body is expected, and the body that is open.
        let mut expected: Option<usize> = None;
        let mut body: Option<(usize, usize)> = None;
        let mut found = Vec::new();
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'/' if self.skip_comment() => continue,
                b'"' => self.skip_text(),
                b'\'' => self.skip_letter(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 128.. => {
                    let word = self.word();
                    self.skip_literal_after(word);
                    if word == "fn" && body.is_none() && self.is_before_name() {
                        expected = Some(open.len());
                    }
                    continue;
                }
                b'0'..=b'9' => {
                    self.word();
                    continue;
                }
                b'(' | b'[' | b'{' => {
                    if byte == b'{' && body.is_none() && expected == Some(open.len()) {
                        body = Some((open.len(), self.at + 1));
                        expected = None;
                    }
                    open.push(byte);
                }
                b')' | b']' | b'}' => {
                    let opened = open.pop()?;
                    if !matches!((opened, byte), (b'(', b')') | (b'[', b']') | (b'{', b'}')) {
                        return None;
                    }
                    // A macro may be given a signature and nothing behind it.
                    expected = expected.filter(|depth| *depth <= open.len());
                    if let Some((depth, start)) = body
                        && depth == open.len()
                    {
                        found.push((start, self.at));
                        body = None;
                    }
                }
                b';' if expected == Some(open.len()) => expected = None,
                _ => {}
            }
            self.at += 1;
        }
        open.is_empty().then_some(found)
    }

    /// A word or number from here on.
    fn word(&mut self) -> &'a str {
        let start = self.at;
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 128;
        self.at += self.bytes[start..].iter().take_while(|byte| is_part(byte)).count();
        &self.text[start..self.at]
    }

    fn is_before_name(&self) -> bool {
        let rest = self.text[self.at..].trim_start();
        rest.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }

    fn skip_comment(&mut self) -> bool {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return true;
        }
        if !rest.starts_with("/*") {
            return false;
        }
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match &self.bytes[self.at..] {
                [b'/', b'*', ..] => {
                    depth += 1;
                    self.at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        break;
                    }
                }
                _ => self.at += 1,
            }
        }
        true
    }

    /// From one `"` to the other, where it stays.
    fn skip_text(&mut self) {
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => return,
                _ => self.at += 1,
            }
        }
    }

    /// `'a'` to its last mark; of the lifetime `'a` only the mark.
    fn skip_letter(&mut self) {
        let mut rest = self.text[self.at + 1..].char_indices();
        match rest.next() {
            Some((_, '\\')) => {
                let escaped = self.bytes.get(self.at + 3..).unwrap_or_default();
                self.at += 3 + escaped.iter().position(|byte| *byte == b'\'').unwrap_or(escaped.len());
            }
            Some(_) => {
                if let Some((end, '\'')) = rest.next() {
                    self.at += 1 + end;
                }
            }
            None => {}
        }
    }

    /// The raw text that begins with `word`: `r#"…"#`, `br"…"`. Other prefixes leave an ordinary text behind them.
    fn skip_literal_after(&mut self, word: &str) {
        if !matches!(word, "r" | "br" | "cr") {
            return;
        }
        let rest = &self.text[self.at..];
        let marks = rest.bytes().take_while(|byte| *byte == b'#').count();
        if rest.as_bytes().get(marks) != Some(&b'"') {
            return;
        }
        let end = format!("\"{}", "#".repeat(marks));
        let inside = &rest[marks + 1..];
        self.at += marks + 1 + inside.find(&end).map_or(inside.len(), |found| found + end.len());
    }
}

#[cfg(test)]
mod tests {
    use super::without_bodies;

    fn short(text: &str) -> String {
        without_bodies(text, |body| body.contains("needed")).unwrap_or_else(|| "left".into())
    }

    const LONG: &str = "let a_rather_long_name = another_long_name();";

    #[test]
    fn bodies_are_blank_and_what_follows_keeps_its_place() {
        let text = format!("fn f() {{\n  {LONG}\n\n  é }} fn g();\nstruct S {{ a: u8 }}");
        assert_eq!(short(&text), "fn f() {\n\n\n    } fn g();\nstruct S { a: u8 }");
        let needed = format!("fn f() {{ {LONG} needed }}");
        assert_eq!(short(&needed), needed);
        let pointer = format!("static F: fn() = {{ {LONG} f }};");
        assert_eq!(short(&pointer), pointer);
        let signature_alone = format!("m!(fn f); mod a {{ mod b {{ {LONG} }} }}");
        assert_eq!(short(&signature_alone), signature_alone);
    }

    #[test]
    fn what_looks_like_a_brace_and_is_none_ends_nothing() {
        for inside in [
            "\"}\"",
            "'}'",
            "'\\''",
            "b'}'",
            "r#\"}\"}\"#",
            "br\"}\\\"",
            "c\"\\\"}\"",
            "// }\n",
            "/* } /* } */ } */",
            "'a: loop { break 'a }",
            "r#fn",
            "\"\\\\\"",
            "b\"\\\\\"",
            "'\\u{7d}'",
            "1.0e5_f64",
        ] {
            let text = format!("fn f<'a>(x: &'a str) -> [u8; {{ 1 }}] {{ {inside} {LONG} }} fn g() {{}}");
            let found = short(&text);
            assert!(found.ends_with(" } fn g() {}") && !found.contains("long_name"), "{inside}: {found}");
        }
    }

    #[test]
    fn what_is_not_balanced_is_left() {
        for text in
            ["fn f() { ( }", "fn f() { ", "} fn f() {}", "fn f() { [) ] }", "fn f() { '\\", "fn f() { \"\\", "{ /*"]
        {
            assert_eq!(short(text), "left", "{text}");
        }
    }
}
