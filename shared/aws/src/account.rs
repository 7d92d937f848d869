//! Answers about the account's live state, from IAM, Identity Center and the findings table.

use aws_config::SdkConfig;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::{AccessKeyMetadata, EntityType, StatusType};
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore as _;
use keepwatch_core::finding::{Status, finding_id};
use keepwatch_core::memory::{first_sight, window};
use keepwatch_core::observation::Subject;
use keepwatch_core::state::{
    AccountState, Answer, EarlierQuery, Fact, FirstSeenQuery, HeldPolicy, Holdings, PolicyText,
    PrincipalKind, Query, RoleFacts, Value,
};

use crate::cause;
use crate::findings::FindingsTable;
use crate::identity_center::IdentityCenter;
use crate::journal::JournalTable;
use crate::otherwise::{Otherwise, settled};
use crate::runtime::now;

/// CloudTrail leaves out request parameters over 100 KB; a document of at least this many characters may be why.
const OVERSIZED: usize = 90_000;

/// The account that this code runs in. Questions about another account are answered "unavailable": its names may exist
/// here too and mean something else.
#[derive(Clone, Debug)]
pub struct LiveAccount {
    identity_center: IdentityCenter,
    iam: aws_sdk_iam::Client,
    findings: FindingsTable,
    journal: JournalTable,
}

impl LiveAccount {
    /// The account of these credentials.
    pub fn new(config: &SdkConfig, findings: FindingsTable, journal: JournalTable) -> LiveAccount {
        LiveAccount {
            identity_center: IdentityCenter::new(config),
            iam: aws_sdk_iam::Client::new(config),
            findings,
            journal,
        }
    }

    async fn managed_policy(&self, arn: &str, version: Option<&str>) -> Result<Value, Otherwise> {
        let version = match version {
            Some(version) => version.to_owned(),
            None => {
                let policy = self.iam.get_policy().policy_arn(arn).send().await.map_err(unknown)?;
                policy.policy.and_then(|p| p.default_version_id).ok_or(Fact::Missing)?
            }
        };
        let request = self.iam.get_policy_version().policy_arn(arn).version_id(version);
        let found = request.send().await.map_err(unknown)?.policy_version;
        let text = found.and_then(|version| version.document).ok_or(Fact::Missing)?;
        let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        Ok(Value::Policy(PolicyText { name, text }))
    }

    async fn inline_policy(
        &self,
        kind: PrincipalKind,
        name: &str,
        policy: &str,
    ) -> Result<PolicyText, Otherwise> {
        let text = match kind {
            PrincipalKind::User => {
                let request = self.iam.get_user_policy().user_name(name).policy_name(policy);
                request.send().await.map_err(unknown)?.policy_document
            }
            PrincipalKind::Group => {
                let request = self.iam.get_group_policy().group_name(name).policy_name(policy);
                request.send().await.map_err(unknown)?.policy_document
            }
            PrincipalKind::Role => {
                let request = self.iam.get_role_policy().role_name(name).policy_name(policy);
                request.send().await.map_err(unknown)?.policy_document
            }
        };
        Ok(PolicyText { name: policy.to_owned(), text })
    }

    async fn principal(&self, kind: PrincipalKind, name: &str) -> Result<Value, Otherwise> {
        // Each list has at most a few pages: quotas are 10 to 20 managed policies and 10 KB of inline policy.
        macro_rules! pages {
            ($operation:ident, $by:ident, |$page:ident| $list:expr) => {{
                let mut stream = self.iam.$operation().$by(name).into_paginator().send();
                let mut found = Vec::new();
                while let Some(page) = stream.next().await {
                    let $page = page.map_err(unknown)?;
                    found.extend($list);
                }
                found
            }};
        }
        let (attached, inline) = match kind {
            PrincipalKind::User => (
                pages!(list_attached_user_policies, user_name, |page| page
                    .attached_policies
                    .unwrap_or_default()),
                pages!(list_user_policies, user_name, |page| page.policy_names),
            ),
            PrincipalKind::Group => (
                pages!(list_attached_group_policies, group_name, |page| page
                    .attached_policies
                    .unwrap_or_default()),
                pages!(list_group_policies, group_name, |page| page.policy_names),
            ),
            PrincipalKind::Role => (
                pages!(list_attached_role_policies, role_name, |page| page
                    .attached_policies
                    .unwrap_or_default()),
                pages!(list_role_policies, role_name, |page| page.policy_names),
            ),
        };
        let mut holdings = Holdings {
            managed: attached.into_iter().filter_map(|policy| policy.policy_arn).collect(),
            ..Holdings::default()
        };
        for policy in inline {
            holdings.inline.push(self.inline_policy(kind, name, &policy).await?);
        }
        Ok(Value::Holdings(holdings))
    }

