//! A vulnerability database of our own for grype, because the public one is nothing that a test can rest on: it is
//! large, it changes every day, and it is not to be had without a network.
//!
//! grype keeps its database in `SQLite`, and `grype db import` takes a file that has the six tables below and makes the
//! others itself (grype 0.109, database schema 6.1.4: anchore/grype `grype/db/v6/models.go` and `blobs.go`).

mod sqlite;

use model::{Advisory, Ecosystem};
use serde_json::json;
use sqlite::{Table, Value};

use crate::Error;

/// When the database says it was built; its age is not checked.
const BUILT: &str = "2026-01-01 00:00:00+00:00";
/// The schema's model, revision and addition.
const SCHEMA: [i64; 3] = [6, 1, 4];
const PROVIDER: &str = "gauntlet";

/// The file that `grype db import` takes.
///
/// # Errors
/// When there are more advisories than fit.
pub fn database(advisories: &[Advisory]) -> Result<Vec<u8>, Error> {
    let [
        mut blobs,
        mut metadata,
        mut providers,
        mut vulnerabilities,
        mut packages,
        mut affected,
    ] = tables();
    let [model, revision, addition] = SCHEMA.map(Value::Integer);
    metadata.insert(1, vec![text(BUILT), model, revision, addition]);
    providers.insert(
        1,
        vec![
            text(PROVIDER),
            text("1"),
            text(PROVIDER),
            text(BUILT),
            text("sha256:0"),
        ],
    );
    for (id, advisory) in (1..).zip(advisories) {
        let (described, ranged) = (2 * id - 1, 2 * id);
        let severity = json!({"scheme": "CHMLN", "value": advisory.severity.word(), "rank": 1});
        let description = json!({"id": advisory.id, "severities": [severity]});
        blobs.insert(described, vec![Value::Null, text(&description.to_string())]);
        let (ecosystem, kind) = match advisory.ecosystem {
            Ecosystem::Npm => ("npm", "semver"),
            Ecosystem::Python => ("python", "python"),
        };
        let range =
            json!({"ranges": [{"version": {"type": kind, "constraint": advisory.versions}}]});
        blobs.insert(ranged, vec![Value::Null, text(&range.to_string())]);
        let (provider, status) = (text(PROVIDER), text("active"));
        let vulnerability = [
            text(&advisory.id),
            status,
            Value::Null,
            Value::Null,
            Value::Null,
            provider,
        ];
        let row = [Value::Null]
            .into_iter()
            .chain(vulnerability)
            .chain([Value::Integer(described)]);
        vulnerabilities.insert(id, row.collect());
        packages.insert(
            id,
            vec![Value::Null, text(ecosystem), text(&advisory.package)],
        );
        let row = [
            Value::Null,
            Value::Integer(id),
            Value::Null,
            Value::Integer(id),
            Value::Integer(ranged),
        ];
        affected.insert(id, row.into());
    }
    sqlite::file(&[
        blobs,
        metadata,
        providers,
        vulnerabilities,
        packages,
        affected,
    ])
}

fn tables() -> [Table; 6] {
    [
        Table::new("blobs", "id integer PRIMARY KEY, value text NOT NULL"),
        Table::new(
            "db_metadata",
            "build_timestamp datetime NOT NULL, model integer NOT NULL, revision integer NOT NULL, addition integer NOT NULL",
        ),
        Table::keyed(
            "providers",
            "id text PRIMARY KEY, version text, processor text, date_captured datetime, input_digest text",
        ),
        Table::new(
            "vulnerability_handles",
            "id integer PRIMARY KEY, name text NOT NULL, status text NOT NULL, published_date datetime, \
             modified_date datetime, withdrawn_date datetime, provider_id text NOT NULL, blob_id integer",
        ),
        Table::new(
            "packages",
            "id integer PRIMARY KEY, ecosystem text, name text",
        ),
        Table::new(
            "affected_package_handles",
            "id integer PRIMARY KEY, vulnerability_id integer NOT NULL, operating_system_id integer, \
             package_id integer, blob_id integer",
        ),
    ]
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use model::Severity;

    use super::*;

    fn advisory(id: usize) -> Advisory {
        Advisory {
            id: format!("EXAMPLE-{id}"),
            ecosystem: Ecosystem::Npm,
            package: "lodash".into(),
            versions: "< 4.17.21".into(),
            severity: Severity::Critical,
        }
    }

    #[test]
    fn the_same_advisories_make_the_same_bytes() {
        let bytes = database(&[advisory(1), advisory(2)]).unwrap();
        assert_eq!(bytes, database(&[advisory(1), advisory(2)]).unwrap());
        assert_ne!(bytes, database(&[advisory(1)]).unwrap());
        let text = String::from_utf8_lossy(&bytes);
        for part in [
            "EXAMPLE-2",
            "< 4.17.21",
            "critical",
            "CREATE TABLE affected_package_handles",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn more_than_fits_is_refused() {
        let many: Vec<_> = (0..1000).map(advisory).collect();
        assert!(database(&many).is_err());
        assert!(database(&[]).is_ok());
    }
}
