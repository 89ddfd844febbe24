//! What a scenario is, what a cluster answered, and what that means.
//!
//! Everything here is pure: no clock, no network, no async runtime, no cluster client. The one door to
//! the outside is [`library`], which reads scenario folders.
//!
//! Data flows one way: files → [`Scenario`] → (a cluster tries it) → [`Reply`] → [`read`] → [`Verdict`]
//! → [`Outcome`].

mod action;
pub mod addons;
mod agent;
mod answer;
mod answers;
mod by;
mod canary;
mod capability;
mod claims;
mod cluster_spec;
mod confine;
mod error;
mod facts;
mod figure;
mod first_format;
mod image;
mod install;
mod keeping;
mod kinds;
pub mod library;
mod lint;
mod manifest;
mod mutants;
mod names;
mod node;
mod nodeless;
mod old_words;
mod outcome;
mod plugin;
mod read;
mod reference;
mod reply;
mod requirements;
mod scenario;
mod schema;
mod shape;
mod spelling;
mod texts;
mod tool;
mod unfit;
mod wire;

pub use action::{
    Action, AuditMatch, EventMatch, FieldMatch, MetricMatch, PatchKind, Record, Target,
    WarningMatch,
};
pub use addons::{ADDONS, Addon, AddonVersion, Denial, addon, is_addon_milestone, one_by_one};
pub use agent::{AgentLook, Arrived, Delivered, has_event, read_agent};
pub use answer::{Answer, At, Verdict, Why};
pub use by::By;
pub use canary::{conceal_canary, find_canary};
pub use capability::Capability;
pub use cluster_spec::{ClusterKey, ClusterSpec};
pub use confine::{Reach, reach, reach_of_patch};
pub use error::{Error, Place};
pub use facts::{ActionFacts, Writes};
pub use figure::{Figure, FigureName};
pub use image::{
    Advisory, Attach, Attest, Build, Change, Copy, Damage, Ecosystem, ImageName, Predicate, Sbom,
    SbomFormat, Scan, Severity, Sign, SignatureFormat, Signer, Spoil, Tamper, Trust, TrustedRoot,
    Verifier, Verify,
};
pub use install::{Install, UnknownInstall, includes};
pub use keeping::{
    CanaryMatch, Encrypt, Followed, Kms, KmsCall, Leak, Process, Rewrite, Rotate, Seal, Takeover,
    Transplant, Watched,
};
pub use kinds::{
    ANY_KIND, Barrier, Isolation, ObjectKind, ReachRule, object_kind, object_kind_called,
    object_kinds,
};
pub use library::{Library, Loaded};
pub use lint::{Finding, lint};
pub use manifest::Manifest;
pub use mutants::{Mutant, mutants};
pub use names::{Names, is_address, named};
pub use node::{Node, NodeMatch, Ready};
pub use nodeless::needs_no_node;
pub use outcome::{Cell, CellStatus, Detail, Outcome, WorldOutcome};
pub use plugin::Plugin;
pub use read::{read, read_message};
pub use reference::scenario_reference;
pub use reply::{Asked, Body, Reply};
pub use requirements::requirements;
pub use scenario::{Expect, Format, Identity, Impersonate, Scenario, Step, World};
pub use schema::scenario_schema;
pub use shape::{Audit, Encryption, FileText, Shape};
pub use spelling::letter_distance;
pub use tool::{Tool, read_tool};
pub use unfit::{Unfit, read_unfit};
pub use wire::{Held, Hold, Wire, read_probe, target_pod};
