//! What is asked, and of whom: the questions of the chosen checks, and nothing else.

use std::collections::BTreeSet;

use keepwatch_core::posture::facts::iam::{Credentials, ReportKey};
use keepwatch_core::posture::facts::s3::PublicAccessBlock;
use keepwatch_core::posture::{Answer, Place, Question, Scope, State, ask};
use keepwatch_policy::Level;

use crate::check::Check;
use crate::kit::power;
use crate::kit::time::days_since;
use crate::parameters::Parameters;

/// The questions of these checks, with those that say whom to ask, in an order in which each comes after what it needs.
pub fn questions(checks: &[&dyn Check]) -> Vec<Question> {
    let mut wanted: BTreeSet<Question> = BTreeSet::new();
    let mut open: Vec<Question> = checks.iter().flat_map(|check| check.meta().asks).copied().collect();
    while let Some(question) = open.pop() {
        if wanted.insert(question) {
            open.extend(needs(question));
        }
    }
    let mut ordered: Vec<Question> = Vec::new();
    while ordered.len() < wanted.len() {
        let before = ordered.len();
        for question in Question::ALL.iter().filter(|question| wanted.contains(question)) {
            if !ordered.contains(question) && needs(*question).iter().all(|need| ordered.contains(need)) {
                ordered.push(*question);
            }
        }
        // No question needs itself; without this one that did would be waited for for ever.
        if ordered.len() == before {
            break;
        }
    }
    ordered
}

/// The actions that a scan with these checks needs, sorted.
pub fn actions(checks: &[&dyn Check]) -> BTreeSet<&'static str> {
    let asked = questions(checks);
    // Where and whose it is must be known in any case.
    let always = ["ec2:DescribeRegions", "sts:GetCallerIdentity"];
    asked.iter().flat_map(|question| question.actions()).copied().chain(always).collect()
}

/// The actions that the deployed scan needs: who it is, Lambda tells it.
pub fn deployed_actions(checks: &[&dyn Check]) -> BTreeSet<&'static str> {
    let mut actions = actions(checks);
    actions.remove("sts:GetCallerIdentity");
    actions
}

/// What must be answered before it is known whom to put a question to.
pub fn needs(question: Question) -> Vec<Question> {
    let mut needs: Vec<Question> = match question.scope() {
        Scope::Each(parent) => vec![parent],
        Scope::Account | Scope::Region | Scope::Home => Vec::new(),
    };
    needs.extend_from_slice(match question {
        Question::MfaDevices => &[Question::VirtualMfaDevices],
        Question::BucketPublicAccess => &[Question::AccountPublicAccess],
        Question::BucketAcl => &[Question::AccountPublicAccess, Question::BucketPublicAccess],
        Question::BucketOwnership => &[Question::BucketAcl],
        Question::KmsKey => &[Question::AwsManagedKeys],
        // The buckets of trails are asked however many there are.
        Question::BucketLogging => &[Question::Trails],
        _ => &[],
    });
    needs
}

/// Whom a question is put to, as far as the state tells. What it needs must have been answered.
pub fn places(question: Question, state: &State, parameters: &Parameters) -> Vec<Place> {
    match question.scope() {
        Scope::Account | Scope::Home => vec![Place::global()],
        Scope::Region => state.regions.iter().map(|region| Place::region(region)).collect(),
        Scope::Each(_) => of_each(question, state, parameters),
    }
}

