//! Credentials inside of text.
//!
//! Three forms are known and replaced by `[redacted]`: what follows `Bearer `, a key that begins with `sk-`, and the password in
//! `scheme://user:password@host`. Most text holds none, so a first pass looks for three bytes in a row, sixteen places at a time.

const SHOWN: &str = "[redacted]";

/// No credential, with what announces it, is shorter.
const SHORTEST: usize = 8;

/// Places looked at together; each looks two bytes further.
const PLACES: usize = 16;

/// Whether `text` may hold a credential. Never wrong where it says no.
#[inline]
pub(super) fn is_suspicious(text: &str) -> bool {
    text.len() >= SHORTEST && is_suspicious_bytes(text.as_bytes())
}

#[inline(never)]
fn is_suspicious_bytes(bytes: &[u8]) -> bool {
    const WIDTH: usize = PLACES + 2;
    let Some(last) = bytes.last_chunk::<WIDTH>() else {
        let mut padded = [0; WIDTH];
        padded[..bytes.len()].copy_from_slice(bytes);
        return announces(&padded);
    };
    let mut rest = bytes;
    while let Some(window) = rest.first_chunk::<WIDTH>() {
        if announces(window) {
            return true;
        }
        rest = &rest[PLACES..];
    }
    announces(last)
}

/// Whether `:/`, `k-` or `b?a` stands where `://`, `sk-` or `bearer` would have it.
#[inline]
fn announces(window: &[u8; PLACES + 2]) -> bool {
    let at = |first: usize| window[first..].first_chunk::<PLACES>();
    match (at(0), at(1), at(2)) {
        (Some(a), Some(b), Some(c)) => announces_at(a, b, c),
        _ => true,
    }
}

/// Kept apart, and over three arrays, so that it becomes a few vector instructions.
#[inline(never)]
fn announces_at(a: &[u8; PLACES], b: &[u8; PLACES], c: &[u8; PLACES]) -> bool {
    let mut differs = [0; PLACES];
    for place in 0..PLACES {
        let (a, b, c) = (a[place], b[place], c[place]);
        let url = (a ^ b':') | (b ^ b'/');
        let key = (b ^ b'k') | (c ^ b'-');
        let bearer = ((a | 0x20) ^ b'b') | ((c | 0x20) ^ b'a');
        differs[place] = url.min(key).min(bearer);
    }
    differs.iter().fold(false, |any, &differs| any | (differs == 0))
}

/// The text without its credentials; `None` if it has none. `cut` says that more text followed, so that a credential may be shorter than
/// it was.
#[cold]
pub(super) fn clean(text: &str, cut: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let mut cleaned = String::new();
    let mut done = 0;
    let mut place = 0;
    while place < bytes.len() {
        let found = match bytes[place] {
            b':' => password(bytes, place, cut),
            b's' => key(bytes, place, cut),
            b'b' | b'B' => bearer(bytes, place, cut),
            _ => None,
        };
        match found {
            Some((start, end)) => {
                cleaned.push_str(&text[done..start]);
                cleaned.push_str(SHOWN);
                done = end;
                place = end;
            }
            None => place += 1,
        }
    }
    (done > 0).then(|| cleaned + &text[done..])
}

/// The credential of `scheme://user:password@host`, from the place of `://`. A user without a password is one if it is long, as tokens are.
fn password(bytes: &[u8], place: usize, cut: bool) -> Option<(usize, usize)> {
    const LONG_USER: usize = 16;
    let start = place + 3;
    if !bytes[place..].starts_with(b"://") {
        return None;
    }
    let len = bytes[start..].iter().take_while(|&&byte| !ends_authority(byte)).count();
    let authority = &bytes[start..start + len];
    let user_ends = match authority.iter().rposition(|&byte| byte == b'@') {
        Some(at) => at,
        None if cut && start + len == bytes.len() => len,
        None => return None,
    };
    let found = match authority[..user_ends].iter().position(|&byte| byte == b':') {
        Some(colon) => (start + colon + 1, start + user_ends),
        None if user_ends >= LONG_USER => (start, start + user_ends),
        None => return None,
    };
    (found.0 < found.1).then_some(found)
}

fn ends_authority(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
}

/// A key beginning with `sk-`, from its `s`.
fn key(bytes: &[u8], place: usize, cut: bool) -> Option<(usize, usize)> {
    const SHORTEST_KEY: usize = 6;
    let start = place + 3;
    if !bytes[place..].starts_with(b"sk-") || follows_word(bytes, place) {
        return None;
    }
    let len =
        bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
    let whole = len >= SHORTEST_KEY || (cut && start + len == bytes.len());
    whole.then_some((place, start + len))
}

/// What follows `Bearer `, from its first letter. In lower case it is a word of English, so what follows must look like a credential.
fn bearer(bytes: &[u8], place: usize, cut: bool) -> Option<(usize, usize)> {
    const SHORTEST_TOKEN: usize = 8;
    let word = bytes.get(place..place + 6)?;
    if !word.eq_ignore_ascii_case(b"bearer") || follows_word(bytes, place) {
        return None;
    }
    let spaces = bytes[place + 6..].iter().take_while(|&&byte| byte == b' ').count();
    let start = place + 6 + spaces;
    let token = &bytes[start..];
    let len = token
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        })
        .count();
    // A doubled word hides no token: the second one announces it.
    if token[..len].eq_ignore_ascii_case(word) {
        return None;
    }
    let sure = word[0] == b'B'
        || (cut && start + len == bytes.len())
        || (len >= SHORTEST_TOKEN && token[..len].iter().any(u8::is_ascii_digit));
    (spaces > 0 && len > 0 && sure).then_some((start, start + len))
}

fn follows_word(bytes: &[u8], place: usize) -> bool {
    place.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric() || bytes[before] >= 0x80)
}
