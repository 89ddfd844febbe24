//! Steps on container images: making them, signing them, judging them.

mod build;
mod once;
mod own;
mod requests;
mod sbom;
mod short_lived;
mod sign;
mod verify;

pub(super) use build::{
    attach_sbom, build_image, copy_image, index_images, push_image, spoil_attached, tamper_image,
};
pub(crate) use requests::registry_meter;
pub(super) use sbom::{scan_image, write_sbom};
pub(super) use sign::{attest_image, sign_image};
pub(super) use verify::verify_image;

use model::{AnswerDetail, ImageName, SignatureRepository, ToolTask};

use super::Observation;
use crate::Error;
use crate::tools::{self, ToolCall};
use crate::world::LiveWorld;

/// More lines than this are not recorded.
const MOST_LINES: usize = 12;

/// A call of cosign.
#[derive(Clone)]
struct CosignCall {
    tool: ToolTask,
    args: Vec<String>,
    /// The repository of signatures, where it is not the image's.
    stored_in: Option<String>,
}

/// How the lines begin that tell what was wrong. All others are about progress, and come in no
/// fixed order.
const TELLING_WORDS: [&str; 4] = ["error:", "warning:", "[error]", "could not"];

impl LiveWorld<'_> {
    /// An image by the digest that was last pushed under its name.
    pub(crate) fn by_digest(&self, image: &ImageName) -> Result<String, Error> {
        let name = format!("$(digest:{image})");
        if self.placeholders.missing_names(&name).is_empty() {
            return Ok(self.fill_text(&name));
        }
        Err(Error::scenario(format!(
            "the image `{image}` is not in the registry: no step put it there"
        )))
    }

    /// Runs cosign and reads what it says.
    async fn run_cosign(&self, call: CosignCall) -> Result<Observation, Error> {
        let variables = call.stored_in.map(|place| ("COSIGN_REPOSITORY", place));
        self.tool_with_output(
            call.tool,
            "cosign",
            call.args,
            variables.into_iter().collect(),
        )
        .await
        .map(|(tried, _)| tried)
    }

    /// A repository of the world, as tools are given it.
    fn signature_place(&self, name: &SignatureRepository) -> String {
        format!(
            "{}/{}/{name}",
            self.placeholders.registry(),
            self.namespace()
        )
    }

    /// Runs a tool and reads what it says.
    pub(super) async fn run_tool(
        &self,
        tool: ToolTask,
        program: &str,
        args: Vec<String>,
    ) -> Result<Observation, Error> {
        self.tool_with_output(tool, program, args, Vec::new())
            .await
            .map(|(tried, _)| tried)
    }

    /// The same, with what it wrote to its output.
    async fn tool_with_output(
        &self,
        tool: ToolTask,
        program: &str,
        args: Vec<String>,
        variables: Vec<(&'static str, String)>,
    ) -> Result<(Observation, String), Error> {
        let home = self.world_folder()?;
        let output = tools::run_tool(
            self.host_access()?,
            &ToolCall {
                program,
                args,
                home: &home,
                variables,
            },
        )
        .await?;
        let verdict = model::read_tool(tool, output.exit, &output.stdout, &output.stderr);
        let tried = Observation {
            verdict,
            detail: AnswerDetail::default(),
            exchange: None,
        };
        let exit = output
            .exit
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let said = telling_line(&output.stderr);
        let tried = tried.with_fact("exit", exit);
        let tried = if said.is_empty() {
            tried
        } else {
            tried.with_fact(program, said)
        };
        Ok((tried, output.stdout))
    }
}

/// From the first line on that tells what was wrong.
fn telling_line(stderr: &str) -> String {
    let tells = |line: &&str| {
        TELLING_WORDS
            .iter()
            .any(|word| line.trim_start().to_lowercase().starts_with(word))
    };
    let lines = stderr
        .lines()
        .skip_while(|line| !tells(line))
        .filter(|line| !line.trim().is_empty());
    let again = |line: &&str| !line.starts_with("error during command execution:");
    let lines: Vec<String> = lines.take_while(again).map(order_types).collect();
    let mut told = sorted_reasons(lines);
    told.truncate(MOST_LINES);
    told.join("\n")
}

/// cosign looks at what is attached in another order each time, and gives a reason for each: all
/// reasons once, in order. A reason of several lines goes on with numbers in brackets or a blank.
fn sorted_reasons(mut lines: Vec<String>) -> Vec<String> {
    let heads = [
        "Error: no matching attestations: ",
        "Error: no matching signatures: ",
    ];
    let begins = |line: &String| heads.iter().find(|head| line.starts_with(**head)).copied();
    let Some((at, head)) = lines
        .iter()
        .enumerate()
        .find_map(|(at, line)| Some((at, begins(line)?)))
    else {
        return lines;
    };
    let mut reasons: Vec<String> = Vec::new();
    for line in lines.split_off(at) {
        match reasons.last_mut() {
            Some(last) if line.starts_with(['[', ' ']) => *last = format!("{last}\n{line}"),
            _ => reasons.push(line.strip_prefix(head).unwrap_or(&line).to_owned()),
        }
    }
    reasons.sort_unstable();
    reasons.dedup();
    if let Some(first) = reasons.first_mut() {
        first.insert_str(0, head);
    }
    lines.extend(reasons);
    lines
}

/// cosign lists the types that it found in another order each time.
fn order_types(line: &str) -> String {
    let Some((words, found)) = line
        .split_once("predicate type: ")
        .and(line.split_once(", found: "))
    else {
        return line.to_owned();
    };
    let mut found: Vec<&str> = found.split(',').collect();
    found.sort_unstable();
    format!("{words}, found: {}", found.join(","))
}

#[cfg(test)]
mod tests {
    use super::telling_line;

    #[test]
    fn only_what_was_wrong_is_recorded() {
        let words = "Signing artifact...\nError: no signatures found\nerror during command execution: no signatures found\n";
        assert_eq!(telling_line(words), "Error: no signatures found");
        assert_eq!(telling_line("Pushing signature to: x\n"), "");
        let words = "Error: none of the attestations matched the predicate type: c, found: b,a\n";
        assert_eq!(
            telling_line(words),
            "Error: none of the attestations matched the predicate type: c, found: a,b"
        );
    }

    #[test]
    fn reasons_are_recorded_once_and_in_order() {
        let text =
            "no matching attestations: b:\n[2]\n does not match\na\nb:\n[2]\n does not match";
        let words = format!("Error: {text}\nerror during command execution: {text}\n");
        assert_eq!(
            telling_line(&words),
            "Error: no matching attestations: a\nb:\n[2]\n does not match"
        );
    }
}