fn of_each(question: Question, state: &State, parameters: &Parameters) -> Vec<Place> {
    match question {
        Question::MfaDevices => administrators_with_virtual_device(state),
        Question::AccessKeys => {
            let reports = state.known(ask::CredentialReport);
            let users = reports.flat_map(|(_, report)| &report.users);
            let telling = users.filter(|user| has_telling_key(user, state, parameters));
            telling.map(|user| Place::of("global", &user.user)).collect()
        }
        Question::BucketPublicAccess => {
            let account = account_block(state);
            // Where the account blocks everything, no bucket can open anything.
            if account.is_some_and(PublicAccessBlock::is_full) { Vec::new() } else { buckets(state) }
        }
        Question::BucketAcl => {
            let mut places = buckets(state);
            places.retain(|place| !effective_block(state, place).ignore_public_acls);
            places
        }
        Question::BucketOwnership => {
            let acls = state.known(ask::BucketAcl);
            let open = acls.filter(|(_, acl)| acl.grants.iter().any(|grant| grant.is_public()));
            open.map(|(place, _)| place.clone()).collect()
        }
        Question::BucketPolicy | Question::BucketVersioning => buckets(state),
        Question::BucketEncryption => match has_many_buckets(state, parameters) {
            true => Vec::new(),
            false => buckets(state),
        },
        Question::BucketLogging
            if has_many_buckets(state, parameters) && parameters.require_bucket_logs == 0 =>
        {
            let trails = in_regions(state.known(ask::Trails));
            let logs: BTreeSet<&str> = trails.filter_map(|(_, trail)| trail.bucket.as_deref()).collect();
            let mut places = buckets(state);
            places.retain(|place| logs.contains(place.of.as_str()));
            places
        }
        Question::BucketLogging => buckets(state),
        Question::PrefixList => {
            let all = in_regions(state.known(ask::SecurityGroupRules)).filter(|(_, rule)| !rule.egress);
            let lists = all.filter_map(|(place, rule)| {
                rule.prefix_list.as_ref().map(|list| Place::of(&place.region, list))
            });
            // Many groups let in the same list.
            lists.collect::<BTreeSet<_>>().into_iter().collect()
        }
        Question::Notebook => {
            let all = in_regions(state.known(ask::Notebooks));
            all.filter(|(_, one)| one.status != "Deleting")
                .map(|(place, one)| Place::of(&place.region, &one.name))
                .collect()
        }
        Question::DbSnapshotShares => {
            let all = in_regions(state.known(ask::DbSnapshots));
            all.map(|(place, one)| Place::of(&place.region, &one.id)).collect()
        }
        Question::DbClusterSnapshotShares => {
            let all = in_regions(state.known(ask::DbClusterSnapshots));
            all.map(|(place, one)| Place::of(&place.region, &one.id)).collect()
        }
        Question::BackupSelections => {
            let all = in_regions(state.known(ask::BackupPlans));
            all.map(|(place, plan)| Place::of(&place.region, &plan.id)).collect()
        }
        Question::KmsKey => {
            let known = |place: &Place| state.answer(ask::AwsManagedKeys, place).value().copied();
            let all = in_regions(state.known(ask::KmsKeys));
            all.filter(|(place, id)| known(place).is_none_or(|aws| !aws.contains(id)))
                .map(|(place, id)| Place::of(&place.region, id))
                .collect()
        }
        Question::TrailStatus | Question::TrailSelectors | Question::TrailInsights => {
            let all = in_regions(state.known(ask::Trails));
            let homes: BTreeSet<Place> =
                all.map(|(_, trail)| Place::of(&trail.home_region, &trail.arn)).collect();
            homes.into_iter().collect()
        }
        Question::Detector => {
            let all = in_regions(state.known(ask::Detectors));
            all.map(|(place, id)| Place::of(&place.region, id)).collect()
        }
        Question::DistributionLogging => {
            let all = in_regions(state.known(ask::Distributions));
            all.map(|(_, one)| Place::of("global", &one.id)).collect()
        }
        _ => Vec::new(),
    }
}

/// What the places list, each with its place.
fn in_regions<'s, T: 's>(
    all: impl Iterator<Item = (&'s Place, &'s Vec<T>)>,
) -> impl Iterator<Item = (&'s Place, &'s T)> {
    all.flat_map(|(place, items)| items.iter().map(move |item| (place, item)))
}

fn buckets(state: &State) -> Vec<Place> {
    in_regions(state.known(ask::Buckets)).map(|(_, bucket)| Place::of(&bucket.region, &bucket.name)).collect()
}

/// Whether there are so many that only what may fail is looked at.
fn has_many_buckets(state: &State, parameters: &Parameters) -> bool {
    buckets(state).len() > usize::try_from(parameters.bucket_details).unwrap_or(usize::MAX)
}

/// The account's block, where it is known; one that was never set blocks nothing.
fn account_block(state: &State) -> Option<PublicAccessBlock> {
    match state.answer(ask::AccountPublicAccess, &Place::global()) {
        Answer::Known(block, _) => Some(*block),
        Answer::Absent => Some(PublicAccessBlock::default()),
        Answer::Refused(_) | Answer::Failed(_) => None,
    }
}

/// What is known to be blocked for a bucket.
fn effective_block(state: &State, place: &Place) -> PublicAccessBlock {
    let own = state.answer(ask::BucketPublicAccess, place).value().map_or_else(Default::default, |b| **b);
    account_block(state).unwrap_or_default().or(own)
}

/// Administrators whose devices must be listed: those with none that is virtual have hardware, if any.
fn administrators_with_virtual_device(state: &State) -> Vec<Place> {
    let virtual_devices = state.answer(ask::VirtualMfaDevices, &Place::global());
    let may_be_virtual = |arn: &str| match virtual_devices.value() {
        Some(devices) => devices.iter().any(|device| device.user_arn == arn),
        None => true,
    };
    let mut places = Vec::new();
    for (_, authorization) in state.known(ask::Authorization) {
        for user in authorization.users.iter().filter(|user| may_be_virtual(&user.arn)) {
            let power = power::of_user(authorization, user);
            if power.is_ok_and(|grant| grant.level >= Level::PrivilegeEscalation) {
                places.push(Place::of("global", &user.name));
            }
        }
    }
    places
}

/// Whether a line will name one of the user's keys, which the report does not do.
fn has_telling_key(user: &Credentials, state: &State, parameters: &Parameters) -> bool {
    let old = |key: &ReportKey, days: u64| {
        let used = key.used.at().max(key.rotated.at());
        used.is_none_or(|time| days_since(time, state.at) >= days)
    };
    user.keys.iter().any(|key| {
        let rotated =
            key.rotated.at().is_none_or(|time| days_since(time, state.at) >= parameters.key_age_days);
        let never_used = key.used.at().is_none() && old(key, parameters.grace_days);
        key.active && (rotated || never_used || old(key, parameters.unused_days))
    })
}