    async fn oversized(&self, kind: PrincipalKind) -> Result<Value, Otherwise> {
        let filter = match kind {
            PrincipalKind::User => EntityType::User,
            PrincipalKind::Group => EntityType::Group,
            PrincipalKind::Role => EntityType::Role,
        };
        let mut held = Vec::new();
        let mut keep = |principal: Option<String>,
                        policies: Option<Vec<aws_sdk_iam::types::PolicyDetail>>| {
            for policy in policies.unwrap_or_default() {
                let text = policy.policy_document.unwrap_or_default();
                if decoded_len(&text) >= OVERSIZED {
                    let policy = PolicyText { name: policy.policy_name.unwrap_or_default(), text };
                    held.push(HeldPolicy { principal: principal.clone().unwrap_or_default(), policy });
                }
            }
        };
        let mut pages = self.iam.get_account_authorization_details().filter(filter).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(unknown)?;
            for user in page.user_detail_list.unwrap_or_default() {
                keep(user.user_name, user.user_policy_list);
            }
            for group in page.group_detail_list.unwrap_or_default() {
                keep(group.group_name, group.group_policy_list);
            }
            for role in page.role_detail_list.unwrap_or_default() {
                keep(role.role_name, role.role_policy_list);
            }
        }
        Ok(Value::HeldPolicies(held))
    }

    async fn role(&self, name: &str) -> Result<Value, Otherwise> {
        let role =
            self.iam.get_role().role_name(name).send().await.map_err(unknown)?.role.ok_or(Fact::Missing)?;
        let text = role.assume_role_policy_document.unwrap_or_default();
        let created = role.create_date.to_millis().ok().map(Timestamp::from_millis);
        Ok(Value::Role(RoleFacts { trust: PolicyText { name: "trust policy".to_owned(), text }, created }))
    }

    async fn instance_profile(&self, name: &str) -> Result<Value, Otherwise> {
        let found =
            self.iam.get_instance_profile().instance_profile_name(name).send().await.map_err(unknown)?;
        let profile = found.instance_profile.ok_or(Fact::Missing)?;
        Ok(Value::Names(profile.roles.into_iter().map(|role| role.role_name).collect()))
    }

    async fn group_members(&self, name: &str) -> Result<Value, Otherwise> {
        let mut pages = self.iam.get_group().group_name(name).into_paginator().send();
        let mut members = Vec::new();
        while let Some(page) = pages.next().await {
            members.extend(page.map_err(unknown)?.users.into_iter().map(|user| user.user_name));
        }
        Ok(Value::Names(members))
    }

    async fn groups_of(&self, user: &str) -> Result<Value, Otherwise> {
        let mut pages = self.iam.list_groups_for_user().user_name(user).into_paginator().send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            groups.extend(page.map_err(unknown)?.groups.into_iter().map(|group| group.group_name));
        }
        Ok(Value::Names(groups))
    }

    /// One page: a policy that many hold is no part of a grant that was split to be hidden.
    async fn policy_holders(&self, arn: &str) -> Result<Value, Otherwise> {
        let page = self.iam.list_entities_for_policy().policy_arn(arn).send().await.map_err(unknown)?;
        let users = page.policy_users.unwrap_or_default().into_iter().filter_map(|user| user.user_name);
        let groups = page.policy_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_name);
        let roles = page.policy_roles.unwrap_or_default().into_iter().filter_map(|role| role.role_name);
        let kinds = [PrincipalKind::User, PrincipalKind::Group, PrincipalKind::Role];
        let names: [Vec<String>; 3] = [users.collect(), groups.collect(), roles.collect()];
        let all = kinds.into_iter().zip(names);
        Ok(Value::Principals(
            all.flat_map(|(kind, names)| names.into_iter().map(move |name| (kind, name))).collect(),
        ))
    }

    async fn access_keys(&self, user: &str) -> Result<Value, Otherwise> {
        let found = self.iam.list_access_keys().user_name(user).send().await.map_err(unknown)?;
        Ok(Value::Names(found.access_key_metadata.into_iter().filter_map(|key| key.access_key_id).collect()))
    }

    /// The owner of a key that was never used is not known to this call either; the key is gone then, or was never there.
    async fn active_key(&self, id: &str) -> Result<Value, Otherwise> {
        let asked = self.iam.get_access_key_last_used().access_key_id(id).send().await.map_err(unknown)?;
        let user = asked.user_name.ok_or(Fact::Missing)?;
        let found = self.iam.list_access_keys().user_name(user).send().await.map_err(unknown)?;
        let active = |key: &AccessKeyMetadata| {
            key.access_key_id.as_deref() == Some(id) && key.status == Some(StatusType::Active)
        };
        Ok(Value::Flag(found.access_key_metadata.iter().any(active)))
    }

    async fn exposed_key(&self, account: &str, key: &str) -> Result<Value, Otherwise> {
        let subject = Subject {
            account: account.to_owned(),
            region: "global".to_owned(),
            resource: key.to_owned(),
            aspect: None,
        };
        match self.findings.get(&finding_id("exposed-access-key", &subject)).await {
            Ok(finding) => Ok(Value::Flag(finding.is_some_and(|finding| finding.status != Status::Resolved))),
            Err(error) => Err(Otherwise::TryAgain(error.to_string())),
        }
    }
}

