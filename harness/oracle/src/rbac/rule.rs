//! Whether a rule of a role matches a request.

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::AccessRequest;

pub(super) fn rule_matches(rule: &PolicyRule, request: &AccessRequest) -> bool {
    match request {
        AccessRequest::Path { verb, path } => {
            list_holds(&rule.verbs, verb)
                && rule
                    .non_resource_urls
                    .iter()
                    .flatten()
                    .any(|pattern| pattern_covers(pattern, path))
        }
        AccessRequest::Resource {
            verb,
            group,
            resource,
            subresource,
            name,
            ..
        } => {
            let groups = rule.api_groups.as_deref().unwrap_or_default();
            let resources = rule.resources.as_deref().unwrap_or_default();
            let names = rule.resource_names.as_deref().unwrap_or_default();
            list_holds(&rule.verbs, verb)
                && list_holds(groups, group)
                && resources
                    .iter()
                    .any(|pattern| is_resource(pattern, resource, subresource))
                && (names.is_empty() || names.contains(name))
        }
    }
}

/// Whether a list holds a word, or `*`.
fn list_holds(list: &[String], word: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == word)
}

/// `*` is every resource and subresource, `*/scale` that subresource of every resource; `pods` is
/// not `pods/log`, and `pods/*` is nothing.
fn is_resource(pattern: &str, resource: &str, subresource: &str) -> bool {
    if subresource.is_empty() {
        return pattern == "*" || pattern == resource;
    }
    let of_every = pattern.strip_prefix("*/") == Some(subresource);
    pattern == "*" || of_every || pattern == format!("{resource}/{subresource}")
}

/// A pattern that ends in `*` covers what begins like it.
fn pattern_covers(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}
