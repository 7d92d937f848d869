//! A CloudTrail record: an API call, a console sign-in or a service event.
//!
//! Field names and their meaning: CloudTrail user guide, "CloudTrail record contents".

use std::sync::OnceLock;

use keepwatch_base::network;
use keepwatch_base::partition::Partition;
use keepwatch_base::time::Timestamp;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::header::Outline;
use super::json::{flag_at, text_at};
use super::lenient::Text;
use super::skim::{skim, skimmed};
use super::unreadable::Unreadable;

skimmed! {
    /// `userIdentity`: who made the call.
    UserIdentity {
        /// `Root`, `IAMUser`, `AssumedRole`, `FederatedUser`, `AWSService` …
        kind: Text<'a> = "type",
        /// `principalId`, such as `AROAEXAMPLE:session`.
        principal_id: Text<'a> = "principalId",
        /// ARN of the principal.
        arn: Text<'a> = "arn",
        /// `accountId` of the principal.
        account_id: Text<'a> = "accountId",
        /// `accessKeyId` that signed the call: `AKIA…` long-term, `ASIA…` temporary.
        access_key_id: Text<'a> = "accessKeyId",
        /// `userName`; absent for root and for roles.
        user_name: Text<'a> = "userName",
        /// `invokedBy`: the AWS service that acted for the principal.
        invoked_by: Text<'a> = "invokedBy",
        /// `onBehalfOf`: the person behind a call, where Identity Center knows one.
        on_behalf_of: OnBehalfOf<'a> = "onBehalfOf",
        /// `sessionContext`.
        session_context: SessionContext<'a> = "sessionContext",
    }
}

skimmed! {
    /// `onBehalfOf`. Since January 2025 it takes the place of the user's name in Identity Center's events.
    OnBehalfOf {
        /// `userId`, in the identity store.
        user_id: Text<'a> = "userId",
        /// `identityStoreArn`, which names the account of the identity store.
        store: Text<'a> = "identityStoreArn",
    }
}

skimmed! {
    /// `sessionContext`: where temporary credentials came from.
    SessionContext {
        /// `sessionIssuer`: the role or user behind the session.
        session_issuer: SessionIssuer<'a> = "sessionIssuer",
        /// `attributes`.
        attributes: SessionAttributes<'a> = "attributes",
        /// `assumedRoot`, as text: `true` in a session made by `AssumeRoot`.
        assumed_root: Text<'a> = "assumedRoot",
    }
}

skimmed! {
    /// `sessionIssuer`.
    SessionIssuer {
        /// ARN of the role or user.
        arn: Text<'a> = "arn",
        /// Name of the role or user.
        user_name: Text<'a> = "userName",
    }
}

skimmed! {
    /// `sessionContext.attributes`.
    SessionAttributes {
        /// `mfaAuthenticated`, as text.
        mfa_authenticated: Text<'a> = "mfaAuthenticated",
    }
}

/// A record, who made the call, and its parameters. Dereferences to its [`Outline`].
#[derive(Clone, Debug, Default)]
pub struct Record<'a> {
    outline: Outline<'a>,
    /// `userIdentity`.
    pub user_identity: UserIdentity<'a>,
    /// The text that it was read from.
    text: &'a str,
    time: OnceLock<Option<Timestamp>>,
    whole: OnceLock<Value>,
    request: OnceLock<Value>,
    response: OnceLock<Value>,
    additional: OnceLock<Value>,
}

impl<'a> std::ops::Deref for Record<'a> {
    type Target = Outline<'a>;
    fn deref(&self) -> &Outline<'a> {
        &self.outline
    }
}

impl<'a> Record<'a> {
    /// Reads a record that is a JSON object, and remembers the text. Any other object is read as a record that lacks some of
    /// its fields; see [`Outline::is_record`].
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub(super) fn read(text: &'a str) -> Result<Record<'a>, Unreadable> {
        let (outline, end) = skim(text)?;
        if !text[end..].trim_start().is_empty() {
            // It says that something stands behind the object, and where.
            serde_json::from_str::<IgnoredAny>(text)?;
        }
        Record::read_on(outline, text)
    }

    /// Reads on in a record of which this is the outline.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub(super) fn read_on(outline: Outline<'a>, text: &'a str) -> Result<Record<'a>, Unreadable> {
        let user_identity = match outline.caller.text {
            "" => UserIdentity::default(),
            who => skim(who)?.0,
        };
        Ok(Record { outline, user_identity, text, ..Record::default() })
    }

