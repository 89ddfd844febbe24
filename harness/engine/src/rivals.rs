//! Whether others refused a request as well: which of them the API server names is chance then.
//!
//! Validating webhooks are asked all at a time, and the server tells of the one that answers first
//! (kubernetes 1.36, apiserver `pkg/admission/plugin/webhook/validating/dispatcher.go`). Validating
//! admission policies are all evaluated, and it tells of the first that denies, in the order of a
//! map that is made again with each change of any policy (`plugin/policy/generic/policy_source.go`,
//! `plugin/policy/validating/dispatcher.go`). Mutating policies are tried in such an order as well,
//! but the reply lists every one that failed. Mutating webhooks have one order, that of their
//! names, and what comes earlier in the chain of plugins hides what comes later.
//!
//! Of several quotas chance names one as well, and they have no counter: `quotas` asks until all of
//! them were named.
//!
//! What else is not told is counted. So a refused request is sent again as a dry run: who refused it has
//! a counter that grew. The counters are those of the whole API server, and other requests are
//! refused meanwhile: only those count that grow with each of several looks.

mod quotas;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::{ApiCall, reply_json};
use model::{Action, Answer, ApiReply, KindBarrier, KindIsolation, Refuser, StepIdentity, Verdict};
use serde_json::Value;

use crate::Error;
use crate::actions::Observation;
use crate::barriers::WriteRecord;
use crate::discovery::{ApiResource, find_object};
use crate::observe::MetricScrape;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::{LiveWorld, StepRequest};

/// After this many looks, what grew with each of them did so on account of the request.
const LOOKS_NEEDED: usize = 12;

/// Where counters grow without the request as well, other worlds are refused by the same: then it is
/// sent in up to this many rounds. Who refuses it grows each time; others miss one sooner or later.
const MOST_ROUNDS: usize = 10;

/// How long a busy API server may take to tell its counters.
const COUNTERS_READ_WITHIN: Duration = Duration::from_secs(90);

/// What the names of worlds' namespaces begin with; ten random letters and digits follow.
const WORLD_PREFIX: &str = "gauntlet-";

/// A counter of refusals.
#[derive(Debug, PartialEq)]
struct RefusalCounter {
    /// What those are called that it counts for.
    title: &'static str,
    metric: &'static str,
    /// The label that says who refused.
    named_by: &'static str,
    /// The label of the series that count refusals of this sort, and its value.
    sort: (&'static str, &'static str),
}

static VALIDATING_WEBHOOKS: RefusalCounter = RefusalCounter {
    title: "webhook",
    metric: "apiserver_admission_webhook_rejection_count",
    named_by: "name",
    sort: ("type", "validating"),
};

static VALIDATING_POLICIES: RefusalCounter = RefusalCounter {
    title: "policy",
    metric: "apiserver_validating_admission_policy_check_total",
    named_by: "policy",
    sort: ("enforcement_action", "deny"),
};

/// A webhook's name without the hash of its selectors, which Kyverno puts behind it.
fn without_hash(name: &str) -> &str {
    let is_hash = |end: &str| end.len() == 8 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name.rsplit_once('-') {
        Some((plain, end)) if is_hash(end) => plain,
        _ => name,
    }
}

/// Who the API server says refused.
struct NamedRefuser {
    counter: &'static RefusalCounter,
    name: String,
}

