//! The keys by which tokens are known: a JWK set in a file (RFC 7517), with secrets for HS256 and public keys for EdDSA.

use std::fmt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::signatures;

/// Keys in a file: some for rotation, and each issuer's. A token that names none is held against all of them.
const KEYS_MAX: usize = 16;
/// A shorter secret could be guessed (RFC 7518, section 3.2), bytes.
const SECRET_MIN: usize = 32;

/// What a file must hold, for errors, which never repeat any of it.
const EXPECTED: &str =
    r#"expected a JWK set: {"keys":[{"kty":"oct","k":"BASE64URL"},{"kty":"OKP","crv":"Ed25519","x":"BASE64URL"}]}"#;

/// All keys; shown without them.
pub(crate) struct Keys(Vec<Key>);

/// One key, and what is checked of a token that it signed.
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
    pub(super) validation: Validation,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// A JWK (RFC 7517, section 4; RFC 7518, section 6.4; RFC 8037, section 2). It has no `Debug`, which would show the secret.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    k: Option<String>,
    x: Option<String>,
}

impl Keys {
    /// Reads `file`; its tokens have to be for `audience` if they say for whom they are.
    pub(crate) fn load(file: &Path, audience: Option<&str>) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the keys of --jwt-keys {}", file.display()))?;
        Self::read(&text, audience).with_context(|| format!("bad --jwt-keys {}", file.display()))
    }

    fn read(text: &str, audience: Option<&str>) -> anyhow::Result<Self> {
        signatures::install();
        let set: JwkSet = serde_json::from_str(text)
            // What the parser says of a value is the value: only where it stood is told.
            .map_err(|error| anyhow::anyhow!("line {}, column {}: {EXPECTED}", error.line(), error.column()))?;
        ensure!(!set.keys.is_empty(), "it has no keys: {EXPECTED}");
        ensure!(set.keys.len() <= KEYS_MAX, "it has {} keys: expected at most {KEYS_MAX}", set.keys.len());
        let read = |(index, jwk)| key(jwk, audience).with_context(|| format!("key {}", index + 1));
        Ok(Self(set.keys.into_iter().enumerate().map(read).collect::<anyhow::Result<_>>()?))
    }

    /// Those that may have signed a token that names an algorithm and, maybe, a key.
    pub(super) fn of(&self, algorithm: Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        let fits = move |key: &&Key| {
            let named = id.is_none() || key.id.is_none() || key.id.as_deref() == id;
            named && key.validation.algorithms.contains(&algorithm)
        };
        self.0.iter().filter(fits)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

fn key(jwk: Jwk, audience: Option<&str>) -> anyhow::Result<Key> {
    ensure!(jwk.purpose.is_none_or(|purpose| purpose == "sig"), "its `use` is not `sig`");
    let bytes = |name: &str, value: Option<String>| {
        let value = value.with_context(|| format!("it has no `{name}`: {EXPECTED}"))?;
        // The decoder's error would repeat a byte of it.
        URL_SAFE_NO_PAD.decode(value).map_err(|_| anyhow::anyhow!("its `{name}` is not base64url without padding"))
    };
    let (algorithm, key) = match (&*jwk.kty, jwk.crv.as_deref()) {
        ("oct", _) => {
            let secret = bytes("k", jwk.k)?;
            ensure!(
                secret.len() >= SECRET_MIN,
                "its secret has {} bytes: HS256 takes at least {SECRET_MIN}, for example those of `openssl rand 32`",
                secret.len()
            );
            (Algorithm::HS256, DecodingKey::from_secret(&secret))
        }
        ("OKP", Some("Ed25519")) => {
            let public = bytes("x", jwk.x)?;
            ensure!(public.len() == 32, "its `x` has {} bytes: an Ed25519 public key has 32", public.len());
            (Algorithm::EdDSA, DecodingKey::from_ed_der(&public))
        }
        _ => bail!("its kind is not taken: expected kty `oct` for HS256, or kty `OKP` with crv `Ed25519` for EdDSA"),
    };
    let name = format!("{algorithm:?}");
    ensure!(jwk.alg.is_none_or(|alg| alg == name), "its `alg` is not {name}, for which its kind is taken here");
    let mut validation = Validation::new(algorithm);
    // A stream ends when its token does, so a token begins and ends to the second.
    (validation.leeway, validation.validate_nbf) = (0, true);
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        validation.required_spec_claims.insert("aud".to_owned());
    }
    Ok(Key { id: jwk.kid, key, validation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_what_it_holds() {
        let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA";
        let keys = |key: &str| format!(r#"{{"keys":[{}]}}"#, key.replace("SECRET", secret));
        let cases = [
            ("".to_owned(), "expected a JWK set"),
            (format!("\"{secret}\""), "line 1, column "),
            (format!(r#"{{"keys":"{secret}"}}"#), "expected a JWK set"),
            (keys(""), "it has no keys"),
            (keys(&vec![r#"{"kty":"oct","k":"SECRET"}"#; 17].join(",")), "it has 17 keys"),
            (keys(r#"{"kty":"oct"}"#), "key 1: it has no `k`"),
            (keys(r#"{"kty":"oct","k":"SECRET"},{"kty":"oct","k":"SECRET!"}"#), "key 2: its `k` is not base64url"),
            (keys(r#"{"kty":"oct","k":"c2hvcnQ"}"#), "its secret has 5 bytes: HS256 takes at least 32"),
            (keys(r#"{"kty":"oct","alg":"HS512","k":"SECRET"}"#), "its `alg` is not HS256"),
            (keys(r#"{"kty":"oct","use":"enc","k":"SECRET"}"#), "its `use` is not `sig`"),
            (keys(r#"{"kty":"RSA","n":"SECRET","e":"AQAB"}"#), "expected kty `oct` for HS256"),
            (keys(r#"{"kty":"OKP","crv":"X25519","x":"SECRET"}"#), "crv `Ed25519`"),
            (keys(r#"{"kty":"OKP","crv":"Ed25519","x":"SECRET"}"#), "its `x` has 34 bytes"),
        ];
        for (text, sentence) in cases {
            let Err(error) = Keys::read(&text, None) else { panic!("taken: {text}") };
            let said = format!("{error:#}");
            assert!(said.contains(sentence), "{text}: {said}");
            assert!(!said.contains(secret), "a secret: {said}");
        }
        let good = keys(r#"{"kty":"oct","kid":"a","alg":"HS256","use":"sig","k":"SECRET"}"#);
        assert_eq!(format!("{:?}", Keys::read(&good, None).unwrap()), "Keys(1)");
    }
}