    /// The record's JSON.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The whole record, parsed once on first use: for rules that may name any field. `Null` where it has no value in
    /// Rust.
    pub fn whole(&self) -> &Value {
        self.whole.get_or_init(|| serde_json::from_str(self.text).unwrap_or_default())
    }
}

impl Record<'_> {
    /// `requestParameters`, parsed once on first use because most rules never look; `Null` where absent.
    pub fn request(&self) -> &Value {
        parsed(&self.request, self.request_parameters)
    }

    /// `responseElements`, as [`Record::request`].
    pub fn response(&self) -> &Value {
        parsed(&self.response, self.response_elements)
    }

    /// `additionalEventData`, as [`Record::request`].
    pub fn additional(&self) -> &Value {
        parsed(&self.additional, self.additional_event_data)
    }

    /// A string under `requestParameters`, by path: `record.param(&["userName"])`. Empty strings count as absent.
    pub fn param(&self, path: &[&str]) -> Option<&str> {
        text_at(self.request(), path)
    }

    /// A string under `responseElements`, by path.
    pub fn response_text(&self, path: &[&str]) -> Option<&str> {
        text_at(self.response(), path)
    }

    /// A string under `additionalEventData`, by path.
    pub fn additional_text(&self, path: &[&str]) -> Option<&str> {
        text_at(self.additional(), path)
    }

    /// A flag under `requestParameters`, by path. CloudTrail writes booleans as JSON booleans, strings, and objects with a
    /// `value`.
    pub fn param_flag(&self, path: &[&str]) -> Option<bool> {
        flag_at(self.request(), path)
    }

    /// ARN of a regional resource of this account: `record.arn("ec2", "security-group/sg-1")`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let (partition, region) = (self.partition(), self.aws_region.or_empty());
        format!("arn:{partition}:{service}:{region}:{}:{resource}", self.account())
    }

    /// Whether CloudTrail left the parameters out because they exceed 100 KB, and says so with `omitted: true`.
    /// The limit is CloudTrail's; padding a policy beyond it hides the grant from whoever reads only the event.
    pub fn request_omitted(&self) -> bool {
        match self.request().get("omitted") {
            Some(Value::Bool(omitted)) => *omitted,
            Some(Value::String(omitted)) => omitted.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// [`RecordHeader::failed`].
    pub fn failed(&self) -> bool {
        self.header().failed()
    }

    /// [`RecordHeader::reads_only`].
    pub fn reads_only(&self) -> bool {
        self.header().reads_only()
    }

    /// [`RecordHeader::by_root`].
    pub fn by_root(&self) -> bool {
        self.header().by_root()
    }

    /// The account the event belongs to.
    pub fn account(&self) -> &str {
        self.header().account
    }

    /// When it happened, by the source's clock.
    pub fn time(&self) -> Option<Timestamp> {
        *self.time.get_or_init(|| Timestamp::parse(self.event_time.or_empty()))
    }

    /// The network address that the call came from; see [`network::origin`]. None where an AWS service called for somebody:
    /// then the event names the service (CloudTrail user guide, `sourceIPAddress` and `invokedBy`), or the address is not
    /// the caller's own.
    pub fn origin(&self) -> Option<String> {
        let called_itself = self.user_identity.invoked_by.get().is_none();
        self.source_ip_address.get().filter(|_| called_itself).and_then(network::origin)
    }

    /// The partition (`aws`, `aws-cn`), read from the region because the event names it nowhere else.
    pub fn partition(&self) -> &'static str {
        Partition::of_region(self.aws_region.or_empty()).name
    }

    /// ARN of an IAM resource of this account: `record.iam_arn("user", "bob")`.
    pub fn iam_arn(&self, kind: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:{kind}/{name}", self.partition(), self.account())
    }

    /// ARN of the account's root user.
    pub fn root_arn(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition(), self.account())
    }
}

fn parsed<'v>(cell: &'v OnceLock<Value>, text: &str) -> &'v Value {
    // Valid JSON may still hold a number or an escape that has no value in Rust. Such parameters count as absent, and a
    // grant whose parameters are absent is reported as unknown (`grant-content-omitted`).
    cell.get_or_init(|| serde_json::from_str(text).unwrap_or_default())
}
