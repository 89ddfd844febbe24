use std::collections::BTreeSet;

use crate::ways::test_scenario::untried_ways;

const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: app}}";

fn store(account: &str) -> String {
    format!(
        "{{apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {{name: {account}}}, spec: {{provider: {{vault: {{auth: {{kubernetes: {{serviceAccountRef: {{name: {account}}}}}}}}}}}}}}}"
    )
}

fn login(id: &str, token: &str) -> String {
    format!(
        "{{id: {id}, do: {{exec: {{pod: app, command: [/vault/vault, write, -field=token_policies, auth/kubernetes/login, role=app, jwt=@/tokens/{token}]}}}}, expect: allowed}}"
    )
}

/// What is missed where a login is let in by one world alone, by a role of these fields.
fn missed(role: &str, steps: &[&str]) -> BTreeSet<String> {
    let head = "install: [vault]\nworlds: {bare: {skip-steps: [role]}, held: {}}";
    let writes = format!(
        "{{id: role, do: {{exec: {{pod: admin, command: [/vault/vault, write, auth/kubernetes/role/app, {role}]}}}}, expect-in: {{held: allowed}}}}"
    );
    let stranger = login("stranger", "one");
    let kept_out = "{id: kept-out, do: {look-for: {output: {of: stranger, contains: read}}}, expect-in: {bare: found, held: absent}}";
    let (first, second) = (store("app"), store("default"));
    let files = [
        ("account.yaml", ACCOUNT),
        ("first.yaml", first.as_str()),
        ("second.yaml", second.as_str()),
    ];
    let steps = [&[writes.as_str(), stranger.as_str(), kept_out][..], steps].concat();
    untried_ways(head, &steps, &files)
}

const EXACT: &str = "bound_service_account_names=app, bound_service_account_namespaces=shop, audience=vault, token_explicit_max_ttl=1h";

#[test]
fn a_role_by_names_leaves_the_names_alone() {
    let left = BTreeSet::from(["name-used-again".to_owned()]);
    assert_eq!(missed(EXACT, &[]), left);
    let goes = "{id: goes, do: {delete: serviceaccount/app}, expect: admitted}";
    let comes = "{id: comes, do: {create: account.yaml}, expect: admitted}";
    assert_eq!(missed(EXACT, &[comes, goes]), left);
    assert_eq!(missed(EXACT, &[goes, comes]), BTreeSet::new());
}

#[test]
fn each_star_and_each_field_that_is_not_there_is_a_way() {
    let is_open = |field: &str, instead: &str, steps: &[&str], way: &str| {
        missed(&EXACT.replace(field, instead), steps).contains(way)
    };
    let names = "bound_service_account_names=app";
    let any_name = "any-account-of-the-namespace";
    let stores = ["first", "second"]
        .map(|file| format!("{{id: {file}, do: {{create: {file}.yaml}}, expect: admitted}}"));
    let star = "'bound_service_account_names=*'";
    assert!(is_open(names, star, &[], any_name));
    assert!(is_open(names, star, &[&stores[0]], any_name));
    assert!(!is_open(names, star, &[&stores[0], &stores[1]], any_name));

    let namespaces = "bound_service_account_namespaces=shop";
    let any_space = "account-in-any-namespace";
    let star = "'bound_service_account_namespaces=*'";
    let makes = "{id: makes, namespace: other, do: {create: account.yaml}, expect: admitted}";
    assert!(is_open(namespaces, star, &[], any_space));
    assert!(!is_open(namespaces, star, &[makes], any_space));

    let (first, second) = (login("first-login", "two"), login("second-login", "one"));
    assert!(is_open("audience=vault, ", "", &[], "token-for-another"));
    assert!(is_open(
        "audience=vault, ",
        "",
        &[&second],
        "token-for-another"
    ));
    assert!(!is_open(
        "audience=vault, ",
        "",
        &[&first],
        "token-for-another"
    ));

    let renews = "{id: renews, do: {exec: {pod: app, command: [/vault/vault, token, renew]}}, expect: allowed}";
    let ttl = ", token_explicit_max_ttl=1h";
    assert!(is_open(ttl, "", &[], "renewed-token"));
    assert!(!is_open(ttl, "", &[renews], "renewed-token"));
}

#[test]
fn a_role_that_every_world_has_keeps_nobody_out_by_itself() {
    let head = "install: [vault]\nworlds: {bare: {}, held: {skip-steps: [other]}}";
    let role = "{id: role, do: {exec: {pod: admin, command: [/vault/vault, write, auth/kubernetes/role/app, bound_service_account_names=app]}}, expect: allowed}";
    let other = "{id: other, do: {path: /version}, expect-in: {bare: allowed}}";
    let look = "{id: look, do: {look-for: {field: {of: secret/db, at: /data/a}}}, expect-in: {bare: found, held: absent}}";
    assert_eq!(
        untried_ways(head, &[role, other, look], &[]),
        BTreeSet::new()
    );
}
