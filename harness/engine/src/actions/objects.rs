//! Steps that write objects.

use api::{ApiCall, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, reply_json as json_of};
use indexmap::IndexMap;
use model::{ObjectTarget, PatchKind};
use serde_json::{Value, json};

use super::{Observation, StepContext, TargetObject};
use crate::Error;
use crate::changed::changed_fields;
use crate::discovery::{fetch_object, resource_of};

pub(super) async fn create_object(
    cx: &mut StepContext<'_, '_>,
    file: &str,
) -> Result<Observation, Error> {
    let (sent, object) = object_to_send(cx, file).await?;
    let call = ApiCall::post(
        object.resource.collection_path(Some(&object.namespace)),
        sent.clone(),
    );
    Ok(add_changes(cx.send_write(&object, call).await?, &sent))
}

pub(super) async fn apply_step(
    cx: &mut StepContext<'_, '_>,
    file: &str,
) -> Result<Observation, Error> {
    let (sent, object) = object_to_send(cx, file).await?;
    let call = ApiCall::apply(&object.path(), sent.clone());
    Ok(add_changes(cx.send_write(&object, call).await?, &sent))
}

pub(super) async fn update_object(
    cx: &mut StepContext<'_, '_>,
    file: &str,
) -> Result<Observation, Error> {
    let (mut sent, object) = object_to_send(cx, file).await?;
    take_stored_version(cx, &object, &mut sent).await;
    let call = ApiCall::put(object.path(), sent.clone());
    Ok(add_changes(cx.send_write(&object, call).await?, &sent))
}

pub(super) async fn update_subresource(
    cx: &mut StepContext<'_, '_>,
    target: &ObjectTarget,
    subresource: &str,
    with: &str,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    let mut sent = cx.single_manifest(with)?;
    take_stored_version(cx, &object, &mut sent).await;
    let path = with_subresource(object.path(), Some(subresource));
    let call = ApiCall::put(path, sent.clone());
    Ok(add_changes(cx.send_write(&object, call).await?, &sent))
}

