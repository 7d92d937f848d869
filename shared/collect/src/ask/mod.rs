//! How each question is answered: one file a service.

mod account;
pub(crate) mod audit;
mod cloudfront;
mod compute;
mod data;
mod ec2;
pub(crate) mod events;
mod iam;
mod kms;
mod quotas;
mod s3;

use keepwatch_core::posture::{Place, Question, ask};

use crate::client::Client;
use crate::deposit::Deposit;
use crate::fault::Fault;

/// Asks one question of one place.
pub(crate) async fn answer(client: &Client, question: Question, place: Place) -> Deposit {
    let home = client.partition().home_region;
    let asked = place.clone();
    let (region, of) = (asked.region.as_str(), asked.of.as_str());
    let at = (client.now)();
    macro_rules! put {
        ($name:ident, $found:expr) => {
            Deposit::of(ask::$name, place, $found.await, at)
        };
    }
    match question {
        Question::AccountSummary => put!(AccountSummary, some(iam::account_summary(client))),
        Question::CredentialReport => {
            let (made, report) = match iam::credential_report(client).await {
                Ok((report, made)) => (made, Ok(Some(report))),
                Err(fault) => (at, Err(fault)),
            };
            Deposit::of(ask::CredentialReport, place, report, made)
        }
        Question::Authorization => put!(Authorization, some(iam::authorization(client))),
        Question::PasswordPolicy => put!(PasswordPolicy, iam::password_policy(client)),
        Question::VirtualMfaDevices => put!(VirtualMfaDevices, some(iam::virtual_mfa_devices(client))),
        Question::MfaDevices => put!(MfaDevices, iam::mfa_devices(client, of)),
        Question::AccessKeys => put!(AccessKeys, iam::access_keys(client, of)),
        Question::SamlProviders => put!(SamlProviders, some(iam::saml_providers(client))),
        Question::OidcProviders => put!(OidcProviders, some(iam::oidc_providers(client))),
        Question::RootFeatures => put!(RootFeatures, iam::root_features(client)),
        Question::IdentityCenter => put!(IdentityCenter, some(account::identity_center(client, home))),
        Question::Organization => put!(Organization, account::organization(client, home)),
        Question::OrganizationAccounts => put!(OrganizationAccounts, account::members(client, home)),
        Question::SecurityContact => put!(SecurityContact, account::security_contact(client, home)),
        Question::Budgets => put!(Budgets, some(account::budgets(client, home))),
        Question::BillingAlarms => put!(BillingAlarms, some(account::billing_alarms(client, home))),
        Question::EventRules => put!(EventRules, some(events::rules(client, region))),
        Question::Quotas => put!(Quotas, some(quotas::used(client, region))),
        Question::AccountPublicAccess => put!(AccountPublicAccess, s3::account_block(client)),
        Question::Buckets => put!(Buckets, some(s3::buckets(client))),
        Question::BucketPublicAccess => put!(BucketPublicAccess, s3::public_access(client, region, of)),
        Question::BucketPolicy => put!(BucketPolicy, s3::policy(client, region, of)),
        Question::BucketAcl => put!(BucketAcl, s3::acl(client, region, of)),
        Question::BucketOwnership => put!(BucketOwnership, s3::ownership(client, region, of)),
        Question::BucketEncryption => put!(BucketEncryption, s3::encryption(client, region, of)),
        Question::BucketVersioning => put!(BucketVersioning, s3::versioning(client, region, of)),
        Question::BucketLogging => put!(BucketLogging, s3::logging(client, region, of)),
        Question::Instances => put!(Instances, some(ec2::instances(client, region))),
        Question::ManagedInstances => {
            put!(ManagedInstances, some(compute::managed_instances(client, region)))
        }
        Question::Volumes => put!(Volumes, some(ec2::volumes(client, region))),
        Question::Snapshots => put!(Snapshots, some(ec2::snapshots(client, region))),
        Question::PublicSnapshots => put!(PublicSnapshots, some(ec2::public_snapshots(client, region))),
        Question::SnapshotBlock => put!(SnapshotBlock, some(ec2::snapshot_block(client, region))),
        Question::EbsDefaultEncryption => {
            put!(EbsDefaultEncryption, some(ec2::default_encryption(client, region)))
        }
        Question::Vpcs => put!(Vpcs, some(ec2::vpcs(client, region))),
        Question::FlowLogs => put!(FlowLogs, some(ec2::flow_logs(client, region))),
        Question::SecurityGroups => put!(SecurityGroups, some(ec2::security_groups(client, region))),
        Question::SecurityGroupRules => {
            put!(SecurityGroupRules, some(ec2::security_group_rules(client, region)))
        }
        Question::PrefixList => put!(PrefixList, ec2::prefix_list(client, region, of)),
        Question::NetworkInterfaces => put!(NetworkInterfaces, some(ec2::network_interfaces(client, region))),
        Question::Functions => put!(Functions, some(compute::functions(client, region))),
        Question::Notebooks => put!(Notebooks, some(compute::notebooks(client, region))),
        Question::Notebook => put!(Notebook, compute::notebook(client, region, of)),
        Question::DbInstances => put!(DbInstances, some(data::instances(client, region))),
        Question::DbClusters => put!(DbClusters, some(data::clusters(client, region))),
        Question::DbSnapshots => put!(DbSnapshots, some(data::snapshots(client, region))),
        Question::DbSnapshotShares => put!(DbSnapshotShares, data::snapshot_shares(client, region, of)),
        Question::DbClusterSnapshots => {
            put!(DbClusterSnapshots, some(data::cluster_snapshots(client, region)))
        }
        Question::DbClusterSnapshotShares => {
            put!(DbClusterSnapshotShares, data::cluster_snapshot_shares(client, region, of))
        }
        Question::ReplicationInstances => {
            put!(ReplicationInstances, some(data::replication_instances(client, region)))
        }
        Question::Domains => put!(Domains, some(data::domains(client, region))),
        Question::BackupPlans => put!(BackupPlans, some(data::backup_plans(client, region))),
        Question::BackupSelections => put!(BackupSelections, data::backup_selections(client, region, of)),
        Question::KmsKeys => put!(KmsKeys, some(kms::keys(client, region))),
        Question::AwsManagedKeys => put!(AwsManagedKeys, some(kms::aws_managed(client, region))),
        Question::KmsKey => put!(KmsKey, kms::key(client, region, of)),
        Question::Trails => put!(Trails, some(audit::trails(client, region))),
        Question::TrailStatus => put!(TrailStatus, audit::trail_status(client, region, of)),
        Question::TrailSelectors => put!(TrailSelectors, audit::trail_selectors(client, region, of)),
        Question::TrailInsights => put!(TrailInsights, audit::trail_insights(client, region, of)),
        Question::ConfigRecorders => put!(ConfigRecorders, some(audit::config_recorders(client, region))),
        Question::ConfigStatus => put!(ConfigStatus, some(audit::config_status(client, region))),
        Question::ConfigChannels => put!(ConfigChannels, some(audit::config_channels(client, region))),
        Question::Detectors => put!(Detectors, some(audit::detectors(client, region))),
        Question::Detector => put!(Detector, audit::detector(client, region, of)),
        Question::Analyzers => put!(Analyzers, some(audit::analyzers(client, region))),
        Question::SecurityHub => put!(SecurityHub, some(audit::security_hub(client, region))),
        Question::Distributions => put!(Distributions, some(cloudfront::distributions(client, home))),
        Question::DistributionLogging => put!(DistributionLogging, cloudfront::logging(client, home, of)),
        Question::LogDeliveries => put!(LogDeliveries, some(cloudfront::deliveries(client, home))),
    }
}

/// An answer that cannot be absent.
async fn some<T>(found: impl Future<Output = Result<T, Fault>>) -> Result<Option<T>, Fault> {
    found.await.map(Some)
}
