//! Keepwatch's checks: one file a check, with its documentation, its metadata, its logic and its tests.
//!
//! What lives here: what a [`keepwatch_core::posture::State`] means. A theme is a folder; its `mod.rs` names its checks, one
//! line each, which is their only registration. What may never be here: AWS calls, events, tables, mails. This crate is a leaf:
//! only programs depend on it.
//!
//! # How to add a check
//!
//! 1. **Copy a file** of the theme that it belongs to, for example `iam/console_mfa.rs` (one user after the other) or
//!    `ebs/attached_encrypted.rs` (one region after the other).
//! 2. **Register it**: one line, `file::Name`, in the `theme!` list of the theme's `mod.rs`. A new theme is a folder, a `mod` line
//!    here and a line in `registry.rs`.
//! 3. **Run** `cargo xtask docs` and `cargo nextest run -p keepwatch-checks`. The tests in `tests.rs` hold for every check.
//!
//! A check file has four parts.
//!
//! **The doc comment**, with five headings, each a few sentences for a tired person: `What it checks`, `Why it matters`,
//! `What to do` (with what else must be thought of), `What it costs` (in dollars or in work; say so when it is nothing) and
//! `What may break`. It becomes `keepwatch checks show` and a page in `docs/checks`.
//!
//! **The metadata** (`declare_check!`):
//!
//! | field | what |
//! |---|---|
//! | `id` | `theme.words`, for ever |
//! | `title` | the practice in one line, as it should be: "Root has MFA" |
//! | `severity` | what it usually reports; a judgement may say another |
//! | `practices` | `["P17"]`; every practice P01 to P70 belongs to a check; empty where it speaks for none of them |
//! | `number` | the practice's number among the 26 of AWS's numbered list, where it is one of them |
//! | `references` | `cis("3.0", …)`, `cis("5.0", …)`, `security_hub(…)`, `config(…)`, `trusted_advisor(…)` |
//! | `asks` | the questions (`shared/core/src/posture/question.rs`). This list alone decides what is fetched, what the scan's role may do, and what a missing permission makes unknown. A question that is not listed cannot be read: the answer says so |
//! | `finding` | optional: the rule whose finding a failure is, where event and state are one problem |
//! | `closes` | optional: what its good news closes besides, and which resources it lists whole ([`keepwatch_core::posture::plan::Closes`]) |
//! | `ages` | optional: `true` where time alone makes it fail. Such a failure is told in the weekly report and has no mail of its own |
//!
//! **The logic**: `fn judge(&self, cx: &mut Cx<'_>) -> Outcome`.
//!
//! * `cx.known(Volumes, cx.region())?` is the answer, or ends the judging of the present subject as *unknown* with the missing
//!   action named. `cx.optional(PasswordPolicy, "global")?` is `None` for what does not exist. `cx.answer(…)` is the
//!   [`keepwatch_core::posture::Answer`] itself. A place is `"global"`, a region, or `(region, resource)`.
//! * `cx.each_of(Volumes, arn, judge)` judges each of what a question lists, region by region; `cx.each_region(|cx| …)` judges
//!   each region, `cx.each_used_region(…)` folds the regions that nobody uses into one line, and `cx.about(region, arn, |cx| …)`
//!   judges one resource: what is unknown there stays there. What was deleted between List and Get is absent, and `known` then
//!   leaves the subject without a word.
//! * `cx.part(aspect, |cx| …)` judges a part of the resource: a policy, a key.
//! * Report with `cx.failing(title)`, `passing`, `informational`, `manual`, `not_applicable`, then `.severity`, `.because`, `.detail`,
//!   `.step(purpose, "iam delete-access-key", &[("--user-name", name)])`, and `cx.report(…)`. Titles name the resource.
//! * A refusal must not hide what is known. `any(&[…])` and `all(&[…])` combine `Result<bool, Stop>`s: a known `true` decides
//!   `any` whatever else was refused. `cx.try_known(…)` gives such a result without ending anything.
//! * Thresholds come from `cx.parameters` (`parameters.rs`), each with a value for the profiles `default` and `cis`. `cx.now` is the time.
//! * Policies are judged by `keepwatch_policy` through `crate::kit::power` and `crate::kit::sharing`: never by looking for words.
//! * One finding a problem: several things wrong with one resource are one judgement with details.
//!
//! **The tests**: `passes`, `fails`, `unknown` (`refused(…)`), `not applicable`, and one for each edge case that the practice has.
//! `crate::testing` makes states: `account().with(Volumes, region(), vec![…])`, `judged(&Check, &state)` gives
//! `(resource, verdict)` pairs, `judge_one` the only judgement.

pub mod check;
pub mod kit;
pub mod meta;
pub mod page;
pub mod parameters;
pub mod plan;
pub mod registry;
pub mod run;
/// What selectors of a trail keep, for others who judge trails.
pub mod trails {
    pub use crate::audit::{Kept, records_writes};
}
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod whole;

mod audit;
mod backup;
mod cloudfront;
mod dms;
mod ebs;
mod ec2;
mod iam;
mod keys;
mod kms;
mod lambda;
mod network;
mod opensearch;
mod organization;
mod policies;
mod rds;
mod root;
mod s3;
mod sagemaker;
