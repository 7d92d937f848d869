//! What the checks on buckets share.

use facts::s3::{Bucket, BucketGrant, PublicAccessBlock};

use crate::kit::prelude::*;
use crate::kit::sharing::{self, Share};

/// All four switches, as the AWS CLI writes them.
pub(super) const ALL_ON: &str =
    "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true";

/// Judges each bucket.
///
/// # Errors
/// The list of buckets is not known.
pub(super) fn each_bucket<'s>(
    cx: &mut Cx<'s>,
    mut judge: impl FnMut(&mut Cx<'s>, &'s Bucket) -> Outcome,
) -> Outcome {
    for bucket in cx.known(Buckets, GLOBAL)? {
        let arn = format!("arn:{}:s3:::{}", cx.partition(), bucket.name);
        cx.about(&bucket.region, &arn, |cx| judge(cx, bucket));
    }
    Ok(())
}

/// Where questions about a bucket are put.
pub(super) fn place(bucket: &Bucket) -> (&str, &str) {
    (&bucket.region, &bucket.name)
}

/// Whether a switch of Block Public Access is on for a bucket, by the account's block or by its own.
///
/// # Errors
/// Neither is known to be on, and one of them is not known.
pub(super) fn blocks(
    cx: &mut Cx<'_>,
    bucket: &Bucket,
    switch: impl Fn(&PublicAccessBlock) -> bool,
) -> Result<bool, Stop> {
    let account = cx.optional(AccountPublicAccess, GLOBAL).map(|block| block.is_some_and(&switch));
    // Nobody is asked for the bucket's own where the account blocks everything.
    if account == Ok(true) {
        return account;
    }
    let own = cx.try_known(BucketPublicAccess, place(bucket)).map(&switch);
    any(&[account, own])
}

/// What the bucket's policy gives outsiders, whether it takes effect or not.
///
/// # Errors
/// The policy is not known or cannot be read.
pub(super) fn shares(cx: &mut Cx<'_>, bucket: &Bucket) -> Result<Vec<Share>, Stop> {
    let policy = cx.try_known(BucketPolicy, place(bucket))?;
    let Some(text) = &policy.document else { return Ok(Vec::new()) };
    sharing::of_policy(cx, "s3", &format!("bucket {}", bucket.name), text)
}

/// Whether the policy, whose shares these are, makes the bucket public.
///
/// # Errors
/// What is not known decides.
pub(super) fn is_public_by_policy(
    cx: &mut Cx<'_>,
    bucket: &Bucket,
    shares: &Result<Vec<Share>, Stop>,
) -> Result<bool, Stop> {
    let opens = shares.as_ref().map(|all| all.iter().any(sharing::is_public)).map_err(Stop::clone);
    let restricted = blocks(cx, bucket, |block| block.restrict_public_buckets);
    all(&[opens, restricted.map(|on| !on)])
}

/// The grants of the bucket's access control list that name everybody, whether they take effect or not.
///
/// # Errors
/// The list is not known.
pub(super) fn public_grants<'s>(cx: &mut Cx<'s>, bucket: &Bucket) -> Result<Vec<&'s BucketGrant>, Stop> {
    let acl = cx.try_known(BucketAcl, place(bucket))?;
    Ok(acl.grants.iter().filter(|grant| grant.is_public()).collect())
}

/// Whether the access control list, whose grants these are, makes the bucket public.
///
/// # Errors
/// What is not known decides.
pub(super) fn is_public_by_acl(
    cx: &mut Cx<'_>,
    bucket: &Bucket,
    grants: &Result<Vec<&BucketGrant>, Stop>,
) -> Result<bool, Stop> {
    let opens = grants.as_ref().map(|all| !all.is_empty()).map_err(Stop::clone);
    let ignored = blocks(cx, bucket, |block| block.ignore_public_acls);
    // It is asked only where the list opens the bucket.
    let enforced = match opens {
        Ok(true) => cx
            .try_known(BucketOwnership, place(bucket))
            .map(|one| one.ownership.as_deref() == Some("BucketOwnerEnforced")),
        _ => Ok(false),
    };
    all(&[opens, ignored.map(|on| !on), enforced.map(|on| !on)])
}

/// Whether everybody gets into the bucket, in either way.
///
/// # Errors
/// What is not known decides.
pub(super) fn is_public(cx: &mut Cx<'_>, bucket: &Bucket) -> Result<bool, Stop> {
    let shares = shares(cx, bucket);
    let policy = is_public_by_policy(cx, bucket, &shares);
    let grants = public_grants(cx, bucket);
    let acl = is_public_by_acl(cx, bucket, &grants);
    any(&[policy, acl])
}

#[cfg(test)]
pub(super) mod fixtures {
    use facts::s3::BucketOwnership as Ownership;
    use keepwatch_core::posture::{Place, State};

    use super::*;
    use crate::testing::*;

    /// The place of a bucket.
    pub(crate) fn at(name: &str) -> Place {
        of(name)
    }

    /// An account without a block of its own that has these buckets, each without block, policy and public grants.
    pub(crate) fn buckets(names: &[&str]) -> State {
        let bucket = |name: &&str| Bucket { name: (*name).to_owned(), region: REGION.to_owned() };
        let mut state = account().with(Buckets, global(), names.iter().map(bucket).collect());
        state = absent(state, AccountPublicAccess, global());
        for name in names {
            state = state
                .with(BucketPublicAccess, at(name), PublicAccessBlock::default())
                .with(BucketPolicy, at(name), facts::s3::BucketPolicy { document: None })
                .with(BucketAcl, at(name), facts::s3::BucketAcl { grants: Vec::new() });
        }
        state
    }

    /// The state in which a bucket has this policy.
    pub(crate) fn with_policy(state: State, name: &str, policy: serde_json::Value) -> State {
        let document = Some(policy.to_string());
        state.with(BucketPolicy, at(name), facts::s3::BucketPolicy { document })
    }

    /// A policy with one Allow of these actions for this principal.
    pub(crate) fn allowing(principal: &serde_json::Value, action: &str) -> serde_json::Value {
        serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "arn:aws:s3:::open/*"}
        ]})
    }

    /// The state in which a bucket grants everybody this by its access control list.
    pub(crate) fn with_public_acl(state: State, name: &str, group: &str, permission: &str) -> State {
        let grant = BucketGrant {
            group: Some(format!("http://acs.amazonaws.com/groups/global/{group}")),
            permission: permission.to_owned(),
        };
        let ownership = Some("ObjectWriter".to_owned());
        state.with(BucketAcl, at(name), facts::s3::BucketAcl { grants: vec![grant] }).with(
            BucketOwnership,
            at(name),
            Ownership { ownership },
        )
    }

    /// A block with some switches on, by their first letters: `ba` BlockPublicAcls, `ia`, `bp`, `rp`.
    pub(crate) fn block(on: &[&str]) -> PublicAccessBlock {
        PublicAccessBlock {
            block_public_acls: on.contains(&"ba"),
            ignore_public_acls: on.contains(&"ia"),
            block_public_policy: on.contains(&"bp"),
            restrict_public_buckets: on.contains(&"rp"),
        }
    }

    /// All four.
    pub(crate) fn full() -> PublicAccessBlock {
        block(&["ba", "ia", "bp", "rp"])
    }
}
