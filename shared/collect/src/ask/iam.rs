//! IAM, through its SDK crate.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::types::{
    AssignmentStatusType, AttachedPolicy, EntityType, PolicyDetail, StatusType, SummaryKeyType, Tag,
};
use keepwatch_base::time::Timestamp;
use keepwatch_core::posture::facts::iam::{
    AccessKey, AccountSummary, Authorization, CredentialReport, Credentials, Group, ManagedPolicy, Moment,
    PasswordPolicy, ReportKey, Role, User, VirtualMfaDevice,
};
use keepwatch_core::state::PolicyText;

use crate::client::Client;
use crate::fault::{Fault, absent_if};

/// How many IAM calls may be under way at once; IAM has one quota for the whole account.
const CEILING: usize = 5;

/// How often the credential report is asked for before the scan goes on without it, and how long is waited in between. AWS makes
/// it within seconds.
const REPORT_TRIES: u32 = 40;
const REPORT_PAUSE: Duration = Duration::from_millis(1_500);

/// What IAM says of what is not there.
const NONE: &[&str] = &["NoSuchEntity", "NoSuchEntityException"];

/// Makes one call, when there is leave for it.
macro_rules! ask {
    ($client:expr, $action:literal, $request:expr) => {{
        let _leave = $client.leave("iam", "global", CEILING).await;
        $request.send().await.map_err(|error| fault($action, &error))
    }};
}

/// Makes all calls of a list, when there is leave for it.
macro_rules! ask_pages {
    ($client:expr, $action:literal, $request:expr) => {{
        let _leave = $client.leave("iam", "global", CEILING).await;
        let mut stream = $request.into_paginator().send();
        let mut pages = Vec::new();
        loop {
            match stream.next().await {
                Some(Ok(page)) => pages.push(page),
                Some(Err(error)) => break Err(fault($action, &error)),
                None => break Ok(pages),
            }
        }
    }};
}

fn fault<E, R>(action: &'static str, error: &SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match (error.code(), error) {
        (Some(code), _) => Fault::of(action, code, error.message().unwrap_or_default()),
        (None, SdkError::TimeoutError(_)) => Fault::Failed(format!("{action}: no answer in time")),
        (None, SdkError::DispatchFailure(_)) => {
            Fault::Failed(format!("{action}: the service could not be reached"))
        }
        (None, other) => Fault::Failed(format!("{action}: {other}")),
    }
}

/// A count or a length, which is never below nothing.
fn number(name: &str, count: i32) -> Result<u32, Fault> {
    u32::try_from(count).map_err(|_| Fault::unreadable(format!("{name} is {count}")))
}

fn time(at: Option<&aws_sdk_iam::primitives::DateTime>) -> Option<Timestamp> {
    at.and_then(|at| at.to_millis().ok()).map(Timestamp::from_millis)
}

pub(super) async fn account_summary(client: &Client) -> Result<AccountSummary, Fault> {
    let answer = ask!(client, "iam:GetAccountSummary", client.iam.get_account_summary())?;
    summary(&answer.summary_map.unwrap_or_default())
}

fn summary(map: &HashMap<SummaryKeyType, i32>) -> Result<AccountSummary, Fault> {
    let named = |key: &SummaryKeyType| map.get(key).map(|count| number(key.as_str(), *count)).transpose();
    let need = |key: SummaryKeyType| {
        named(&key)?.ok_or_else(|| Fault::unreadable(format!("it has no {}", key.as_str())))
    };
    Ok(AccountSummary {
        root_mfa: need(SummaryKeyType::AccountMfaEnabled)? > 0,
        root_password: need(SummaryKeyType::from("AccountPasswordPresent"))? > 0,
        root_access_keys: need(SummaryKeyType::AccountAccessKeysPresent)?,
        root_certificates: named(&SummaryKeyType::AccountSigningCertificatesPresent)?.unwrap_or(0),
        users: named(&SummaryKeyType::Users)?.unwrap_or(0),
    })
}

