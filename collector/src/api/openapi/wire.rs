//! The wire as the document shows it. The types themselves are in `shared::wire`, which links no
//! schemas because it runs in browsers too; a test holds both together by the golden documents.

use chrono::{DateTime, Utc};
use shared::wire;
use utoipa::ToSchema;

use super::{many_words, words};

/// Every answer that is not a success (RFC 9457).
#[derive(ToSchema)]
#[schema(examples(json!({
    "type": "urn:rollcall:invalid",
    "title": "Request not valid",
    "status": 422,
    "detail": "limit takes a number from 1 to 1000; got \"0\""
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Problem {
    /// A stable URN to branch on.
    #[schema(pattern = "^urn:rollcall:")]
    r#type: String,
    /// A short name of the problem.
    title: String,
    /// The HTTP status, repeated.
    status: u16,
    /// What was got and what is allowed, for people to read.
    detail: String,
}

/// What an installation says about itself. Never more precise than what support needs.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct InstallationFacts {
    /// Version of the extension, such as `0.1.0`.
    #[schema(max_length = 64)]
    extension_version: String,
    /// Name and major version of the browser, such as `Chrome 156`.
    #[schema(max_length = 64)]
    browser: String,
    /// Operating system as Chrome names it.
    #[schema(max_length = 64)]
    os: String,
}

/// The person who uses this profile, and how we know.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Identity {
    /// The person's work e-mail address.
    email: String,
    /// Where the address comes from.
    #[schema(schema_with = words::<wire::IdentityMethod>)]
    method: String,
}

/// Exchanges an enrollment key for an installation token, once per installation.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "enrollment_key": "rce_0192f0c1...",
    "sent_at": "2026-11-23T09:00:00Z",
    "installation": { "extension_version": "0.1.0", "browser": "Chrome 156", "os": "mac" },
    "mode": "unauthenticated",
    "identity": { "email": "maria@northwind.example", "method": "policy" }
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct EnrollRequest {
    /// The shared secret of the managed policy or of an enrollment link.
    enrollment_key: String,
    /// The browser's clock at sending.
    sent_at: DateTime<Utc>,
    /// Which browser this is.
    installation: InstallationFacts,
    /// The loosest mode that the policy allows.
    #[schema(schema_with = words::<wire::Mode>)]
    mode: String,
    /// Who uses this profile, where the mode allows to say so without a sign-in.
    identity: Option<Identity>,
}

/// The token is shown this once and stored hashed.
#[derive(ToSchema)]
#[schema(examples(json!({
    "organization_id": "019ab0c2-5a00-7000-8000-000000000001",
    "organization_name": "Northwind",
    "installation_id": "019ab0c2-5a00-7000-8000-000000000002",
    "installation_token": "rci_0192f0c1...",
    "server_time": "2026-11-23T09:00:00Z"
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct EnrollResponse {
    /// The organization's id.
    organization_id: String,
    /// The organization's name, for people to read.
    organization_name: String,
    /// This installation's id.
    installation_id: String,
    /// The bearer token of every later request.
    installation_token: String,
    /// The collector's clock.
    server_time: DateTime<Utc>,
}

/// Sent every `heartbeat_seconds`, in every mode.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "sent_at": "2026-11-23T09:00:00Z",
    "installation": { "extension_version": "0.1.0", "browser": "Chrome 156", "os": "mac" },
    "mode": "unauthenticated",
    "n_queued": 3
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Heartbeat {
    /// The browser's clock at sending.
    sent_at: DateTime<Utc>,
    /// Which browser this is, as of now.
    installation: InstallationFacts,
    /// The loosest mode that the policy allows, as of now.
    #[schema(schema_with = words::<wire::Mode>)]
    mode: String,
    /// Who uses this profile, as of now, where the mode allows to say so without a sign-in.
    identity: Option<Identity>,
    /// Events that wait in the browser.
    n_queued: u32,
}

/// What is in force.
#[derive(ToSchema)]
#[schema(examples(json!({
    "server_time": "2026-11-23T09:00:00Z",
    "mode": "unauthenticated",
    "configuration_version": "0f1e2d3c4b5a6978",
    "flush_seconds": 300,
    "heartbeat_seconds": 900
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct HeartbeatResponse {
    /// The collector's clock.
    server_time: DateTime<Utc>,
    /// The mode in force: the stricter of policy and organization.
    #[schema(schema_with = words::<wire::Mode>)]
    mode: String,
    /// Who uses this profile, as far as the collector knows.
    identity: Option<Identity>,
    /// Changes when the configuration is to be fetched again.
    configuration_version: String,
    /// Seconds between two batches.
    flush_seconds: u32,
    /// Seconds between two heartbeats.
    heartbeat_seconds: u32,
    /// The bearer token of every request from now on, where an admin asked for another.
    installation_token: Option<String>,
}

