//! Making images and putting them into the world's registry: build, push, copy, tamper, spoil.

use std::collections::BTreeMap;

use artifact::{Image, Registry};
use cluster::{HostAccess, chain};
use model::{Answer, Attach, Build, Copy, ImageName, Spoil, Tamper, Why};
use probe_protocol::RegistryFault;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools;
use crate::world::World;

/// The media types of bills of materials.
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
const SPDX: &str = "application/spdx+json";

/// What a registry gave, or how it refused; a fault of any other kind says nothing about the artifact.
pub(super) type Given<T> = Result<T, Box<Observation>>;

pub(in crate::actions) async fn build(
    cx: &mut StepContext<'_, '_>,
    build: &Build,
) -> Result<Observation, Error> {
    let mut files = BTreeMap::new();
    for (path, file) in &build.files {
        let text = cx.world.case.file_text(file)?;
        cx.world.learn(&text).await?;
        files.insert(path.clone(), cx.fill(&text).into_bytes());
    }
    let probe = cx.world.lab.material.probe(cx.world.host_access()?).await?;
    let image = blocking(move || Image::on(&probe, &files)).await??;
    cx.world.memory.keep_image(&build.image, image);
    Ok(Observation::answer(Answer::Done))
}

pub(in crate::actions) async fn push(
    cx: &mut StepContext<'_, '_>,
    name: &ImageName,
) -> Result<Observation, Error> {
    let image = cx.world.memory.image(name)?;
    let (repository, tag) = cx.world.place(name);
    let beside = cx.world.lab.pushed.get().cloned();
    let pushed = repository.clone();
    let push =
        move |registry: &Registry| registry.push(&repository, &tag, &image, beside.as_deref());
    let given = cx.world.registry(push).await?;
    if given.is_ok() {
        let _ = cx.world.lab.pushed.set(pushed);
    }
    Ok(cx.world.put(name, given))
}

/// Copies an image; where the target is another image already and signatures are wanted, it gets those alone.
pub(in crate::actions) async fn copy(
    cx: &mut StepContext<'_, '_>,
    copy: &Copy,
) -> Result<Observation, Error> {
    let ((from, tag), (to, new_tag), with) = (
        cx.world.place(&copy.from),
        cx.world.place(&copy.to),
        copy.with_signatures,
    );
    let known = cx.world.placeholders.has_digest(&copy.to);
    let given = cx
        .world
        .registry(move |registry| {
            let source = registry.manifest(&from, &tag)?.digest;
            let target = if with && known {
                registry.manifest(&to, &new_tag)?.digest
            } else {
                registry.copy(&from, &source, &to, &new_tag)?
            };
            if with {
                registry.copy_attached((&from, &source), (&to, &target))?;
            }
            Ok(target)
        })
        .await?;
    Ok(cx.world.put(&copy.to, given))
}

pub(in crate::actions) async fn tamper(
    cx: &mut StepContext<'_, '_>,
    tamper: &Tamper,
) -> Result<Observation, Error> {
    let ((repository, tag), change, with) = (
        cx.world.place(&tamper.image),
        tamper.with,
        tamper.with_signatures,
    );
    let given = cx
        .world
        .registry(move |registry| {
            let (old, new) = registry.tamper(&repository, &tag, change)?;
            if with {
                registry.copy_attached((&repository, &old), (&repository, &new))?;
            }
            Ok(new)
        })
        .await?;
    Ok(cx.world.put(&tamper.image, given))
}

pub(in crate::actions) async fn spoil(
    cx: &mut StepContext<'_, '_>,
    spoil: &Spoil,
) -> Result<Observation, Error> {
    let ((repository, tag), what) = (cx.world.place(&spoil.image), spoil.what);
    let given = cx
        .world
        .registry(move |registry| {
            let digest = registry.manifest(&repository, &tag)?.digest;
            registry.spoil(&repository, &digest, what)
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
        Ok(count) => Ok(Observation::answer(Answer::Done).fact("corrupted", count.to_string())),
        Err(tried) => Ok(*tried),
    }
}

pub(in crate::actions) async fn attach(
    cx: &mut StepContext<'_, '_>,
    attach: &Attach,
) -> Result<Observation, Error> {
    let (repository, tag) = cx.world.place(&attach.image);
    let document = tools::read(
        &cx.world
            .folder()?
            .join(format!("{}.sbom.json", attach.sbom)),
    )?;
    let kind = if document.contains("spdxVersion") {
        SPDX
    } else {
        CYCLONEDX
    };
    let given = cx
        .world
        .registry(move |registry| registry.attach(&repository, &tag, kind, document.as_bytes()))
        .await?;
    Ok(match given {
        Ok(()) => Observation::answer(Answer::Done),
        Err(tried) => *tried,
    })
}

impl World<'_> {
    /// An image's repository and tag.
    pub(super) fn place(&self, image: &ImageName) -> (String, String) {
        (self.placeholders.repository(image), image.tag.clone())
    }

    /// Remembers the digest that an image's name stands for from now on.
    fn put(&mut self, name: &ImageName, given: Given<String>) -> Observation {
        match given {
            Ok(digest) => {
                self.placeholders.set_digest(name, digest);
                Observation::answer(Answer::Done)
            }
            Err(tried) => *tried,
        }
    }

    /// Asks the world's registry, over plain HTTP from outside the box.
    pub(super) async fn registry<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Registry) -> Result<T, artifact::Error> + Send + 'static,
    ) -> Result<Given<T>, Error> {
        let address = format!(
            "{}:{}",
            self.host_access()?.address(),
            HostAccess::PLAIN_PORT
        );
        asked(address, ask).await
    }

    /// The same through the front that spoils every answer, if there is a fault to meet.
    pub(super) async fn registry_through<T: Send + 'static>(
        &self,
        fault: Option<RegistryFault>,
        ask: impl FnOnce(&Registry, &str) -> Result<T, artifact::Error> + Send + 'static,
    ) -> Result<Given<T>, Error> {
        let Some(fault) = fault else {
            return self.registry(|registry| ask(registry, "")).await;
        };
        let port = HostAccess::FRONT.rsplit(':').next().unwrap_or_default();
        let address = format!("{}:{port}", self.host_access()?.address());
        asked(address, move |registry| {
            ask(registry, &format!("{}/", fault.word()))
        })
        .await
    }
}

async fn asked<T: Send + 'static>(
    address: String,
    ask: impl FnOnce(&Registry) -> Result<T, artifact::Error> + Send + 'static,
) -> Result<Given<T>, Error> {
    match blocking(move || ask(&Registry::at(&address))).await? {
        Ok(given) => Ok(Ok(given)),
        Err(fault) => refused(fault).map(|tried| Err(Box::new(tried))),
    }
}

/// Does what takes a thread a while away from the others' work.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// What is withheld rejects; that nobody answers leaves the question open.
fn refused(fault: artifact::Error) -> Result<Observation, Error> {
    if fault.is_withheld() {
        return Ok(Observation::answer(Answer::NotDone { why: Why::NotGiven })
            .fact("registry", chain(&fault)));
    }
    Err(fault.into())
}
