//! What is shared by naming accounts, told as one finding for each grantee.

use serde_json::Value;

use crate::kit::prelude::*;

/// To whom something is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grantee<'g> {
    /// Every AWS account.
    Everyone,
    /// An account.
    Account(&'g str),
    /// An organization or a unit of one, by ARN.
    Organization(&'g str),
}

impl<'g> Grantee<'g> {
    /// Of one item of EC2's lists.
    pub(super) fn of_item(item: &'g Value) -> Option<Grantee<'g>> {
        match (text_at(item, &["group"]), text_at(item, &["userId"])) {
            (Some(group), _) => Grantee::of_text(group),
            (None, Some(account)) => Grantee::of_text(account),
            _ => text_at(item, &["organizationArn"])
                .or_else(|| text_at(item, &["organizationalUnitArn"]))
                .map(Grantee::Organization),
        }
    }

    /// Of `all`, or of an account's number.
    pub(super) fn of_text(text: &'g str) -> Option<Grantee<'g>> {
        match text {
            _ if text.eq_ignore_ascii_case("all") => Some(Grantee::Everyone),
            _ if is_account_id(text) => Some(Grantee::Account(text)),
            _ => None,
        }
    }

    /// As a sentence names it.
    pub(super) fn words(self) -> String {
        match self {
            Grantee::Everyone => "everybody with an AWS account".to_owned(),
            Grantee::Account(account) => format!("outside account {account}"),
            Grantee::Organization(arn) => format!("organization {}", arn.rsplit('/').next().unwrap_or(arn)),
        }
    }

    /// As a finding keeps it, and as the AWS CLI writes it.
    pub(super) fn key(self) -> &'g str {
        match self {
            Grantee::Everyone => "all",
            Grantee::Account(id) | Grantee::Organization(id) => id,
        }
    }
}

/// A resource that is shared.
pub(super) struct Shared<'s> {
    /// Its ARN.
    pub(super) arn: &'s str,
    /// Kind and name: `snapshot snap-1`.
    pub(super) name: &'s str,
    /// How bad it is that everyone has it.
    pub(super) everyone: Severity,
    /// How bad it is that another account has it.
    pub(super) account: Severity,
    /// What the grantee can do with it.
    pub(super) why: &'s str,
}

impl Shared<'_> {
    /// Reports each grantee that was added and each that was removed. The own account and trusted ones do not
    /// count.
    pub(super) fn report(
        &self,
        record: &Record<'_>,
        cx: &mut Cx<'_>,
        (added, removed): (Vec<Grantee<'_>>, Vec<Grantee<'_>>),
        steps: impl Fn(Observation, Grantee<'_>) -> Observation,
    ) {
        let (who, name) = (caller_name(record), self.name);
        for grantee in removed {
            let title = format!("{who} stopped sharing {name} with {}", grantee.words());
            cx.report(cx.passing(self.arn, title).aspect(grantee.key()));
        }
        for grantee in added {
            let severity = match grantee {
                Grantee::Everyone => self.everyone,
                Grantee::Account(account) if is_ours(account, record, cx) => continue,
                Grantee::Account(_) => self.account,
                // Whose organization it is the event does not say; one can share with any.
                Grantee::Organization(_) => Severity::Low,
            };
            let seen = cx
                .failing(self.arn, format!("{who} shared {name} with {}", grantee.words()))
                .severity(severity)
                .aspect(grantee.key())
                .because(self.why)
                .detail("Shared with", grantee.key());
            let seen = stop_caller(steps(seen, grantee), record);
            // What is public is so whoever did it; sharing with accounts is what pipelines are for.
            cx.report(if grantee == Grantee::Everyone { seen } else { cx.tempered(seen) });
        }
    }
}

/// The grantees of a list that EC2 writes as `{"items": [...]}`, or with one item in the place of the list.
pub(super) fn listed<'v>(request: &'v Value, path: &[&str]) -> Vec<Grantee<'v>> {
    let inner = |item: &'v Value| match item.get("items") {
        Some(inner) => items_at(inner, &[]),
        None => vec![item],
    };
    items_at(request, path).into_iter().flat_map(inner).filter_map(Grantee::of_item).collect()
}

/// Whether it is the account itself, or one that the owner trusts.
pub(super) fn is_ours(account: &str, record: &Record<'_>, cx: &Cx<'_>) -> bool {
    account == record.account() || cx.config.trusted_accounts.iter().any(|trusted| trusted == account)
}
