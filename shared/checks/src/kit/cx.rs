//! What a check looks at and reports to.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::partition::Partition;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::observation::Subject;
use keepwatch_core::posture::{Answer, Ask, Judged, Judgement, Missing, Place, State, ask};
use keepwatch_core::severity::Severity;

use crate::meta::CheckMeta;
use crate::parameters::Parameters;

/// The place of what has no region.
pub(crate) const GLOBAL: &str = "global";

/// Why the judging of a subject ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The subject is gone: it was deleted after it was listed.
    Gone,
    /// Something that it depends on is not known.
    Unknown(Vec<Missing>),
}

/// What judging comes to.
pub type Outcome = Result<(), Stop>;

/// Whether any of these holds. A known `true` decides, whatever else was refused.
///
/// # Errors
/// Everything that is not known, where none is known to hold.
pub(crate) fn any(facts: &[Result<bool, Stop>]) -> Result<bool, Stop> {
    decided(facts, true)
}

/// Whether all of these hold. A known `false` decides, whatever else was refused.
///
/// # Errors
/// Everything that is not known, where none is known not to hold.
pub(crate) fn all(facts: &[Result<bool, Stop>]) -> Result<bool, Stop> {
    decided(facts, false)
}

fn decided(facts: &[Result<bool, Stop>], by: bool) -> Result<bool, Stop> {
    if facts.contains(&Ok(by)) {
        return Ok(by);
    }
    let mut missing = Vec::new();
    for fact in facts {
        match fact {
            Ok(_) => {}
            Err(Stop::Gone) => return Err(Stop::Gone),
            Err(Stop::Unknown(more)) => missing.extend(more.iter().cloned()),
        }
    }
    missing.dedup();
    if missing.is_empty() { Ok(!by) } else { Err(Stop::Unknown(missing)) }
}

/// Where a question is put: `"global"`, a region, or `(region, resource)`.
pub(crate) trait IntoPlace {
    /// The place.
    fn into_place(self) -> Place;
}

impl IntoPlace for &str {
    fn into_place(self) -> Place {
        Place::region(self)
    }
}

impl IntoPlace for (&str, &str) {
    fn into_place(self) -> Place {
        Place::of(self.0, self.1)
    }
}

/// See the module.
pub struct Cx<'s> {
    meta: &'static CheckMeta,
    state: &'s State,
    /// The thresholds.
    pub(crate) parameters: &'s Parameters,
    /// The time of the scan.
    pub(crate) now: Timestamp,
    subject: Subject,
    as_of: Option<Timestamp>,
    judgements: Vec<Judgement>,
    /// What was refused of this check's questions; looked for once, and only where something is unknown.
    refused: OnceCell<Vec<(&'s Place, Missing)>>,
}

