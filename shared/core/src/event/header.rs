//! The outline of a CloudTrail record: what rules listen by. Most records interest no rule, and are read no further.
//!
//! Field names and their meaning: CloudTrail user guide, "CloudTrail record contents".

use super::lenient::Text;
use super::skim::{Kept, skimmed};

skimmed! {
    /// A record of which all is read but who made the call, its parameters and what it answered. [`Record`](super::Record)
    /// adds these.
    Outline {
        /// `eventID`: the source's own id, the same in every copy of the event.
        event_id: Text<'a> = "eventID",
        /// `eventName`, such as `PutUserPolicy`.
        event_name: Text<'a> = "eventName",
        /// `eventSource`, such as `iam.amazonaws.com`.
        event_source: Text<'a> = "eventSource",
        /// `eventTime`, RFC 3339.
        event_time: Text<'a> = "eventTime",
        /// `eventType`: `AwsApiCall`, `AwsConsoleSignIn`, `AwsServiceEvent` …
        event_type: Text<'a> = "eventType",
        /// `eventCategory`: `Management`, `Data`, `NetworkActivity` …
        event_category: Text<'a> = "eventCategory",
        /// `awsRegion`.
        aws_region: Text<'a> = "awsRegion",
        /// `recipientAccountId`: the account that received the event.
        recipient_account_id: Text<'a> = "recipientAccountId",
        /// `sourceIPAddress`: an address, or the name of an AWS service.
        source_ip_address: Text<'a> = "sourceIPAddress",
        /// `userAgent`: free text of the caller's choice, up to 1 KB.
        user_agent: Text<'a> = "userAgent",
        /// `errorCode`; absent when the call succeeded.
        error_code: Text<'a> = "errorCode",
        /// `errorMessage`.
        error_message: Text<'a> = "errorMessage",
        /// `sessionCredentialFromConsole`, as text: `true` for calls that the console made for a person.
        from_console: Text<'a> = "sessionCredentialFromConsole",
        /// `readOnly`, as text: `true` or `false`.
        read_only: Text<'a> = "readOnly",
        /// `userIdentity`, of which rules listen by a few fields.
        caller: Kept<'a, Caller<'a>> = "userIdentity",
        /// `requestParameters`, unparsed.
        request_parameters: &'a str = "requestParameters",
        /// `responseElements`, unparsed.
        response_elements: &'a str = "responseElements",
        /// `additionalEventData`, unparsed.
        additional_event_data: &'a str = "additionalEventData",
        /// `detail-type`, which no record has: what has it is an envelope.
        detail_type: Text<'a> = "detail-type",
    }
}

skimmed! {
    /// `userIdentity` in outline.
    Caller {
        /// `type`.
        kind: Text<'a> = "type",
        /// `accountId`.
        account_id: Text<'a> = "accountId",
        /// `accessKeyId`.
        access_key_id: Text<'a> = "accessKeyId",
        /// `userName`.
        user_name: Text<'a> = "userName",
        /// `invokedBy`.
        invoked_by: Text<'a> = "invokedBy",
    }
}

impl Outline<'_> {
    /// Whether it is the record of one call, and not an envelope, what CloudTrail makes of many calls, or something else.
    pub fn is_record(&self) -> bool {
        self.event_name.get().is_some()
            && self.event_source.get().is_some()
            && self.detail_type.get().is_none()
            && !of_many_calls(self.event_category.or_empty())
    }

    /// What rules listen by.
    pub fn header(&self) -> RecordHeader<'_> {
        let who = &self.caller.read;
        RecordHeader {
            name: self.event_name.or_empty(),
            source: self.event_source.or_empty(),
            event_type: self.event_type.or_empty(),
            category: self.event_category.or_empty(),
            error_code: self.error_code.or_empty(),
            user_agent: self.user_agent.or_empty(),
            from_console: self.from_console.or_empty(),
            read_only: self.read_only.or_empty(),
            account: (self.recipient_account_id.get()).or(who.account_id.get()).unwrap_or_default(),
            caller: who.kind.or_empty(),
            user_name: who.user_name.or_empty(),
            access_key_id: who.access_key_id.or_empty(),
            invoked_by: who.invoked_by.or_empty(),
            request: self.request_parameters,
        }
    }
}

