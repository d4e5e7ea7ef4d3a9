//! The two signatures that a token may have, checked by ring, for the crate jsonwebtoken, whose own choices bring RSA and more.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};
use signature::{Error, Verifier};

/// Has jsonwebtoken check signatures here. It signs nothing.
pub(super) fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        verifier_factory: verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    // Who comes second in this process finds the same one there.
    let _ = PROVIDER.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let bytes = key.try_get_as_bytes()?;
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, bytes)))),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            Ok(Box::new(EdDsa(UnparsedPublicKey::new(&ED25519, bytes.to_vec()))))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

/// HMAC with SHA-256 (RFC 7518, section 3.2).
struct Hs256(hmac::Key);

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// EdDSA with Ed25519 (RFC 8037, section 3.1).
struct EdDsa(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for EdDsa {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0.verify(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for EdDsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// Whether `jws` is signed by `key`.
    fn is_good(algorithm: Algorithm, key: &DecodingKey, jws: &str) -> bool {
        let (message, signature) = jws.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        verifier(&algorithm, key).unwrap().verify(message.as_bytes(), &signature).is_ok()
    }

    #[test]
    fn the_examples_of_the_standards_are_good_and_no_others() {
        // RFC 7515, appendix A.1.
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret).unwrap());
        let jws = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                   cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(is_good(Algorithm::HS256, &key, jws));
        assert!(!is_good(Algorithm::HS256, &key, &jws.replacen("eyJ0", "eyJ1", 1)));
        assert!(!is_good(Algorithm::HS256, &DecodingKey::from_secret(b"another"), jws));
        // RFC 8037, appendix A.4.
        let ed = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let jws = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhi\
                   jcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(is_good(Algorithm::EdDSA, &ed, jws));
        assert!(!is_good(Algorithm::EdDSA, &ed, &jws.replacen("RXhh", "RXhi", 1)));
        // A public key is known to everybody: it may not do as a secret.
        assert!(verifier(&Algorithm::HS256, &ed).is_err() && verifier(&Algorithm::EdDSA, &key).is_err());
    }
}
