//! The requester: a user, a ServiceAccount with its own token, or no identity.

use std::collections::{BTreeMap, HashMap};

use api::{ApiCall, ApiCaller, TokenRequest, percent_encode};
use cluster::Cluster;
use kube::Client;
use model::{Capability, ImpersonateHeaders, StepIdentity};

use crate::Error;
use crate::barriers::WriteRecord;
use crate::run_context::STEP_AGENT;
use crate::world::LiveWorld;

/// The headers that say who asks, without their prefix.
#[derive(Clone, Copy)]
enum HeaderPrefix {
    /// What the authenticating proxy says: the request is the user's own.
    Remote,
    /// What a client asks for that has the right.
    Impersonate,
}

impl HeaderPrefix {
    fn name(self, rest: &str) -> String {
        match self {
            Self::Remote => format!("X-Remote-{rest}"),
            Self::Impersonate => format!("Impersonate-{rest}"),
        }
    }
}

/// A user as an authenticator describes it.
#[derive(Clone, Copy)]
struct DescribedUser<'a> {
    name: &'a str,
    groups: &'a [String],
    uid: Option<&'a str>,
    extra: &'a BTreeMap<String, Vec<String>>,
}

impl DescribedUser<'_> {
    /// HTTP takes spaces off the ends of a header: another user would ask, and be answered.
    fn check_headers(&self) -> Result<(), Error> {
        let mut texts = [self.name]
            .into_iter()
            .chain(self.groups.iter().map(String::as_str))
            .chain(self.uid)
            .chain(self.extra.values().flatten().map(String::as_str));
        match texts.find(|text| *text != text.trim()) {
            Some(text) => Err(Error::unsupported(format!(
                "a request cannot carry a user who is described by `{text}`, with a space at an end"
            ))),
            None => Ok(()),
        }
    }
}

impl<'a> From<&'a ImpersonateHeaders> for DescribedUser<'a> {
    fn from(headers: &'a ImpersonateHeaders) -> Self {
        Self {
            name: &headers.user,
            groups: &headers.groups,
            uid: headers.uid.as_deref(),
            extra: &headers.extra,
        }
    }
}

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
    fn ends_with(&self, record: &WriteRecord) -> bool {
        let is_here = record.namespace == self.namespace;
        record.object.is_none()
            && match record.resource.kind.as_str() {
                "Pod" => is_here && self.pod.as_ref() == Some(&record.name),
                "ServiceAccount" => is_here && self.account == record.name,
                "Namespace" => self.namespace == record.name,
                _ => false,
            }
    }
}

/// A token, and who asks with it.
struct HeldToken {
    text: String,
    client: Client,
}

/// The ServiceAccounts that steps have used.
#[derive(Default)]
pub(crate) struct TokenIdentities(HashMap<IdentityToken, HeldToken>);