impl<'s> Cx<'s> {
    /// A context that begins at the account as a whole.
    pub(crate) fn new(
        meta: &'static CheckMeta,
        state: &'s State,
        parameters: &'s Parameters,
        now: Timestamp,
    ) -> Cx<'s> {
        let subject = Subject {
            account: state.account.clone(),
            region: GLOBAL.to_owned(),
            resource: state.root_arn(),
            aspect: None,
        };
        Cx {
            meta,
            state,
            parameters,
            now,
            subject,
            as_of: None,
            judgements: Vec::new(),
            refused: OnceCell::new(),
        }
    }

    /// What it came to.
    pub(crate) fn finish(self) -> Vec<Judgement> {
        self.judgements
    }

    /// The account's id.
    pub(crate) fn account(&self) -> &'s str {
        &self.state.account
    }

    /// The ARN of root, which stands for the account.
    pub(crate) fn root_arn(&self) -> String {
        self.state.root_arn()
    }

    /// The ARN of a resource of this account in the present region: `cx.arn("ec2", "volume/vol-1")`.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        let State { partition, account, .. } = self.state;
        format!("arn:{partition}:{service}:{}:{account}:{resource}", self.subject.region)
    }

    /// The ARN of a user, group or role as the findings of events name it: without its path, which events do not tell. Names
    /// are unique without it.
    pub(crate) fn iam_arn(&self, kind: &str, name: &str) -> String {
        let State { partition, account, .. } = self.state;
        format!("arn:{partition}:iam::{account}:{kind}/{name}")
    }

    /// The region that is judged; `global` where the check is not in one.
    pub(crate) fn region(&self) -> String {
        self.subject.region.clone()
    }

    /// The regions that were looked at.
    pub(crate) fn regions(&self) -> &'s [String] {
        &self.state.regions
    }

    /// The region in which the partition keeps what is global, `us-east-1`.
    pub(crate) fn home(&self) -> &'static str {
        Partition::home_of(&self.state.partition)
    }

    /// The partition, `aws`.
    pub(crate) fn partition(&self) -> &'s str {
        &self.state.partition
    }

    /// The answer to a question, as it is. Its age counts for what is reported from now on.
    pub(crate) fn answer<A: Ask + 's>(&mut self, ask: A, place: impl IntoPlace) -> Answer<&'s A::Value> {
        if !self.meta.asks.contains(&A::QUESTION) {
            // Whoever judges by what was not asked for judges by chance.
            return Answer::Failed(format!("{} is not among this check's questions", A::QUESTION.name()));
        }
        let state = self.state;
        let answer = state.answer(ask, &place.into_place());
        if let Answer::Known(_, as_of) = answer {
            self.as_of = Some(self.as_of.map_or(as_of, |oldest| oldest.min(as_of)));
        }
        answer
    }

    /// What is known, for a check that can go on without it.
    ///
    /// # Errors
    /// [`Stop`].
    pub(crate) fn try_known<A: Ask + 's>(
        &mut self,
        ask: A,
        place: impl IntoPlace,
    ) -> Result<&'s A::Value, Stop> {
        match self.answer(ask, place) {
            Answer::Known(value, _) => Ok(value),
            Answer::Absent => Err(Stop::Gone),
            other => Err(Stop::Unknown(other.missing())),
        }
    }

    /// What is known. With `?` it ends the judging of the present subject.
    ///
    /// # Errors
    /// [`Stop`].
    pub(crate) fn known<A: Ask + 's>(&mut self, ask: A, place: impl IntoPlace) -> Result<&'s A::Value, Stop> {
        self.try_known(ask, place)
    }

    /// What is known, or nothing where it does not exist.
    ///
    /// # Errors
    /// [`Stop::Unknown`].
    pub(crate) fn optional<A: Ask + 's>(
        &mut self,
        ask: A,
        place: impl IntoPlace,
    ) -> Result<Option<&'s A::Value>, Stop> {
        match self.try_known(ask, place) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Gone) => Ok(None),
            Err(unknown) => Err(unknown),
        }
    }

    /// Whether the question has any answer at this place: it is not put to everybody.
    pub(crate) fn was_asked<A: Ask>(&self, ask: A, place: impl IntoPlace) -> bool {
        self.state.was_asked(ask, &place.into_place())
    }

    /// Judges one resource. What is unknown there is reported there.
    pub(crate) fn about(&mut self, region: &str, resource: &str, judge: impl FnOnce(&mut Cx<'s>) -> Outcome) {
        let subject = Subject {
            account: self.subject.account.clone(),
            region: region.to_owned(),
            resource: clean(resource, 2_048),
            aspect: None,
        };
        self.with(subject, judge);
    }

    /// Judges a part of the present resource.
    pub(crate) fn part(&mut self, aspect: &str, judge: impl FnOnce(&mut Cx<'s>) -> Outcome) {
        let subject = Subject { aspect: Some(clean(aspect, 256)), ..self.subject.clone() };
        self.with(subject, judge);
    }

    /// Judges each region that was looked at.
    pub(crate) fn each_region(&mut self, mut judge: impl FnMut(&mut Cx<'s>) -> Outcome) {
        for region in self.regions() {
            let root = self.root_arn();
            self.about(region, &root, &mut judge);
        }
    }

    fn with(&mut self, subject: Subject, judge: impl FnOnce(&mut Cx<'s>) -> Outcome) {
        let outer = std::mem::replace(&mut self.subject, subject);
        let as_of = self.as_of;
        let outcome = judge(self);
        self.end(outcome);
        self.subject = outer;
        self.as_of = as_of;
    }

    /// Reports an end before the end.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if let Err(Stop::Unknown(mut missing)) = outcome {
            missing.extend(self.refused_besides());
            let judgement = self.unknown(missing);
            self.report(judgement);
        }
    }

    /// What else was refused that this check asks of the present resource, or of the account and the region that it is in:
    /// whoever mends the scan's role wants to know all of it at once.
    fn refused_besides(&self) -> Vec<Missing> {
        let refused = self.refused.get_or_init(|| {
            let gaps = self.state.gaps().into_iter();
            gaps.filter(|(question, _, missing)| {
                missing.action.is_some() && self.meta.asks.contains(question)
            })
            .map(|(_, place, missing)| (place, missing))
            .collect()
        });
        let Subject { region, resource, .. } = &self.subject;
        let is_of = |place: &Place| {
            // `…:user/name` and `arn:aws:s3:::name`; a trail is asked for by its whole ARN.
            let rest = resource.strip_suffix(&place.of);
            place.of.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.ends_with([':', '/']))
        };
        let here = |place: &Place| (place.region == GLOBAL || place.region == *region) && is_of(place);
        refused.iter().filter(|(place, _)| here(place)).map(|(_, missing)| missing.clone()).collect()
    }

    /// The practice is not followed.
    pub(crate) fn failing(&self, title: impl AsRef<str>) -> Judgement {
        self.judgement(Judged::Failing, title)
    }

    /// The practice is followed.
    pub(crate) fn passing(&self, title: impl AsRef<str>) -> Judgement {
        self.judgement(Judged::Passing, title)
    }

    /// Worth a line, and never a failure.
    pub(crate) fn informational(&self, title: impl AsRef<str>) -> Judgement {
        self.judgement(Judged::Informational, title).severity(Severity::Informational)
    }

    /// A person must look.
    pub(crate) fn manual(&self, title: impl AsRef<str>) -> Judgement {
        self.judgement(Judged::Manual, title).severity(Severity::Informational)
    }

    /// The practice does not concern this subject.
    pub(crate) fn not_applicable(&self, title: impl AsRef<str>) -> Judgement {
        self.judgement(Judged::NotApplicable, title)
    }

    /// What it depends on is not known. Ending with `?` does the same.
    pub(crate) fn unknown(&self, mut missing: Vec<Missing>) -> Judgement {
        // Each action once: AWS's words name the caller and the resource, and differ from one refusal to the next.
        let mut named = BTreeSet::new();
        missing.retain(|one| one.action.as_ref().is_none_or(|action| named.insert(action.clone())));
        missing.sort();
        missing.dedup();
        let reasons: Vec<String> = missing.iter().map(Missing::to_string).collect();
        let title = format!("{}: not known", self.meta.about.title);
        let mut judgement = self.judgement(Judged::Unknown, title).because(reasons.join("; "));
        judgement.unknown_because = missing;
        judgement
    }

    /// Puts a judgement on record.
    pub(crate) fn report(&mut self, judgement: Judgement) {
        self.judgements.push(judgement);
    }

    fn judgement(&self, verdict: Judged, title: impl AsRef<str>) -> Judgement {
        let (subject, title) = (self.subject.clone(), clean(title.as_ref(), 512));
        let judgement = Judgement::new(&self.meta.about, subject, verdict, self.as_of, title);
        Judgement { practices: self.meta.practices, ..judgement }
    }
}

