//! Making images and putting them into the world's registry: build, push, copy, tamper, spoil.

use std::collections::BTreeMap;

use artifact::{OciImage, OciRegistry};
use cluster::HostAccess;
use error_chain::error_chain;
use model::{
    Answer, AttachSbom, BuildImage, CopyImage, ImageName, IndexImages, RejectionReason,
    SpoilAttached, TamperImage,
};
use probe_protocol::RegistryFault;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools;
use crate::world::LiveWorld;

/// The media types of bills of materials.
const CYCLONEDX_TYPE: &str = "application/vnd.cyclonedx+json";
const SPDX_TYPE: &str = "application/spdx+json";

/// What a registry gave, or how it refused; a fault of any other kind says nothing about the
/// artifact.
pub(super) type RegistryAnswer<T> = Result<T, Box<Observation>>;

pub(in crate::actions) async fn build_image(
    cx: &mut StepContext<'_, '_>,
    build: &BuildImage,
) -> Result<Observation, Error> {
    let mut files = BTreeMap::new();
    for (path, file) in &build.files {
        let text = cx.world.case.file_text(file)?;
        cx.world.resolve_placeholders(&text).await?;
        files.insert(path.clone(), cx.fill_text(&text).into_bytes());
    }
    for (path, file) in &build.base64_files {
        let bytes =
            model::decode_base64_file(&cx.world.case.file_text(file)?).map_err(|fault| {
                Error::scenario(format!("`{file}` cannot be read as base64: {fault}"))
            })?;
        files.insert(path.clone(), bytes);
    }
    let probe = cx
        .world
        .run
        .material
        .probe_binary(cx.world.host_access()?)
        .await?;
    let platform = build.platform;
    let image = run_blocking(move || match platform {
        Some(platform) => OciImage::for_architecture(&probe, &files, platform.architecture()),
        None => OciImage::from_base(&probe, &files),
    })
    .await??;
    cx.world.memory.keep_image(&build.image, image);
    Ok(Observation::from_answer(Answer::Done))
}

pub(in crate::actions) async fn push_image(
    cx: &mut StepContext<'_, '_>,
    name: &ImageName,
) -> Result<Observation, Error> {
    let image = cx.world.memory.require_image(name)?;
    let (repository, tag) = cx.world.image_place(name);
    let beside = cx.world.run.pushed.get().cloned();
    let pushed = repository.clone();
    let push = move |registry: &OciRegistry| {
        registry.push_image(&repository, &tag, &image, beside.as_deref())
    };
    let given = cx.world.ask_registry(push).await?;
    if given.is_ok() {
        let _ = cx.world.run.pushed.set(pushed);
    }
    Ok(cx.world.remember_digest(name, given))
}

/// Puts an index of images that are there under a name.
pub(in crate::actions) async fn index_images(
    cx: &mut StepContext<'_, '_>,
    index: &IndexImages,
) -> Result<Observation, Error> {
    let (repository, tag) = cx.world.image_place(&index.image);
    let children: Vec<String> = index.of.iter().map(|child| child.tag.clone()).collect();
    let put = move |registry: &OciRegistry| registry.put_index(&repository, &tag, &children);
    let given = cx.world.ask_registry(put).await?;
    Ok(cx.world.remember_digest(&index.image, given))
}

/// Copies an image; where the target is another image already and signatures are wanted, it gets
/// those alone.
pub(in crate::actions) async fn copy_image(
    cx: &mut StepContext<'_, '_>,
    copy: &CopyImage,
) -> Result<Observation, Error> {
    let ((from, tag), (to, new_tag), with) = (
        cx.world.image_place(&copy.from),
        cx.world.image_place(&copy.to),
        copy.with_signatures,
    );
    let known = cx.world.placeholders.has_digest(&copy.to);
    let given = cx
        .world
        .ask_registry(move |registry| {
            let source = registry.fetch_manifest(&from, &tag)?.digest;
            let target = if with && known {
                registry.fetch_manifest(&to, &new_tag)?.digest
            } else {
                registry.copy_image(&from, &source, &to, &new_tag)?
            };
            if with {
                registry.copy_attached((&from, &source), (&to, &target))?;
            }
            Ok(target)
        })
        .await?;
    Ok(cx.world.remember_digest(&copy.to, given))
}

pub(in crate::actions) async fn tamper_image(
    cx: &mut StepContext<'_, '_>,
    tamper: &TamperImage,
) -> Result<Observation, Error> {
    let ((repository, tag), change, with) = (
        cx.world.image_place(&tamper.image),
        tamper.with,
        tamper.with_signatures,
    );
    let given = cx
        .world
        .ask_registry(move |registry| {
            let (old, new) = registry.tamper_tag(&repository, &tag, change)?;
            if with {
                registry.copy_attached((&repository, &old), (&repository, &new))?;
            }
            Ok(new)
        })
        .await?;
    Ok(cx.world.remember_digest(&tamper.image, given))
}