impl TokenIdentities {
    /// The tokens that end with what was touched.
    pub(crate) fn ended_tokens(&self, records: &[WriteRecord]) -> Vec<&str> {
        let ends = |token: &IdentityToken| records.iter().any(|record| token.ends_with(record));
        self.0
            .iter()
            .filter(|(token, _)| ends(token))
            .map(|(_, held)| held.text.as_str())
            .collect()
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
    ) -> Result<ApiCaller, Error> {
        let cluster = self.run.cluster;
        let (client, headers) = match identity {
            None => (cluster.admin_client().clone(), Vec::new()),
            Some(StepIdentity::Anonymous) => (cluster.anonymous_client()?, Vec::new()),
            Some(StepIdentity::User {
                name,
                groups,
                uid,
                extra,
                impersonate,
            }) => {
                let user = DescribedUser {
                    name,
                    groups,
                    uid: uid.as_deref(),
                    extra,
                };
                self.user_requester(user, impersonate.as_ref())?
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
                    Some(user) => self.user_headers(HeaderPrefix::Impersonate, user.into())?,
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
        Ok(ApiCaller {
            headers,
            ..ApiCaller::new(client, format!("{STEP_AGENT}{}", self.namespace()))
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
        let held = HeldToken {
            text: token.to_owned(),
            client: self.run.cluster.with_token(token)?,
        };
        self.identities.0.insert(
            IdentityToken {
                namespace,
                account,
                audience: None,
                pod: Some(pod),
            },
            held,
        );
        Ok(())
    }

    /// A user of the cluster, and the headers of its requests.
    fn user_requester(
        &self,
        user: DescribedUser<'_>,
        acts_as: Option<&ImpersonateHeaders>,
    ) -> Result<(Client, Vec<(String, String)>), Error> {
        let cluster = self.run.cluster;
        let (client, prefix) = match (cluster.authenticating_proxy(), acts_as) {
            (Some(proxy), _) => (proxy, HeaderPrefix::Remote),
            (None, None) => (cluster.admin_client(), HeaderPrefix::Impersonate),
            (None, Some(_)) => {
                return Err(Error::unsupported(
                    Capability::UserCredentials.describe_lack(),
                ));
            }
        };
        let mut headers = self.user_headers(prefix, user)?;
        let authenticated = (prefix.name("Group"), AUTHENTICATED_GROUP.to_owned());
        if !headers.contains(&authenticated) {
            headers.push(authenticated);
        }
        if let Some(other) = acts_as {
            headers.extend(self.user_headers(HeaderPrefix::Impersonate, other.into())?);
        }
        Ok((client.clone(), headers))
    }

    fn user_headers(
        &self,
        prefix: HeaderPrefix,
        user: DescribedUser<'_>,
    ) -> Result<Vec<(String, String)>, Error> {
        user.check_headers()?;
        Ok(user_headers(prefix, user, |text| self.fill_text(text)))
    }

    /// A client with a token of this ServiceAccount, one of its kind for the whole world.
    async fn account_client(
        &mut self,
        cluster: &Cluster,
        token: IdentityToken,
    ) -> Result<Client, Error> {
        if let Some(held) = self.identities.0.get(&token) {
            return Ok(held.client.clone());
        }
        let IdentityToken {
            namespace, account, ..
        } = &token;
        let reply = self.run.own.send_call(token.call()).await.reply;
        let given = api::reply_token(&reply).ok_or_else(|| {
            Error::refused_reply(
                format!("the ServiceAccount {namespace}/{account} gets no token"),
                &reply,
            )
        })?;
        let client = cluster.with_token(given)?;
        let held = HeldToken {
            text: given.to_owned(),
            client: client.clone(),
        };
        self.identities.0.insert(token, held);
        Ok(client)
    }
}

fn user_headers(
    prefix: HeaderPrefix,
    user: DescribedUser<'_>,
    fill: impl Fn(&str) -> String,
) -> Vec<(String, String)> {
    let DescribedUser {
        name,
        groups,
        uid,
        extra,
    } = user;
    let mut headers = vec![(prefix.name("User"), fill(name))];
    headers.extend(
        groups
            .iter()
            .map(|group| (prefix.name("Group"), fill(group))),
    );
    headers.extend(uid.iter().map(|uid| (prefix.name("Uid"), fill(uid))));
    for (key, values) in extra {
        // A key may hold what the name of a header may not; the API server decodes it.
        let key = percent_encode(key).replace(':', "%3A");
        let name = prefix.name(&format!("Extra-{key}"));
        headers.extend(values.iter().map(|value| (name.clone(), fill(value))));
    }
    headers
}

const AUTHENTICATED_GROUP: &str = "system:authenticated";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::ApiResource;

    #[test]
    fn a_user_is_told_with_each_group_and_each_value() {
        let user = ImpersonateHeaders {
            user: "jane".into(),
            groups: vec!["dev".into(), "ops".into()],
            uid: Some("7".into()),
            extra: [("a.io/b:c".to_owned(), vec!["x".to_owned(), "y".to_owned()])].into(),
        };
        let told = |prefix| {
            user_headers(prefix, (&user).into(), |text| format!("<{text}>"))
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            told(HeaderPrefix::Remote),
            "X-Remote-User=<jane> X-Remote-Group=<dev> X-Remote-Group=<ops> X-Remote-Uid=<7> \
             X-Remote-Extra-a.io%2Fb%3Ac=<x> X-Remote-Extra-a.io%2Fb%3Ac=<y>"
        );
        assert!(
            told(HeaderPrefix::Impersonate)
                .starts_with("Impersonate-User=<jane> Impersonate-Group=<dev>")
        );
    }

    #[test]
    fn what_a_header_would_change_is_refused() {
        let described = |name: &str, groups: &[&str]| {
            let user = ImpersonateHeaders {
                user: name.into(),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                uid: None,
                extra: BTreeMap::new(),
            };
            DescribedUser::from(&user).check_headers().is_ok()
        };
        assert!(described("jane doe", &["dev ops"]));
        assert!(!described("jane ", &[]));
        assert!(!described("jane", &["\tdev"]));
    }

    #[test]
    fn a_token_ends_with_its_account_and_with_the_pod_that_it_is_bound_to() {
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
        assert!(token.ends_with(&gone("ServiceAccount", "ns", "a")));
        assert!(token.ends_with(&gone("Namespace", "other", "ns")));
        let others = [
            gone("Pod", "ns", "other"),
            gone("Pod", "elsewhere", "web"),
            gone("Secret", "ns", "web"),
            gone("Namespace", "ns", "other"),
            gone("ServiceAccount", "ns", "web"),
            gone("ServiceAccount", "elsewhere", "a"),
        ];
        assert!(others.iter().all(|record| !token.ends_with(record)));
        let there = WriteRecord {
            object: Some(json!({})),
            ..gone("Pod", "ns", "web")
        };
        assert!(!token.ends_with(&there));
    }
}
