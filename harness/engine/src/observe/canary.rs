//! A planted value in a place to which it can leak. *Unseen* needs the place to have been read;
//! where something may still be written, it has to hold for a while.

use std::path::Path;
use std::time::{Duration, Instant};

use cluster::{AuditAccess, HostAccess};
use model::{Answer, ApiReply, CanaryMatch, LeakPlace};

use api::{ApiCall, percent_encode};
use serde_json::Value;

use super::ABSENT_FOR;
use crate::Error;
use crate::actions::storage::target_key;
use crate::actions::{Observation, StepContext};
use crate::discovery::fetch_object;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

/// At most this long for a place that cannot be read at first.
const READABLE_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn seen_canary(
    cx: &mut StepContext<'_, '_>,
    wanted: &CanaryMatch,
) -> Result<Observation, Error> {
    let canary = cx.world.planted.canary_value(&wanted.of);
    cx.world.wait_for_lag(&wanted.place).await?;
    let hold = if comes_late(&wanted.place) {
        cx.world.within(ABSENT_FOR)
    } else {
        Duration::ZERO
    };
    let mut read_since: Option<Instant> = None;
    let wait = ConditionWait {
        what: "the place to be read",
        within: READABLE_WITHIN + hold,
        every: Duration::from_millis(50),
    };
    cx.world
        .waiter
        .wait_until(wait, async || {
            let pieces = match leak_pieces(cx, &wanted.place).await {
                Ok(pieces) => pieces,
                Err(why) => return WaitLook::from(why),
            };
            if let Some(form) = pieces
                .iter()
                .find_map(|bytes| model::find_canary(bytes, &canary))
            {
                return WaitLook::Ready(
                    Observation::from_answer(Answer::Found).with_fact("as", form),
                );
            }
            if read_since.get_or_insert_with(Instant::now).elapsed() >= hold {
                return WaitLook::Ready(Observation::from_answer(Answer::Absent));
            }
            WaitLook::NotYet("not found".into())
        })
        .await
}

/// Everything that this place holds, in pieces.
async fn leak_pieces(cx: &StepContext<'_, '_>, place: &LeakPlace) -> Result<Vec<Vec<u8>>, Error> {
    Ok(match place {
        LeakPlace::EtcdValue(target) => vec![
            cx.world
                .stored_bytes(&target_key(cx, target).await?)
                .await?,
        ],
        LeakPlace::EtcdFiles => cx.world.store_files().await?,
        LeakPlace::Snapshot(name) => vec![read_place(&cx.world.snapshot_file(name)?).await?],
        LeakPlace::Audit => vec![cx.world.audit_since_beginning().await?],
        LeakPlace::Events => vec![
            Value::from(cx.world.namespace_events().await?)
                .to_string()
                .into_bytes(),
        ],
        LeakPlace::Field { of, at } => {
            let resource = cx.resource(&of.kind).await?;
            let object = fetch_object(
                &cx.world.run.own,
                &resource,
                &cx.namespace(),
                &cx.fill_text(&of.name),
            )
            .await?;
            let field = object.pointer(&cx.fill_text(at)).map(ToString::to_string);
            vec![field.unwrap_or_default().into_bytes()]
        }
        LeakPlace::Reply(of) => vec![cx.world.memory.step_output(of)?],
        LeakPlace::ComponentLog(name) => vec![cx.world.component_log(name).await?],
        LeakPlace::PodLog(pod) => vec![pod_log(cx, pod).await?],
        LeakPlace::Image(name) => cx.world.memory.require_image(name)?.blobs.clone(),
    })
}

async fn pod_log(cx: &StepContext<'_, '_>, pod: &str) -> Result<Vec<u8>, Error> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log",
        percent_encode(&cx.namespace()),
        percent_encode(&cx.fill_text(pod))
    );
    match cx.world.run.own.send_call(ApiCall::get(path)).await.reply {
        ApiReply::Http {
            code: 200,
            body: model::ReplyBody::Text(text),
            ..
        } => Ok(text.into_bytes()),
        ApiReply::Http {
            code: 200,
            body: model::ReplyBody::Json(value),
            ..
        } => Ok(value.to_string().into_bytes()),
        reply => Err(Error::unexpected_reply(&reply)),
    }
}

