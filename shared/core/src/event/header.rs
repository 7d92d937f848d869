//! The heading of a CloudTrail record: what rules listen by. Most records interest no rule, and are read no further.

use super::lenient::Text;
use super::skim::skimmed;

skimmed! {
    /// A record in outline.
    Outline {
        /// `eventName`.
        event_name: Text<'a> = "eventName",
        /// `eventSource`.
        event_source: Text<'a> = "eventSource",
        /// `eventType`.
        event_type: Text<'a> = "eventType",
        /// `eventCategory`.
        event_category: Text<'a> = "eventCategory",
        /// `errorCode`.
        error_code: Text<'a> = "errorCode",
        /// `sessionCredentialFromConsole`.
        from_console: Text<'a> = "sessionCredentialFromConsole",
        /// `readOnly`.
        read_only: Text<'a> = "readOnly",
        /// `userAgent`.
        user_agent: Text<'a> = "userAgent",
        /// `recipientAccountId`.
        recipient_account_id: Text<'a> = "recipientAccountId",
        /// `eventTime`.
        event_time: Text<'a> = "eventTime",
        /// `awsRegion`.
        aws_region: Text<'a> = "awsRegion",
        /// `userIdentity`.
        user_identity: Caller<'a> = "userIdentity",
        /// `requestParameters`, unparsed.
        request_parameters: &'a str = "requestParameters",
        /// `responseElements`, unparsed.
        response_elements: &'a str = "responseElements",
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

/// The heading of a record, from any of its models: they name their fields alike.
macro_rules! header_of {
    ($record:expr) => {{
        let who = &$record.user_identity;
        $crate::event::header::RecordHeader {
            name: $record.event_name.or_empty(),
            source: $record.event_source.or_empty(),
            event_type: $record.event_type.or_empty(),
            category: $record.event_category.or_empty(),
            error_code: $record.error_code.or_empty(),
            user_agent: $record.user_agent.or_empty(),
            from_console: $record.from_console.or_empty(),
            read_only: $record.read_only.or_empty(),
            account: ($record.recipient_account_id.get()).or(who.account_id.get()).unwrap_or_default(),
            caller: who.kind.or_empty(),
            user_name: who.user_name.or_empty(),
            access_key_id: who.access_key_id.or_empty(),
            invoked_by: who.invoked_by.or_empty(),
            request: $record.request_parameters,
        }
    }};
}
pub(crate) use header_of;

/// Whether any of the models of a record was read from a record of one call, and not from an envelope, from what CloudTrail
/// makes of many calls, or from something else.
macro_rules! is_record {
    ($record:expr) => {
        $record.event_name.get().is_some()
            && $record.event_source.get().is_some()
            && $record.detail_type.get().is_none()
            && !$crate::event::header::of_many_calls($record.event_category.or_empty())
    };
}
pub(crate) use is_record;

impl Outline<'_> {
    /// Whether it is the outline of a record of one call.
    pub fn is_record(&self) -> bool {
        is_record!(self)
    }

    /// What rules listen by.
    pub fn header(&self) -> RecordHeader<'_> {
        header_of!(self)
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
