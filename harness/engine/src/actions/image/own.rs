//! Verifying with our own reader, which shares no code with cosign.

use std::collections::BTreeMap;
use std::time::SystemTime;

use artifact::verify::{
    self, CertificateText, RequiredSigner, SIGNATURE_STATEMENT, VerifyRejection, VerifyRequest,
};
use model::{
    Answer, PREDICATE_TYPES, RejectionReason, TrustedRoot, VerifyImage, VerifyTrust,
    compile_expression,
};
use regex::Regex;

use crate::Error;
use crate::actions::Observation;
use crate::world::LiveWorld;

/// What cosign asks of a certificate by its defaults, and this reader, as cosign in our steps, does
/// not.
const TRANSPARENCY_PROOF: &str =
    "certificate transparency (SCT), which cosign wants by its defaults";

/// The required signer, with a key's text in place of its name.
enum OwnSigner {
    Key(String),
    Identity {
        subject: TextMatcher,
        issuer: TextMatcher,
    },
}

enum TextMatcher {
    Exactly(String),
    Like(Regex),
}

impl TextMatcher {
    fn new(exactly: Option<String>, like: Option<String>) -> Result<Self, Error> {
        match (exactly, like) {
            (Some(text), None) => Ok(Self::Exactly(text)),
            (None, Some(text)) => compile_expression(&text)
                .map(Self::Like)
                .map_err(|fault| Error::scenario(fault.to_string())),
            (None, None) | (Some(_), Some(_)) => Err(Error::scenario(
                "an identity needs one subject and one issuer, each exactly or by an expression",
            )),
        }
    }

    fn text(&self) -> CertificateText<'_> {
        match self {
            Self::Exactly(text) => CertificateText::Exactly(text),
            Self::Like(expression) => CertificateText::Like(expression.clone()),
        }
    }
}

impl LiveWorld<'_> {
    pub(super) async fn verify_ourselves(
        &mut self,
        asked: &VerifyImage,
    ) -> Result<Observation, Error> {
        if asked.policy.is_some() {
            return Err(Error::scenario("the second reader knows no policies"));
        }
        let signer = self.wanted_signer(&asked.by).await?;
        let root = match self.own_trust(asked).await? {
            Ok(root) => root,
            Err(rejection) => return Ok(judge_image(Err(rejection), false)),
        };
        let keyless = matches!(signer, OwnSigner::Identity { .. });
        let (log, timestamp) = (
            asked.log.unwrap_or(keyless),
            asked.timestamp.unwrap_or(keyless),
        );
        let kind = asked
            .kind
            .as_deref()
            .map_or(SIGNATURE_STATEMENT, predicate_type)
            .to_owned();
        let (repository, tag) = self.image_place(&asked.image);
        let stored_in = match &asked.stored_in {
            Some(place) => format!("{}/{place}", self.namespace()),
            None => repository.clone(),
        };
        let annotations: BTreeMap<String, String> = asked
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), self.fill_text(value)))
            .collect();
        let given = self
            .registry_through(asked.through, move |registry, prefix| {
                let by = match &signer {
                    OwnSigner::Key(pem) => RequiredSigner::Key(pem),
                    OwnSigner::Identity { subject, issuer } => RequiredSigner::Identity {
                        subject: subject.text(),
                        issuer: issuer.text(),
                    },
                };
                let wanted = VerifyRequest {
                    by,
                    predicate_type: &kind,
                    annotations,
                    log,
                    timestamp,
                    root: &root,
                    now: unix_now(),
                };
                let (image, place) = (
                    format!("{prefix}{repository}"),
                    format!("{prefix}{stored_in}"),
                );
                verify::verify_image(registry, (&image, &tag), &place, &wanted)
            })
            .await?;
        Ok(match given {
            Ok(judgement) => judge_image(judgement, keyless),
            Err(withheld) => Observation {
                verdict: Answer::VerificationFailed {
                    why: RejectionReason::NotGiven,
                }
                .into(),
                ..*withheld
            },
        })
    }

    async fn wanted_signer(&self, trust: &VerifyTrust) -> Result<OwnSigner, Error> {
        match trust {
            VerifyTrust::Key(name) => self
                .run
                .material
                .key_pair(self.host_access()?, name)
                .await
                .map(OwnSigner::Key),
            VerifyTrust::Identity {
                subject,
                subject_like,
                issuer,
                issuer_like,
            } => {
                let fill = |text: &Option<String>| text.as_ref().map(|text| self.fill_text(text));
                let subject = TextMatcher::new(fill(subject), fill(subject_like))?;
                let issuer = TextMatcher::new(fill(issuer), fill(issuer_like))?;
                Ok(OwnSigner::Identity { subject, issuer })
            }
        }
    }

    /// The trusted parties, as far as the question asks for them.
    async fn own_trust(
        &self,
        asked: &VerifyImage,
    ) -> Result<Result<verify::TrustedRoot, VerifyRejection>, Error> {
        let keyless = matches!(asked.by, VerifyTrust::Identity { .. });
        let needed = keyless || asked.log == Some(true) || asked.timestamp == Some(true);
        let text = match &asked.root {
            TrustedRoot::File(file) => self.case.file_text(file)?,
            TrustedRoot::Absent if needed => {
                let said = "no trusted root is available, and none is fetched".into();
                return Ok(Err(VerifyRejection {
                    why: RejectionReason::NoTrustedRoot,
                    said,
                }));
            }
            _ if !needed => return Ok(Ok(verify::TrustedRoot::default())),
            root => {
                self.run
                    .material
                    .trusted_root_text(self.host_access()?, root)
                    .await?
            }
        };
        Ok(verify::TrustedRoot::read(&text))
    }
}

fn predicate_type(kind: &str) -> &str {
    PREDICATE_TYPES
        .iter()
        .find(|(word, _)| *word == kind)
        .map_or(kind, |(_, uri)| uri)
}

/// What is recorded of a judgement; `by_certificate`, whether the signer is one with a certificate.
fn judge_image(judgement: Result<(), VerifyRejection>, by_certificate: bool) -> Observation {
    match judgement {
        Ok(()) if by_certificate => {
            Observation::from_answer(Answer::Verified).with_fact("unchecked", TRANSPARENCY_PROOF)
        }
        Ok(()) => Observation::from_answer(Answer::Verified),
        Err(VerifyRejection { why, said }) => {
            Observation::from_answer(Answer::VerificationFailed { why }).with_fact("own", said)
        }
    }
}

fn unix_now() -> u64 {
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
    fn what_a_certificate_was_not_asked_for_is_told() {
        let facts = |judgement, by_certificate| judge_image(judgement, by_certificate).detail.facts;
        assert_eq!(facts(Ok(()), true)["unchecked"], TRANSPARENCY_PROOF);
        assert!(facts(Ok(()), false).is_empty());
        let refused = VerifyRejection {
            why: RejectionReason::Expired,
            said: "the certificate had expired".into(),
        };
        assert!(!facts(Err(refused), true).contains_key("unchecked"));
    }

    #[test]
    fn an_identity_is_given_exactly_or_loosely() {
        let some = |text: &str| Some(text.to_owned());
        assert!(
            matches!(TextMatcher::new(some("a"), None), Ok(TextMatcher::Exactly(text)) if text == "a")
        );
        assert!(matches!(
            TextMatcher::new(None, some("a.*")),
            Ok(TextMatcher::Like(_))
        ));
        assert!(
            TextMatcher::new(None, some("(")).is_err() && TextMatcher::new(None, None).is_err()
        );
    }
}