pub(in crate::actions) async fn spoil_attached(
    cx: &mut StepContext<'_, '_>,
    spoil: &SpoilAttached,
) -> Result<Observation, Error> {
    let ((repository, tag), what) = (cx.world.image_place(&spoil.image), spoil.what.clone());
    let given = cx
        .world
        .ask_registry(move |registry| {
            let digest = registry.fetch_manifest(&repository, &tag)?.digest;
            registry.spoil_attached(&repository, &digest, &what)
        })
        .await?;
    match given {
        Ok(0) => {
            let none = format!(
                "nothing is attached to the image `{}`: there is nothing to corrupt",
                spoil.image
            );
            Err(Error::scenario(none))
        }
        Ok(count) => {
            Ok(Observation::from_answer(Answer::Done).with_fact("corrupted", count.to_string()))
        }
        Err(tried) => Ok(*tried),
    }
}

pub(in crate::actions) async fn attach_sbom(
    cx: &mut StepContext<'_, '_>,
    attach: &AttachSbom,
) -> Result<Observation, Error> {
    let (repository, tag) = cx.world.image_place(&attach.image);
    let document = tools::read_file(
        &cx.world
            .world_folder()?
            .join(format!("{}.sbom.json", attach.sbom)),
    )?;
    let kind = if document.contains("spdxVersion") {
        SPDX_TYPE
    } else {
        CYCLONEDX_TYPE
    };
    let given = cx
        .world
        .ask_registry(move |registry| {
            registry.attach_document(&repository, &tag, kind, document.as_bytes())
        })
        .await?;
    Ok(match given {
        Ok(()) => Observation::from_answer(Answer::Done),
        Err(tried) => *tried,
    })
}

impl LiveWorld<'_> {
    /// An image's repository and tag.
    pub(super) fn image_place(&self, image: &ImageName) -> (String, String) {
        (self.placeholders.repository(image), image.tag.clone())
    }

    /// Remembers the digest that an image's name stands for from now on.
    fn remember_digest(&mut self, name: &ImageName, given: RegistryAnswer<String>) -> Observation {
        match given {
            Ok(digest) => {
                self.placeholders.set_digest(name, digest);
                Observation::from_answer(Answer::Done)
            }
            Err(tried) => *tried,
        }
    }

    /// Asks the world's registry, over plain HTTP from outside the box.
    pub(super) async fn ask_registry<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&OciRegistry) -> Result<T, artifact::Error> + Send + 'static,
    ) -> Result<RegistryAnswer<T>, Error> {
        let address = format!(
            "{}:{}",
            self.host_access()?.address(),
            HostAccess::PLAIN_PORT
        );
        registry_observation(address, ask).await
    }

    /// The same through the front that spoils every answer, if there is a fault to meet.
    pub(super) async fn registry_through<T: Send + 'static>(
        &self,
        fault: Option<RegistryFault>,
        ask: impl FnOnce(&OciRegistry, &str) -> Result<T, artifact::Error> + Send + 'static,
    ) -> Result<RegistryAnswer<T>, Error> {
        let Some(fault) = fault else {
            return self.ask_registry(|registry| ask(registry, "")).await;
        };
        let port = HostAccess::FRONT.rsplit(':').next().unwrap_or_default();
        let address = format!("{}:{port}", self.host_access()?.address());
        registry_observation(address, move |registry| {
            ask(registry, &format!("{}/", fault.word()))
        })
        .await
    }
}

async fn registry_observation<T: Send + 'static>(
    address: String,
    ask: impl FnOnce(&OciRegistry) -> Result<T, artifact::Error> + Send + 'static,
) -> Result<RegistryAnswer<T>, Error> {
    match run_blocking(move || ask(&OciRegistry::plain_http(&address))).await? {
        Ok(given) => Ok(Ok(given)),
        Err(fault) => registry_refusal(fault).map(|tried| Err(Box::new(tried))),
    }
}

/// Does what takes a thread a while away from the others' work.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// A withheld answer rejects; a missing answer leaves the question open.
fn registry_refusal(fault: artifact::Error) -> Result<Observation, Error> {
    if fault.is_withheld() {
        return Ok(Observation::from_answer(Answer::NotDone {
            why: RejectionReason::NotGiven,
        })
        .with_fact("registry", error_chain(&fault)));
    }
    Err(fault.into())
}
