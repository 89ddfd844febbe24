//! The requester: the administrator who impersonates a user, a ServiceAccount with its own token,
//! or no identity.

use std::collections::HashMap;

use api::{ApiCall, Caller, TokenRequest};
use cluster::Cluster;
use kube::Client;
use model::{ImpersonateHeaders, StepIdentity};

use crate::Error;
use crate::barriers::WriteRecord;
use crate::world::LiveWorld;

const AS_USER: &str = "Impersonate-User";
const AS_GROUP: &str = "Impersonate-Group";

/// Whose token, and what it is good for.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct IdentityToken {
    namespace: String,
    account: String,
    audience: Option<String>,
    pod: Option<String>,
}

impl IdentityToken {
    fn call(&self) -> ApiCall {
        TokenRequest {
            audiences: self.audience.as_slice(),
            pod: self.pod.as_deref(),
            uid: None,
        }
        .call(&self.namespace, &self.account)
    }

    /// Whether it ends with what was touched.
    fn ends_with(&self, touch: &WriteRecord) -> bool {
        let gone = touch.object.is_none()
            && touch.resource.kind == "Pod"
            && touch.namespace == self.namespace;
        gone && self.pod.as_ref() == Some(&touch.name)
    }
}

/// The ServiceAccounts that steps have used.
#[derive(Default)]
pub(crate) struct TokenIdentities(HashMap<IdentityToken, Client>);

impl TokenIdentities {
    /// Whether a token of one of them ends with what was touched.
    pub(crate) fn end_with(&self, touches: &[WriteRecord]) -> bool {
        touches
            .iter()
            .any(|touch| self.0.keys().any(|token| token.ends_with(touch)))
    }
}

impl LiveWorld<'_> {
    /// The requester of a step; every request carries the world's namespace in its `User-Agent`, so
    /// that the audit log tells whose it was.
    ///
    /// # Errors
    /// When a ServiceAccount gets no token.
    pub(crate) async fn requester_for(
        &mut self,
        identity: Option<&StepIdentity>,
    ) -> Result<Caller, Error> {
        let cluster = self.lab.cluster;
        let (client, headers) = match identity {
            None => (cluster.admin_client().clone(), Vec::new()),
            Some(StepIdentity::Anonymous) => (cluster.anonymous_client()?, Vec::new()),
            Some(StepIdentity::User { name, groups }) => {
                let mut headers = self.acting_as(name, groups);
                if !headers.contains(&(AS_GROUP, AUTHENTICATED.into())) {
                    headers.push((AS_GROUP, AUTHENTICATED.into()));
                }
                (cluster.admin_client().clone(), headers)
            }
            Some(StepIdentity::Serviceaccount {
                name,
                namespace,
                impersonate,
                audience,
                bound_to,
            }) => {
                let namespace = namespace
                    .as_ref()
                    .map_or_else(|| self.namespace().to_owned(), |name| self.fill_text(name));
                let headers = match impersonate {
                    Some(ImpersonateHeaders { user, groups }) => self.acting_as(user, groups),
                    None => Vec::new(),
                };
                let token = IdentityToken {
                    namespace,
                    account: self.fill_text(name),
                    audience: audience.as_ref().map(|audience| self.fill_text(audience)),
                    pod: bound_to.as_ref().map(|pod| self.fill_text(pod)),
                };
                (self.account_client(cluster, token).await?, headers)
            }
        };
        Ok(Caller {
            headers,
            ..Caller::new(client, format!("gauntlet/{}", self.namespace()))
        })
    }

    /// Has later steps use a token that is bound to a pod.
    pub(crate) fn keep_token(
        &mut self,
        namespace: String,
        account: String,
        pod: String,
        token: &str,
    ) -> Result<(), Error> {
        let client = self.lab.cluster.with_token(token)?;
        self.identities.0.insert(
            IdentityToken {
                namespace,
                account,
                audience: None,
                pod: Some(pod),
            },
            client,
        );
        Ok(())
    }

    fn acting_as(&self, user: &str, groups: &[String]) -> Vec<(&'static str, String)> {
        let groups = groups.iter().map(|group| (AS_GROUP, self.fill_text(group)));
        std::iter::once((AS_USER, self.fill_text(user)))
            .chain(groups)
            .collect()
    }

    /// A client with a token of this ServiceAccount, one of its kind for the whole world.
    async fn account_client(
        &mut self,
        cluster: &Cluster,
        token: IdentityToken,
    ) -> Result<Client, Error> {
        if let Some(client) = self.identities.0.get(&token) {
            return Ok(client.clone());
        }
        let IdentityToken {
            namespace, account, ..
        } = &token;
        let reply = self.lab.own.send_call(token.call()).await.reply;
        let given = api::token(&reply).ok_or_else(|| {
            Error::refused_reply(
                format!("the ServiceAccount {namespace}/{account} gets no token"),
                &reply,
            )
        })?;
        let client = cluster.with_token(given)?;
        self.identities.0.insert(token, client.clone());
        Ok(client)
    }
}

const AUTHENTICATED: &str = "system:authenticated";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::ApiResource;

    #[test]
    fn a_token_ends_with_the_pod_that_it_is_bound_to() {
        let token = IdentityToken {
            namespace: "ns".into(),
            account: "a".into(),
            audience: None,
            pod: Some("web".into()),
        };
        let gone = |kind: &str, namespace: &str, name: &str| WriteRecord {
            resource: ApiResource::guess_resource("v1", kind),
            namespace: namespace.into(),
            name: name.into(),
            object: None,
        };
        assert!(token.ends_with(&gone("Pod", "ns", "web")));
        let others = [
            gone("Pod", "ns", "other"),
            gone("Pod", "elsewhere", "web"),
            gone("Secret", "ns", "web"),
        ];
        assert!(others.iter().all(|touch| !token.ends_with(touch)));
        let there = WriteRecord {
            object: Some(json!({})),
            ..gone("Pod", "ns", "web")
        };
        assert!(!token.ends_with(&there));
    }
}
