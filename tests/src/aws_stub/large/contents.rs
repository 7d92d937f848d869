//! What there is in the account: how much of each kind, and where.

use std::time::Duration;

use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;

/// The regions that are on in every account (Account Management reference, "Enable or disable AWS Regions"); the first three are
/// busy.
pub(super) const REGIONS: [&str; 17] = [
    "us-east-1",
    "eu-west-1",
    "eu-central-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-north-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
];

/// How many of them have more than AWS put there.
pub(super) const BUSY: usize = 3;

pub(super) const ACCOUNT: &str = "111122223333";

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// IAM users. Roles are half as many, customer managed policies a third, groups a twentieth.
    pub users: usize,
    /// Buckets.
    pub buckets: usize,
    /// Security groups, instances, functions in each busy region; of rules, volumes, snapshots and network interfaces there are
    /// twice to four times as many.
    pub in_region: usize,
}

impl Size {
    pub(super) fn roles(&self) -> usize {
        self.users / 2
    }

    pub(super) fn groups(&self) -> usize {
        self.users.div_ceil(20)
    }

    pub(super) fn policies(&self) -> usize {
        self.users / 3
    }

    /// How many of something lie in a region: a busy one has so many times [`Size::in_region`], another one so few.
    pub(super) fn lying_in(&self, region: &str, times: usize, elsewhere: usize) -> usize {
        match is_busy(region) {
            true => self.in_region * times,
            false => elsewhere,
        }
    }
}

/// Whether the region has more than AWS put there.
pub(super) fn is_busy(region: &str) -> bool {
    REGIONS[..BUSY].contains(&region)
}

pub(super) fn days_ago(days: u64) -> Timestamp {
    now().minus(Duration::from_secs(days * 86_400))
}

pub(super) fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}")
}
