//! All checks, theme by theme. A check is registered in its theme's `mod.rs`; this file names the themes.

use keepwatch_core::about::{About, Docs};
use keepwatch_core::catalogue::{Catalogue, count, joined};
use keepwatch_core::posture::{canary, coverage, forwarders};

use crate::check::Check;
use crate::{
    audit, backup, cloudfront, dms, ebs, ec2, iam, keys, kms, lambda, network, opensearch, organization,
    policies, rds, root, s3, sagemaker,
};

/// A theme's list of one kind, for each theme.
macro_rules! of_all_themes {
    ($list:ident) => {
        &[
            root::$list,
            iam::$list,
            keys::$list,
            policies::$list,
            s3::$list,
            ebs::$list,
            rds::$list,
            backup::$list,
            opensearch::$list,
            kms::$list,
            network::$list,
            dms::$list,
            sagemaker::$list,
            lambda::$list,
            ec2::$list,
            cloudfront::$list,
            audit::$list,
            organization::$list,
        ]
    };
}

/// How many checks there are.
const COUNT: usize = count::<&About>(of_all_themes!(ABOUT));

/// The checks.
pub static CHECKS: &[&dyn Check] = &{
    const ALL: [&dyn Check; COUNT] = joined(of_all_themes!(CHECKS));
    ALL
};

/// With what a scan tells of itself, of the canary and of the forwarders.
const ALL: usize = COUNT + 2 + forwarders::COUNT;

/// What describes them, and what a scan tells of itself, of the canary and of the forwarders.
static ABOUT: [&About; ALL] = joined(&[
    &joined::<_, COUNT>(of_all_themes!(ABOUT)),
    &[&coverage::ABOUT, &canary::ABOUT],
    &forwarders::ABOUT,
]);

/// The checks without their documentation.
pub const CATALOGUE: Catalogue = Catalogue::new(&ABOUT);

/// The checks with their documentation.
pub const DOCUMENTED: Catalogue = Catalogue::documented(&ABOUT, docs);

/// What explains a check, by its id.
fn docs(id: &str) -> Option<&'static Docs> {
    static DOCS: [&Docs; ALL] = joined(&[
        &joined::<_, COUNT>(of_all_themes!(DOCS)),
        &[&coverage::DOCS, &canary::DOCS],
        &forwarders::DOCS,
    ]);
    let place = ABOUT.iter().position(|about| about.id == id)?;
    DOCS.get(place).copied()
}