/// The report, and when AWS made it.
pub(super) async fn credential_report(client: &Client) -> Result<(CredentialReport, Timestamp), Fault> {
    for _ in 0..REPORT_TRIES {
        // Where one of the last four hours is there, this is all that happens.
        let made = ask!(client, "iam:GenerateCredentialReport", client.iam.generate_credential_report());
        match made {
            Ok(answer) if answer.state.as_ref().is_some_and(|state| state.as_str() == "COMPLETE") => {
                let found = ask!(client, "iam:GetCredentialReport", client.iam.get_credential_report());
                match found {
                    Ok(report) => {
                        let made = time(report.generated_time.as_ref()).unwrap_or_else(|| (client.now)());
                        let text = report.content.map(aws_sdk_iam::primitives::Blob::into_inner);
                        return Ok((read_report(&text.unwrap_or_default())?, made));
                    }
                    Err(fault) if is_not_ready(&fault) => {}
                    Err(fault) => return Err(fault),
                }
            }
            Ok(_) => {}
            // Made too often: the last one is as good as a new one.
            Err(fault) if fault.is(&["LimitExceeded", "LimitExceededException"]) => {}
            Err(Fault::Refused(mut refusals)) => {
                // A report that somebody else had made is not taken: the verdicts would come and go with it. But whoever
                // mends the role wants to know of both actions at once.
                let read = ask!(client, "iam:GetCredentialReport", client.iam.get_credential_report());
                if let Err(Fault::Refused(more)) = read {
                    refusals.extend(more);
                }
                return Err(Fault::Refused(refusals));
            }
            Err(fault) => return Err(fault),
        }
        client.pause(REPORT_PAUSE).await;
    }
    Err(Fault::Failed("the credential report was not ready in time".to_owned()))
}

fn is_not_ready(fault: &Fault) -> bool {
    fault.is(&[
        "ReportNotPresent",
        "ReportInProgress",
        "ReportExpired",
        "CredentialReportNotPresentException",
        "CredentialReportNotReadyException",
        "CredentialReportExpiredException",
    ])
}

fn read_report(text: &[u8]) -> Result<CredentialReport, Fault> {
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers().map_err(Fault::unreadable)?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let mut report = CredentialReport { root: None, users: Vec::new() };
    for row in reader.records() {
        let row = row.map_err(Fault::unreadable)?;
        let cell = |name: &str| {
            let found = place(name).and_then(|at| row.get(at));
            found.ok_or_else(|| Fault::unreadable(format!("the credential report has no {name}")))
        };
        let mut keys = Vec::new();
        for slot in [1, 2] {
            let rotated = moment(cell(&format!("access_key_{slot}_last_rotated"))?)?;
            let active = cell(&format!("access_key_{slot}_active"))? == "true";
            // Only a key has an age: without one there is no key in the slot.
            if active || matches!(rotated, Moment::At(_)) {
                let used = moment(cell(&format!("access_key_{slot}_last_used_date"))?)?;
                keys.push(ReportKey { slot, active, rotated, used });
            }
        }
        let password = match cell("password_enabled")? {
            "true" | "TRUE" => Some(true),
            "false" | "FALSE" => Some(false),
            _ => None,
        };
        let credentials = Credentials {
            user: cell("user")?.to_owned(),
            arn: cell("arn")?.to_owned(),
            created: moment(cell("user_creation_time")?)?,
            password,
            password_used: moment(cell("password_last_used")?)?,
            password_changed: moment(cell("password_last_changed")?)?,
            mfa: cell("mfa_active")? == "true",
            keys,
        };
        // Only root's ARN ends so: a user may have any name.
        if credentials.arn.ends_with(":root") {
            report.root = Some(credentials);
        } else {
            report.users.push(credentials);
        }
    }
    Ok(report)
}

fn moment(cell: &str) -> Result<Moment, Fault> {
    Ok(match cell {
        "N/A" | "" => Moment::Never,
        "no_information" => Moment::NoInformation,
        "not_supported" => Moment::NotSupported,
        time => Moment::At(
            Timestamp::parse(time)
                .ok_or_else(|| Fault::unreadable(format!("{time} is no date of a credential report")))?,
        ),
    })
}

