//! Bills of materials with syft, and looking for known vulnerabilities in them with grype.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use artifact::Image;
use model::{Advisory, Answer, Sbom, SbomFormat, Scan, Tool, Verdict};
use serde_json::Value;

use super::build::blocking;
use super::once::names;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools;
use crate::workshop::{Bill, BillOrder};
use crate::world::World;

/// Lists what is in an image. One that was built here is listed as it was built, once for every world that built the
/// same; the list calls it what all of them do, without the world's namespace.
pub(in crate::actions) async fn sbom(
    cx: &mut StepContext<'_, '_>,
    sbom: &Sbom,
) -> Result<Observation, Error> {
    let file = cx.world.folder()?.join(format!("{}.sbom.json", sbom.into));
    let name = format!("{}/{}", cx.world.placeholders.registry(), sbom.image.name);
    let Some(image) = cx.world.memory.built(&sbom.image) else {
        let source = format!("registry:{}", cx.world.by_digest(&sbom.image)?);
        let digest = cx.world.placeholders.digest(&sbom.image);
        return cx
            .world
            .catalogue(&source, (&name, &digest), sbom.format, &file)
            .await;
    };
    let digest = image.digest();
    let order = BillOrder {
        image: digest.clone(),
        name: name.clone(),
        format: sbom.format,
    };
    let place = if cx.world.shares() {
        cx.world.lab.options.workshop.bills.place(order)
    } else {
        Arc::default()
    };
    let mut own = None;
    let bill = place
        .get_or_try_init(async || {
            let (tried, bill) = cx
                .world
                .bill(&sbom.into, image, (&name, &digest), sbom.format, &file)
                .await;
            own = Some(tried);
            bill.ok_or(())
        })
        .await;
    match (own, bill) {
        (Some(tried), _) => tried,
        (None, Ok(bill)) => {
            tools::write(&file, &bill.text)?;
            Ok(Observation {
                verdict: Answer::Done.into(),
                detail: bill.detail.clone(),
                exchange: None,
            })
        }
        (None, Err(())) => Err(Error::unmade(
            "the bill of materials was not made, for an unknown reason",
        )),
    }
}

pub(in crate::actions) async fn scan(
    cx: &mut StepContext<'_, '_>,
    scan: &Scan,
) -> Result<Observation, Error> {
    let file = cx.world.folder()?.join(format!("{}.sbom.json", scan.sbom));
    let packages = packages(&tools::read(&file)?)?;
    cx.world.set_known(scan.known.as_deref()).await?;
    let source = format!("sbom:{}", cx.world.inside(&file)?);
    let args = [
        source.as_str(),
        "--fail-on",
        scan.fail_on.word(),
        "--output",
        "json",
    ]
    .map(str::to_owned)
    .into();
    let (mut tried, output) = cx
        .world
        .tool_with_output(Tool::Grype, "grype", args)
        .await?;
    if packages.is_empty() && tried.verdict == Verdict::from(Answer::Clean) {
        tried.verdict = Answer::NothingToScan.into();
    }
    Ok(tried
        .fact("packages", packages.join(", "))
        .fact("matches", matches(&output).join(", ")))
}

