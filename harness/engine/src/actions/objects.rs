//! Steps that write objects.

use api::{Call, JSON_PATCH, MERGE, STRATEGIC_MERGE, json as json_of};
use indexmap::IndexMap;
use model::{PatchKind, Target};
use serde_json::{Value, json};

use super::{Object, Observation, StepContext};
use crate::Error;
use crate::changed::changed;
use crate::discovery::{fetch, resource_of};

pub(super) async fn create(cx: &mut StepContext<'_, '_>, file: &str) -> Result<Observation, Error> {
    let (sent, object) = sent(cx, file).await?;
    let call = Call::post(
        object.resource.collection(Some(&object.namespace)),
        sent.clone(),
    );
    Ok(told(cx.write(&object, call).await?, &sent))
}

pub(super) async fn apply_step(
    cx: &mut StepContext<'_, '_>,
    file: &str,
) -> Result<Observation, Error> {
    let (sent, object) = sent(cx, file).await?;
    let call = Call::apply(&object.path(), sent.clone());
    Ok(told(cx.write(&object, call).await?, &sent))
}

pub(super) async fn update(cx: &mut StepContext<'_, '_>, file: &str) -> Result<Observation, Error> {
    let (mut sent, object) = sent(cx, file).await?;
    if sent["metadata"]["resourceVersion"].is_null()
        && let Ok(stored) = fetch(
            &cx.world.lab.own,
            &object.resource,
            &object.namespace,
            &object.name,
        )
        .await
    {
        sent["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    }
    let call = Call::put(object.path(), sent.clone());
    Ok(told(cx.write(&object, call).await?, &sent))
}

pub(super) async fn patch(
    cx: &mut StepContext<'_, '_>,
    target: &Target,
    kind: PatchKind,
    subresource: Option<&str>,
    with: &str,
) -> Result<Observation, Error> {
    let object = cx.object(target).await?;
    let media = match kind {
        PatchKind::Merge => MERGE,
        PatchKind::Strategic => STRATEGIC_MERGE,
        PatchKind::Json => JSON_PATCH,
    };
    let path = with_subresource(object.path(), subresource.or(target.subresource.as_deref()));
    let call = Call::patch(path, media, cx.manifest(with)?);
    cx.write(&object, call).await
}

pub(super) async fn label(
    cx: &mut StepContext<'_, '_>,
    target: &Target,
    set: &IndexMap<String, Option<String>>,
) -> Result<Observation, Error> {
    let object = cx.object(target).await?;
    let labels = set.iter().map(|(key, value)| {
        (
            cx.fill(key),
            value
                .as_ref()
                .map_or(Value::Null, |value| Value::from(cx.fill(value))),
        )
    });
    let patch = json!({"metadata": {"labels": labels.collect::<serde_json::Map<_, _>>()}});
    let call = Call::patch(object.path(), MERGE, patch);
    cx.write(&object, call).await
}

pub(super) async fn scale(
    cx: &mut StepContext<'_, '_>,
    target: &Target,
    replicas: u32,
) -> Result<Observation, Error> {
    let object = cx.object(target).await?;
    let path = format!("{}/scale", object.path());
    let who = cx.who().await?;
    let call = Call::patch(path, MERGE, json!({"spec": {"replicas": replicas}}));
    Ok(Observation::of(who.send(call.dry(cx.step.dry_run)).await))
}

pub(super) async fn delete(
    cx: &mut StepContext<'_, '_>,
    target: &Target,
) -> Result<Observation, Error> {
    let object = cx.object(target).await?;
    let who = cx.who().await?;
    let tried = Observation::of(
        who.send(Call::delete(object.path()).dry(cx.step.dry_run))
            .await,
    );
    if tried.taken() && !cx.step.dry_run && object.resource.kind != "Namespace" {
        cx.world.barrier.add(object.gone());
    }
    Ok(tried)
}

/// A manifest's object, and where it goes.
async fn sent(cx: &StepContext<'_, '_>, file: &str) -> Result<(Value, Object), Error> {
    let sent = cx.manifest(file)?;
    cx.world.anchor(&sent).await;
    let resource = resource_of(&cx.world.lab.discovery, &cx.world.lab.own, &sent).await?;
    let namespace = sent["metadata"]["namespace"]
        .as_str()
        .map_or_else(|| cx.namespace(), str::to_owned);
    let name = sent["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok((
        sent,
        Object {
            resource,
            namespace,
            name,
        },
    ))
}

/// Adds what the server made of what was sent; a review's answer is its status.
fn told(mut tried: Observation, sent: &Value) -> Observation {
    let Some(got) = tried
        .exchange
        .as_ref()
        .filter(|_| tried.taken())
        .and_then(|exchange| json_of(&exchange.reply))
    else {
        return tried;
    };
    tried.detail.changed = changed(sent, got);
    if sent["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("Review"))
    {
        let mut status = got["status"].clone();
        sort(&mut status);
        tried = tried.fact("status", status.to_string());
    }
    tried
}

/// Puts lists into one order: an authorizer lists its rules as they come.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort),
        _ => {}
    }
}

fn with_subresource(path: String, subresource: Option<&str>) -> String {
    match subresource {
        Some(subresource) => format!("{path}/{}", api::encode(subresource)),
        None => path,
    }
}
