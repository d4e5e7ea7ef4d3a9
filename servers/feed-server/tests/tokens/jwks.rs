//! A JWK set with keys of other kinds, as identity providers publish them: those are skipped and named (RFC 7517, section 5).

use std::io::{Read, Write};

use ring::signature::KeyPair;
use tempfile::NamedTempFile;

use crate::lab::program::{Program, command};
use crate::{SECRET, all, ed25519, eddsa, hs256, written};

/// A file with these keys.
fn set(keys: &[String]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    write!(file, r#"{{"keys":[{}]}}"#, keys.join(",")).unwrap();
    file
}

/// Keys that a server of HS256 and EdDSA cannot use, each with what is said of it.
fn foreign() -> Vec<(String, &'static str)> {
    let secret = written(SECRET);
    let public = written(ed25519().public_key());
    vec![
        (
            r#"{"kty":"RSA","kid":"r1","use":"sig","alg":"RS256","n":"AQAB","e":"AQAB","x5c":["MIIB"]}"#.to_owned(),
            r#"key 1 (kid "r1"): its `kty` RSA is not supported"#,
        ),
        (r#"{"kty":"EC","crv":"P-256","x":5,"y":[]}"#.to_owned(), "key 2: its `kty` EC is not supported"),
        (r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AQAB"}"#.to_owned(), "key 3: its `kty` AKP is not supported"),
        (r#"{"kid":"none"}"#.to_owned(), r#"key 4 (kid "none"): it has no `kty`"#),
        (r#"{"kty":"OKP","crv":"X25519","x":"AQAB"}"#.to_owned(), "key 5: its `crv` is not `Ed25519`"),
        (r#"{"kty":"OKP","x":"AQAB"}"#.to_owned(), "key 6: it has no `crv`"),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","use":"enc","x":"{public}"}}"#), "key 7: its `use` is not `sig`"),
        (format!(r#"{{"kty":"oct","alg":"HS512","k":"{secret}"}}"#), "key 8: its `alg` is not HS256"),
        (
            format!(r#"{{"kty":"oct","key_ops":["encrypt"],"k":"{secret}"}}"#),
            "key 9: its `key_ops` do not include `verify`",
        ),
        (r#"{"kty":"oct"}"#.to_owned(), "key 10: it has no `k`"),
        (r#"{"kty":"oct","k":"c2hvcnQ"}"#.to_owned(), "key 11: its secret has 5 bytes"),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AQAB"}"#.to_owned(), "key 12: its `x` has 3 bytes"),
    ]
}

/// The status of a poll with `token`.
fn poll(program: &Program, token: &str) -> String {
    let path = format!("/topics/news/short-poll?access_token={token}");
    let mut answer = [0; 12];
    program.open(&path).read_exact(&mut answer).unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

#[test]
fn keys_of_other_kinds_are_skipped_with_a_warning_that_names_each() {
    let mut keys: Vec<_> = foreign().into_iter().map(|(key, _)| key).collect();
    // Seventeen keys and more may be in a file, as long as at most sixteen can be used.
    keys.resize(20, r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned());
    keys.push(format!(r#"{{"kty":"oct","kid":"s","k":"{}"}}"#, written(SECRET)));
    keys.push(format!(
        r#"{{"kty":"OKP","crv":"Ed25519","kid":"e","key_ops":["verify"],"x":"{}"}}"#,
        written(ed25519().public_key())
    ));
    let file = set(&keys);
    let mut program = Program::start(&["--jwt-keys", file.path().to_str().unwrap()]);
    for token in [hs256(&all(60.0)), eddsa(&all(60.0))] {
        assert_eq!(poll(&program, &token), "HTTP/1.1 200");
    }
    assert_eq!(poll(&program, "e30.e30.e30"), "HTTP/1.1 401");
    program.signal("-TERM");
    let (code, said) = program.end();
    assert_eq!(code, Some(0));
    for (_, reason) in foreign() {
        let line = said.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{reason}: {said}"));
        assert!(line.contains("WARN") && line.contains("skipped") && line.contains("--jwt-keys"), "{line}");
    }
    assert!(!said.contains(&written(SECRET)), "a secret: {said}");
    assert_eq!(said.matches("skipped").count(), 20, "{said}");
}

#[test]
fn a_set_of_which_no_key_can_be_used_keeps_the_server_from_starting() {
    let file = set(&foreign().into_iter().map(|(key, _)| key).collect::<Vec<_>>());
    let output = command(&["--listen", "127.0.0.1:0", "--jwt-keys", file.path().to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("none of its 12 keys can be used") && said.contains("expected a JWK set"), "{said}");
    for (_, reason) in foreign() {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_key_of_a_known_kind_that_is_malformed_keeps_the_server_from_starting() {
    let good = format!(r#"{{"kty":"oct","kid":"s","k":"{}"}}"#, written(SECRET));
    for (bad, reason) in [
        (r#"{"kty":"oct","k":"not base64url, thirty-two bytes long"}"#, "key 2: its `k` is not base64url"),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"+/=="}"#, "key 2: its `x` is not base64url"),
        (r#"{"kty":"OKP","crv":7,"x":"AQAB"}"#, "key 2: its `crv` is not a string"),
        (r#"{"kty":"oct","k":7}"#, "key 2: its members are not strings"),
        (r#"{"kty":["oct"]}"#, "key 2: its `kty` is not a string"),
        (r#""oct""#, "key 2: it is not an object"),
    ] {
        let file = set(&[good.clone(), bad.to_owned()]);
        let output =
            command(&["--listen", "127.0.0.1:0", "--jwt-keys", file.path().to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{bad}: {said}");
        assert!(said.contains(reason) && said.lines().count() == 1, "{bad}: {said}");
    }
}
