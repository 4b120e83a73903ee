//! A tracking URI, and whatever else is said of a configuration, without secrets.

use std::fmt;

use super::{Credentials, Destination};

/// Characters of a value that a warning repeats.
const SHOWN_CHARACTERS: usize = 100;

/// A tracking URI. Neither `Display` nor `Debug` shows user or password.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    text: String,
    host: String,
}

impl Uri {
    /// `scheme://host[:port][/path]`, lower-case scheme and host, no default port, no trailing slash, no user: the same
    /// text for the same server. It names the destination in the store, and paths are appended to it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without port; empty if the URI has none.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}

/// The destination a tracking URI names and the credentials it carries, or what is wrong with it.
pub(super) fn parse(text: &str) -> Result<(Destination, Option<Credentials>), &'static str> {
    let text = text.trim();
    let unsupported = || (Destination::Unsupported(Uri { text: without_secrets(text), host: String::new() }), None);
    match text.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            let (uri, credentials) = server(&scheme.to_ascii_lowercase(), rest)?;
            Ok((Destination::Http(uri), credentials))
        }
        Some(_) => Ok(unsupported()),
        None if looks_like_host_and_port(text) => Err("the scheme is missing, put http:// or https:// before it"),
        None => Ok(unsupported()),
    }
}

fn server(scheme: &str, rest: &str) -> Result<(Uri, Option<Credentials>), &'static str> {
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it has a space in it");
    }
    let (rest, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    if query.contains('@') {
        // What stands before it would be taken for the host, and be printed.
        return Err("`?` and `#` in a user or password have to be written as %3F and %23");
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if path.contains('@') {
        // A password with an unescaped slash would end here, and be printed as a path.
        return Err("`/` in a user or password has to be written as %2F, and `@` in a path as %40");
    }
    let (user, address) = authority.rsplit_once('@').map_or((None, authority), |(user, address)| (Some(user), address));
    let (host, port) = match address.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, after)) => {
            (&address[..inner.len() + 2], after.strip_prefix(':').or(after.is_empty().then_some("")))
        }
        None => address.split_once(':').map_or((address, Some("")), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some("") => None,
        Some(port) => Some(port.parse::<u16>().map_err(|_| "its port is not a number up to 65535")?),
        None => return Err("what follows its host is not a port"),
    };
    if host.is_empty() || host.contains(['[', ']', '@', '\\', '%']) && !host.starts_with('[') {
        return Err("it has no host");
    }
    let inner = host.strip_prefix('[').map(|inner| inner.trim_end_matches(']'));
    if inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_err()) {
        return Err("what stands in [ ] is no address");
    }
    let host = host.to_ascii_lowercase();
    let default = if scheme == "https" { 443 } else { 80 };
    let port = port.filter(|port| *port != default).map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("{scheme}://{host}{port}{}", path.trim_end_matches('/'));
    let credentials = user.map(|user| user.split_once(':').unwrap_or((user, ""))).filter(|(user, _)| !user.is_empty());
    let credentials =
        credentials.map(|(user, password)| Credentials::Basic { user: decoded(user), password: decoded(password) });
    Ok((Uri { text, host: host.trim_matches(['[', ']']).to_owned() }, credentials))
}

fn looks_like_host_and_port(text: &str) -> bool {
    let address = text.rsplit_once('@').map_or(text, |(_, address)| address);
    let (host, rest) = address.split_once(':').unwrap_or(("", ""));
    let port = rest.split('/').next().unwrap_or_default();
    host.len() > 1
        && !host.contains(['/', '\\'])
        && !port.is_empty()
        && port.bytes().all(|digit| digit.is_ascii_digit())
}

/// Percent-decoding; what is not a valid escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escape = escape.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let byte = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A URI as it may be printed: nothing between its scheme, where it has one, and the last `@`, no query.
pub(super) fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text.find("://").map_or(("", text), |at| text.split_at(at + 3));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    let rest = if scheme.is_empty() { rest } else { rest.split(['?', '#']).next().unwrap_or_default() };
    format!("{scheme}{rest}")
}

/// A name or value of somebody else's as it may be said: without secrets, on one line, not long.
pub(super) fn shown(text: &str) -> String {
    let kept = without_secrets(text);
    kept.chars().take(SHOWN_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
