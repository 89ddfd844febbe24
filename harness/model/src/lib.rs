//! What a scenario is, what a cluster answered, and what that means.
//!
//! Everything here is pure: no clock, no network, no async runtime, no cluster client. The one door
//! to the outside is [`library`], which reads scenario folders.
//!
//! Data flows one way: files → [`Scenario`] → (a cluster tries it) → [`ApiReply`] → [`read`] →
//! [`Verdict`] → [`RecordedOutcome`].

mod action;
pub mod addons;
mod agent;
mod answer;
mod answers;
mod authorization;
mod by;
mod canary;
mod capability;
mod claims;
mod cluster_file;
mod cluster_spec;
mod compared;
mod denial_messages;
mod error;
mod expression;
mod facts;
mod field_value;
mod figure;
mod first_format;
mod first_object;
mod heeded;
mod image;
mod install;
mod kinds;
pub mod library;
mod lint;
mod manifest;
mod mutants;
mod names;
mod node;
mod nodeless;
mod old_words;
mod origin;
mod outcome;
mod parse_words;
mod plugin;
mod pod_makers;
mod policy_set;
mod process_status;
mod processes;
mod read;
mod record;
mod reference;
mod reply;
mod requirements;
mod scenario;
mod schema;
mod scope;
mod served;
mod shape;
mod spelling;
mod storage;
mod stream;
mod system_users;
mod tool;
mod trials;
mod unfit;
mod ways;
mod wire;
mod yaml_node;

pub use action::{Action, ObjectTarget, PatchKind};
pub use addons::{
    ADDONS, AddonContradiction, AddonVersion, PureAddon, VaryingText, WebhookDenial, find_addon,
    is_addon_milestone, one_by_one, settle_addon_messages,
};
pub use agent::{AgentLook, ArrivedEvents, DeliveredEvents, has_event, read_agent};
pub use answer::{Answer, ConnectionStage, RejectionReason, Verdict};
pub use authorization::{AuthorizationMode, USUAL_AUTHORIZATION};
pub use by::Refuser;
pub use canary::{conceal_canary, escape_as_go, find_canary};
pub use capability::Capability;
pub use claims::are_many_pods;
pub use cluster_file::ClusterFile;
pub use cluster_spec::{ClusterKey, ClusterSpec};
pub use compared::{
    ComparedRelease, ComparedWorld, ComparisonError, DoubledScenario, ReleasePair, UnservedWorld,
};
pub use error::{Error, FilePlace, ParseWordError};
pub use expression::{ExpressionFault, compile_expression};
pub use facts::{API_SERVER, ActionFacts, ActionWrites, AnswerSettling};
pub use field_value::field_equals;
pub use figure::{Figure, FigureName};
pub use first_object::FirstObject;
pub use heeded::HeededKeys;
pub use image::{
    AttachSbom, AttachmentDamage, AttestImage, BuildImage, CopyImage, ImageChange, ImageName,
    ImagePlatform, ImageSigner, ImageVerifier, IndexImages, PREDICATE_TYPES, PackageEcosystem,
    SbomFormat, ScanImage, SignImage, SignatureFormat, SignatureRepository, SpoilAttached,
    StatementPredicate, TamperImage, TrustedRoot, VerifyImage, VerifyTrust, VulnerabilityAdvisory,
    VulnerabilitySeverity, WriteSbom, decode_base64_file,
};
pub use install::{AddonInstall, UnknownInstall, align_parts, includes_addon};
pub use kinds::{
    ANY_KIND, KindBarrier, KindIsolation, ObjectKind, ReachRule, object_kind, object_kind_called,
    object_kinds,
};
pub use library::{FileReach, LoadedScenario, OutsideFault, ScenarioLibrary, SharedRoot};
pub use lint::{LintFinding, LintSubject, lint_family, lint_scenario};
pub use manifest::ObjectManifest;
pub use mutants::{ControlMutant, scenario_mutants};
pub use names::{PlaceholderValues, is_address, named_placeholders};
pub use node::{NodeChange, NodeMatch, ReadyStatus};
pub use nodeless::needs_no_node;
pub use origin::AnswerOrigin;
pub use outcome::{
    AnswerDetail, CellStatus, OutcomeCell, RecordedOutcome, WorldCells, WorldOutcome,
};
pub use plugin::Plugin;
pub use pod_makers::{POD_MAKERS, PodMaker, makes_pods};
pub use policy_set::{ComparedPolicies, PolicySet, compare_policies, read_objects};
pub use process_status::{ProcessState, ProcessStatus};
pub use processes::{lasting_processes, logged_processes};
pub use read::{read_message, read_reply};
pub use record::{
    AuditMatch, EventMatch, FieldMatch, MetricMatch, ObservedRecord, OutputMatch, WarningMatch,
};
pub use reference::scenario_reference;
pub use reply::{ApiReply, ReplyBody, ReplyContext};
pub use requirements::world_requirements;
pub use scenario::{
    ExpectedAnswer, FormatVersion, ImpersonateHeaders, Scenario, ScenarioStep, ScenarioWorld,
    StepIdentity,
};
pub use schema::scenario_schema;
pub use scope::{ImpactScope, object_scope, reach_of_patch};
pub use served::{OwnResource, TABLED_RELEASES, etcd_folder, is_own_group, own_resources};
pub use shape::{AuditShape, ClusterShape, EncryptionShape, FileText, PluginSwitches};
pub use spelling::{letter_distance, plural_name};
pub use storage::{
    CanaryMatch, ConfigTakeover, EncryptStorage, KmsBehavior, KmsCall, LeakPlace, PlaceFollowed,
    ProcessChange, RewriteSecrets, RotateSecret, StorageSeal, TransplantObject, WatchedValue,
};
pub use stream::{AttachPod, ForwardPort, StreamTalk};
pub use tool::{ToolTask, read_tool};
pub use trials::{PolicyWords, TrialObject, trial_objects};
pub use unfit::{Unfit, read_unfit};
pub use ways::{
    AddonControl, ComparedKind, ControlKind, HeldControl, PolicySubject, RefusalPart, TriedStep,
    WayRound, way_round, ways_round,
};
pub use wire::{
    ConnectionTry, HeldConnection, HoldConnection, read_probe, target_pod, target_service,
};