/// The organization's settings as far as a browser needs them.
#[derive(ToSchema)]
#[schema(examples(json!({
    "version": "0f1e2d3c4b5a6978",
    "organization_name": "Northwind",
    "mode": "authenticated",
    "work_domains": ["northwind.example"],
    "sign_in_methods": ["oidc", "magic_link"],
    "identity_provider": "Northwind Login",
    "deny_sites": [],
    "unknown_sites": "work_sign_ins",
    "site_rules": ["usual chat.northwind.example"],
    "catalog_version": "5a6978",
    "flush_seconds": 300,
    "heartbeat_seconds": 900
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Configuration {
    /// Opaque; equal versions mean equal contents.
    version: String,
    /// The organization's name, for people to read.
    organization_name: String,
    /// The mode in force for this installation.
    #[schema(schema_with = words::<wire::Mode>)]
    mode: String,
    /// Lower-case domains whose addresses are work addresses.
    work_domains: Vec<String>,
    /// How a person can sign in here; none where no way is set up.
    #[schema(schema_with = many_words::<wire::IdentityMethod>)]
    sign_in_methods: Vec<String>,
    /// The name of the organization's identity provider, for people to read.
    identity_provider: Option<String>,
    /// Hostnames that are never reported, on top of the catalog's own list.
    deny_sites: Vec<String>,
    /// What happens with sites that no rule claims.
    #[schema(schema_with = words::<wire::UnknownSites>)]
    unknown_sites: String,
    /// The organization's own rules, in addition to the catalog's; at equal length they win.
    site_rules: Vec<String>,
    /// The `ETag` of the catalog to use, without quotes.
    catalog_version: String,
    /// Seconds between two batches.
    flush_seconds: u32,
    /// Seconds between two heartbeats.
    heartbeat_seconds: u32,
    /// Whom an employee can ask.
    help_contact: Option<String>,
}

/// What is sent together. The same number always carries the same bytes.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "sequence": 7,
    "sent_at": "2026-11-23T09:05:00Z",
    "extension_version": "0.1.0",
    "events": [{ "kind": "sign_in", "site": "app.slack.com", "at": "2026-11-23T09:04:00Z", "method": "password", "account": "maria@northwind.example" }]
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Batch {
    /// Per installation, starting at 1.
    #[schema(minimum = 1)]
    sequence: u64,
    /// The browser's clock at the first send; corrects the events' times.
    sent_at: DateTime<Utc>,
    /// Version of the extension that saw the events.
    #[schema(max_length = 64)]
    extension_version: String,
    /// At most 1,000. One that cannot be read is named in `rejected` and costs no other.
    #[schema(max_items = 1000)]
    events: Vec<Event>,
}

/// One observation.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Event {
    /// What happened.
    #[schema(schema_with = words::<wire::EventKind>)]
    kind: String,
    /// Where: a hostname, with a path prefix where a rule of the catalog matched one.
    site: String,
    /// When, by the browser's clock, cut to the minute.
    at: DateTime<Utc>,
    /// How the person signed in or up.
    method: Option<String>,
    /// The work address used at that app, when it was seen.
    account: Option<String>,
    /// The event was queued before this installation was enrolled.
    #[schema(required = false)]
    before_enrollment: bool,
}

/// Everything that `rejected` does not name is durably committed.
#[derive(ToSchema)]
#[schema(examples(json!({
    "sequence": 7,
    "duplicate": false,
    "n_accepted": 1,
    "rejected": [{ "index": 1, "code": "too_old", "detail": "the event is 15 days old, at most 14 are allowed" }],
    "flush_seconds": 300
})))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct BatchResponse {
    /// The batch's number.
    sequence: u64,
    /// The batch had been committed before; this copy changed nothing.
    duplicate: bool,
    /// Events of this batch that count.
    n_accepted: u32,
    /// Events of this batch that do not, one by one.
    rejected: Vec<RejectedEvent>,
    /// Seconds until the next batch is welcome.
    flush_seconds: u32,
}

/// Why one event does not count.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct RejectedEvent {
    /// Position in the batch, from 0.
    index: u32,
    /// Stable word to branch on.
    code: String,
    /// What was got and what is allowed, for people to read.
    detail: String,
}

/// Begins a sign-in at the organization's identity provider.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "redirect_url": "https://nkclgfkcmfknnbimdmfbljhamkjmemio.chromiumapp.org/" })))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInRequest {
    /// Where the browser hands the outcome to the extension: `https://EXTENSION_ID.chromiumapp.org/`.
    redirect_url: String,
}

/// Where to go on.
#[derive(ToSchema)]
#[schema(examples(json!({ "url": "https://rollcall.northwind.example/connect/oidc?state=rco_..." })))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInStarted {
    /// The page to open.
    url: String,
}

/// Asks for a mailed link.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "email": "maria@northwind.example" })))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInMailRequest {
    /// An address of a work domain.
    #[schema(max_length = 254)]
    email: String,
}

/// What proves who somebody is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "proof": "K7M2Q-X4PTB", "email": "maria@northwind.example" })))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInProof {
    /// What came back from the provider, the secret of a mailed link, or the code in the mail.
    proof: String,
    /// With a code: the address to which it was mailed.
    #[schema(max_length = 254)]
    email: Option<String>,
}

/// Who uses the profile now.
#[derive(ToSchema)]
#[schema(examples(json!({ "identity": { "email": "maria@northwind.example", "method": "magic_link" } })))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInState {
    /// None when nobody is signed in.
    identity: Option<Identity>,
}

/// An empty object.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({})))]
pub(crate) struct Nothing {}
