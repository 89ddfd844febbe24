//! The test's own KMS plugins: how they behave, and how often they are called.

use std::path::PathBuf;

use error_chain::error_chain;
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use kms::{KmsOperation, PluginSettings};
use model::{Answer, KmsBehavior, KmsCall};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::meter::{MeterCount, StepMeter};
use crate::world::{LiveWorld, StepRequest};

/// The fact with the calls of a step.
pub(super) const KMS_CALLS: &str = "kms-calls";

/// How many calls there were at some time: `Encrypt` and `Decrypt`. `Status` comes by the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallCounts {
    encrypt: usize,
    decrypt: usize,
}

pub(in crate::actions) fn set_kms(
    cx: &StepContext<'_, '_>,
    wanted: &KmsBehavior,
) -> Result<Observation, Error> {
    let settings = PluginSettings {
        key: wanted.key.clone(),
        delay: wanted.delay,
        fails: wanted.fails.iter().map(|call| call_method(*call)).collect(),
        unhealthy: wanted.unhealthy,
        lost: wanted.lost.clone(),
    };
    let folder = cx.world.plugin_folder(&wanted.plugin)?;
    if !folder.is_dir() {
        return Err(Error::unsupported(format!(
            "the box has no KMS plugin `{}`",
            wanted.plugin
        )));
    }
    settings
        .write(&folder)
        .map_err(|fault| Error::cannot_make(error_chain(&fault)))?;
    Ok(Observation::from_answer(Answer::Done))
}

impl LiveWorld<'_> {
    /// The calls so far, of all plugins; `None` where the box has none.
    fn kms_calls(&self) -> Option<CallCounts> {
        self.count_kms_calls(|_| true)
    }

    /// Those that were answered: one whose caller did not wait for it is made again.
    pub(super) fn answered_kms_calls(&self) -> Option<CallCounts> {
        self.count_kms_calls(|call| call.ok)
    }

    fn count_kms_calls(
        &self,
        counts_as_one: impl Fn(&kms::KmsCallRecord) -> bool,
    ) -> Option<CallCounts> {
        let folder = self.run.cluster.host_access()?.work_folder().join("kms");
        let mut counts = CallCounts::default();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            for call in kms::read_calls(&entry.path())
                .unwrap_or_default()
                .iter()
                .filter(|call| counts_as_one(call))
            {
                counts.encrypt += usize::from(call.call == KmsOperation::Encrypt);
                counts.decrypt += usize::from(call.call == KmsOperation::Decrypt);
            }
        }
        Some(counts)
    }

    fn plugin_folder(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.host_access()?.work_folder().join("kms").join(name))
    }
}

/// Counts the calls of the plugins around a step that is a request.
#[derive(Default)]
struct KmsMeter(Option<CallCounts>);

/// A meter of the plugins' calls.
pub(crate) fn kms_meter() -> Box<dyn StepMeter> {
    Box::<KmsMeter>::default()
}

impl StepMeter for KmsMeter {
    fn counts_step(&self, world: &LiveWorld<'_>, _: &StepRequest<'_>) -> bool {
        world.run.cluster.host_access().is_some()
    }

    fn start_count<'a>(&'a mut self, world: &'a LiveWorld<'_>) -> LocalBoxFuture<'a, ()> {
        self.0 = world.kms_calls();
        ready(()).boxed_local()
    }

    fn finish_count<'a>(
        &'a mut self,
        world: &'a LiveWorld<'_>,
        tried: &'a Observation,
    ) -> LocalBoxFuture<'a, Vec<MeterCount>> {
        let is_counted = tried.exchange.is_some() && !world.memory.retries_storage;
        let counts = self.0.zip(world.kms_calls()).filter(|_| is_counted);
        ready(
            counts
                .map(|(before, now)| (KMS_CALLS, now.since_text(before)))
                .into_iter()
                .collect(),
        )
        .boxed_local()
    }
}

fn call_method(call: KmsCall) -> KmsOperation {
    match call {
        KmsCall::Status => KmsOperation::Status,
        KmsCall::Encrypt => KmsOperation::Encrypt,
        KmsCall::Decrypt => KmsOperation::Decrypt,
    }
}

impl CallCounts {
    /// What came since `before`, in words.
    pub(crate) fn since_text(self, before: Self) -> String {
        let told = [
            ("encrypt", self.encrypt - before.encrypt),
            ("decrypt", self.decrypt - before.decrypt),
        ];
        let told: Vec<String> = told
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(call, count)| format!("{call} {count}"))
            .collect();
        if told.is_empty() {
            "none".into()
        } else {
            told.join(", ")
        }
    }
}
