//! Where events come from, and how they leave: the agent's own, log files, and the buffer before
//! the connection.

use std::time::Instant;

use super::follow::FollowedFiles;
use super::session::SendPace;
use super::{
    AttemptStage, ConnectionStatus, ProduceFrom, STOP_POLL_INTERVAL, WaitingEvents, WazuhAgent,
    lock_content,
};
use crate::{AgentEvent, EventMark};

impl WazuhAgent {
    /// Makes the agent's own events.
    pub(super) fn produce_events(&self) {
        let Some(live) = &self.config.live else {
            return;
        };
        if !self.has_come_to(live.begin) {
            return;
        }
        let event = |number| AgentEvent {
            queue: '1',
            location: "gauntlet".into(),
            text: EventMark {
                source: live.source.clone(),
                number,
            }
            .to_string(),
        };
        if live.rate <= 0.0 {
            self.push_events((1..=live.events).map(event));
            return;
        }
        // Missed slots are caught up: an event that was due is sent.
        let start = Instant::now();
        for number in 1..=live.events {
            let due = std::time::Duration::from_secs_f64((number - 1) as f64 / live.rate);
            if self.stop.stopped_until(start + due) {
                return;
            }
            self.push_events([event(number)]);
        }
    }

    /// Waits until it is time to begin; `false` where the agent is told to end first.
    fn has_come_to(&self, begin: ProduceFrom) -> bool {
        if begin != ProduceFrom::AtOnce && !self.is_linked() {
            return false;
        }
        let is_away = || {
            let state = lock_content(&self.state);
            state.status == ConnectionStatus::Disconnected
                && state.stage == Some(AttemptStage::Connect)
        };
        while begin == ProduceFrom::Away && !is_away() {
            if self.stop.stopped_within(STOP_POLL_INTERVAL) {
                return false;
            }
        }
        true
    }

    /// Takes events in, those of one call at one moment.
    fn push_events(&self, events: impl IntoIterator<Item = AgentEvent>) {
        let (now, mut count) = (Instant::now(), 0);
        let mut waiting = lock_content(&self.waiting);
        for event in events {
            count += 1;
            if let Some(level) = waiting.buffer.push(event, now) {
                self.note_level(&mut waiting, level);
            }
        }
        drop(waiting);
        self.note_state(|state| state.msg_count += count);
        self.arrived.notify_all();
    }

    fn note_level(&self, waiting: &mut WaitingEvents, level: crate::BufferLevel) {
        let line = level.log_line(&self.config.limits);
        match level {
            crate::BufferLevel::Normal => self.log.info(line),
            _ => self.log.warning(line),
        }
        waiting.levels.push(level);
    }

    /// Sends what waits, not faster than it may. While there is no connection everything waits.
    pub(super) fn drain_buffer(&self) {
        let mut pace = SendPace::per_second(f64::from(self.config.limits.per_second));
        while self.is_linked() {
            let Some((levels, event)) = self.next_event() else {
                continue;
            };
            for level in levels {
                let _ = self
                    .send(&AgentEvent::of_agent(level.level_event(&self.config.limits)).payload());
            }
            let Some(event) = event else { continue };
            // What cannot be sent is gone: nothing in the protocol says that an event has arrived.
            let _ = self.send(&event.payload());
            if self.stop.stopped_until(pace.take_slot()) {
                return;
            }
        }
    }

    /// What is next to be sent, if it comes soon.
    fn next_event(&self) -> Option<(Vec<crate::BufferLevel>, Option<AgentEvent>)> {
        let waiting = lock_content(&self.waiting);
        let nothing =
            |waiting: &mut WaitingEvents| waiting.buffer.is_empty() && waiting.levels.is_empty();
        let waited = self
            .arrived
            .wait_timeout_while(waiting, STOP_POLL_INTERVAL, nothing);
        let mut waiting = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        // What waits while the connection ends waits for the next one.
        if nothing(&mut waiting) || lock_content(&self.link).is_none() {
            return None;
        }
        let levels = std::mem::take(&mut waiting.levels);
        let (event, entered) = waiting.buffer.pop(Instant::now());
        if let Some(level) = entered {
            self.note_level(&mut waiting, level);
        }
        Some((levels, event))
    }

    /// Follows log files: what is written to them is read whether or not there is a connection.
    pub(super) fn follow_files(&self, mut followed: FollowedFiles) {
        loop {
            followed.find_new(Instant::now());
            let lines = followed.read_lines();
            if self.has_link() {
                self.push_events(followed.take_queue().chain(lines));
            } else {
                followed.queue_lines(lines);
            }
            if self.stop.stopped_within(self.config.times.poll) {
                return;
            }
        }
    }
}
