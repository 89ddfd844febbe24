//! A test vulnerability database for grype, because the public one is nothing that a test can rest
//! on: it is large, it changes every day, and it is not to be had without a network.
//!
//! grype keeps its database in `SQLite`, and `grype db import` takes a file that has the six tables
//! below and makes the others itself (grype 0.109, database schema 6.1.4: anchore/grype
//! `grype/db/v6/models.go` and `blobs.go`).

mod sqlite;

use model::{PackageEcosystem, VulnerabilityAdvisory};
use serde_json::json;
use sqlite::{SqliteTable, SqliteValue};

use crate::Error;

/// When the database says it was built; its age is not checked.
const BUILT_AT: &str = "2026-01-01 00:00:00+00:00";
/// The schema's model, revision and addition.
const SCHEMA_VERSION: [i64; 3] = [6, 1, 4];
const PROVIDER_NAME: &str = "gauntlet";

/// The file that `grype db import` takes.
///
/// # Errors
/// When there are more advisories than fit.
pub fn build_database(advisories: &[VulnerabilityAdvisory]) -> Result<Vec<u8>, Error> {
    let [
        mut blobs,
        mut metadata,
        mut providers,
        mut vulnerabilities,
        mut packages,
        mut affected,
    ] = database_tables();
    let [model, revision, addition] = SCHEMA_VERSION.map(SqliteValue::Integer);
    metadata.insert(1, vec![text_value(BUILT_AT), model, revision, addition]);
    providers.insert(
        1,
        vec![
            text_value(PROVIDER_NAME),
            text_value("1"),
            text_value(PROVIDER_NAME),
            text_value(BUILT_AT),
            text_value("sha256:0"),
        ],
    );
    for (id, advisory) in (1..).zip(advisories) {
        let (described, ranged) = (2 * id - 1, 2 * id);
        let severity = json!({"scheme": "CHMLN", "value": advisory.severity.word(), "rank": 1});
        let description = json!({"id": advisory.id, "severities": [severity]});
        blobs.insert(
            described,
            vec![SqliteValue::Null, text_value(&description.to_string())],
        );
        let (ecosystem, kind) = match advisory.ecosystem {
            PackageEcosystem::Npm => ("npm", "semver"),
            PackageEcosystem::Python => ("python", "python"),
        };
        let range =
            json!({"ranges": [{"version": {"type": kind, "constraint": advisory.versions}}]});
        blobs.insert(
            ranged,
            vec![SqliteValue::Null, text_value(&range.to_string())],
        );
        let (provider, status) = (text_value(PROVIDER_NAME), text_value("active"));
        let vulnerability = [
            text_value(&advisory.id),
            status,
            SqliteValue::Null,
            SqliteValue::Null,
            SqliteValue::Null,
            provider,
        ];
        let row = [SqliteValue::Null]
            .into_iter()
            .chain(vulnerability)
            .chain([SqliteValue::Integer(described)]);
        vulnerabilities.insert(id, row.collect());
        packages.insert(
            id,
            vec![
                SqliteValue::Null,
                text_value(ecosystem),
                text_value(&advisory.package),
            ],
        );
        let row = [
            SqliteValue::Null,
            SqliteValue::Integer(id),
            SqliteValue::Null,
            SqliteValue::Integer(id),
            SqliteValue::Integer(ranged),
        ];
        affected.insert(id, row.into());
    }
    sqlite::encode_file(&[
        blobs,
        metadata,
        providers,
        vulnerabilities,
        packages,
        affected,
    ])
}

fn database_tables() -> [SqliteTable; 6] {
    [
        SqliteTable::new("blobs", "id integer PRIMARY KEY, value text NOT NULL"),
        SqliteTable::new(
            "db_metadata",
            "build_timestamp datetime NOT NULL, model integer NOT NULL, revision integer NOT NULL, addition integer NOT NULL",
        ),
        SqliteTable::with_key(
            "providers",
            "id text PRIMARY KEY, version text, processor text, date_captured datetime, input_digest text",
        ),
        SqliteTable::new(
            "vulnerability_handles",
            "id integer PRIMARY KEY, name text NOT NULL, status text NOT NULL, published_date datetime, \
             modified_date datetime, withdrawn_date datetime, provider_id text NOT NULL, blob_id integer",
        ),
        SqliteTable::new(
            "packages",
            "id integer PRIMARY KEY, ecosystem text, name text",
        ),
        SqliteTable::new(
            "affected_package_handles",
            "id integer PRIMARY KEY, vulnerability_id integer NOT NULL, operating_system_id integer, \
             package_id integer, blob_id integer",
        ),
    ]
}

fn text_value(text: &str) -> SqliteValue {
    SqliteValue::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use model::VulnerabilitySeverity;

    use super::*;

    fn advisory(id: usize) -> VulnerabilityAdvisory {
        VulnerabilityAdvisory {
            id: format!("EXAMPLE-{id}"),
            ecosystem: PackageEcosystem::Npm,
            package: "lodash".into(),
            versions: "< 4.17.21".into(),
            severity: VulnerabilitySeverity::Critical,
        }
    }

    #[test]
    fn the_same_advisories_make_the_same_bytes() {
        let bytes = build_database(&[advisory(1), advisory(2)]).unwrap();
        assert_eq!(bytes, build_database(&[advisory(1), advisory(2)]).unwrap());
        assert_ne!(bytes, build_database(&[advisory(1)]).unwrap());
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
        assert!(build_database(&many).is_err());
        assert!(build_database(&[]).is_ok());
    }
}
