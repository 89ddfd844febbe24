//! Bills of materials with syft, and looking for known vulnerabilities in them with grype.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use artifact::OciImage;
use model::{Answer, SbomFormat, ScanImage, ToolTask, Verdict, VulnerabilityAdvisory, WriteSbom};
use serde_json::Value;

use super::build::run_blocking;
use super::once::names_namespace;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools;
use crate::workshop::{BillOrder, SbomBill};
use crate::world::LiveWorld;

/// Lists what is in an image. One that was built here is listed as it was built, once for every
/// world that built the same; the list calls it what all of them do, without the world's namespace.
pub(in crate::actions) async fn write_sbom(
    cx: &mut StepContext<'_, '_>,
    sbom: &WriteSbom,
) -> Result<Observation, Error> {
    let file = cx
        .world
        .world_folder()?
        .join(format!("{}.sbom.json", sbom.into));
    let name = format!("{}/{}", cx.world.placeholders.registry(), sbom.image.name);
    let Some(image) = cx.world.memory.built_image(&sbom.image) else {
        let source = format!("registry:{}", cx.world.by_digest(&sbom.image)?);
        let digest = cx.world.placeholders.digest(&sbom.image);
        return cx
            .world
            .run_syft(&source, (&name, &digest), sbom.format, &file)
            .await;
    };
    let digest = image.digest();
    let order = BillOrder {
        image: digest.clone(),
        name: name.clone(),
        format: sbom.format,
    };
    let place = if cx.world.shares_product() {
        cx.world.run.options.workshop.bills.place_for(order)
    } else {
        Arc::default()
    };
    let mut own = None;
    let bill = place
        .get_or_try_init(async || {
            let (tried, bill) = cx
                .world
                .make_bill(&sbom.into, image, (&name, &digest), sbom.format, &file)
                .await;
            own = Some(tried);
            bill.ok_or(())
        })
        .await;
    match (own, bill) {
        (Some(tried), _) => tried,
        (None, Ok(bill)) => {
            tools::write_file(&file, &bill.text)?;
            Ok(Observation {
                verdict: Answer::Done.into(),
                detail: bill.detail.clone(),
                exchange: None,
            })
        }
        (None, Err(())) => Err(Error::cannot_make(
            "the bill of materials was not made, for an unknown reason",
        )),
    }
}

pub(in crate::actions) async fn scan_image(
    cx: &mut StepContext<'_, '_>,
    scan: &ScanImage,
) -> Result<Observation, Error> {
    let file = cx
        .world
        .world_folder()?
        .join(format!("{}.sbom.json", scan.sbom));
    let packages = sbom_packages(&tools::read_file(&file)?)?;
    cx.world.set_known(scan.known.as_deref()).await?;
    let source = format!("sbom:{}", cx.world.folder_inside(&file)?);
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
        .tool_with_output(ToolTask::Grype, "grype", args, Vec::new())
        .await?;
    if packages.is_empty() && tried.verdict == Verdict::from(Answer::Clean) {
        tried.verdict = Answer::NothingToScan.into();
    }
    Ok(tried
        .with_fact("packages", packages.join(", "))
        .with_fact("matches", grype_matches(&output).join(", ")))
}

impl LiveWorld<'_> {
    /// Runs the tool on an image that was built, and keeps what it made, unless that names this
    /// world.
    async fn make_bill(
        &self,
        into: &str,
        image: Arc<OciImage>,
        called: (&str, &str),
        format: SbomFormat,
        file: &Path,
    ) -> (Result<Observation, Error>, Option<SbomBill>) {
        let tried = async {
            let source = self.write_layout(into, image).await?;
            self.run_syft(&source, called, format, file).await
        };
        let tried = match tried.await {
            Ok(tried) => tried,
            Err(why) => return (Err(why), None),
        };
        let made = tried.verdict == Verdict::from(Answer::Done)
            && !names_namespace(&tried.detail, self.namespace());
        let text = tools::read_file(file)
            .ok()
            .filter(|text| made && !text.contains(self.namespace()));
        let bill = text.map(|text| SbomBill {
            text,
            detail: tried.detail.clone(),
        });
        (Ok(tried), bill)
    }

    /// Runs the tool on a source that is called by this name and version.
    async fn run_syft(
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
        args.push(format!("{format}={}", self.folder_inside(file)?));
        let tried = self.run_tool(ToolTask::Syft, "syft", args).await?;
        if tried.verdict != Verdict::from(Answer::Done) {
            return Ok(tried);
        }
        Ok(tried.with_fact(
            "packages",
            sbom_packages(&tools::read_file(file)?)?.join(", "),
        ))
    }

    /// Writes an image into the world's folder, for tools that read layouts.
    async fn write_layout(&self, name: &str, image: Arc<OciImage>) -> Result<String, Error> {
        let dir = self.world_folder()?.join(format!("{name}.layout"));
        let inside = self.folder_inside(&dir)?;
        run_blocking(move || image.write_layout(&dir)).await??;
        Ok(format!("oci-dir:{inside}"))
    }

    /// Gives grype the database that a step asks for, or none.
    async fn set_known(&self, known: Option<&[VulnerabilityAdvisory]>) -> Result<(), Error> {
        let home = self.world_folder()?;
        let _ = fs::remove_dir_all(home.join(".cache/grype"));
        let Some(known) = known else { return Ok(()) };
        let file = home.join("known.db");
        tools::write_file(&file, artifact::advisories::build_database(known)?)?;
        let args = vec!["db".into(), "import".into(), self.folder_inside(&file)?];
        tools::run_or_fail(
            self.host_access()?,
            &tools::ToolCall {
                program: "grype",
                args,
                home: &home,
                variables: Vec::new(),
            },
        )
        .await
        .map(drop)
    }
}

/// What grype found, in order.
fn grype_matches(output: &str) -> Vec<String> {
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
fn sbom_packages(text: &str) -> Result<Vec<String>, Error> {
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
        assert_eq!(grype_matches(report), ["E-1 (High) in a 1"]);
        assert!(grype_matches("").is_empty());
    }

    #[test]
    fn both_formats_name_their_packages() {
        let cyclonedx = r#"{"components":[{"type":"library","name":"b","version":"2"},{"type":"library","name":"a"},
            {"type":"operating-system","name":"debian"},{"type":"file","name":"/a"}]}"#;
        assert_eq!(
            sbom_packages(cyclonedx).unwrap(),
            ["a of no version", "b 2"]
        );
        let spdx = r#"{"packages":[{"name":"app","SPDXID":"r"},{"name":"a","versionInfo":"1","SPDXID":"p"}],
            "relationships":[{"relationshipType":"DESCRIBES","relatedSpdxElement":"r"}]}"#;
        assert_eq!(sbom_packages(spdx).unwrap(), ["a 1"]);
        assert!(sbom_packages("{}").unwrap().is_empty() && sbom_packages("{").is_err());
    }
}
