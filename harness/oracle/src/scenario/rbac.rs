//! A question about oneself, asked with the roles and bindings in place.

use serde_json::{Map, Value, json};

use super::{ScenarioFiles, place_object};
use crate::Error;
use crate::rbac::{AccessRequest, RbacGrant, RbacWorld, RequestUser};

/// The scenario of a request that these roles and bindings should allow, or not. No API says
/// whether a request would be allowed other than by creating a review: what it said is in the
/// step's detail.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn rbac_scenario(
    world: &RbacWorld,
    user: &RequestUser,
    request: &AccessRequest,
    says: Option<&RbacGrant>,
) -> Result<ScenarioFiles, Error> {
    let says = says.map_or_else(|| "false".to_owned(), |grant| format!("true (by {grant})"));
    let scenario = json!({
        "scenario": "v2",
        "why": format!("`{user}` asks whether they may `{request}`; by the rules of RBAC, `status.allowed` is {says}."),
        "cluster": {"nodes": 0},
        "worlds": {"bare": {}, "bound": {"apply": ["roles.yaml"], "ineffective": true}},
        "steps": [{"id": "ask", "as": {"user": {"name": user.name, "groups": user.groups}},
            "do": {"create": "review.yaml"}, "expect": "admitted"}],
    });
    let attributes = match request {
        AccessRequest::Path { verb, path } => {
            json!({"nonResourceAttributes": {"verb": verb, "path": path}})
        }
        AccessRequest::Resource {
            verb,
            group,
            resource,
            subresource,
            name,
            namespace,
        } => {
            let fields = [
                ("verb", verb),
                ("group", group),
                ("resource", resource),
                ("subresource", subresource),
                ("name", name),
                ("namespace", namespace),
            ];
            let given = fields.into_iter().filter(|(_, text)| !text.is_empty());
            let fields: Map<String, Value> = given
                .map(|(key, text)| (key.to_owned(), json!(text)))
                .collect();
            json!({"resourceAttributes": fields})
        }
    };
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": attributes});
    let mut files = ScenarioFiles::default();
    files.add("scenario.yaml", &[scenario])?;
    files.add(
        "roles.yaml",
        &world_objects(world)?
            .into_iter()
            .map(place_object)
            .collect::<Vec<_>>(),
    )?;
    files.add("review.yaml", &[place_object(review)])?;
    Ok(files)
}

fn world_objects(world: &RbacWorld) -> Result<Vec<Value>, Error> {
    let roles = world.roles.iter().map(serde_json::to_value);
    let cluster_roles = world.cluster_roles.iter().map(serde_json::to_value);
    let bindings = world.role_bindings.iter().map(serde_json::to_value);
    let cluster_bindings = world.cluster_role_bindings.iter().map(serde_json::to_value);
    let all = roles
        .chain(cluster_roles)
        .chain(bindings)
        .chain(cluster_bindings);
    all.collect::<Result<_, _>>().map_err(|why| Error::Write {
        source: Box::new(why),
    })
}