/// The state of the account that an event is about.
#[derive(Clone, Copy, Debug)]
pub struct StateOf<'a> {
    /// The account at hand.
    pub live: &'a LiveAccount,
    /// Its id.
    pub own: &'a str,
    /// The event's account.
    pub asked: &'a str,
}

impl AccountState for StateOf<'_> {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        match query {
            // Keepwatch's own tables know, whatever the account.
            Query::ExposedKey { .. } | Query::Window(_) | Query::Earlier(_) | Query::FirstSeen(_) => {
                self.live.answer(query).await
            }
            _ if self.own != self.asked => {
                Ok(Fact::Unavailable(format!("account {} is not this one", self.asked)))
            }
            _ => self.live.answer(query).await,
        }
    }
}

impl LiveAccount {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        let answer = match query {
            Query::ManagedPolicy { arn, version } => self.managed_policy(arn, version.as_deref()).await,
            Query::Principal { kind, name } => self.principal(*kind, name).await,
            Query::InlinePolicy { kind, name, policy } => {
                self.inline_policy(*kind, name, policy).await.map(Value::Policy)
            }
            Query::OversizedInlinePolicies { kind } => self.oversized(*kind).await,
            Query::Role { name } => self.role(name).await,
            Query::InstanceProfile { name } => self.instance_profile(name).await,
            Query::GroupMembers { name } => self.group_members(name).await,
            Query::GroupsOf { user } => self.groups_of(user).await,
            Query::PolicyHolders { arn } => self.policy_holders(arn).await,
            Query::KeyOwner { access_key_id } => {
                let request = self.iam.get_access_key_last_used().access_key_id(access_key_id);
                match request.send().await {
                    Ok(found) => found.user_name.map(Value::Name).ok_or(Fact::Missing.into()),
                    Err(error) => Err(unknown(error)),
                }
            }
            Query::ActiveKey { access_key_id } => self.active_key(access_key_id).await,
            Query::AccessKeys { user } => self.access_keys(user).await,
            Query::PermissionSet { instance, arn, region } => {
                self.identity_center.permission_set(instance, arn, region).await
            }
            Query::Assigned { store, principal, group, region } => {
                self.identity_center.assigned(store, principal, *group, region).await
            }
            Query::ExposedKey { account, access_key_id } => self.exposed_key(account, access_key_id).await,
            Query::Window(asked) => {
                let count = window::note(&self.journal, asked, now()).await;
                count.map(Value::WindowCount).map_err(Otherwise::TryAgain)
            }
            Query::Earlier(EarlierQuery { key, time, span }) => {
                match window::last(&self.journal, key, *time, *span).await {
                    Ok(Some(last)) => Ok(Value::Time(last)),
                    Ok(None) => Err(Fact::Missing.into()),
                    Err(error) => Err(Otherwise::TryAgain(error.to_string())),
                }
            }
            Query::FirstSeen(FirstSeenQuery { key, member, time, kept }) => {
                let sight = first_sight::note(&self.journal, key, member, *time, *kept, now()).await;
                sight.map(Value::FirstSeen).map_err(Otherwise::TryAgain)
            }
        };
        settled(answer)
    }
}

/// Characters of a document that IAM delivers percent-encoded.
fn decoded_len(text: &str) -> usize {
    text.len() - 2 * text.bytes().filter(|byte| *byte == b'%').count().min(text.len() / 3)
}

/// What an SDK error means: gone, refused, or to be asked again. The SDK has tried three times by then.
fn unknown<E>(error: SdkError<E>) -> Otherwise
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    match error.code() {
        Some("NoSuchEntity" | "ResourceNotFoundException") => Otherwise::Answer(Fact::Missing),
        Some("Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException") => {
            Otherwise::TryAgain(cause(&error).to_string())
        }
        Some(_) if status < 500 => Otherwise::Answer(Fact::Unavailable(cause(&error).to_string())),
        _ => Otherwise::TryAgain(cause(&error).to_string()),
    }
}
