//! Which keys hold secrets.
//!
//! A key is split into words at everything that is no letter or digit, at digits, and at changes of case. A rule is one or more words that
//! stand in it whole and in a row, so `token` matches `accessToken` and not `max_tokens`. Two lists keep keys that only speak of a
//! secret: a word after it (`token_count`, `password_policy`), and, for `token` alone, a word before it (`next_page_token`).

use std::borrow::Cow;
use std::fmt;

use super::keys::Keys;

/// The rules there are without configuration: name, and the words it matches.
const BUILT_IN: &[(&str, &[&str])] = &[
    ("password", &["password"]),
    ("password", &["passwords"]),
    ("password", &["passwd"]),
    ("password", &["pwd"]),
    ("password", &["pass", "word"]),
    ("password", &["passphrase"]),
    ("password", &["passcode"]),
    ("secret", &["secret"]),
    ("secret", &["secrets"]),
    ("secret", &["clientsecret"]),
    ("token", &[TOKEN]),
    ("token", &["accesstoken"]),
    ("token", &["apitoken"]),
    ("token", &["authtoken"]),
    ("token", &["bearertoken"]),
    ("token", &["refreshtoken"]),
    ("token", &["jwt"]),
    ("api_key", &["api", "key"]),
    ("api_key", &["api", "keys"]),
    ("api_key", &["apikey"]),
    ("api_key", &["apikeys"]),
    ("private_key", &["private", "key"]),
    ("private_key", &["privatekey"]),
    ("access_key", &["access", "key"]),
    ("access_key", &["accesskey"]),
    ("secret_key", &["secretkey"]),
    ("signing_key", &["signing", "key"]),
    ("encryption_key", &["encryption", "key"]),
    ("authorization", &["authorization"]),
    ("authorization", &["bearer"]),
    ("cookie", &["cookie"]),
    ("cookie", &["cookies"]),
    ("credential", &["credential"]),
    ("credential", &["credentials"]),
];

const TOKEN: &str = "token";

/// A secret followed by one of these is spoken of, not told.
const SPEAKS_OF: &[&str] = &[
    "age",
    "budget",
    "budgets",
    "cost",
    "costs",
    "count",
    "counts",
    "enabled",
    "endpoint",
    "estimate",
    "expired",
    "expires",
    "expiry",
    "expiration",
    "index",
    "kind",
    "len",
    "length",
    "limit",
    "limits",
    "name",
    "policy",
    "position",
    "price",
    "provider",
    "rate",
    "required",
    "size",
    "stats",
    "strategy",
    "ttl",
    "type",
    "uri",
    "url",
    "usage",
    "window",
];

/// A token after one of these is a place in a list, a symbol of a model's vocabulary, or a measure.
const NO_CREDENTIAL: &[&str] = &[
    "bos",
    "cached",
    "cls",
    "completion",
    "continuation",
    "cursor",
    "end",
    "eos",
    "first",
    "input",
    "last",
    "mask",
    "max",
    "min",
    "next",
    "output",
    "pad",
    "page",
    "per",
    "prev",
    "previous",
    "prompt",
    "reasoning",
    "sep",
    "special",
    "start",
    "stop",
    "sync",
    "total",
    "unk",
];

/// The rule of everything, of a policy that keeps content out; named as the setting that does so.
pub(crate) const KEPT_OUT: &str = "log_prompts";

/// A map under a key with one of these words holds counts.
const COUNTS: &[&str] = &["usage", "tokens", "cost", "costs"];

/// Words of a key that are looked at; a longer key is a text.
const MOST_WORDS: usize = 16;

/// Which values are replaced by a marker because of the key or parameter they stand under.
///
/// Numbers, booleans and nothing are never replaced. Independent of these rules, credentials inside of text are.
///
/// ```
/// use spanwright::Rules;
///
/// let rules = Rules::new().redact("employee number").allow("public_token");
/// # let _ = rules;
/// ```
pub struct Rules {
    rules: Vec<Rule>,
    allowed: Vec<Box<str>>,
    /// What is known of keys that live forever.
    keys: Box<Keys>,
}

#[derive(Clone, Debug)]
struct Rule {
    name: Cow<'static, str>,
    words: Vec<Cow<'static, str>>,
    /// Letters of its words, as bits.
    letters: u32,
}

impl Rules {
    /// The built-in rules: password, secret, token, API key, private key, authorization, cookie, credential, and their like.
    pub fn new() -> Self {
        let rules = BUILT_IN.iter().map(|(name, words)| {
            Rule::new(Cow::Borrowed(name), words.iter().map(|word| Cow::Borrowed(*word)).collect())
        });
        Self { rules: rules.collect(), allowed: Vec::new(), keys: Keys::new() }
    }

    /// Also redacts every key in which the words of `words` stand whole and in a row: `"employee number"` matches `employeeNumber` and
    /// `EMPLOYEE_NUMBER_2`. Without a word in it, nothing changes.
    #[must_use]
    pub fn redact(mut self, words: &str) -> Self {
        let words: Vec<_> = Words::of(words).iter(words).map(|word| Cow::Owned(word.to_ascii_lowercase())).collect();
        if !words.is_empty() {
            self.rules.push(Rule::new(Cow::Owned(words.join("_")), words));
        }
        Self { keys: Keys::new(), ..self }
    }

