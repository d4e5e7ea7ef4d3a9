//! The keys by which tokens are known: a JWK set in a file (RFC 7517), with secrets for HS256 and public keys for EdDSA.

use std::fmt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::signatures;

/// Keys of a file that can be used: some for rotation, and each issuer's. A token that names none is held against all of them.
const KEYS_MAX: usize = 16;
/// A shorter secret could be guessed (RFC 7518, section 3.2), bytes.
const SECRET_MIN: usize = 32;
/// Bytes of an Ed25519 public key (RFC 8032, section 5.1.5).
const PUBLIC_LEN: usize = 32;
/// Characters of a `kid` that errors and warnings show.
const KID_SHOWN: usize = 64;

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

/// A JWK set (RFC 7517, section 5). It has no `Debug`, which would show the secrets.
#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

/// A JWK of a kind that is known (RFC 7517, section 4; RFC 7518, section 6.4; RFC 8037, section 2). It has no `Debug`, which would show
/// the secret.
#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    k: Option<String>,
    x: Option<String>,
}

/// Why a key of a set is not used.
enum Unfit {
    /// The set is used without it: its kind is not known, it lacks a member, or a value is out of what is supported (RFC 7517, section 5).
    Skipped(String),
    /// The file is not what it should be, and none of it is used.
    Malformed(String),
}

impl Keys {
    /// Reads `file`; its tokens have to be for `audience` if they say for whom they are. A key that cannot be used is skipped with a
    /// warning. An error, when the file is no JWK set, holds a malformed key of a known kind, or has no key that can be used.
    pub(crate) fn load(file: &Path, audience: Option<&str>) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the keys of --jwt-keys {}", file.display()))?;
        let (keys, skipped) =
            Self::read(&text, audience).with_context(|| format!("bad --jwt-keys {}", file.display()))?;
        for reason in skipped {
            tracing::warn!(
                "--jwt-keys {}: {reason}; it is skipped, and tokens that it signed are refused",
                file.display()
            );
        }
        Ok(keys)
    }

    /// The keys that can be used, and why each of the others is skipped.
    fn read(text: &str, audience: Option<&str>) -> anyhow::Result<(Self, Vec<String>)> {
        signatures::install();
        let set: JwkSet = serde_json::from_str(text)
            // What the parser says of a value is the value: only where it stood is told.
            .map_err(|error| anyhow::anyhow!("line {}, column {}: {EXPECTED}", error.line(), error.column()))?;
        ensure!(!set.keys.is_empty(), "it has no keys: {EXPECTED}");
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, jwk) in set.keys.into_iter().enumerate() {
            let name = name(index + 1, &jwk);
            match key(jwk, audience) {
                Ok(key) => keys.push(key),
                Err(Unfit::Skipped(reason)) => skipped.push(format!("{name}: {reason}")),
                Err(Unfit::Malformed(reason)) => bail!("{name}: {reason}"),
            }
        }
        if keys.is_empty() {
            let more = skipped.len().saturating_sub(KEYS_MAX);
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            let reasons = skipped[..skipped.len().min(KEYS_MAX)].join("; ");
            bail!("none of its {} keys can be used: {reasons}{more}: {EXPECTED}", skipped.len());
        }
        ensure!(keys.len() <= KEYS_MAX, "it has {} keys: expected at most {KEYS_MAX}", keys.len());
        Ok((Self(keys), skipped))
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

/// What a key is called in errors and warnings: its place, and its `kid`, which is no secret, shortened.
fn name(place: usize, jwk: &Value) -> String {
    match jwk.get("kid") {
        Some(Value::String(kid)) => format!("key {place} (kid {:?})", kid.chars().take(KID_SHOWN).collect::<String>()),
        _ => format!("key {place}"),
    }
}

