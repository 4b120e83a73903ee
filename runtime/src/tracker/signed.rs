//! Tokens that prove who made them: HMAC-SHA256 over the token, with keys that can be changed.
//!
//! Written `TOKEN.KEY-ID.SIGNATURE`, all in the alphabet of base64url, so that it travels wherever a token does.

use std::fmt;

use ring::hmac;

use super::token::{decode, encode};
use super::{ResumptionToken, TokenError};
use crate::error::{Error, Kind};

const LONGEST_ID: usize = 64;
/// The output of SHA-256, which is what HMAC asks of a key (RFC 2104, section 3).
const SHORTEST_SECRET: usize = 32;

/// Signs resumption tokens with its current key, and knows those that were signed with former ones.
///
/// ```
/// # #[cfg(feature = "mlflow")] {
/// use spanwright::AgentConfig;
/// use spanwright::tracker::SigningKeys;
///
/// let spring = SigningKeys::new("spring", &[1; 32]).unwrap();
/// let signed = spring.sign(&AgentConfig::new("agent").create_tracker("ann").resumption_token());
///
/// let summer = SigningKeys::new("summer", &[2; 32]).unwrap().and_former("spring", &[1; 32]).unwrap();
/// assert!(summer.verify(&signed).is_ok());
/// assert!(SigningKeys::new("autumn", &[3; 32]).unwrap().verify(&signed).is_err());
/// # }
/// ```
pub struct SigningKeys {
    /// The current one first.
    keys: Vec<(String, hmac::Key)>,
}

impl SigningKeys {
    /// Signs with the key `secret`, of at least 32 bytes, whose name travels with each token.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the name is empty, longer than 64 characters or has one that is no letter, digit, `-` or `_`; if the
    /// secret is too short.
    pub fn new(id: &str, secret: &[u8]) -> Result<Self, Error> {
        Self { keys: Vec::new() }.and_former(id, secret)
    }

    /// Knows what was signed with a former key too.
    ///
    /// # Errors
    ///
    /// Those of [`SigningKeys::new`], and [`Error::is_config`] if there is a key of that name.
    pub fn and_former(mut self, id: &str, secret: &[u8]) -> Result<Self, Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(is_name) {
            let grammar = format!("1 to {LONGEST_ID} letters, digits, `-` and `_`");
            return Err(Error::new(Kind::Config, format!("name a signing key: its name takes {grammar}")));
        }
        if secret.len() < SHORTEST_SECRET {
            return Err(Error::new(
                Kind::Config,
                format!("take the signing key `{id}`: it needs {SHORTEST_SECRET} bytes or more"),
            ));
        }
        if self.keys.iter().any(|(known, _)| known == id) {
            return Err(Error::new(
                Kind::Config,
                format!("take the signing key `{id}`: there is one of that name already"),
            ));
        }
        self.keys.push((id.to_owned(), hmac::Key::new(hmac::HMAC_SHA256, secret)));
        Ok(self)
    }

    /// The token with its signature.
    pub fn sign(&self, token: &ResumptionToken) -> String {
        // There is one: `new` is the only way here.
        let (id, key) = &self.keys[0];
        let signed = format!("{token}.{id}");
        let signature = encode(hmac::sign(key, signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }

    /// The token, if it was signed with one of the keys and is as it was then.
    ///
    /// # Errors
    ///
    /// [`TokenError::Unsigned`], [`TokenError::UnknownKey`], [`TokenError::Signature`]; what a [`ResumptionToken`] that was signed says
    /// for itself.
    pub fn verify(&self, text: &str) -> Result<ResumptionToken, TokenError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Unsigned)?;
        let (token, id) = signed.split_once('.').ok_or(TokenError::Unsigned)?;
        let (_, key) = self.keys.iter().find(|(known, _)| known == id).ok_or(TokenError::UnknownKey)?;
        let signature = decode(signature).ok_or(TokenError::Signature)?;
        // In constant time, and before anything is read of what it signs.
        hmac::verify(key, signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        token.parse()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AgentConfig;

    #[test]
    fn a_signed_token_is_known_until_its_key_is_forgotten_and_not_once_it_is_changed() {
        let old = SigningKeys::new("2026-a", &[7; 32]).expect("a key");
        let token = AgentConfig::new("agent").create_tracker("ann").resumption_token();
        let signed = old.sign(&token);
        assert_eq!(old.verify(&signed), Ok(token.clone()));

        let rotated =
            SigningKeys::new("2026-b", &[8; 40]).and_then(|keys| keys.and_former("2026-a", &[7; 32])).expect("keys");
        assert_eq!(rotated.verify(&signed), Ok(token.clone()));
        assert_eq!(old.verify(&rotated.sign(&token)), Err(TokenError::UnknownKey));

        assert_eq!(old.verify(&token.to_string()), Err(TokenError::Unsigned));
        for place in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(old.verify(&changed).is_err(), "{changed}");
        }
        // The same name, another secret.
        assert_eq!(SigningKeys::new("2026-a", &[9; 32]).expect("a key").verify(&signed), Err(TokenError::Signature));
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused() {
        for (id, secret) in [("", 32), ("a.b", 32), ("a", 31)] {
            assert!(SigningKeys::new(id, &vec![1; secret]).is_err_and(|error| error.is_config()), "{id} {secret}");
        }
        let twice = SigningKeys::new("a", &[1; 32]).and_then(|keys| keys.and_former("a", &[2; 32]));
        assert!(twice.is_err_and(|error| error.is_config()));
        assert_eq!(format!("{:?}", SigningKeys::new("a", &[1; 32]).expect("a key")), r#"["a"]"#);
    }
}
