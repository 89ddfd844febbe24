//! The reading of replies: known texts name their refuser, and nothing else is ever a refusal.

mod deniers;

use model::{Answer, ApiReply, Plugin, Refuser, ReplyBody, ReplyContext, Verdict, read_reply};
use proptest::prelude::*;
use serde_json::{Value, json};

fn status(code: u16, reason: &str, message: &str) -> ApiReply {
    let body = json!({"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message});
    ApiReply::Http {
        code,
        body: ReplyBody::Json(body),
        warnings: Vec::new(),
    }
}

fn denied(by: Refuser) -> Verdict {
    Answer::Denied { by }.into()
}

fn reads(code: u16, reason: &str, message: &str) -> Verdict {
    read_reply(ReplyContext::Change, &status(code, reason, message))
}

#[test]
fn a_change_is_admitted_and_a_read_is_allowed() {
    for code in [200, 201, 202] {
        let reply = ApiReply::Http {
            code,
            body: ReplyBody::Json(json!({"kind": "Pod"})),
            warnings: Vec::new(),
        };
        assert_eq!(
            read_reply(ReplyContext::Change, &reply),
            Answer::Admitted.into()
        );
        for asked in [ReplyContext::Read, ReplyContext::Kubelet] {
            assert_eq!(read_reply(asked, &reply), Answer::Allowed.into());
        }
    }
}

#[test]
fn what_is_not_there_and_what_is_there_already_have_words() {
    for message in [
        r#"secrets "x" not found"#,
        r#"namespaces "a" not found"#,
        r#"rolebindings.rbac.authorization.k8s.io "jane@example.com" not found"#,
    ] {
        assert_eq!(reads(404, "NotFound", message), Answer::NotFound.into());
    }
    for (reason, message) in [
        ("AlreadyExists", r#"pods "x" already exists"#),
        (
            "Conflict",
            r#"Operation cannot be fulfilled on pods "x": the object has been modified"#,
        ),
    ] {
        assert_eq!(reads(409, reason, message), Answer::Conflict.into());
    }
}

/// Names of bindings and roles are free, but for slashes and percent signs.
#[test]
fn names_may_hold_what_kubernetes_allows() {
    for name in [
        "jane@example.com",
        "jane (reads)",
        "[x]",
        r#"a\"b"#,
        r"a\\",
        "é, ü",
        "a is forbidden: b",
    ] {
        let escalates = format!(
            r#"rolebindings.rbac.authorization.k8s.io "{name}" is forbidden: user "lead@example.com" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#
        );
        assert_eq!(
            reads(403, "Forbidden", &escalates),
            denied(Refuser::RbacEscalation),
            "{name}"
        );
        let may_not = format!(
            r#"rolebindings.rbac.authorization.k8s.io "{name}" is forbidden: User "lead@example.com" cannot get resource "rolebindings""#
        );
        assert_eq!(
            reads(403, "Forbidden", &may_not),
            Answer::Forbidden.into(),
            "{name}"
        );
    }
}

#[test]
fn authorization_is_forbidden() {
    for message in [
        r#"secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "a""#,
        r#"pods "x" is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "a""#,
        r#"forbidden: User "jane" cannot get path "/metrics""#,
        r#"nodes "node-1" is forbidden: User "system:anonymous" cannot get resource "nodes/proxy" in API group "" at the cluster scope"#,
    ] {
        assert_eq!(
            reads(403, "Forbidden", message),
            Answer::Forbidden.into(),
            "{message}"
        );
    }
    let upgrade = status(403, "Forbidden", r#"pods "web" is forbidden: "#);
    assert_eq!(
        read_reply(ReplyContext::Kubelet, &upgrade),
        Answer::Forbidden.into()
    );
    assert!(matches!(
        read_reply(ReplyContext::Change, &upgrade),
        Verdict::Broken { .. }
    ));
    let kubelet =
        "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[proxy])".to_owned();
    let reply = ApiReply::Http {
        code: 403,
        body: ReplyBody::Text(kubelet),
        warnings: Vec::new(),
    };
    assert_eq!(
        read_reply(ReplyContext::Kubelet, &reply),
        Answer::Forbidden.into()
    );
    assert!(matches!(
        read_reply(ReplyContext::Change, &reply),
        Verdict::Broken { .. }
    ));
}

#[test]
fn credentials_that_are_not_accepted_and_what_cannot_be_opened_have_words_of_their_own() {
    assert_eq!(
        reads(401, "Unauthorized", "Unauthorized"),
        Answer::Unauthenticated.into()
    );
    let message =
        "Internal error occurred: no matching key was found for the provided AES transformer";
    assert_eq!(
        reads(500, "InternalError", message),
        Answer::EncryptionFailed.into()
    );
    assert!(matches!(
        reads(503, "ServiceUnavailable", message),
        Verdict::Broken { .. }
    ));
}

#[test]
fn schema_faults_are_invalid() {
    for (code, reason, message) in [
        (
            422,
            "Invalid",
            r#"Pod "x" is invalid: spec.containers: Required value"#,
        ),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            500,
            "",
            "failed to create typed patch object (a/x; /v1, Kind=Pod): .spec.bogus: field not declared in schema",
        ),
        (
            400,
            "BadRequest",
            r#"Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.x""#,
        ),
        (400, "BadRequest", "field label not supported: spec.bogus"),
        (
            400,
            "BadRequest",
            r#""spec.bogus" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
    ] {
        assert_eq!(
            reads(code, reason, message),
            Answer::Invalid.into(),
            "{message}"
        );
    }
}

#[test]
fn an_api_group_that_is_not_served_is_invalid_and_a_kubelets_unknown_path_is_not() {
    let reply = ApiReply::Http {
        code: 404,
        body: ReplyBody::Text("404 page not found\n".into()),
        warnings: Vec::new(),
    };
    assert_eq!(
        read_reply(ReplyContext::Change, &reply),
        Answer::Invalid.into()
    );
    assert!(broken(&read_reply(ReplyContext::Kubelet, &reply)));
}

/// RBAC names may hold almost any character; the server quotes them, so they cannot end their own
/// quotes.
#[test]
fn a_role_cannot_be_named_after_a_refusal() {
    let message = r#"roles.rbac.authorization.k8s.io "x\" is forbidden: violates PodSecurity \"a" is forbidden: no"#;
    assert!(broken(&reads(403, "Forbidden", message)));
}

#[test]
fn an_eviction_against_a_budget_is_denied_and_other_429s_are_not() {
    let mut body = json!({"kind": "Status", "code": 429, "reason": "TooManyRequests",
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": {"causes": [{"reason": "DisruptionBudget", "message": "needs 1"}]}});
    let reply = |body: &Value| ApiReply::Http {
        code: 429,
        body: ReplyBody::Json(body.clone()),
        warnings: Vec::new(),
    };
    assert_eq!(
        read_reply(ReplyContext::Change, &reply(&body)),
        denied(Refuser::DisruptionBudget)
    );
    body["details"] = Value::Null;
    assert!(matches!(
        read_reply(ReplyContext::Change, &reply(&body)),
        Verdict::Broken { .. }
    ));
}

#[test]
fn faults_are_broken() {
    for (code, reason, message) in [
        (401, "Unauthorized", "the front door is shut"),
        (
            403,
            "Forbidden",
            r#"pods "x" is forbidden: the policy service said no"#,
        ),
        (
            403,
            "Forbidden",
            r#"pods "x" is forbidden: not yet ready to handle request"#,
        ),
        (404, "NotFound", "the box is gone"),
        (409, "Expired", "too old"),
        (
            429,
            "TooManyRequests",
            "too many requests, please try again later",
        ),
        (
            500,
            "InternalError",
            "Internal error occurred: admission webhook \"x\" denied the request: no",
        ),
        (503, "ServiceUnavailable", "apiserver not ready"),
        (
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        ),
    ] {
        assert!(
            matches!(reads(code, reason, message), Verdict::Broken { .. }),
            "{code} {message}"
        );
    }
}

/// An attacker who chooses names and texts must not be able to make one refusal look like
/// another's.
#[test]
fn a_name_cannot_pose_as_a_refuser() {
    let message = r#"pods "violates PodSecurity \"x\"" is forbidden: User "jane" cannot create resource "pods""#;
    assert_eq!(reads(403, "Forbidden", message), Answer::Forbidden.into());
    let inner = r#"admission webhook "a" denied the request: pods "x" is forbidden: violates PodSecurity "baseline""#;
    assert_eq!(
        reads(403, "Forbidden", inner),
        denied(Refuser::Webhook("a".into()))
    );
    let policy = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: exceeded quota: q, no";
    assert_eq!(
        reads(422, "Invalid", policy),
        denied(Refuser::Policy("p".into()))
    );
}

fn broken(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Broken { .. })
}

fn any_body() -> impl Strategy<Value = ReplyBody> {
    let texts = prop_oneof![
        any::<String>(),
        Just(
            "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": privileged"
                .to_owned()
        ),
        Just("admission webhook \"w\" denied the request: no".to_owned()),
        Just("Internal error occurred: failed calling webhook \"w\": x".to_owned()),
        Just("User \"u\" cannot get path \"/\"".to_owned()),
        ".{0,40} is forbidden: .{0,60}",
    ];
    (texts, any::<Option<String>>(), any::<bool>()).prop_map(|(message, reason, json)| {
        if json {
            ReplyBody::Json(json!({"kind": "Status", "message": message, "reason": reason}))
        } else {
            ReplyBody::Text(message)
        }
    })
}

proptest! {
    #[test]
    fn no_reply_makes_it_panic(code in any::<u16>(), body in any_body(), kubelet in any::<bool>()) {
        let asked = if kubelet { ReplyContext::Kubelet } else { ReplyContext::Change };
        let _ = read_reply(asked, &ApiReply::Http { code, body, warnings: Vec::new() });
    }

    #[test]
    fn no_bytes_make_it_panic(code in any::<u16>(), bytes in any::<Vec<u8>>()) {
        let _ = read_reply(ReplyContext::Change, &ApiReply::Http { code, body: ReplyBody::from_bytes(&bytes), warnings: Vec::new() });
    }

    #[test]
    fn a_transport_fault_is_never_a_refusal(fault in ".*denied.*|.*forbidden.*|.*") {
        let verdict = read_reply(ReplyContext::Change, &ApiReply::Transport { fault });
        prop_assert!(broken(&verdict));
    }

    /// Of the server's own faults only a webhook that fails closed is a refusal.
    #[test]
    fn a_server_fault_is_never_a_refusal(code in 500u16..600, body in any_body()) {
        let closed = matches!(&body, ReplyBody::Json(v)
            if v["message"].as_str().is_some_and(|m| m.starts_with("Internal error occurred: failed calling webhook")));
        let verdict = read_reply(ReplyContext::Change, &ApiReply::Http { code, body, warnings: Vec::new() });
        prop_assert!(broken(&verdict) || (closed && code == 500));
    }

    /// Without a refusal in the code there is no refusal, whatever the words.
    #[test]
    fn success_is_never_a_refusal(code in 200u16..300, body in any_body()) {
        let verdict = read_reply(ReplyContext::Change, &ApiReply::Http { code, body, warnings: Vec::new() });
        prop_assert_eq!(verdict, Verdict::from(Answer::Admitted));
    }
}