impl LiveWorld<'_> {
    /// Why a refusal is no verdict: others refused the same request, and which of them is named is
    /// chance. Nothing where one alone refused.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(crate) async fn find_rivals(
        &mut self,
        step: &StepRequest<'_>,
        tried: &Observation,
    ) -> Result<Option<String>, Error> {
        let Verdict::Answered(Answer::Denied { by } | Answer::NotStarted { by }) = &tried.verdict
        else {
            return Ok(None);
        };
        let exchange = tried.exchange.as_ref();
        let failed = exchange.map_or_else(BTreeSet::new, |one| failed_mutations(&one.reply));
        if failed.len() > 1 {
            return Ok(Some(self.chance_text("policy", &failed)));
        }
        let named = named_refuser(by, tried.detail.message.as_deref());
        let may_have_rivals = match &named {
            Some(named) => self.possible_refusers(named.counter) > 1,
            None => matches!(by, Refuser::Quota(_)),
        };
        if !may_have_rivals {
            return Ok(None);
        }
        let call = match exchange {
            Some(exchange) => Some(exchange.call.clone()).filter(is_repeatable),
            None => self.refused_pod(step).await?,
        };
        let Some(call) = call else {
            return Ok(None);
        };
        let is_dry = call.path.contains("dryRun=All");
        let call = call.dry_run(!is_dry);
        // What a controller asked for is asked again by the administrator.
        let identity = step.identity.filter(|_| exchange.is_some());
        let (title, refused) = match (&named, by) {
            (Some(named), _) => {
                let refused = self.count_refusers(identity, named, &call).await?;
                (named.counter.title, refused)
            }
            (None, Refuser::Quota(name)) => {
                ("quota", self.name_quotas(name, identity, &call).await?)
            }
            (None, _) => return Ok(None),
        };
        Ok((refused.len() > 1).then(|| self.chance_text(title, &refused)))
    }

    /// The pod that a controller is kept from making, as it would be sent.
    async fn refused_pod(&self, step: &StepRequest<'_>) -> Result<Option<ApiCall>, Error> {
        let Action::WaitRunning(target) = step.action else {
            return Ok(None);
        };
        let (run, namespace) = (self.run, self.namespace_of(step));
        let kind = self.fill_text(&target.kind);
        let resource = run.discovery.find_by_name(&run.own, &kind).await?;
        let name = self.fill_text(&target.name);
        let workload = find_object(&run.own, &resource, &namespace, &name).await?;
        let template = workload.map(|found| found["spec"]["template"].clone());
        Ok(template
            .filter(|template| template["spec"].is_object())
            .map(|template| pod_of_template(&namespace, template)))
    }

    /// Who refuses a request each time that it is sent, the one that was named among them. An engine
    /// may have given that one another name meanwhile, as Kyverno does for the webhooks of policies
    /// that select namespaces while worlds with others come and go: each of these webhooks has its
    /// own policies (kyverno 1.19.1 `pkg/controllers/webhook/validating.go`, `groupBySelectors`).
    async fn count_refusers(
        &mut self,
        identity: Option<&StepIdentity>,
        named: &NamedRefuser,
        call: &ApiCall,
    ) -> Result<BTreeSet<String>, Error> {
        let who = self.requester_for(identity).await?;
        let _turn = self.run.refusal_count.lock().await;
        let own = &self.run.own;
        let counts = async || {
            let wait = ConditionWait {
                what: "the counters of refusals to be read",
                within: COUNTERS_READ_WITHIN,
                every: Duration::from_millis(200),
            };
            let look = async || match MetricScrape::scrape_metrics(own).await {
                Ok(scrape) => WaitLook::Ready(named.counter.counts(&scrape)),
                Err(why) => WaitLook::from(why),
            };
            self.waiter.wait_until(wait, look).await
        };
        let grown_since = |before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>| {
            let names = grown_names(before, after).into_iter();
            let possible = names.filter(|name| !is_of_another_world(name, self.namespace()));
            possible.collect::<BTreeSet<String>>()
        };
        let mut refused: Option<BTreeSet<String>> = None;
        for _ in 0..MOST_ROUNDS {
            let mut before = counts().await?;
            for _ in 0..LOOKS_NEEDED {
                who.send_call(call.clone()).await;
                let after = counts().await?;
                let grown = grown_since(&before, &after);
                let each_time = refused.map_or_else(|| grown.clone(), |earlier| &earlier & &grown);
                if each_time.len() < 2 {
                    let renamed = |name: &String| without_hash(name) == without_hash(&named.name);
                    let others = each_time.into_iter().filter(|name| !renamed(name));
                    return Ok(others.chain([named.name.clone()]).collect());
                }
                (before, refused) = (after, Some(each_time));
            }
            // As many looks without the request.
            let mut after = before.clone();
            for _ in 0..LOOKS_NEEDED {
                after = counts().await?;
            }
            let mut idle = grown_since(&before, &after);
            idle.remove(&named.name);
            if refused.as_ref().is_some_and(|all| all.is_disjoint(&idle)) {
                break;
            }
        }
        Ok(refused.into_iter().flatten().collect())
    }

    /// How many could refuse a request in the same place of the chain, as far as this world knows
    /// them.
    fn possible_refusers(&self, counter: &RefusalCounter) -> usize {
        let install = self.case.install();
        let told_instead = install.iter().filter(|one| {
            let mut denials = one.addon().denials.iter();
            *counter == VALIDATING_WEBHOOKS && denials.any(|denial| !denial.instead.is_empty())
        });
        let mut written: BTreeMap<String, usize> = BTreeMap::new();
        for record in self.barrier.all_written() {
            let most = written.entry(record.path()).or_default();
            *most = (*most).max(refusers_of(record, counter));
        }
        told_instead.count() + written.values().sum::<usize>()
    }

    fn chance_text(&self, title: &str, names: &BTreeSet<String>) -> String {
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("{title} {}", name.replace(self.namespace(), "$(namespace)")))
            .collect();
        format!(
            "{} refuse this request alike, and which of them the API server names is chance: try them in worlds of their own",
            names.join(" and ")
        )
    }
}