/// Whether anybody uses a region: something runs in it, or somebody made a VPC. Where that cannot be told, it counts as used.
///
/// A check that asks this lists [`USE`] among its questions.
impl<'s> Cx<'s> {
    /// See above.
    pub(crate) fn is_used(&mut self, region: &str) -> bool {
        let used = [
            self.try_known(ask::NetworkInterfaces, region).map(|all| !all.is_empty()),
            self.try_known(ask::Functions, region).map(|all| !all.is_empty()),
            self.try_known(ask::DbInstances, region).map(|all| !all.is_empty()),
            self.try_known(ask::Vpcs, region).map(|all| all.iter().any(|vpc| !vpc.default)),
        ];
        any(&used).unwrap_or(true)
    }

    /// Judges each region that somebody uses, and folds what fails in the others into one line on the account:
    /// `told(cx, regions)` reports it.
    pub(crate) fn each_used_region(
        &mut self,
        mut judge: impl FnMut(&mut Cx<'s>) -> Outcome,
        told: impl FnOnce(&Cx<'s>, &[String]) -> Judgement,
    ) {
        let mut idle: BTreeMap<String, ()> = BTreeMap::new();
        let mut stands_for = Vec::new();
        for region in self.regions() {
            let before = self.judgements.len();
            let root = self.root_arn();
            self.about(region, &root, &mut judge);
            let fails =
                |judgement: &Judgement| matches!(judgement.verdict, Judged::Failing | Judged::Informational);
            if self.judgements[before..].iter().any(fails) {
                let as_of = self.as_of;
                let used = self.is_used(region);
                self.as_of = as_of;
                if !used {
                    let mut at = 0;
                    self.judgements.retain(|judgement| {
                        at += 1;
                        let folded = at > before && fails(judgement);
                        if folded {
                            stands_for.push(judgement.subject.clone());
                        }
                        !folded
                    });
                    idle.insert(region.clone(), ());
                }
            }
        }
        if !idle.is_empty() {
            let regions: Vec<String> = idle.into_keys().collect();
            let mut judgement = told(self, &regions);
            judgement.stands_for = stands_for;
            self.report(judgement);
        }
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::posture::ask::*;
    use keepwatch_core::posture::facts::s3::Bucket;

    use super::*;
    use crate::iam::privileged_hardware_mfa::PrivilegedHardwareMfa;
    use crate::kit::fixtures::{admin, authorization_of, report_of};
    use crate::s3::public_acl::PublicAcl;
    use crate::testing::*;

    /// The ARN of a user ends with `/name`, that of a bucket with `:name`.
    #[test]
    fn all_that_is_refused_of_a_resource_is_named_and_nothing_of_another() {
        let admins = authorization_of(vec![admin("boss"), admin("big-boss")]);
        let state = report_of(None, Vec::new()).with(Authorization, global(), admins);
        let state = refused(refused(state, CredentialReport, global()), VirtualMfaDevices, global());
        let state = refused(state, MfaDevices, Place::of("global", "boss"));
        let account = ["iam:GenerateCredentialReport", "iam:ListVirtualMFADevices"];
        let of_user = judgements(&PrivilegedHardwareMfa, &state);
        assert_eq!(
            of_user.iter().map(missing).collect::<Vec<_>>(),
            [vec![account[0], "iam:ListMFADevices", account[1]], account.to_vec()]
        );
        let bucket = |name: &str| Bucket { name: name.to_owned(), region: REGION.to_owned() };
        let all = vec![bucket("photos"), bucket("old-photos")];
        let state = refused(account_of(all), AccountPublicAccess, global());
        let state = refused(refused(state, BucketAcl, of("photos")), BucketPublicAccess, of("photos"));
        let of_bucket = judgements(&PublicAcl, &state);
        let own = ["s3:GetAccountPublicAccessBlock", "s3:GetBucketAcl", "s3:GetBucketPublicAccessBlock"];
        assert_eq!(of_bucket.iter().map(missing).collect::<Vec<_>>(), [own.to_vec(), own[..1].to_vec()]);
    }

    fn account_of(buckets: Vec<Bucket>) -> State {
        crate::testing::account().with(Buckets, global(), buckets)
    }
}
