//! The stable texts by which the API server names the component that refused, and nothing else.
//!
//! Sources: kubernetes/apiserver `pkg/endpoints/handlers/responsewriters/errors.go`
//! (authorization), `pkg/admission/plugin/webhook/errors/statuserror.go` (webhooks),
//! `pkg/admission/plugin/policy/{validating,mutating}` (policies),
//! kubernetes/pod-security-admission `admission/admission.go` and kubernetes/kubernetes
//! `pkg/registry/rbac/validation/rule.go` (escalation),
//! `pkg/registry/rbac/clusterrole/policybased/storage.go` (aggregation) and
//! `pkg/registry/core/pod/rest/authorize.go` (the second check of an upgraded request). The texts
//! of the built-in admission plugins are in `plugins`.

mod plugins;
mod sealing;

use crate::{Refuser, addons};
pub(crate) use sealing::is_fault as sealing_fault;

/// The refuser that an admission message names, if it is one of the known texts.
///
/// The text has to stand where the server puts it: at the beginning, or right behind the
/// `… is forbidden: ` that wraps an admission plugin's error. User-controlled names cannot move it
/// there.
#[must_use]
pub(crate) fn read_refuser(message: &str) -> Option<Refuser> {
    read_webhook(message)
        .or_else(|| mutating_policy(message))
        .or_else(|| read_plugin(behind_forbidden(message)?))
        .or_else(|| plugins::too_many_events(message))
}

/// A `MutatingAdmissionPolicy` that fails closed; its message has no `… is forbidden: ` before it.
fn mutating_policy(message: &str) -> Option<Refuser> {
    let rest = message.strip_prefix("policy ")?;
    let name = quoted_text(rest, '\'')?;
    let binding = rest.get(name.len() + 2..)?.strip_prefix(" with binding ")?;
    let after = binding.get(quoted_text(binding, '\'')?.len() + 2..)?;
    after
        .starts_with(" denied request: ")
        .then(|| Refuser::Policy(name.into()))
}

/// The server's own words behind `RESOURCE "NAME" is forbidden: `, the prefix of every plugin's
/// refusal (apimachinery `pkg/api/errors`, `NewForbidden`). Names are quoted as Go does it: what
/// ends the quotes cannot stand within them bare.
fn behind_forbidden(message: &str) -> Option<&str> {
    let resource = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    let rest = message.trim_start_matches(resource);
    if rest.len() == message.len() {
        return None;
    }
    let rest = match rest.strip_prefix(" \"") {
        Some(name) => behind_quotes(name)?,
        None => rest,
    };
    rest.strip_prefix(" is forbidden: ")
}

/// What follows the quote that ends a quoted text, of which this is all behind the first quote.
fn behind_quotes(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    text.get(end + 1..)
}

fn read_webhook(message: &str) -> Option<Refuser> {
    if let Some(name) = quoted_text(message.strip_prefix("admission webhook ")?, '"') {
        let rest = &message["admission webhook ".len() + name.len() + 2..];
        if let Some(said) = rest.strip_prefix(" denied the request") {
            return Some(
                addons::refusing_addon(name, said).unwrap_or_else(|| Refuser::Webhook(name.into())),
            );
        }
    }
    None
}

/// Who refused by way of a fault of the server: the webhook whose call failed under the failure
/// policy `Fail`, and plugins that do not wrap what they say.
#[must_use]
pub(crate) fn failing_closed(message: &str) -> Option<Refuser> {
    match message.strip_prefix("Internal error occurred: failed calling webhook ") {
        Some(rest) => Some(Refuser::FailingClosed(quoted_text(rest, '"')?.into())),
        None => plugins::unwrapped_refuser(message),
    }
}

fn read_plugin(text: &str) -> Option<Refuser> {
    if text.starts_with("violates PodSecurity \"") {
        return Some(Refuser::PodSecurity);
    }
    if let Some(rest) = text.strip_prefix("ValidatingAdmissionPolicy ") {
        let name = quoted_text(rest, '\'')?;
        return rest
            .contains(" denied request: ")
            .then(|| Refuser::Policy(name.into()));
    }
    if let Some(rest) = text.strip_prefix("exceeded quota: ") {
        return Some(Refuser::Quota(rest.split(',').next()?.trim().into()));
    }
    if let Some(rest) = text.strip_prefix("failed quota: ") {
        return Some(Refuser::Quota(rest.split(':').next()?.trim().into()));
    }
    if text.starts_with("user ")
        && text.contains("is attempting to grant RBAC permissions not currently held")
    {
        return Some(Refuser::RbacEscalation);
    }
    if text == "must have cluster-admin privileges to use the aggregationRule" {
        return Some(Refuser::RbacEscalation);
    }
    if let Some(rest) = text.strip_prefix("status unknown for quota: ") {
        return Some(Refuser::Quota(rest.split(',').next()?.trim().into()));
    }
    plugins::refuser(text)
}

/// Whether authorization refused: `… is forbidden: User "U" cannot VERB …`, or the bare form for a
/// path.
#[must_use]
pub(crate) fn is_unauthorized(message: &str) -> bool {
    let text = behind_forbidden(message).unwrap_or(message);
    let text = text.strip_prefix("forbidden: ").unwrap_or(text);
    text.starts_with("User \"") && text.contains("\" cannot ")
}

/// Whether the second check of an upgraded request refused (exec, attach and port-forward have to
/// hold `create` as well as the verb they came with). It gives the authorizer's reason, and RBAC
/// has none: nothing follows the colon.
#[must_use]
pub(crate) fn upgrade_unauthorized(message: &str) -> bool {
    message.starts_with("pods \"") && message.ends_with("\" is forbidden: ")
}

/// A kubelet's own refusal: `Forbidden (user=U, verb=V, resource=nodes, subresource(s)=[…])`, plain
/// text.
#[must_use]
pub(crate) fn kubelet_unauthorized(text: &str) -> bool {
    text.starts_with("Forbidden (user=") && text.contains("resource=nodes")
}

fn quoted_text(text: &str, quote: char) -> Option<&str> {
    let inner = text.strip_prefix(quote)?;
    inner
        .split_once(quote)
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty())
}