impl RefusalCounter {
    /// How often each has refused.
    fn counts(&self, scrape: &MetricScrape) -> BTreeMap<String, f64> {
        scrape.sum_by_label(self.metric, self.sort, self.named_by)
    }
}

/// Whether a name tells that it belongs to another world, or to the engine: what is called after a
/// world concerns nobody else, or the world has its cluster to itself.
fn is_of_another_world(name: &str, own: &str) -> bool {
    let is_random = |rest: &str| {
        let word = rest.split(|one: char| !one.is_ascii_alphanumeric()).next();
        rest.starts_with("sentinel-")
            || word.is_some_and(|word| word.len() == own.len() - WORLD_PREFIX.len())
    };
    !name.contains(own)
        && name
            .match_indices(WORLD_PREFIX)
            .any(|(at, _)| is_random(&name[at + WORLD_PREFIX.len()..]))
}

/// Whose counts have grown.
fn grown_names(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeSet<String> {
    let has_grown =
        |(name, count): &(&String, &f64)| **count > before.get(*name).copied().unwrap_or_default();
    after
        .iter()
        .filter(has_grown)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Who a refusal names, where others could have refused in the same place.
fn named_refuser(by: &Refuser, message: Option<&str>) -> Option<NamedRefuser> {
    match by {
        Refuser::Policy(name) => Some(NamedRefuser {
            counter: &VALIDATING_POLICIES,
            name: name.clone(),
        }),
        Refuser::Webhook(_) | Refuser::FailingClosed(_) | Refuser::Engine { .. } => {
            let (_, behind) = message?.split_once("webhook \"")?;
            let (name, _) = behind.split_once('"')?;
            Some(NamedRefuser {
                counter: &VALIDATING_WEBHOOKS,
                name: name.to_owned(),
            })
        }
        // The API server's own plugins have one order. Which of several quotas it names is looked
        // for otherwise.
        Refuser::PodSecurity
        | Refuser::RbacEscalation
        | Refuser::CertificateApproval
        | Refuser::CertificateSubjectRestriction
        | Refuser::NodeRestriction
        | Refuser::Plugin(_)
        | Refuser::Quota(_)
        | Refuser::DisruptionBudget
        | Refuser::Kubelet(_)
        | Refuser::Container(_)
        | Refuser::Process(_)
        | Refuser::Scheduler(_)
        | Refuser::Controller(_) => None,
    }
}

/// Each mutating policy that failed, as the reply lists them.
fn failed_mutations(reply: &ApiReply) -> BTreeSet<String> {
    let causes = reply_json(reply).and_then(|status| status["details"]["causes"].as_array());
    causes
        .into_iter()
        .flatten()
        .filter_map(|cause| {
            let behind = cause["message"].as_str()?.strip_prefix("policy '")?;
            let (name, rest) = behind.split_once('\'')?;
            rest.contains(" denied request: ").then(|| name.to_owned())
        })
        .collect()
}

/// How many refusers an object that a world wrote stands for, in the place that this counts.
fn refusers_of(record: &WriteRecord, counter: &RefusalCounter) -> usize {
    let kind = record.resource.kind.as_str();
    let known = model::object_kind(&record.resource.api_version(), kind);
    let addon = known.and_then(|known| match known.barrier {
        // What has no effect until another object names it refuses nothing.
        KindBarrier::Addon(name) if known.isolation != KindIsolation::Name => {
            model::find_addon(name)
        }
        // The kinds of the API server's own that refuse in these places are named below; what other
        // kinds refuse has one place in its order.
        KindBarrier::Addon(_)
        | KindBarrier::Stored
        | KindBarrier::Roles
        | KindBarrier::ClusterRoles
        | KindBarrier::AdmissionPolicies
        | KindBarrier::ValidatingWebhooks
        | KindBarrier::MutatingWebhooks
        | KindBarrier::NamespaceLabels
        | KindBarrier::LimitRanges
        | KindBarrier::PriorityClasses
        | KindBarrier::Quotas
        | KindBarrier::RuntimeClasses
        | KindBarrier::ServiceAccounts
        | KindBarrier::OwnStatus
        | KindBarrier::NetworkTables => None,
    });
    let is_counted = |addon: &model::PureAddon| {
        if *counter == VALIDATING_POLICIES {
            !addon.made_policy_prefixes.is_empty()
        } else {
            // One that says something in the place of a policy is one webhook, and counts once.
            let mut denials = addon.denials.iter();
            !addon.denials.is_empty() && denials.all(|denial| denial.instead.is_empty())
        }
    };
    if let Some(addon) = addon {
        return usize::from(is_counted(addon));
    }
    match kind {
        "ValidatingAdmissionPolicy" => usize::from(*counter == VALIDATING_POLICIES),
        "ValidatingWebhookConfiguration" if *counter == VALIDATING_WEBHOOKS => {
            let object = record.object.as_ref();
            let hooks = object.and_then(|object| object["webhooks"].as_array());
            hooks.map_or(0, Vec::len)
        }
        _ => 0,
    }
}

/// The request that makes a pod of a workload's template.
fn pod_of_template(namespace: &str, mut pod: Value) -> ApiCall {
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["generateName"] = "gauntlet-".into();
    let collection = ApiResource::guess_resource("v1", "Pod").collection_path(Some(namespace));
    ApiCall::post(collection, pod)
}

/// Whether a request can be sent again without an effect. A connection has no dry run.
fn is_repeatable(call: &ApiCall) -> bool {
    ["POST", "PUT", "PATCH", "DELETE"].contains(&call.method.as_str())
}

#[cfg(test)]
mod tests {
    use model::ReplyBody;
    use serde_json::json;

    use super::*;

    fn record(version: &str, kind: &str, object: Value) -> WriteRecord {
        WriteRecord {
            resource: ApiResource::guess_resource(version, kind),
            namespace: String::new(),
            name: "a".into(),
            object: Some(object),
        }
    }

    #[test]
    fn what_is_called_after_another_world_is_no_rival() {
        let own = "gauntlet-ww6e4foca8";
        for other in [
            "team-gauntlet-v8520a7m3i",
            "gauntlet-sentinel-dxyf38-129.gauntlet.dev",
        ] {
            assert!(is_of_another_world(other, own), "{other}");
        }
        for possible in [
            "opt-out-gauntlet-ww6e4foca8",
            "validate.kyverno.svc-fail",
            "gauntlet-team",
        ] {
            assert!(!is_of_another_world(possible, own), "{possible}");
        }
    }

    #[test]
    fn each_object_stands_for_those_that_refuse_in_its_place() {
        let count = |version: &str, kind: &str, object: Value| {
            let record = record(version, kind, object);
            [&VALIDATING_POLICIES, &VALIDATING_WEBHOOKS].map(|one| refusers_of(&record, one))
        };
        let own = "admissionregistration.k8s.io/v1";
        assert_eq!(count(own, "ValidatingAdmissionPolicy", json!({})), [1, 0]);
        let hooks = json!({"webhooks": [{}, {}]});
        assert_eq!(
            count(own, "ValidatingWebhookConfiguration", hooks.clone()),
            [0, 2]
        );
        assert_eq!(
            count(own, "MutatingWebhookConfiguration", hooks),
            [0, 0],
            "these have an order"
        );
        assert_eq!(count("kyverno.io/v1", "ClusterPolicy", json!({})), [1, 1]);
        assert_eq!(
            count("constraints.gatekeeper.sh/v1", "Repos", json!({})),
            [0, 1]
        );
        assert_eq!(
            count(
                "templates.gatekeeper.sh/v1",
                "ConstraintTemplate",
                json!({})
            ),
            [0, 0]
        );
        let image_policy = count(
            "policy.sigstore.dev/v1beta1",
            "ClusterImagePolicy",
            json!({}),
        );
        assert_eq!(image_policy, [0, 0], "policy-controller counts once");
        assert_eq!(count("v1", "ConfigMap", json!({})), [0, 0]);
    }

    #[test]
    fn who_is_named_is_counted_in_its_place() {
        let named = |by: Refuser, message: &str| {
            named_refuser(&by, Some(message)).map(|one| (one.counter.title, one.name))
        };
        assert_eq!(
            named(Refuser::Policy("a".into()), "pods \"b\" is forbidden: x"),
            Some(("policy", "a".into()))
        );
        let engine = Refuser::Engine {
            engine: model::find_addon("gatekeeper").unwrap(),
            policy: "a".into(),
        };
        let said =
            "admission webhook \"validation.gatekeeper.sh\" denied the request: [a] webhook \"b\"";
        assert_eq!(
            named(engine, said),
            Some(("webhook", "validation.gatekeeper.sh".into()))
        );
        let said = "Internal error occurred: failed calling webhook \"a.test\": refused";
        assert_eq!(
            named(Refuser::FailingClosed("a.test".into()), said),
            Some(("webhook", "a.test".into()))
        );
        assert_eq!(named(Refuser::PodSecurity, "webhook \"a\""), None);
    }

    #[test]
    fn a_reply_lists_every_mutating_policy_that_failed() {
        let reply = |messages: &[&str]| {
            let causes: Vec<Value> = messages.iter().map(|one| json!({"message": one})).collect();
            let body = json!({"kind": "Status", "details": {"causes": causes}});
            ApiReply::Http {
                code: 422,
                body: ReplyBody::Json(body),
                warnings: Vec::new(),
            }
        };
        let one = "policy 'a' with binding 'x' denied request: failed";
        let other = "policy 'b' with binding 'x' denied request: failed";
        assert_eq!(failed_mutations(&reply(&[one, one])).len(), 1);
        assert_eq!(failed_mutations(&reply(&[one, other])).len(), 2);
        assert!(failed_mutations(&reply(&["spec.a: Invalid value"])).is_empty());
    }

    #[test]
    fn what_grew_has_refused() {
        let counts = |pairs: &[(&str, f64)]| -> BTreeMap<String, f64> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, count)| ((*name).into(), *count))
                .collect()
        };
        let before = counts(&[("a", 1.0), ("b", 2.0)]);
        let after = counts(&[("a", 2.0), ("b", 2.0), ("c", 1.0)]);
        let grown: Vec<String> = grown_names(&before, &after).into_iter().collect();
        assert_eq!(grown, ["a", "c"]);
    }

    #[test]
    fn the_pod_of_a_workload_is_made_of_its_template() {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}});
        let call = pod_of_template("n", template);
        assert_eq!(call.path, "/api/v1/namespaces/n/pods");
        let (_, pod) = call.body.unwrap();
        assert_eq!(
            (&pod["kind"], &pod["metadata"]["labels"]["app"]),
            (&json!("Pod"), &json!("a"))
        );
        assert_eq!(pod["metadata"]["generateName"], "gauntlet-");
    }

    #[test]
    fn a_connection_is_not_opened_again() {
        assert!(!is_repeatable(&ApiCall::get("/api/v1/pods/a/exec")));
        assert!(is_repeatable(&ApiCall::post("/api/v1/pods", json!({}))));
    }
}
