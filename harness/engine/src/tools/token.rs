//! A ServiceAccount's token of another time: the cluster's own, with a new date, signed again with
//! the cluster's key.

use crate::Error;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cluster::HostAccess;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::Value;

use super::{ToolCall, run_or_fail};

/// How far the times in the token are moved, in seconds: two hours.
pub(crate) const FAR_SECONDS: i64 = 7200;

/// `token`, this many seconds later than it is.
pub(crate) async fn shift_token(
    host_access: HostAccess<'_>,
    home: &Path,
    token: &str,
    later: i64,
) -> Result<String, Error> {
    let args = vec![HostAccess::TOKEN_KEY.to_owned()];
    let pem = run_or_fail(
        host_access,
        &ToolCall {
            program: "cat",
            args,
            home,
            variables: Vec::new(),
        },
    )
    .await?
    .stdout;
    moved_claim(token, &pem, later)
        .ok_or_else(|| Error::cannot_make("the token's dates could not be changed"))
}

fn moved_claim(token: &str, pem: &str, later: i64) -> Option<String> {
    let mut parts = token.split('.');
    let (head, body) = (parts.next()?, parts.next()?);
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    for name in ["iat", "nbf", "exp"] {
        let time = claims[name].as_i64()?;
        claims[name] = Value::from(time + later);
    }
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &STANDARD.decode(body).ok()?,
        &random,
    )
    .ok()?;
    let signature = key.sign(&random, signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_dated_anew_and_keeps_the_rest() {
        let key = rcgen::KeyPair::generate().unwrap();
        let claims = r#"{"sub":"system:serviceaccount:a:b","iat":10000,"nbf":10000,"exp":13600}"#;
        let token = format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode("{}"),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let old = moved_claim(&token, &key.serialize_pem(), -FAR_SECONDS).unwrap();
        let body = old.split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        assert_eq!(
            (&claims["exp"], &claims["sub"]),
            (
                &Value::from(6400),
                &Value::from("system:serviceaccount:a:b")
            )
        );
        assert_eq!(
            moved_claim("no token", &key.serialize_pem(), FAR_SECONDS),
            None
        );
    }
}
