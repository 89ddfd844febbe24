//! A world's steps: each is taken, recorded, and judged against what is expected of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use api::RequestListener;
use indexmap::IndexMap;
use model::{
    Action, Answer, AnswerDetail, CellStatus, OutcomeCell, Refuser, Verdict, WorldOutcome,
};

use super::LiveWorld;
use super::case::{IntendedStep, StepRequest};
use crate::actions::{self, Observation, StepContext};
use crate::meter::step_meters;
use crate::{EngineEvent, Error};

impl LiveWorld<'_> {
    /// Takes every step, in order. Where failures are what is looked for, the first one is the last
    /// step.
    pub(crate) async fn take_steps(&mut self) -> WorldOutcome {
        let steps = match self.case.steps() {
            Ok(steps) => steps,
            Err(why) => {
                return WorldOutcome::Broken {
                    why: why.in_one_line(),
                };
            }
        };
        let mut cells = IndexMap::new();
        for run in steps.chunk_by(|one, next| only_looks(one) && only_looks(next)) {
            let mut looks = self.look_at_once(run).await;
            for step in run {
                let cell = match looks.pop_front() {
                    Some((tried, took)) if self.barrier.blocked_reason().is_none() => {
                        let cell = self.record_step(step, tried, took).await;
                        self.conclude_step(step, cell).await
                    }
                    Some(_) | None => self.take_step(step).await,
                };
                let is_found =
                    self.run.options.ends_at_failure && cell.status() != CellStatus::Passed;
                cells.insert(step.request.id.to_owned(), cell);
                if is_found {
                    return WorldOutcome::Tried(cells);
                }
            }
        }
        WorldOutcome::Tried(cells)
    }

    /// Takes one step, records it, and waits until what it wrote is in force.
    pub(crate) async fn take_step(&mut self, step: &IntendedStep<'_>) -> OutcomeCell {
        let cell = match self.barrier.blocked_reason() {
            Some(why) => unreached_step(step, why),
            None => self.observe_step(step).await,
        };
        self.conclude_step(step, cell).await
    }

    async fn conclude_step(
        &mut self,
        step: &IntendedStep<'_>,
        mut cell: OutcomeCell,
    ) -> OutcomeCell {
        if self.barrier.blocked_reason().is_none()
            && let Err(why) = self.wait_in_force().await
        {
            let why = self.with_last_warning(why).await;
            cell.verdict = Verdict::broken(self.planted.conceal_values(&why.in_one_line()));
            self.barrier.block_steps(why);
        }
        self.granted = None;
        let (id, world) = (self.case.id().to_owned(), self.case.world().to_owned());
        self.run.send_event(EngineEvent::CellDone {
            id,
            world,
            step: step.request.id.to_owned(),
            cell: cell.clone(),
        });
        cell
    }

    /// Tells of the requests of a step, as they are answered.
    pub(crate) fn request_listener(&self, step: &str) -> RequestListener {
        let (id, world) = (self.case.id().to_owned(), self.case.world().to_owned());
        let (step, events) = (step.to_owned(), self.run.events.clone());
        let planted = self.planted.clone();
        RequestListener::new(move |call, reply, took| {
            let _ = events.send(EngineEvent::RequestDone {
                id: id.clone(),
                world: world.clone(),
                step: step.clone(),
                request: planted.conceal_values(&call.plain_text()),
                code: reply.and_then(api::status_code),
                took,
            });
        })
    }

    /// Takes several steps that only look, all at a time: most of them wait for what does not come.
    async fn look_at_once(
        &mut self,
        looks: &[IntendedStep<'_>],
    ) -> VecDeque<(Result<Observation, Error>, Duration)> {
        if looks.len() < 2 || self.barrier.blocked_reason().is_some() {
            return VecDeque::new();
        }
        let steps: Vec<StepRequest<'_>> = looks.iter().map(|step| step.request).collect();
        let (mut turn, run) = (std::mem::take(&mut self.turn), self.run);
        let tried = turn
            .rest_while(&run.turns, actions::reach_all(self, &steps))
            .await;
        self.turn = turn;
        tried.into()
    }

    /// Takes a step, and has counted what it cost others.
    async fn observe_step(&mut self, step: &IntendedStep<'_>) -> OutcomeCell {
        let request = step.request;
        self.granted = request.within;
        let mut meters = step_meters(self, &request);
        for meter in &mut meters {
            meter.start_count(self).await;
        }
        let start = Instant::now();
        let mut tried = self.perform_step(request).await;
        let elapsed = start.elapsed();
        if let Ok(taken) = &mut tried {
            if let Some(retries) = taken.retries_storage(request.action) {
                self.memory.retries_storage = retries;
            }
            if taken.verdict == Verdict::from(Answer::Running) {
                self.wait_again_for_addon(&request);
            }
            for meter in &mut meters {
                for (name, counted) in meter.finish_count(self, taken).await {
                    taken.detail.facts.insert(name.into(), counted);
                }
            }
        }
        let tried = match tried {
            Ok(taken) => self.judge_refusal(&request, taken).await,
            Err(why) => Err(why),
        };
        self.record_step(step, tried, elapsed).await
    }

    /// A refusal counts where one alone refused.
    async fn judge_refusal(
        &mut self,
        step: &StepRequest<'_>,
        mut taken: Observation,
    ) -> Result<Observation, Error> {
        if let Some(why) = self.find_rivals(step, &taken).await? {
            taken.verdict = Verdict::broken(why);
        }
        Ok(taken)
    }

    /// Takes a step; where it only waits for what comes about by itself, other worlds may do
    /// something meanwhile.
    async fn perform_step(&mut self, step: StepRequest<'_>) -> Result<Observation, Error> {
        self.learn_for(&step).await?;
        self.wait_until_expired(step.action).await?;
        self.wait_until_counted(&step).await?;
        if !actions::mostly_waits(step.action) {
            return actions::take_action(&mut StepContext { step, world: self }).await;
        }
        let (mut turn, run) = (std::mem::take(&mut self.turn), self.run);
        let mut context = StepContext {
            step,
            world: &mut *self,
        };
        let tried = turn
            .rest_while(&run.turns, actions::take_action(&mut context))
            .await;
        self.turn = turn;
        tried
    }

    /// Records what came of a step; evidence is gathered at once where it is not as expected.
    async fn record_step(
        &mut self,
        step: &IntendedStep<'_>,
        tried: Result<Observation, Error>,
        elapsed: Duration,
    ) -> OutcomeCell {
        let tried = match tried {
            Ok(tried) => Ok(tried),
            Err(why) => Err(self.with_last_warning(why).await),
        };
        let mut tried = tried.unwrap_or_else(|why| Observation {
            verdict: Verdict::broken(why.in_one_line()),
            detail: AnswerDetail::default(),
            exchange: None,
        });
        self.planted.conceal_detail(&mut tried.detail);
        let verdict = self.unfilled_verdict(tried.verdict);
        let took = tried
            .exchange
            .as_ref()
            .map_or(elapsed, |exchange| exchange.took);
        let millis = took.as_secs_f64() * 1000.0;
        let cell = OutcomeCell {
            intended: step.intended.clone(),
            verdict,
            second: None,
            detail: tried.detail,
            millis,
        };
        if cell.status() != CellStatus::Passed {
            let why = format!("intended: {}\nseen: {}", step.intended, cell.verdict);
            self.write_evidence(step.request.id, &why, tried.exchange.as_ref())
                .await;
        }
        if let Some(exchange) = tried.exchange {
            self.memory.keep_reply(step.request.id, exchange.reply);
        }
        cell
    }

    /// A verdict in the scenario's own terms: the refuser's name with `$(namespace)` where the
    /// world's namespace stands.
    fn unfilled_verdict(&self, mut verdict: Verdict) -> Verdict {
        if let Verdict::Answered(Answer::Denied { by } | Answer::NotStarted { by }) = &mut verdict
            && let Refuser::Policy(name)
            | Refuser::Webhook(name)
            | Refuser::FailingClosed(name)
            | Refuser::Engine { policy: name, .. }
            | Refuser::Quota(name) = by
        {
            *name = name.replace(self.namespace(), "$(namespace)");
        }
        if let Verdict::Broken { why } = &mut verdict {
            *why = self.planted.conceal_values(why);
        }
        verdict
    }
}