    /// Never redacts the key `key`, whatever rule matches; case is ignored.
    #[must_use]
    pub fn allow(mut self, key: &str) -> Self {
        self.allowed.push(key.into());
        Self { keys: Keys::new(), ..self }
    }

    /// Also redacts whatever no other rule does.
    #[must_use]
    pub(super) fn redact_everything(mut self) -> Self {
        self.rules.push(Rule::new(Cow::Borrowed(KEPT_OUT), Vec::new()));
        Self { keys: Keys::new(), ..self }
    }

    /// The rule for a key that is no content, but names or routes: the rule of everything does not hold for it.
    pub(super) fn rule_for_label(&self, key: &str) -> Option<&str> {
        self.rule_for(key).filter(|rule| *rule != KEPT_OUT)
    }

    /// The name of the rule that `key`, a key or the name of a parameter, falls under; `None` if its value is kept.
    ///
    /// ```
    /// let rules = spanwright::Rules::new();
    /// assert_eq!(rules.rule_for("accessToken"), Some("token"));
    /// assert_eq!(rules.rule_for("max_tokens"), None);
    /// ```
    pub fn rule_for(&self, key: &str) -> Option<&str> {
        self.judge(key).map(|rule| &*self.rules[rule].name)
    }

    /// The same for a key that lives forever, of which it is found out once.
    #[inline]
    pub(super) fn of_static(&self, key: &'static str) -> Option<&str> {
        let rule = self.keys.rule_of(key).unwrap_or_else(|| self.get_to_know(key));
        rule.and_then(|rule| self.rules.get(rule)).map(|rule| &*rule.name)
    }

    #[cold]
    #[inline(never)]
    fn get_to_know(&self, key: &'static str) -> Option<usize> {
        let rule = self.judge(key);
        self.keys.keep(key, rule);
        rule
    }

    #[inline]
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn judge(&self, key: &str) -> Option<usize> {
        let letters = letters(key);
        let mut words = None;
        self.rules.iter().position(|rule| {
            if rule.letters & !letters != 0 {
                return false;
            }
            let words = words.get_or_insert_with(|| Words::of(key));
            let is_allowed = || self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(key));
            rule.is_of_everything() || rule.matches(words, key) && !is_allowed()
        })
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Rules {
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone(), allowed: self.allowed.clone(), keys: Keys::new() }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("rules", &self.rules).field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Rule {
    fn new(name: Cow<'static, str>, words: Vec<Cow<'static, str>>) -> Self {
        let letters = words.iter().fold(0, |all, word| all | letters(word));
        Self { name, words, letters }
    }

    fn is_of_everything(&self) -> bool {
        self.words.is_empty()
    }

    fn matches(&self, words: &Words, key: &str) -> bool {
        (0..words.len).any(|place| {
            let mut here = words.iter(key).skip(place);
            if !self.words.iter().all(|word| here.next().is_some_and(|found| found.eq_ignore_ascii_case(word))) {
                return false;
            }
            let after = here.next();
            let before = place.checked_sub(1).and_then(|before| words.iter(key).nth(before));
            let identifies = self.words.len() > 1 && after.is_some_and(|word| word.eq_ignore_ascii_case("id"));
            let no_credential = self.words == [TOKEN] && is_one_of(before, NO_CREDENTIAL);
            !identifies && !no_credential && !is_one_of(after, SPEAKS_OF)
        })
    }
}

/// Whether a map under this key holds counts.
pub(super) fn speaks_of_counts(key: &str) -> bool {
    Words::of(key).iter(key).any(|word| is_one_of(Some(word), COUNTS))
}

fn is_one_of(word: Option<&str>, list: &[&str]) -> bool {
    word.is_some_and(|word| list.iter().any(|other| other.eq_ignore_ascii_case(word)))
}

/// The letters of `text` as bits, whatever their case.
fn letters(text: &str) -> u32 {
    text.bytes().fold(0, |all, byte| all | 1 << (byte & 0x1f))
}

/// Where the words of a key begin and end.
struct Words {
    places: [(u32, u32); MOST_WORDS],
    len: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Other,
}

impl Words {
    fn of(key: &str) -> Self {
        let bytes = key.as_bytes();
        let mut words = Self { places: [(0, 0); MOST_WORDS], len: 0 };
        let mut start = 0;
        for (place, &byte) in bytes.iter().enumerate() {
            let class = class(byte);
            let before = if place == 0 { Class::Other } else { self::class(bytes[place - 1]) };
            let after = bytes.get(place + 1).map_or(Class::Other, |&byte| self::class(byte));
            let begins = match (before, class) {
                (Class::Upper, Class::Lower) => false,
                // The last capital of several begins the next word: `APIKey`.
                (Class::Upper, Class::Upper) => after == Class::Lower,
                (before, class) => before != class,
            };
            if begins {
                words.push(start, place, before);
                start = place;
            }
        }
        words.push(start, bytes.len(), bytes.last().map_or(Class::Other, |&byte| class(byte)));
        words
    }

    fn push(&mut self, start: usize, end: usize, class: Class) {
        if class != Class::Other && start < end && self.len < MOST_WORDS {
            self.places[self.len] = (start as u32, end as u32);
            self.len += 1;
        }
    }

    fn iter<'k>(&self, key: &'k str) -> impl Iterator<Item = &'k str> {
        self.places[..self.len].iter().map(move |&(start, end)| &key[start as usize..end as usize])
    }
}

fn class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' | 0x80.. => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Other,
    }
}
