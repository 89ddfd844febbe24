//! Tokens of ServiceAccounts.

use model::ApiReply;
use serde_json::{Value, json};

use crate::call::{ApiCall, percent_encode};
use crate::reply::reply_body;

/// What a token is to be good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest<'a> {
    /// For whom: the API server itself, where nobody is named.
    pub audiences: &'a [String],
    /// The pod that it ends with.
    pub pod: Option<&'a str>,
    /// That pod's uid. A kubelet always names it, and is refused without.
    pub uid: Option<&'a str>,
}

impl TokenRequest<'_> {
    /// The request for such a token of a ServiceAccount.
    #[must_use]
    pub fn call(&self, namespace: &str, account: &str) -> ApiCall {
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            percent_encode(namespace),
            percent_encode(account)
        );
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": self.token_spec()});
        ApiCall::post(path, body)
    }

    fn token_spec(&self) -> Value {
        let mut spec = json!({});
        if !self.audiences.is_empty() {
            spec["audiences"] = json!(self.audiences);
        }
        if let Some(pod) = self.pod {
            spec["boundObjectRef"] = json!({"apiVersion": "v1", "kind": "Pod", "name": pod});
            if let Some(uid) = self.uid {
                spec["boundObjectRef"]["uid"] = json!(uid);
            }
        }
        spec
    }
}

/// The token in a reply.
#[must_use]
pub fn reply_token(reply: &ApiReply) -> Option<&str> {
    reply_body(reply)["status"]["token"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_as_it_is_named() {
        assert_eq!(TokenRequest::default().token_spec(), json!({}));
        let audiences = ["x".to_owned()];
        let bound = TokenRequest {
            audiences: &audiences,
            pod: Some("web"),
            uid: Some("u"),
        };
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u"});
        assert_eq!(
            bound.token_spec(),
            json!({"audiences": ["x"], "boundObjectRef": pod})
        );
        assert_eq!(
            bound.call("a b", "c").path,
            "/api/v1/namespaces/a%20b/serviceaccounts/c/token"
        );
    }
}
