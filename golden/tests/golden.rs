//! What keeps the golden files honest, and the store that holds them.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

#[path = "golden/committed.rs"]
mod committed;
#[path = "golden/schema.rs"]
mod schema;
#[path = "golden/store.rs"]
mod store;
#[path = "golden/table.rs"]
mod table;

use indexmap::IndexMap;
use model::{Answer, AnswerDetail, OutcomeCell, RecordedOutcome, Refuser, WorldOutcome};

/// A cell that met its intent.
fn cell(answer: Answer, detail: AnswerDetail) -> OutcomeCell {
    OutcomeCell {
        intended: answer.clone(),
        verdict: answer.into(),
        second: None,
        detail,
        millis: 12.5,
    }
}

fn code(code: u16) -> AnswerDetail {
    AnswerDetail {
        code: Some(code),
        ..AnswerDetail::default()
    }
}

/// Three worlds and two steps; the control refuses one of them.
fn outcome(message: &str) -> RecordedOutcome {
    let denied = AnswerDetail {
        code: Some(403),
        reason: Some("Forbidden".into()),
        message: Some(message.into()),
        ..AnswerDetail::default()
    };
    let world = |first: OutcomeCell| {
        let plain = cell(Answer::Admitted, code(201));
        WorldOutcome::Tried(IndexMap::from([
            ("privileged-pod".to_owned(), first),
            ("plain-pod".to_owned(), plain),
        ]))
    };
    let warned = AnswerDetail {
        warnings: vec!["would violate".into()],
        ..code(201)
    };
    RecordedOutcome {
        id: "pod-security/privileged".into(),
        worlds: IndexMap::from([
            ("bare".to_owned(), world(cell(Answer::Admitted, code(201)))),
            (
                "label-warn".to_owned(),
                world(cell(Answer::Admitted, warned)),
            ),
            (
                "label-enforce".to_owned(),
                world(cell(
                    Answer::Denied {
                        by: Refuser::PodSecurity,
                    },
                    denied,
                )),
            ),
        ]),
    }
}