impl LiveWorld<'_> {
    /// Records that lag are shown to have come so far.
    async fn wait_for_lag(&self, place: &LeakPlace) -> Result<(), Error> {
        match place {
            LeakPlace::Audit => self.audit_has_come().await,
            LeakPlace::Events => self.events_have_come().await,
            LeakPlace::EtcdValue(_)
            | LeakPlace::EtcdFiles
            | LeakPlace::Snapshot(_)
            | LeakPlace::Field { .. }
            | LeakPlace::Reply(_)
            | LeakPlace::ComponentLog(_)
            | LeakPlace::PodLog(_)
            | LeakPlace::Image(_) => Ok(()),
        }
    }

    /// Copies of etcd's files: the box's own are out of reach from here.
    async fn store_files(&self) -> Result<Vec<Vec<u8>>, Error> {
        let copy = self.world_folder()?.join("etcd-files");
        let inside = self.host_access()?.path_inside(&copy);
        let args = [
            "--recursive",
            "--sparse=always",
            "--no-target-directory",
            HostAccess::ETCD_DATA,
            &inside.to_string_lossy(),
        ];
        self.in_the_box("cp", &args, None).await?;
        let mut pieces = Vec::new();
        let mut folders = vec![copy.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)
                .map_err(|fault| Error::io("cannot read etcd's files", fault))?
                .flatten()
            {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    pieces.push(without_tail(read_place(&path).await?));
                }
            }
        }
        let _ = std::fs::remove_dir_all(&copy);
        if pieces.is_empty() {
            Err(Error::unexpected("etcd has no files"))
        } else {
            Ok(pieces)
        }
    }

    async fn audit_since_beginning(&self) -> Result<Vec<u8>, Error> {
        match &self.run.cluster.facts().audit {
            AuditAccess::File(path) => log_since(path, self.beginning.audit).await,
            AuditAccess::None => Ok(Vec::new()),
            AuditAccess::Unavailable => Err(Error::unsupported(
                "this cluster's audit log is not within reach",
            )),
        }
    }

    async fn component_log(&self, name: &str) -> Result<Vec<u8>, Error> {
        let folder = self
            .run
            .cluster
            .facts()
            .logs
            .as_ref()
            .ok_or_else(|| Error::unsupported("this cluster's logs are not within reach"))?;
        let path = folder.join(format!("{name}.log"));
        let bytes = read_place(&path).await?;
        if bytes.is_empty() {
            return Err(Error::unexpected(format!("`{name}` has logged nothing")));
        }
        let begin = self.beginning.logs.get(name).copied().unwrap_or_default();
        Ok(bytes.get(begin..).unwrap_or_default().to_vec())
    }
}

/// Whether something may be written there a while later.
fn comes_late(place: &LeakPlace) -> bool {
    !matches!(
        place,
        LeakPlace::EtcdFiles | LeakPlace::Snapshot(_) | LeakPlace::Reply(_) | LeakPlace::Image(_)
    )
}

/// Without the zeros at its end: etcd's log is made 64 MB long before anything is written to it, so
/// they are compared in blocks.
fn without_tail(mut bytes: Vec<u8>) -> Vec<u8> {
    const ZEROS: [u8; 4096] = [0; 4096];
    while let Some(rest) = bytes.len().checked_sub(ZEROS.len())
        && bytes[rest..] == ZEROS
    {
        bytes.truncate(rest);
    }
    let end = bytes.iter().rposition(|byte| *byte != 0);
    bytes.truncate(end.map_or(0, |last| last + 1));
    bytes
}

async fn read_place(path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path)
        .await
        .map_err(|fault| Error::io(format!("cannot read `{}`", path.display()), fault))
}

async fn log_since(path: &Path, offset: u64) -> Result<Vec<u8>, Error> {
    let bytes = read_place(path).await?;
    let begin = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(bytes
        .get(begin..)
        .map_or_else(|| bytes.clone(), <[u8]>::to_vec))
}

#[cfg(test)]
mod tests {
    use super::without_tail;

    #[test]
    fn zeros_go_from_the_end_alone() {
        for length in [0, 1, 4095, 4096, 4097, 20_000] {
            assert_eq!(without_tail(vec![0; length]), [0; 0], "{length} zeros");
            let written = [&[0, 7][..], &vec![0; length], &[9]].concat();
            let long = [&written[..], &vec![0; length]].concat();
            assert_eq!(
                without_tail(long),
                written,
                "{length} zeros between and after"
            );
        }
    }
}