pub(super) async fn authorization(client: &Client) -> Result<Authorization, Fault> {
    let request = client.iam.get_account_authorization_details();
    // AWS's own policies are known without asking, and are most of the answer.
    let request = request
        .filter(EntityType::User)
        .filter(EntityType::Group)
        .filter(EntityType::Role)
        .filter(EntityType::LocalManagedPolicy)
        .max_items(1_000);
    let _leave = client.leave("iam", "global", CEILING).await;
    let mut pages = request.into_paginator().send();
    let mut all = Authorization::default();
    // Each page is let go before the next one comes: IAM sends every version of every policy, and one of them is kept.
    while let Some(page) = pages.next().await {
        add(&mut all, page.map_err(|error| fault("iam:GetAccountAuthorizationDetails", &error))?)?;
    }
    Ok(all)
}

/// Adds what a page lists.
fn add(all: &mut Authorization, page: GetAccountAuthorizationDetailsOutput) -> Result<(), Fault> {
    for user in page.user_detail_list.unwrap_or_default() {
        all.users.push(User {
            arn: needed(user.arn, "Arn")?,
            name: needed(user.user_name, "UserName")?,
            id: user.user_id.unwrap_or_default(),
            created: time(user.create_date.as_ref()),
            groups: user.group_list.unwrap_or_default(),
            inline: texts(user.user_policy_list),
            managed: arns(user.attached_managed_policies),
            boundary: user.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            tags: tags(user.tags),
        });
    }
    for group in page.group_detail_list.unwrap_or_default() {
        all.groups.push(Group {
            arn: needed(group.arn, "Arn")?,
            name: needed(group.group_name, "GroupName")?,
            inline: texts(group.group_policy_list),
            managed: arns(group.attached_managed_policies),
        });
    }
    for role in page.role_detail_list.unwrap_or_default() {
        let used = role.role_last_used.as_ref().and_then(|used| used.last_used_date.as_ref());
        all.roles.push(Role {
            last_used: time(used),
            arn: needed(role.arn, "Arn")?,
            name: needed(role.role_name, "RoleName")?,
            path: role.path.unwrap_or_default(),
            id: role.role_id.unwrap_or_default(),
            created: time(role.create_date.as_ref()),
            trust: needed(role.assume_role_policy_document, "AssumeRolePolicyDocument")?,
            inline: texts(role.role_policy_list),
            managed: arns(role.attached_managed_policies),
            boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
        });
    }
    for policy in page.policies.unwrap_or_default() {
        let arn = needed(policy.arn, "Arn")?;
        // AWS's own come too where they are attached, in some accounts.
        if arn.contains(":iam::aws:") {
            continue;
        }
        let versions = policy.policy_version_list.unwrap_or_default();
        let default = versions.into_iter().find(|version| version.is_default_version);
        let document = default.and_then(|version| version.document);
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        all.policies.push(ManagedPolicy {
            document: needed(document, "Document")?,
            name: policy.policy_name.unwrap_or(name),
            attachments: number("AttachmentCount", policy.attachment_count.unwrap_or(0))?,
            arn,
        });
    }
    Ok(())
}

fn needed(value: Option<String>, name: &str) -> Result<String, Fault> {
    value.ok_or_else(|| Fault::unreadable(format!("it has no {name}")))
}

fn texts(policies: Option<Vec<PolicyDetail>>) -> Vec<PolicyText> {
    let text = |policy: PolicyDetail| PolicyText {
        name: policy.policy_name.unwrap_or_default(),
        text: policy.policy_document.unwrap_or_default(),
    };
    policies.unwrap_or_default().into_iter().map(text).collect()
}

fn arns(policies: Option<Vec<AttachedPolicy>>) -> Vec<String> {
    policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect()
}

