//! Credentials inside of text.
//!
//! Three forms are known and replaced by `[redacted]`: what follows `Bearer `, a key that begins with `sk-`, and the password in
//! `scheme://user:password@host`. Most text holds none, so a first pass looks for two bytes each at sixteen places at a time.

const SHOWN: &str = "[redacted]";

/// What is shorter and whole is no credential: one letter behind `://:` at most.
pub(super) const SHORTEST: usize = 8;

/// Places looked at together; each looks two bytes further.
const PLACES: usize = 16;

/// Bytes looked at together.
pub(super) const WIDTH: usize = PLACES + 2;

/// Whether `text`, which is whole, may hold a credential. Never wrong where it says no.
pub(super) fn is_suspicious(text: &str) -> bool {
    match text.len() {
        0..SHORTEST => false,
        SHORTEST..WIDTH => is_short_suspicious(&filled_up(text.as_bytes())),
        WIDTH.. => is_long_suspicious(text.as_bytes()),
    }
}

/// The same of a text of at least [`WIDTH`] bytes.
#[inline]
pub(super) fn is_long_suspicious(bytes: &[u8]) -> bool {
    let mut found = [0; PLACES];
    if let Some(last) = bytes.last_chunk() {
        look(&mut found, last);
    }
    let mut rest = bytes;
    while let Some(window) = rest.first_chunk() {
        look(&mut found, window);
        rest = &rest[PLACES..];
    }
    found != [0; PLACES]
}

/// The same of a shorter one, [filled up](filled_up).
#[inline]
pub(super) fn is_short_suspicious(bytes: &[u8; WIDTH]) -> bool {
    let mut found = [0; PLACES];
    look(&mut found, bytes);
    found != [0; PLACES]
}

/// No longer text can be looked at in two words.
pub(super) const SHORT: usize = 15;

/// The same of a text of at most [`SHORT`] bytes in two words; the upper byte of the second may be anything.
#[inline(always)]
pub(super) fn is_suspicious_in_words(first: u64, last: u64) -> bool {
    let text = (u128::from(last & (u64::MAX >> 8)) << 64) | u128::from(first);
    let bytes = text.to_le_bytes();
    let mut found = [0; PLACES];
    compare(&mut found, &bytes, &(text >> 16).to_le_bytes());
    found != [0; PLACES]
}

/// At least [`SHORTEST`] bytes and less than [`WIDTH`], and zeros after them.
#[inline]
pub(super) fn filled_up(bytes: &[u8]) -> [u8; WIDTH] {
    let mut filled = [0; WIDTH];
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        filled[..8].copy_from_slice(first);
        filled[8] = bytes.get(8).copied().unwrap_or_default();
        if let Some(place) = filled.get_mut(bytes.len() - 8..bytes.len()) {
            place.copy_from_slice(last);
        }
    }
    filled
}

/// Marks the places at which `@`, `s?-` or `b?a` stands where `://user@`, `sk-` or `bearer` would have it. Over arrays and without a
/// branch, so that it becomes a few vector instructions.
#[inline(always)]
fn look(found: &mut [u8; PLACES], window: &[u8; WIDTH]) {
    let (Some(first), Some(third)) = (window.first_chunk::<PLACES>(), window.last_chunk::<PLACES>()) else { return };
    compare(found, first, third);
}

/// The same of bytes and those two further.
#[inline(always)]
fn compare(found: &mut [u8; PLACES], first: &[u8; PLACES], third: &[u8; PLACES]) {
    for place in 0..PLACES {
        let (first, third) = (first[place], third[place]);
        let bearer = (first | 0x20 == b'b') & (third | 0x20 == b'a');
        let key = (first == b's') & (third == b'-');
        found[place] |= u8::from(bearer | key | (third == b'@'));
    }
}

/// The text without its credentials; `None` if it has none. `cut` says that more text followed, so that a credential may be shorter than
/// it was.
#[cold]
pub(super) fn clean(text: &str, cut: bool) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < SHORTEST && !cut {
        return None;
    }
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
        None if unmarked(&authority[..user_ends]) >= LONG_USER => (start, start + user_ends),
        None => return None,
    };
    (found.0 < found.1).then_some(found)
}

/// Bytes that are no mark of a credential: one that has been replaced makes no user longer.
fn unmarked(user: &[u8]) -> usize {
    let marks = user.windows(SHOWN.len()).filter(|window| *window == SHOWN.as_bytes()).count();
    user.len() - marks * SHOWN.len()
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