/// Whether a step changes nothing that another such step could find.
fn only_looks(step: &IntendedStep<'_>) -> bool {
    matches!(step.request.action, Action::Reach(_))
}

/// A step that comes after a control that never came into force.
fn unreached_step(step: &IntendedStep<'_>, why: &Error) -> OutcomeCell {
    let why = format!(
        "not tried, because an earlier step has no effect yet: {}",
        why.in_one_line()
    );
    let (intended, verdict) = (step.intended.clone(), Verdict::broken(why));
    OutcomeCell {
        intended,
        verdict,
        second: None,
        detail: AnswerDetail::default(),
        millis: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::LoadedScenario;

    use super::*;
    use crate::run_context::RunContext;
    use crate::world::WorldCase;
    use crate::world::testing::parse_scenario;
    use crate::world::testing::script::{ApiServer, Exchange, Reply};
    use crate::{EngineOptions, StopFlag, WorldTurns};

    const TEXT: &str = r#"
scenario: v2
why: it is taken step by step
worlds: {one: {}, other: {}}
steps:
  - {id: first, do: {get: configmap/a}, expect: allowed}
  - {id: second, do: {create: pod.yaml}, expect: admitted}
"#;

    fn scenario() -> LoadedScenario {
        parse_scenario(
            TEXT,
            &[(
                "pod.yaml",
                "{apiVersion: v1, kind: Pod, metadata: {name: web}}",
            )],
        )
    }

    fn exchange(ask: &str, code: u16) -> Exchange {
        Exchange {
            ask: ask.into(),
            replies: vec![Reply::of_code(code)],
        }
    }

    fn exchanges() -> Vec<Exchange> {
        vec![
            exchange("POST /api/v1/namespaces", 201),
            exchange("GET /api/v1/namespaces/$(namespace)/configmaps/a", 200),
            exchange("POST /api/v1/namespaces/$(namespace)/pods", 201),
            exchange("DELETE /api/v1/namespaces/$(namespace)/pods", 200),
            exchange("DELETE /api/v1/namespaces/$(namespace)", 200),
            exchange("GET /api/v1/namespaces/$(namespace)", 404),
        ]
    }

    #[tokio::test]
    async fn two_worlds_can_be_open_at_a_time() {
        let (scenario, server, folder) = (
            scenario(),
            ApiServer::start(exchanges()).await,
            tempfile::tempdir().unwrap(),
        );
        let cluster = server.cluster(folder.path()).await;
        let options = EngineOptions {
            keep: false,
            evidence: None,
            ends_at_failure: true,
            turns: WorldTurns::new(1),
            workshop: Arc::default(),
            stop: StopFlag::default(),
            pauses: None,
        };
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let run = RunContext::new(&cluster, &options, events);
        let open = |name| {
            LiveWorld::new(
                &run,
                WorldCase::find_world(&scenario, name).unwrap(),
                crate::turns::WorldTurn::default(),
                false,
            )
        };
        let mut worlds = [open("one"), open("other")];
        for world in &mut worlds {
            world.set_up().await.unwrap();
        }
        for index in 0..2 {
            for world in &mut worlds {
                let steps = world.case.steps().unwrap();
                assert_eq!(
                    world.take_step(&steps[index]).await.status(),
                    CellStatus::Passed
                );
            }
        }
        for world in &mut worlds {
            assert_eq!(world.tear_down().await.left, Vec::<String>::new());
        }
        assert_eq!(server.complaints(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn after_a_control_that_never_came_into_force_nothing_is_tried() {
        let (scenario, server, folder) = (
            scenario(),
            ApiServer::start(exchanges()).await,
            tempfile::tempdir().unwrap(),
        );
        let cluster = server.cluster(folder.path()).await;
        let options = EngineOptions {
            keep: false,
            evidence: None,
            ends_at_failure: true,
            turns: WorldTurns::new(1),
            workshop: Arc::default(),
            stop: StopFlag::default(),
            pauses: None,
        };
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let run = RunContext::new(&cluster, &options, events);
        let case = WorldCase::find_world(&scenario, "one").unwrap();
        let mut world = LiveWorld::new(&run, case, crate::turns::WorldTurn::default(), false);
        world
            .barrier
            .block_steps(Error::no_reply("the control is gone"));
        let WorldOutcome::Tried(cells) = world.take_steps().await else {
            panic!("the steps were not taken")
        };
        let why = "not tried, because an earlier step has no effect yet: the control is gone";
        assert!(
            cells
                .values()
                .all(|cell| cell.verdict == Verdict::broken(why)),
            "{cells:?}"
        );
        assert_eq!(server.asked(), ["GET /version", "GET /api/v1/nodes"]);
    }
}
