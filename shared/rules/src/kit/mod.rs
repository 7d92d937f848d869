//! What rules are written with. A rule imports [`prelude`] and its own theme's helpers, and nothing of another theme.

pub(crate) mod arns;
pub(crate) mod caller;
pub(crate) mod commands;
pub(crate) mod declare;
pub(crate) mod directory;
pub(crate) mod fields;
pub(crate) mod gain;
pub(crate) mod given;
pub(crate) mod place;
pub(crate) mod power;
pub(crate) mod references;
pub(crate) mod tempered;
pub(crate) mod words;

use std::time::Duration;

/// How close together calls must lie to be one act: the time a script takes.
pub(crate) const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Everything that a rule needs.
pub(crate) mod prelude {
    pub(crate) use keepwatch_base::arn::{Arn, is_account_id};
    pub(crate) use keepwatch_base::text::clean;
    pub(crate) use keepwatch_base::time::Timestamp;
    pub(crate) use keepwatch_core::confirm::Confirm;
    pub(crate) use keepwatch_core::engine::automation::Automation;
    pub(crate) use keepwatch_core::engine::{Cx, Detector, On, Outcome, Rule};
    pub(crate) use keepwatch_core::event::json::{flag_at, items_at, number_at, text_at, texts_at, value_at};
    pub(crate) use keepwatch_core::event::{
        Body, Health, Record, RecordHeader, TrustedAdvisor, is_long_term_key,
    };
    pub(crate) use keepwatch_core::observation::{Actor, Burst, Observation, Resolution, shorthand};
    pub(crate) use keepwatch_core::severity::Severity;
    pub(crate) use keepwatch_core::state::{Fact, Holdings, Interrupt, PrincipalKind};

    pub(crate) use super::TEN_MINUTES;
    pub(crate) use super::arns::{bucket_arn, kms_key, last_part};
    pub(crate) use super::caller::{
        acting_arn, acting_principal, by_identity_center, caller_name, calling_user, named_user,
        sign_in_result,
    };
    pub(crate) use super::commands::{
        callers_calls, deny_all, deny_user, done_by_holder, filter, lookup, read_policy, stop_caller,
        what_else,
    };
    pub(crate) use super::declare::declare_rule;
    pub(crate) use super::directory;
    pub(crate) use super::fields::{carried, ec2_parameter, ec2_parameters};
    pub(crate) use super::gain::{Addition, Gain, Unsure};
    pub(crate) use super::given::Given;
    pub(crate) use super::place::{region, region_option};
    pub(crate) use super::power::{self, GrantReport, Power, Readable, Rest};
    pub(crate) use super::references::{attack, cis, doc, security_hub, trusted_advisor, well_architected};
    pub(crate) use super::tempered::tempered_to;
    pub(crate) use super::words::{as_sentence, capitalised};
    pub(crate) use keepwatch_policy::Origin;
}