impl World<'_> {
    /// Runs the tool on an image that was built, and keeps what it made, unless that names this world.
    async fn bill(
        &self,
        into: &str,
        image: Arc<Image>,
        called: (&str, &str),
        format: SbomFormat,
        file: &Path,
    ) -> (Result<Observation, Error>, Option<Bill>) {
        let tried = async {
            let source = self.layout(into, image).await?;
            self.catalogue(&source, called, format, file).await
        };
        let tried = match tried.await {
            Ok(tried) => tried,
            Err(why) => return (Err(why), None),
        };
        let made =
            tried.verdict == Verdict::from(Answer::Done) && !names(&tried.detail, self.namespace());
        let text = tools::read(file)
            .ok()
            .filter(|text| made && !text.contains(self.namespace()));
        let bill = text.map(|text| Bill {
            text,
            detail: tried.detail.clone(),
        });
        (Ok(tried), bill)
    }

    /// Runs the tool on a source that is called by this name and version.
    async fn catalogue(
        &self,
        source: &str,
        (name, version): (&str, &str),
        format: SbomFormat,
        file: &Path,
    ) -> Result<Observation, Error> {
        let format = match format {
            SbomFormat::Cyclonedx => "cyclonedx-json",
            SbomFormat::Spdx => "spdx-json",
        };
        let args = [
            "scan",
            source,
            "--source-name",
            name,
            "--source-version",
            version,
            "--output",
        ];
        let mut args: Vec<String> = args.map(str::to_owned).into();
        args.push(format!("{format}={}", self.inside(file)?));
        let tried = self.tool(Tool::Syft, "syft", args).await?;
        if tried.verdict != Verdict::from(Answer::Done) {
            return Ok(tried);
        }
        Ok(tried.fact("packages", packages(&tools::read(file)?)?.join(", ")))
    }

    /// Writes an image into the world's folder, for tools that read layouts.
    async fn layout(&self, name: &str, image: Arc<Image>) -> Result<String, Error> {
        let dir = self.folder()?.join(format!("{name}.layout"));
        let inside = self.inside(&dir)?;
        blocking(move || image.write_layout(&dir)).await??;
        Ok(format!("oci-dir:{inside}"))
    }

    /// Gives grype the database that a step asks for, or none.
    async fn set_known(&self, known: Option<&[Advisory]>) -> Result<(), Error> {
        let home = self.folder()?;
        let _ = fs::remove_dir_all(home.join(".cache/grype"));
        let Some(known) = known else { return Ok(()) };
        let file = home.join("known.db");
        tools::write(&file, artifact::advisories::database(known)?)?;
        let args = vec!["db".into(), "import".into(), self.inside(&file)?];
        tools::must(
            self.host_access()?,
            &tools::Call {
                program: "grype",
                args,
                home: &home,
            },
        )
        .await
        .map(drop)
    }
}

/// What grype found, in order.
fn matches(output: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(output).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = report["matches"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|found| {
            let (known, package) = (&found["vulnerability"], &found["artifact"]);
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            format!(
                "{} ({}) in {name} {version}",
                text(&known["id"]),
                text(&known["severity"])
            )
        });
    let mut all: Vec<String> = told.collect();
    all.sort();
    all
}

/// The packages that a bill of materials names, with their versions, in order.
fn packages(text: &str) -> Result<Vec<String>, Error> {
    let bill: Value = serde_json::from_str(text)
        .map_err(|fault| Error::unexpected(format!("no bill of materials: {fault}")))?;
    let list = |key: &str| bill[key].as_array().cloned().unwrap_or_default();
    let named = |one: &Value, version: &str| {
        let version = one[version].as_str().unwrap_or("of no version");
        format!("{} {version}", one["name"].as_str().unwrap_or_default())
    };
    let components = list("components");
    let components = components
        .iter()
        .filter(|one| one["type"] == "library")
        .map(|one| named(one, "version"));
    let roots: Vec<Value> = list("relationships");
    let is_root = |one: &Value| {
        roots.iter().any(|r| {
            r["relationshipType"] == "DESCRIBES" && r["relatedSpdxElement"] == one["SPDXID"]
        })
    };
    let packages = list("packages");
    let packages = packages
        .iter()
        .filter(|one| !is_root(one))
        .map(|one| named(one, "versionInfo"));
    let mut all: Vec<String> = components.chain(packages).collect();
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_in_one_line_each() {
        let report = r#"{"matches":[{"vulnerability":{"id":"E-1","severity":"High"},"artifact":{"name":"a","version":"1"}}]}"#;
        assert_eq!(matches(report), ["E-1 (High) in a 1"]);
        assert!(matches("").is_empty());
    }

    #[test]
    fn both_formats_name_their_packages() {
        let cyclonedx = r#"{"components":[{"type":"library","name":"b","version":"2"},{"type":"library","name":"a"},
            {"type":"operating-system","name":"debian"},{"type":"file","name":"/a"}]}"#;
        assert_eq!(packages(cyclonedx).unwrap(), ["a of no version", "b 2"]);
        let spdx = r#"{"packages":[{"name":"app","SPDXID":"r"},{"name":"a","versionInfo":"1","SPDXID":"p"}],
            "relationships":[{"relationshipType":"DESCRIBES","relatedSpdxElement":"r"}]}"#;
        assert_eq!(packages(spdx).unwrap(), ["a 1"]);
        assert!(packages("{}").unwrap().is_empty() && packages("{").is_err());
    }
}