/// An object that says no version gets that of the stored one.
async fn take_stored_version(cx: &StepContext<'_, '_>, object: &TargetObject, sent: &mut Value) {
    if sent["metadata"]["resourceVersion"].is_null()
        && let Ok(stored) = fetch_object(
            &cx.world.run.own,
            &object.resource,
            &object.namespace,
            &object.name,
        )
        .await
    {
        sent["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    }
}

pub(super) async fn patch_object(
    cx: &mut StepContext<'_, '_>,
    target: &ObjectTarget,
    kind: PatchKind,
    subresource: Option<&str>,
    with: &str,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    let media = match kind {
        PatchKind::Merge => MERGE_PATCH,
        PatchKind::Strategic => STRATEGIC_MERGE_PATCH,
        PatchKind::Json => JSON_PATCH,
    };
    let path = with_subresource(object.path(), subresource.or(target.subresource.as_deref()));
    let call = ApiCall::patch(path, media, cx.single_manifest(with)?);
    cx.send_write(&object, call).await
}

pub(super) async fn label_object(
    cx: &mut StepContext<'_, '_>,
    target: &ObjectTarget,
    set: &IndexMap<String, Option<String>>,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    let labels = set.iter().map(|(key, value)| {
        (
            cx.fill_text(key),
            value
                .as_ref()
                .map_or(Value::Null, |value| Value::from(cx.fill_text(value))),
        )
    });
    let patch = json!({"metadata": {"labels": labels.collect::<serde_json::Map<_, _>>()}});
    let call = ApiCall::patch(object.path(), MERGE_PATCH, patch);
    cx.send_write(&object, call).await
}

pub(super) async fn scale_object(
    cx: &mut StepContext<'_, '_>,
    target: &ObjectTarget,
    replicas: u32,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    cx.remember(&object).await;
    let path = format!("{}/scale", object.path());
    let who = cx.requester().await?;
    let call = ApiCall::patch(path, MERGE_PATCH, json!({"spec": {"replicas": replicas}}));
    let tried = Observation::from_exchange(who.send_call(call.dry_run(cx.step.dry_run)).await);
    cx.note_rescaled(&object, &tried);
    Ok(tried)
}

pub(super) async fn delete_object(
    cx: &mut StepContext<'_, '_>,
    target: &ObjectTarget,
    as_collection: bool,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    cx.remember(&object).await;
    cx.world
        .note_followers_of(&object.resource, &object.namespace)
        .await?;
    let who = cx.requester().await?;
    let call = if as_collection {
        let collection = object.resource.collection_path(Some(&object.namespace));
        ApiCall::delete(collection)
            .with_query("fieldSelector", &format!("metadata.name={}", object.name))
    } else {
        // As kubectl does; the API leaves the pods of a Job where nothing is said.
        ApiCall::delete(object.path()).with_query("propagationPolicy", "Background")
    };
    let tried = Observation::from_exchange(who.send_call(call.dry_run(cx.step.dry_run)).await);
    if tried.was_taken() && !cx.step.dry_run && !cx.step.leaves_ending {
        cx.world.barrier.add_object(object.deletion_record());
    }
    Ok(tried)
}

/// What has the labels is looked up first, as it is told from the rest: it is put back later where it
/// is not the world's, and its end is waited for.
pub(super) async fn delete_labelled(
    cx: &mut StepContext<'_, '_>,
    kind: &str,
    labels: &str,
) -> Result<Observation, Error> {
    let (resource, namespace) = (cx.resource(kind).await?, cx.namespace());
    if !resource.namespaced {
        return Err(Error::scenario(format!(
            "objects of the kind `{kind}` are in no namespace"
        )));
    }
    let labels = cx.fill_text(labels);
    let selected = |call: ApiCall| call.with_query("labelSelector", &labels);
    let collection = resource.collection_path(Some(&namespace));
    let found = cx
        .world
        .run
        .own
        .send_call(selected(ApiCall::get(collection.as_str())))
        .await;
    let items = json_of(&found.reply)
        .and_then(|list| list["items"].as_array())
        .ok_or_else(|| Error::unexpected_reply(&found.reply))?;
    let objects: Vec<TargetObject> = items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .map(|name| TargetObject {
            resource: resource.clone(),
            namespace: namespace.clone(),
            name: name.to_owned(),
        })
        .collect();
    for object in &objects {
        cx.remember(object).await;
    }
    cx.world.note_followers_of(&resource, &namespace).await?;
    let tried = cx
        .send_request(selected(ApiCall::delete(collection)))
        .await?;
    if tried.was_taken() && !cx.step.dry_run && !cx.step.leaves_ending {
        for object in &objects {
            cx.world.barrier.add_object(object.deletion_record());
        }
    }
    Ok(tried)
}

/// A manifest's object, and where it goes.
async fn object_to_send(
    cx: &StepContext<'_, '_>,
    file: &str,
) -> Result<(Value, TargetObject), Error> {
    let sent = cx.single_manifest(file)?;
    cx.world.keep_policy_alive(&sent).await;
    let resource = resource_of(&cx.world.run.discovery, &cx.world.run.own, &sent).await?;
    let namespace = sent["metadata"]["namespace"]
        .as_str()
        .map_or_else(|| cx.namespace(), str::to_owned);
    let name = sent["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok((
        sent,
        TargetObject {
            resource,
            namespace,
            name,
        },
    ))
}

/// Adds what the server made of what was sent; a review's answer is its status.
fn add_changes(mut tried: Observation, sent: &Value) -> Observation {
    let Some(got) = tried
        .exchange
        .as_ref()
        .filter(|_| tried.was_taken())
        .and_then(|exchange| json_of(&exchange.reply))
    else {
        return tried;
    };
    tried.detail.changed = changed_fields(sent, got);
    if sent["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("Review"))
    {
        let mut status = got["status"].clone();
        sort_lists(&mut status);
        tried = tried.with_fact("status", status.to_string());
    }
    tried
}

/// Puts lists into one order: an authorizer lists its rules as they come.
fn sort_lists(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_lists);
            items.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort_lists),
        _ => {}
    }
}

fn with_subresource(path: String, subresource: Option<&str>) -> String {
    match subresource {
        Some(subresource) => format!("{path}/{}", api::percent_encode(subresource)),
        None => path,
    }
}
