//! A planted value in a place to which it can leak. *Unseen* needs the place to have been read; where something may
//! still be written, it has to hold for a while.

use std::path::Path;
use std::time::{Duration, Instant};

use cluster::{AuditAccess, HostAccess};
use model::{Answer, CanaryMatch, Leak, Reply};

use api::{Call, encode};
use serde_json::Value;

use super::HOLD;
use crate::Error;
use crate::actions::keeping::key;
use crate::actions::{Observation, StepContext};
use crate::discovery::fetch;
use crate::wait::{Look, Wait};
use crate::world::World;

/// At most this long for a place that cannot be read at first.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn seen_canary(
    cx: &mut StepContext<'_, '_>,
    wanted: &CanaryMatch,
) -> Result<Observation, Error> {
    let canary = cx.world.planted.canary(&wanted.of);
    cx.world.recording(&wanted.place).await?;
    let hold = if comes_late(&wanted.place) {
        HOLD
    } else {
        Duration::ZERO
    };
    let mut read_since: Option<Instant> = None;
    let wait = Wait {
        what: "the place to be read",
        within: PATIENCE,
        every: Duration::from_millis(50),
    };
    cx.world
        .waiter
        .until(wait, async || {
            let pieces = match leak(cx, &wanted.place).await {
                Ok(pieces) => pieces,
                Err(why) => return Look::from(why),
            };
            if let Some(form) = pieces
                .iter()
                .find_map(|bytes| model::find_canary(bytes, &canary))
            {
                return Look::Ready(Observation::answer(Answer::Seen).fact("as", form));
            }
            if read_since.get_or_insert_with(Instant::now).elapsed() >= hold {
                return Look::Ready(Observation::answer(Answer::Unseen));
            }
            Look::NotYet("it is not there".into())
        })
        .await
}

/// Everything that this place holds, in pieces.
async fn leak(cx: &StepContext<'_, '_>, place: &Leak) -> Result<Vec<Vec<u8>>, Error> {
    Ok(match place {
        Leak::Store(target) => vec![cx.world.stored(&key(cx, target).await?).await?],
        Leak::StoreFiles => cx.world.store_files().await?,
        Leak::Snapshot(name) => vec![read(&cx.world.snapshot_file(name)?).await?],
        Leak::Audit => vec![cx.world.audit_since_beginning().await?],
        Leak::Events => vec![
            Value::from(cx.world.events().await?)
                .to_string()
                .into_bytes(),
        ],
        Leak::Field { of, at } => {
            let resource = cx
                .world
                .lab
                .discovery
                .called(&cx.world.lab.own, &of.kind)
                .await?;
            let object = fetch(
                &cx.world.lab.own,
                &resource,
                &cx.namespace(),
                &cx.fill(&of.name),
            )
            .await?;
            let field = object.pointer(&cx.fill(at)).map(ToString::to_string);
            vec![field.unwrap_or_default().into_bytes()]
        }
        Leak::Reply(of) => vec![cx.world.memory.said(of)?],
        Leak::ComponentLog(name) => vec![cx.world.component_log(name).await?],
        Leak::PodLog(pod) => vec![pod_log(cx, pod).await?],
        Leak::Image(name) => cx.world.memory.image(name)?.blobs.clone(),
    })
}

async fn pod_log(cx: &StepContext<'_, '_>, pod: &str) -> Result<Vec<u8>, Error> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log",
        encode(&cx.namespace()),
        encode(&cx.fill(pod))
    );
    match cx.world.lab.own.send(Call::get(path)).await.reply {
        Reply::Http {
            code: 200,
            body: model::Body::Text(text),
            ..
        } => Ok(text.into_bytes()),
        Reply::Http {
            code: 200,
            body: model::Body::Json(value),
            ..
        } => Ok(value.to_string().into_bytes()),
        reply => Err(Error::reply(&reply)),
    }
}

impl World<'_> {
    /// Records that lag are shown to have come so far.
    async fn recording(&self, place: &Leak) -> Result<(), Error> {
        match place {
            Leak::Audit => self.audit_has_come().await,
            Leak::Events => self.events_have_come().await,
            _ => Ok(()),
        }
    }

    /// Copies of etcd's files: the box's own are out of reach from here.
    async fn store_files(&self) -> Result<Vec<Vec<u8>>, Error> {
        let copy = self.folder()?.join("etcd-files");
        let inside = self.host_access()?.inside(&copy);
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
                    pieces.push(without_tail(read(&path).await?));
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
        match &self.lab.cluster.facts().audit {
            AuditAccess::File(path) => since(path, self.beginning.audit).await,
            AuditAccess::None => Ok(Vec::new()),
            AuditAccess::Unavailable => Err(Error::unsupported(
                "this cluster's audit log is not within reach",
            )),
        }
    }

    async fn component_log(&self, name: &str) -> Result<Vec<u8>, Error> {
        let folder = self
            .lab
            .cluster
            .facts()
            .logs
            .as_ref()
            .ok_or_else(|| Error::unsupported("this cluster's logs are not within reach"))?;
        let path = folder.join(format!("{name}.log"));
        let bytes = read(&path).await?;
        if bytes.is_empty() {
            return Err(Error::unexpected(format!("`{name}` has logged nothing")));
        }
        let begin = self.beginning.logs.get(name).copied().unwrap_or_default();
        Ok(bytes.get(begin..).unwrap_or_default().to_vec())
    }
}

/// Whether something may be written there a while later.
fn comes_late(place: &Leak) -> bool {
    !matches!(
        place,
        Leak::StoreFiles | Leak::Snapshot(_) | Leak::Reply(_) | Leak::Image(_)
    )
}

/// Without the zeros at its end: etcd's log is made 64 MB long before anything is written to it.
fn without_tail(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path)
        .await
        .map_err(|fault| Error::io(format!("cannot read `{}`", path.display()), fault))
}

async fn since(path: &Path, offset: u64) -> Result<Vec<u8>, Error> {
    let bytes = read(path).await?;
    let begin = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(bytes
        .get(begin..)
        .map_or_else(|| bytes.clone(), <[u8]>::to_vec))
}
