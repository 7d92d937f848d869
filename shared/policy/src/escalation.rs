//! The catalogue of the ways in which permissions that are not "administrator" make their holder one.
//!
//! Facts, as of [`PATHS_DATE`], from the public lists of DataDog's pathfinding.cloud, Prowler, Cloudsplaining, PMapper, Pacu and
//! Bishop Fox's IAM Vulnerable, and from AWS's documentation where no list has them ([`PAGES`]). The wording is our own.
//! `cargo xtask paths` holds every action against the service authorization reference and prints what the lists have anew.
//!
//! A path is in it if its actions let their holder use permissions that it has not: those of another user or role, or its own
//! without what limits them. Left out, on purpose:
//!
//! * what reads or changes data, however valuable: a database login, a secret, `kms:PutKeyPolicy`, a bucket policy,
//!   replication and import roles of S3, RDS, Redshift, DMS and Firehose;
//! * what poisons code before it is deployed: images in ECR, objects in S3, commits in CodeCommit, layers of Lambda;
//! * what hands out a session by a name that reads, so that whoever may `Get*` would be told of:
//!   `elasticmapreduce:GetClusterSessionCredentials`, `emr-containers:GetManagedEndpointSessionCredentials`,
//!   `athena:GetSessionEndpoint`, `gamelift:GetComputeAccess`, `datazone:GetEnvironmentCredentials`;
//! * accounts of applications: Cognito user pools, Connect, QuickSight, Grafana;
//! * services that AWS has closed down: OpsWorks, RoboMaker, Nimble Studio, Proton, IoT Analytics, FinSpace, SimSpace Weaver.
//!
//! Not verified, and therefore not in it. The service takes a role, but its documentation does not say whether the caller's
//! own code can use it, or which principal receives it: `aidevops` and `securityagent` agent spaces, `bedrock-agentcore`
//! evaluations and capacity providers, `cleanrooms-ml:CreateConfiguredModelAlgorithm`, `datazone` blueprint configurations,
//! `glue:StartBlueprintRun`, `m2:CreateApplication`, `mgn` and `drs` launch actions, `pcs:CreateComputeNodeGroup` (its roles
//! must be named `AWSPCS*`), `sagemaker:CreateJob`, `CreateAIBenchmarkJob` and `CreatePartnerApp`, `ssm-quicksetup`,
//! `iam:AcceptDelegationRequest`, and renaming users until a policy names them (`iam:UpdateUser`).

mod existing;
mod identity;
mod pages;
mod passing;

pub use pages::PAGES;

use super::path::Path;

/// When the catalogue was last held against its sources.
pub const PATHS_DATE: &str = "2026-11-30";

const ALL: [&[Path]; 4] = [identity::STRONG, passing::PATHS, existing::PATHS, identity::WEAK];

const COUNT: usize = ALL[0].len() + ALL[1].len() + ALL[2].len() + ALL[3].len();

const fn joined() -> [Path; COUNT] {
    let mut all = [ALL[0][0]; COUNT];
    let (mut part, mut count) = (0, 0);
    while part < ALL.len() {
        let mut i = 0;
        while i < ALL[part].len() {
            all[count] = ALL[part][i];
            (i, count) = (i + 1, count + 1);
        }
        part += 1;
    }
    all
}

/// Every known way, the most direct first.
pub static PATHS: &[Path] = &joined();