fn tags(tags: Option<Vec<Tag>>) -> Vec<(String, String)> {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

pub(super) async fn password_policy(client: &Client) -> Result<Option<PasswordPolicy>, Fault> {
    let found = ask!(client, "iam:GetAccountPasswordPolicy", client.iam.get_account_password_policy());
    let Some(answer) = absent_if(found, NONE)? else { return Ok(None) };
    let policy = answer.password_policy.ok_or_else(|| Fault::unreadable("it has no PasswordPolicy"))?;
    passwords(&policy).map(Some)
}

fn passwords(policy: &aws_sdk_iam::types::PasswordPolicy) -> Result<PasswordPolicy, Fault> {
    let named = |name: &str, count: Option<i32>| count.map(|count| number(name, count)).transpose();
    Ok(PasswordPolicy {
        // IAM's own least length (IAM API reference, UpdateAccountPasswordPolicy).
        length: named("MinimumPasswordLength", policy.minimum_password_length)?.unwrap_or(6),
        symbols: policy.require_symbols,
        numbers: policy.require_numbers,
        uppercase: policy.require_uppercase_characters,
        lowercase: policy.require_lowercase_characters,
        max_age_days: named("MaxPasswordAge", policy.max_password_age)?.filter(|days| *days > 0),
        reuse_prevention: named("PasswordReusePrevention", policy.password_reuse_prevention)?
            .filter(|count| *count > 0),
    })
}

pub(super) async fn virtual_mfa_devices(client: &Client) -> Result<Vec<VirtualMfaDevice>, Fault> {
    let request = client.iam.list_virtual_mfa_devices().assignment_status(AssignmentStatusType::Assigned);
    let pages = ask_pages!(client, "iam:ListVirtualMFADevices", request)?;
    let devices = pages.into_iter().flat_map(|page| page.virtual_mfa_devices);
    let named = devices.filter_map(|device| {
        let user_arn = device.user.map(|user| user.arn)?;
        Some(VirtualMfaDevice { serial: device.serial_number, user_arn })
    });
    Ok(named.collect())
}

pub(super) async fn mfa_devices(client: &Client, user: &str) -> Result<Option<Vec<String>>, Fault> {
    let found = ask_pages!(client, "iam:ListMFADevices", client.iam.list_mfa_devices().user_name(user));
    let serials = found.map(|pages| {
        pages.into_iter().flat_map(|page| page.mfa_devices).map(|device| device.serial_number).collect()
    });
    absent_if(serials, NONE)
}

pub(super) async fn access_keys(client: &Client, user: &str) -> Result<Option<Vec<AccessKey>>, Fault> {
    let found = ask_pages!(client, "iam:ListAccessKeys", client.iam.list_access_keys().user_name(user));
    let keys = found.map(|pages| {
        let all = pages.into_iter().flat_map(|page| page.access_key_metadata);
        let mut keys: Vec<AccessKey> = all
            .filter_map(|key| {
                Some(AccessKey {
                    active: key.status == Some(StatusType::Active),
                    created: time(key.create_date.as_ref()),
                    id: key.access_key_id?,
                })
            })
            .collect();
        // As the credential report numbers them: the older one first.
        keys.sort_by_key(|key| key.created);
        keys
    });
    absent_if(keys, NONE)
}

pub(super) async fn saml_providers(client: &Client) -> Result<Vec<String>, Fault> {
    let answer = ask!(client, "iam:ListSAMLProviders", client.iam.list_saml_providers())?;
    Ok(answer.saml_provider_list.unwrap_or_default().into_iter().filter_map(|one| one.arn).collect())
}

pub(super) async fn oidc_providers(client: &Client) -> Result<Vec<String>, Fault> {
    let answer = ask!(client, "iam:ListOpenIDConnectProviders", client.iam.list_open_id_connect_providers())?;
    let providers = answer.open_id_connect_provider_list.unwrap_or_default();
    Ok(providers.into_iter().filter_map(|one| one.arn).collect())
}

pub(super) async fn root_features(client: &Client) -> Result<Option<Vec<String>>, Fault> {
    let found = ask!(client, "iam:ListOrganizationsFeatures", client.iam.list_organizations_features());
    let names = found.map(|answer| {
        let features = answer.enabled_features.unwrap_or_default();
        features.iter().map(|feature| feature.as_str().to_owned()).collect()
    });
    // Nobody has let IAM into the organization, or this is not the account that may ask.
    let none = [
        "AccountNotManagementOrDelegatedAdministrator",
        "AccountNotManagementOrDelegatedAdministratorException",
        "OrganizationNotFound",
        "OrganizationNotFoundException",
        "OrganizationNotInAllFeaturesMode",
        "OrganizationNotInAllFeaturesModeException",
        "ServiceAccessNotEnabled",
        "ServiceAccessNotEnabledException",
    ];
    absent_if(names, &none)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
        password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
        access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
        access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
        cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

    fn read(rows: &[&str]) -> Result<CredentialReport, Fault> {
        read_report(format!("{HEADER}\n{}\n", rows.join("\n")).as_bytes())
    }

    #[test]
    fn the_report_is_read_by_column_and_root_by_arn() {
        let report = read(&[
            "<root_account>,arn:aws:iam::111122223333:root,2024-01-01T00:00:00+00:00,not_supported,no_information,\
             not_supported,not_supported,true,true,2025-01-01T00:00:00+00:00,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A",
            "\"a,b@c\",\"arn:aws:iam::111122223333:user/a,b@c\",2026-01-01T00:00:00+00:00,true,\
             2026-11-01T00:00:00+00:00,2026-10-01T00:00:00+00:00,N/A,false,false,2026-01-01T00:00:00+00:00,\
             2026-02-01T00:00:00+00:00,eu-west-1,s3,true,2026-03-01T00:00:00+00:00,N/A,N/A,N/A,false,N/A,false,N/A",
        ])
        .unwrap();
        let root = report.root.unwrap();
        assert_eq!((root.password, root.password_used), (None, Moment::NoInformation));
        assert_eq!(root.keys.len(), 1);
        let user = &report.users[0];
        assert_eq!((user.user.as_str(), user.password), ("a,b@c", Some(true)));
        let keys: Vec<(u8, bool, bool)> =
            user.keys.iter().map(|key| (key.slot, key.active, key.used == Moment::Never)).collect();
        assert_eq!(keys, [(1, false, false), (2, true, true)]);
    }

    #[test]
    fn a_count_below_nothing_is_an_error() {
        let counts = |users: i32, keys: i32| {
            let present = SummaryKeyType::from("AccountPasswordPresent");
            HashMap::from([
                (SummaryKeyType::AccountMfaEnabled, 1),
                (present, 1),
                (SummaryKeyType::AccountAccessKeysPresent, keys),
                (SummaryKeyType::Users, users),
            ])
        };
        let read = summary(&counts(3, 0)).unwrap();
        assert_eq!((read.users, read.root_access_keys, read.root_certificates), (3, 0, 0));
        for odd in [counts(-1, 0), counts(3, -1)] {
            assert!(matches!(summary(&odd), Err(Fault::Failed(why)) if why.contains("is -1")));
        }
        let policy = |age: i32| {
            let policy = aws_sdk_iam::types::PasswordPolicy::builder();
            policy.minimum_password_length(14).max_password_age(age).build()
        };
        assert_eq!(passwords(&policy(0)).unwrap().max_age_days, None);
        assert_eq!(passwords(&policy(90)).unwrap().max_age_days, Some(90));
        assert!(
            matches!(passwords(&policy(-1)), Err(Fault::Failed(why)) if why.contains("MaxPasswordAge is -1"))
        );
    }

    #[test]
    fn a_report_of_another_form_is_an_error() {
        assert!(read_report(b"user,arn\na,arn:aws:iam::1:user/a\n").is_err());
        assert!(read(&["a,b"]).is_err());
        let bad = "a,arn:aws:iam::111122223333:user/a,yesterday,true,N/A,N/A,N/A,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,\
            N/A,N/A,false,N/A,false,N/A";
        assert!(read(&[bad]).is_err());
    }
}