/// What rules listen by. Fields are named as in the record, and empty where it has none.
#[derive(Clone, Copy, Debug)]
pub struct RecordHeader<'r> {
    /// `eventName`.
    pub name: &'r str,
    /// `eventSource`.
    pub source: &'r str,
    /// `errorCode`.
    pub error_code: &'r str,
    /// `userAgent`.
    pub user_agent: &'r str,
    /// `userIdentity.userName`.
    pub user_name: &'r str,
    /// `userIdentity.accessKeyId`.
    pub access_key_id: &'r str,
    /// The account the event belongs to.
    pub account: &'r str,
    pub(super) event_type: &'r str,
    pub(super) category: &'r str,
    pub(super) from_console: &'r str,
    pub(super) read_only: &'r str,
    pub(super) caller: &'r str,
    pub(super) invoked_by: &'r str,
    /// `requestParameters`, unparsed.
    pub request: &'r str,
}

impl RecordHeader<'_> {
    /// Whether the call failed. Console sign-ins tell their result in `responseElements` instead.
    pub fn failed(&self) -> bool {
        !self.error_code.is_empty()
    }

    /// Whether the call only reads (`readOnly`), judged by its name where the field is missing.
    pub fn reads_only(&self) -> bool {
        if self.read_only.is_empty() {
            name_reads(self.name)
        } else {
            self.read_only.eq_ignore_ascii_case("true")
        }
    }

    /// Whether root itself acted. A service acting for root sets `invokedBy`, and a service event carries root's name
    /// for want of a better one: the CIS benchmark (4.3) excludes both, in this way.
    pub fn by_root(&self) -> bool {
        self.caller == "Root" && self.invoked_by.is_empty() && self.event_type != "AwsServiceEvent"
    }

    /// Whether it is a VPC endpoint's copy of a call, without its parameters (CloudTrail user guide, "Logging network activity
    /// events"). The call has an event of its own.
    pub fn is_network_activity(&self) -> bool {
        self.category == "NetworkActivity" || self.event_type.starts_with("AwsVpceEvent")
    }

    /// Whether a long-term access key signed the call.
    pub fn by_long_term_key(&self) -> bool {
        is_long_term_key(self.access_key_id)
    }

    /// Whether it changes something, and its parameters hold a policy that names a principal: as an object, as text, or as
    /// text that is encoded for a URL.
    pub fn gives_policy(&self) -> bool {
        // Hardly any call's parameters hold the word at all, and they can be long.
        !self.reads_only()
            && self.request.contains("Principal")
            && PRINCIPAL.iter().any(|word| self.request.contains(word))
    }

    /// Whether a person changed something in the console.
    pub fn changes_in_console(&self) -> bool {
        self.from_console.eq_ignore_ascii_case("true") && !self.reads_only()
    }
}

/// Whether CloudTrail makes records of this category out of many calls (CloudTrail user guide, record contents for Insights
/// events and for aggregated events).
pub(super) fn of_many_calls(category: &str) -> bool {
    matches!(category, "Insight" | "Aggregated")
}

/// What the ids of long-term access keys begin with (IAM user guide, "Understanding unique ID prefixes").
pub const LONG_TERM_KEY: &str = "AKIA";

/// Whether this is the id of a long-term access key, and not of a session's.
pub fn is_long_term_key(access_key_id: &str) -> bool {
    access_key_id.starts_with(LONG_TERM_KEY)
}

/// How a policy names whom it is for (IAM user guide, "AWS JSON policy elements: Principal"; `NotPrincipal` ends alike).
const PRINCIPAL: [&str; 3] = ["Principal\"", "Principal\\", "Principal%22"];

/// Whether a call of this name only reads, as far as AWS keeps to its own words.
fn name_reads(name: &str) -> bool {
    ["Get", "List", "Describe", "Head"].iter().any(|verb| name.starts_with(verb))
}
