//! What a step expects has to be something that its action can answer.

use super::{FindingPlace, LintNotes};
use crate::old_words::answer_now;
use crate::{Answer, ScenarioStep};

impl LintNotes<'_> {
    pub(super) fn check_answers(&mut self, step: &ScenarioStep) {
        let each = step.expect_in.iter().flat_map(|each| each.values());
        let mut said: Vec<&Answer> = Vec::new();
        for answer in step.expect.iter().chain(each) {
            if !step.action.can_answer(answer) && !said.contains(&answer) {
                said.push(answer);
                self.add_impossible(step, answer);
            }
        }
    }

    fn add_impossible(&mut self, step: &ScenarioStep, answer: &Answer) {
        let (action, word) = (step.action.word(), answer.word());
        let words: Vec<String> = step
            .action
            .answers()
            .iter()
            .map(|word| format!("`{word}`"))
            .collect();
        let what = match answer_now(&step.action, word) {
            Some(now) => format!("step `{}`: `{word}` is now `{now}` for `{action}`", step.id),
            None => format!(
                "step `{}` expects `{answer}`, which `{action}` never answers",
                step.id
            ),
        };
        self.add_finding(
            FindingPlace::Expected(step, word),
            what,
            format!("it can answer {}", words.join(", ")),
        );
    }
}
