//! Verifying with our own reader, which shares no code with cosign.

use std::time::SystemTime;

use artifact::verify::{self, By, Rejection, SIGNATURE, Text, Wanted, compile_expression};
use model::{Answer, Trust, TrustedRoot, Verify, Why};
use regex::Regex;

use crate::Error;
use crate::actions::Observation;
use crate::world::World;

/// Cosign's words for predicate types.
const TYPES: [(&str, &str); 10] = [
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// Who has to have signed, with a key's text in place of its name.
enum Signer {
    Key(String),
    Identity { subject: Matcher, issuer: Matcher },
}

enum Matcher {
    Exactly(String),
    Like(Regex),
}

impl Matcher {
    fn new(exactly: Option<String>, like: Option<String>) -> Result<Self, Error> {
        match (exactly, like) {
            (Some(text), _) => Ok(Self::Exactly(text)),
            (None, Some(text)) => compile_expression(&text)
                .map(Self::Like)
                .map_err(|fault| Error::scenario(fault.to_string())),
            (None, None) => Err(Error::scenario("an identity needs a subject and an issuer")),
        }
    }

    fn text(&self) -> Text<'_> {
        match self {
            Self::Exactly(text) => Text::Exactly(text),
            Self::Like(expression) => Text::Like(expression.clone()),
        }
    }
}

impl World<'_> {
    pub(super) async fn verify_ourselves(&mut self, asked: &Verify) -> Result<Observation, Error> {
        let signer = self.wanted_signer(&asked.by).await?;
        let root = match self.trusted(asked).await? {
            Ok(root) => root,
            Err(rejection) => return Ok(judged(Err(rejection))),
        };
        let keyless = matches!(signer, Signer::Identity { .. });
        let (log, timestamp) = (
            asked.log.unwrap_or(keyless),
            asked.timestamp.unwrap_or(keyless),
        );
        let kind = asked
            .kind
            .as_deref()
            .map_or(SIGNATURE, predicate_type)
            .to_owned();
        let (repository, tag) = self.place(&asked.image);
        let given = self
            .registry_through(asked.through, move |registry, prefix| {
                let by = match &signer {
                    Signer::Key(pem) => By::Key(pem),
                    Signer::Identity { subject, issuer } => By::Identity {
                        subject: subject.text(),
                        issuer: issuer.text(),
                    },
                };
                let wanted = Wanted {
                    by,
                    predicate_type: &kind,
                    log,
                    timestamp,
                    root: &root,
                    now: now(),
                };
                verify::image(registry, &format!("{prefix}{repository}"), &tag, &wanted)
            })
            .await?;
        Ok(match given {
            Ok(judgement) => judged(judgement),
            Err(withheld) => Observation {
                verdict: Answer::VerificationFailed { why: Why::NotGiven }.into(),
                ..*withheld
            },
        })
    }

    async fn wanted_signer(&self, trust: &Trust) -> Result<Signer, Error> {
        match trust {
            Trust::Key(name) => self
                .lab
                .material
                .key(self.host_access()?, name)
                .await
                .map(Signer::Key),
            Trust::Identity {
                subject,
                subject_like,
                issuer,
                issuer_like,
            } => {
                let fill = |text: &Option<String>| text.as_ref().map(|text| self.fill(text));
                let subject = Matcher::new(fill(subject), fill(subject_like))?;
                let issuer = Matcher::new(fill(issuer), fill(issuer_like))?;
                Ok(Signer::Identity { subject, issuer })
            }
        }
    }

    /// Whom to trust, as far as the question asks for it.
    async fn trusted(
        &self,
        asked: &Verify,
    ) -> Result<Result<verify::TrustedRoot, Rejection>, Error> {
        let keyless = matches!(asked.by, Trust::Identity { .. });
        let needed = keyless || asked.log == Some(true) || asked.timestamp == Some(true);
        let text = match &asked.root {
            TrustedRoot::File(file) => self.case.file_text(file)?,
            TrustedRoot::Absent if needed => {
                let said = "there is no trusted root at hand, and none is fetched".into();
                return Ok(Err(Rejection {
                    why: Why::NoTrustedRoot,
                    said,
                }));
            }
            _ if !needed => return Ok(Ok(verify::TrustedRoot::default())),
            root => {
                self.lab
                    .material
                    .trusted_root_text(self.host_access()?, root)
                    .await?
            }
        };
        Ok(verify::TrustedRoot::read(&text))
    }
}

fn predicate_type(kind: &str) -> &str {
    TYPES
        .iter()
        .find(|(word, _)| *word == kind)
        .map_or(kind, |(_, uri)| uri)
}

fn judged(judgement: Result<(), Rejection>) -> Observation {
    match judgement {
        Ok(()) => Observation::answer(Answer::Verified),
        Err(Rejection { why, said }) => {
            Observation::answer(Answer::VerificationFailed { why }).fact("own", said)
        }
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_types_and_types_for_themselves() {
        assert_eq!(predicate_type("cyclonedx"), "https://cyclonedx.org/bom");
        assert_eq!(
            predicate_type("https://example.test/x"),
            "https://example.test/x"
        );
    }

    #[test]
    fn an_identity_is_given_exactly_or_loosely() {
        let some = |text: &str| Some(text.to_owned());
        assert!(matches!(Matcher::new(some("a"), None), Ok(Matcher::Exactly(text)) if text == "a"));
        assert!(matches!(
            Matcher::new(None, some("a.*")),
            Ok(Matcher::Like(_))
        ));
        assert!(Matcher::new(None, some("(")).is_err() && Matcher::new(None, None).is_err());
    }
}