fn key(jwk: Value, audience: Option<&str>) -> Result<Key, Unfit> {
    // Before its other members: what they are depends on it.
    let algorithm = algorithm(&jwk)?;
    // The parser's error would repeat a value.
    let jwk: Jwk = serde_json::from_value(jwk)
        .map_err(|_| Unfit::Malformed("its members are not strings, and `key_ops` a list of strings".to_owned()))?;
    if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
        return skip("its `use` is not `sig`");
    }
    if jwk.key_ops.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
        return skip("its `key_ops` do not include `verify`");
    }
    let name = format!("{algorithm:?}");
    if jwk.alg.is_some_and(|alg| alg != name) {
        return skip(format!("its `alg` is not {name}, for which its kind is taken here"));
    }
    let key = if algorithm == Algorithm::HS256 {
        let secret = bytes("k", jwk.k)?;
        if secret.len() < SECRET_MIN {
            return skip(format!(
                "its secret has {} bytes: HS256 takes at least {SECRET_MIN}, for example those of `openssl rand 32`",
                secret.len()
            ));
        }
        DecodingKey::from_secret(&secret)
    } else {
        let public = bytes("x", jwk.x)?;
        if public.len() != PUBLIC_LEN {
            return skip(format!("its `x` has {} bytes: an Ed25519 public key has {PUBLIC_LEN}", public.len()));
        }
        DecodingKey::from_ed_der(&public)
    };
    let mut validation = Validation::new(algorithm);
    // A stream ends when its token does, so a token begins and ends to the second.
    (validation.leeway, validation.validate_nbf) = (0, true);
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        validation.required_spec_claims.insert("aud".to_owned());
    }
    Ok(Key { id: jwk.kid, key, validation })
}

fn skip<T>(reason: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Skipped(reason.into()))
}

/// The algorithm for which a key of this kind is taken: HS256 or EdDSA.
fn algorithm(jwk: &Value) -> Result<Algorithm, Unfit> {
    if !jwk.is_object() {
        return Err(Unfit::Malformed("it is not an object".to_owned()));
    }
    match jwk.get("kty") {
        Some(Value::String(kty)) if kty == "oct" => Ok(Algorithm::HS256),
        Some(Value::String(kty)) if kty == "OKP" => match jwk.get("crv") {
            Some(Value::String(crv)) if crv == "Ed25519" => Ok(Algorithm::EdDSA),
            Some(Value::String(_)) => skip("its `crv` is not `Ed25519`"),
            Some(_) => Err(Unfit::Malformed("its `crv` is not a string".to_owned())),
            None => skip("it has no `crv`"),
        },
        Some(Value::String(kty)) => {
            // Only names that are known are repeated: what is none may be anything, a secret, too.
            let known = ["RSA", "EC", "AKP"].into_iter().find(|known| known == kty);
            let kty = known.map_or_else(|| "`kty`".to_owned(), |kty| format!("`kty` {kty}"));
            skip(format!("its {kty} is not supported: expected `oct` for HS256, or `OKP` for EdDSA"))
        }
        Some(_) => Err(Unfit::Malformed("its `kty` is not a string".to_owned())),
        None => skip("it has no `kty`"),
    }
}

/// What a member holds in base64url.
fn bytes(name: &str, value: Option<String>) -> Result<Vec<u8>, Unfit> {
    let value = value.ok_or_else(|| Unfit::Skipped(format!("it has no `{name}`")))?;
    // The decoder's error would repeat a byte of it.
    URL_SAFE_NO_PAD
        .decode(value)
        .map_err(|_| Unfit::Malformed(format!("its `{name}` is not base64url without padding")))
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
            (keys(r#"{"kty":"RSA","n":"SECRET","e":"AQAB"}"#), "expected `oct` for HS256"),
            (keys(r#"{"kty":"SECRET","n":"SECRET","e":"AQAB"}"#), "its `kty` is not supported"),
            (keys(r#"{"kty":"OKP","crv":"X25519","x":"SECRET"}"#), "its `crv` is not `Ed25519`"),
            (keys(r#"{"kty":"OKP","crv":"Ed25519","x":"SECRET"}"#), "its `x` has 34 bytes"),
        ];
        for (text, sentence) in cases {
            let Err(error) = Keys::read(&text, None) else { panic!("taken: {text}") };
            let said = format!("{error:#}");
            assert!(said.contains(sentence), "{text}: {said}");
            assert!(!said.contains(secret), "a secret: {said}");
        }
        let good = keys(r#"{"kty":"oct","kid":"a","alg":"HS256","use":"sig","k":"SECRET"}"#);
        assert_eq!(format!("{:?}", Keys::read(&good, None).unwrap()), "(Keys(1), [])");
    }
}
