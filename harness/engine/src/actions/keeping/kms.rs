//! The test's own KMS plugins: how they behave, and how often they are called.

use std::path::PathBuf;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use kms::{Operation, Settings};
use model::{Answer, Kms, KmsCall};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::meter::{Count, Meter};
use crate::world::{StepRequest, World};

/// The fact with the calls of a step.
pub(super) const KMS_CALLS: &str = "kms-calls";

/// How many calls there were at some time: `Encrypt` and `Decrypt`. `Status` comes by the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    encrypt: usize,
    decrypt: usize,
}

pub(in crate::actions) fn set_kms(
    cx: &StepContext<'_, '_>,
    wanted: &Kms,
) -> Result<Observation, Error> {
    let settings = Settings {
        key: wanted.key.clone(),
        delay: wanted.delay,
        fails: wanted.fails.iter().map(|call| method(*call)).collect(),
        unhealthy: wanted.unhealthy,
        lost: wanted.lost.clone(),
    };
    let folder = cx.world.plugin(&wanted.plugin)?;
    if !folder.is_dir() {
        return Err(Error::unsupported(format!(
            "the box has no KMS plugin `{}`",
            wanted.plugin
        )));
    }
    settings
        .write(&folder)
        .map_err(|fault| Error::unmade(cluster::chain(&fault)))?;
    Ok(Observation::answer(Answer::Done))
}

impl World<'_> {
    /// The calls so far, of all plugins; `None` where the box has none.
    fn kms_calls(&self) -> Option<Counts> {
        self.count_kms_calls(|_| true)
    }

    /// Those that were answered: one whose caller did not wait for it is made again.
    pub(super) fn answered_kms_calls(&self) -> Option<Counts> {
        self.count_kms_calls(|call| call.ok)
    }

    fn count_kms_calls(&self, counts_as_one: impl Fn(&kms::Call) -> bool) -> Option<Counts> {
        let folder = self.lab.cluster.host_access()?.work().join("kms");
        let mut counts = Counts::default();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            for call in kms::calls(&entry.path())
                .unwrap_or_default()
                .iter()
                .filter(|call| counts_as_one(call))
            {
                counts.encrypt += usize::from(call.call == Operation::Encrypt);
                counts.decrypt += usize::from(call.call == Operation::Decrypt);
            }
        }
        Some(counts)
    }

    fn plugin(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.host_access()?.work().join("kms").join(name))
    }
}

/// Counts the calls of the plugins around a step that is a request.
#[derive(Default)]
struct KmsMeter(Option<Counts>);

/// A meter of the plugins' calls.
pub(crate) fn kms_meter() -> Box<dyn Meter> {
    Box::<KmsMeter>::default()
}

impl Meter for KmsMeter {
    fn wants(&self, world: &World<'_>, _: &StepRequest<'_>) -> bool {
        world.lab.cluster.host_access().is_some()
    }

    fn before<'a>(&'a mut self, world: &'a World<'_>) -> LocalBoxFuture<'a, ()> {
        self.0 = world.kms_calls();
        ready(()).boxed_local()
    }

    fn after<'a>(
        &'a mut self,
        world: &'a World<'_>,
        tried: &'a Observation,
    ) -> LocalBoxFuture<'a, Vec<Count>> {
        let is_counted = tried.exchange.is_some() && !world.memory.retries_storage;
        let counts = self.0.zip(world.kms_calls()).filter(|_| is_counted);
        ready(
            counts
                .map(|(before, now)| (KMS_CALLS, now.since(before)))
                .into_iter()
                .collect(),
        )
        .boxed_local()
    }
}

fn method(call: KmsCall) -> Operation {
    match call {
        KmsCall::Status => Operation::Status,
        KmsCall::Encrypt => Operation::Encrypt,
        KmsCall::Decrypt => Operation::Decrypt,
    }
}

impl Counts {
    /// What came since `before`, in words.
    pub(crate) fn since(self, before: Self) -> String {
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
