//! Sentinels for admission policies. The API server learns of policies about once a second, all
//! kinds of them at a time, so worlds that use them are best set up side by side.

use std::time::Duration;

use addons::SENTINEL_LABEL;
use api::{reply_json as json_of, was_taken};
use model::{Answer, ApiReply, Refuser, ReplyContext, Verdict};
use serde_json::{Value, json};

use super::plan::WriteRecord;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects, lease_rule, not_yet};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

const VALIDATING_POLICY: &str = "ValidatingAdmissionPolicy";
const MUTATING_POLICY: &str = "MutatingAdmissionPolicy";
const MUTATED_LABEL: &str = "gauntlet.dev/mutated";

/// A kind of policy that has to be in force, perhaps with parameters of some kind.
#[derive(Debug)]
pub(super) struct PolicyBarrier<'a> {
    kind: &'static str,
    /// `GROUP/VERSION` of the policy as it was written.
    version: String,
    /// The kind of its parameters, and one that was written.
    param: Option<(Value, &'a WriteRecord)>,
    /// The last policy that was written.
    name: Option<&'a str>,
}

impl PolicyBarrier<'_> {
    fn policies(&self) -> String {
        format!("/apis/{}/{}ies", self.version, self.stem())
    }

    fn bindings(&self) -> String {
        format!("/apis/{}/{}ybindings", self.version, self.stem())
    }

    fn stem(&self) -> &'static str {
        if self.kind == VALIDATING_POLICY {
            "validatingadmissionpolic"
        } else {
            "mutatingadmissionpolic"
        }
    }
}

/// The kinds of policy that `records` concern.
pub(super) fn concerned_kinds<'a>(
    records: &'a [WriteRecord],
    history: &'a [WriteRecord],
) -> Vec<PolicyBarrier<'a>> {
    let everything = || history.iter().chain(records);
    let mut controls = Vec::new();
    for kind in [VALIDATING_POLICY, MUTATING_POLICY] {
        let policies = || everything().filter(|record| record.resource.kind == kind);
        let written = records.iter().filter(|record| {
            record
                .resource
                .kind
                .strip_suffix("Binding")
                .unwrap_or(&record.resource.kind)
                == kind
        });
        let mut version = written.map(|record| record.resource.api_version()).next();
        let mut kinds: Vec<Value> = Vec::new();
        for policy in policies().filter_map(|record| record.object.as_ref()) {
            let param = policy["spec"]["paramKind"].clone();
            if !param.is_null() && !kinds.contains(&param) {
                kinds.push(param);
            }
        }
        let of = |param: &Value, record: &WriteRecord| {
            param["kind"] == record.resource.kind.as_str()
                && param["apiVersion"] == record.resource.api_version().as_str()
        };
        if kinds
            .iter()
            .any(|param| records.iter().any(|record| of(param, record)))
        {
            version = version.or_else(|| {
                policies()
                    .map(|record| record.resource.api_version())
                    .next_back()
            });
        }
        let Some(version) = version else { continue };
        let name = records
            .iter()
            .rev()
            .find(|record| record.resource.kind == kind)
            .map(|record| record.name.as_str());
        let stored = |param: &Value| {
            everything()
                .rev()
                .find(|record| of(param, record) && record.object.is_some())
        };
        let params = kinds
            .iter()
            .filter_map(|param| stored(param).map(|record| (param.clone(), record)));
        controls.extend(params.map(|param| PolicyBarrier {
            kind,
            version: version.clone(),
            param: Some(param),
            name,
        }));
        if controls.iter().all(|control| control.kind != kind) {
            controls.push(PolicyBarrier {
                kind,
                version,
                param: None,
                name,
            });
        }
    }
    controls
}

pub(super) async fn sentinel_policy(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    control: PolicyBarrier<'_>,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let (policies, bindings) = (control.policies(), control.bindings());
    let mut paths = Vec::new();
    if let Some((_, param)) = &control.param {
        let collection = param.resource.collection_path(Some(sentinels.namespace()));
        sentinels
            .make_part(&collection, copy_parameter(param, &name))
            .await?;
        paths.push(format!("{collection}/{name}"));
    }
    sentinels
        .make_part(&policies, policy_definition(sentinels, &control, &name))
        .await?;
    sentinels
        .make_part(&bindings, policy_binding(sentinels, &control, &name))
        .await?;
    paths.extend([format!("{bindings}/{name}"), format!("{policies}/{name}")]);
    let wait = ConditionWait {
        what: "admission policies to be in force",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(40),
    };
    let proved = waiter
        .wait_until(wait, async || {
            let reply = sentinels.try_lease(&name).await;
            if wait_until_shown(&reply, &control, &name) {
                WaitLook::Ready(())
            } else {
                WaitLook::NotYet(not_yet(&reply))
            }
        })
        .await;
    sentinels.remove_parts(paths);
    proved
}

fn wait_until_shown(reply: &ApiReply, control: &PolicyBarrier<'_>, name: &str) -> bool {
    if control.kind == MUTATING_POLICY {
        return was_taken(reply)
            && json_of(reply)
                .is_some_and(|lease| lease["metadata"]["labels"][MUTATED_LABEL] == "yes");
    }
    // A policy refuses everything while the API server does not know the kind of its parameters, or
    // has not seen them yet: it is not in force for that (kubernetes 1.36
    // `apiserver/pkg/admission/plugin/policy`). Parameters of the world's own may never be there.
    let said = json_of(reply).and_then(|status| status["message"].as_str());
    let says = |part: &str| said.is_none_or(|said| said.contains(part));
    match model::read_reply(ReplyContext::Change, reply) {
        Verdict::Answered(Answer::Denied {
            by: Refuser::Policy(by),
        }) if by == name => !says("failed to configure "),
        Verdict::Answered(Answer::Denied {
            by: Refuser::Policy(by),
        }) => {
            Some(by.as_str()) == control.name
                && !says("failed to find resource referenced by paramKind")
        }
        _ => false,
    }
}

/// Makes a policy of this kind with these parameters that matches nothing, to last as long as the
/// run.
///
/// When the last policy with some kind of parameters goes, the API server stops watching that kind,
/// and for its own kinds (ConfigMaps among them) it never starts again: every later policy then
/// sees the parameters of that moment. A policy that stays keeps one world's end from deciding over
/// the next.
pub(crate) async fn make_keepalive(
    sentinels: &SentinelObjects,
    policy: &Value,
) -> Result<(), Error> {
    let (param, version) = (
        &policy["spec"]["paramKind"],
        policy["apiVersion"].as_str().unwrap_or_default(),
    );
    let kind = [VALIDATING_POLICY, MUTATING_POLICY]
        .into_iter()
        .find(|kind| policy["kind"] == *kind);
    let Some(kind) = kind.filter(|_| !param.is_null()) else {
        return Ok(());
    };
    sentinels.make_namespace().await?;
    let mut anchors = sentinels.keepalive_policies().lock().await;
    if anchors.contains_key(&format!("{kind} {param}")) {
        return Ok(());
    }
    let name = sentinels.fresh_name();
    let control = PolicyBarrier {
        kind,
        version: version.into(),
        param: None,
        name: None,
    };
    let (policies, bindings) = (control.policies(), control.bindings());
    let mut definition = policy_definition(sentinels, &control, &name);
    definition["spec"]["paramKind"] = param.clone();
    let mut binding = policy_binding(sentinels, &control, &name);
    binding["spec"]["paramRef"] = json!({"selector": {"matchLabels": {SENTINEL_LABEL: name}}, "parameterNotFoundAction": "Allow"});
    sentinels.make_part(&policies, definition).await?;
    sentinels.make_part(&bindings, binding).await?;
    anchors.insert(
        format!("{kind} {param}"),
        vec![format!("{bindings}/{name}"), format!("{policies}/{name}")],
    );
    Ok(())
}

/// The world's parameter under another name: valid for its kind, whatever that is.
fn copy_parameter(param: &WriteRecord, name: &str) -> Value {
    let mut object = param.object.clone().unwrap_or_default();
    object["metadata"] = json!({"name": name});
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    object
}

fn policy_definition(
    sentinels: &SentinelObjects,
    control: &PolicyBarrier<'_>,
    name: &str,
) -> Value {
    let mut constraints = sentinels.sentinel_selectors(name);
    constraints["resourceRules"] = json!([lease_rule()]);
    let mut spec = json!({"failurePolicy": "Fail", "matchConstraints": constraints});
    if control.kind == MUTATING_POLICY {
        let expression = format!(
            "Object{{metadata: Object.metadata{{labels: {{\"{MUTATED_LABEL}\": \"yes\"}}}}}}"
        );
        spec["reinvocationPolicy"] = Value::from("Never");
        spec["mutations"] = json!([{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}]);
    } else {
        spec["validations"] = json!([{"expression": "false", "message": "this is a sentinel"}]);
    }
    if let Some((kind, _)) = &control.param {
        spec["paramKind"] = kind.clone();
    }
    json!({"apiVersion": control.version, "kind": control.kind, "metadata": {"name": name}, "spec": spec})
}

fn policy_binding(sentinels: &SentinelObjects, control: &PolicyBarrier<'_>, name: &str) -> Value {
    let mut spec =
        json!({"policyName": name, "matchResources": sentinels.sentinel_selectors(name)});
    if control.kind == VALIDATING_POLICY {
        spec["validationActions"] = json!(["Deny"]);
    }
    if let Some((_, param)) = &control.param {
        spec["paramRef"] = json!({"name": name, "parameterNotFoundAction": "Allow"});
        if param.resource.namespaced {
            spec["paramRef"]["namespace"] = Value::from(sentinels.namespace());
        }
    }
    let kind = format!("{}Binding", control.kind);
    json!({"apiVersion": control.version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

#[cfg(test)]
mod tests {
    use model::ReplyBody;

    use super::*;

    /// A custom resource's definition that was just written is not known to policies yet.
    #[test]
    fn a_policy_that_lacks_its_parameters_kind_is_not_in_force() {
        let control = PolicyBarrier {
            kind: VALIDATING_POLICY,
            version: "admissionregistration.k8s.io/v1".into(),
            param: None,
            name: Some("own"),
        };
        let shows = |policy: &str, said: &str| {
            let message = format!(
                "leases.coordination.k8s.io \"x\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {said}"
            );
            let reply = ApiReply::Http {
                code: 422,
                body: ReplyBody::Json(json!({
                    "kind": "Status", "status": "Failure", "reason": "Invalid", "code": 422, "message": message
                })),
                warnings: Vec::new(),
            };
            wait_until_shown(&reply, &control, "sentinel")
        };
        assert!(shows("sentinel", "this is a sentinel"));
        assert!(shows("own", "no leases here"));
        let unknown = "failed to configure binding: failed to find resource referenced by paramKind: 'a/v1, Kind=B'";
        let missing = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
        assert!(!shows("sentinel", unknown) && !shows("own", unknown));
        assert!(!shows("sentinel", missing) && shows("own", missing));
        assert!(!shows("another", "no leases here"));
    }
}
