//! What every store of findings must do, whatever it is made of. DynamoDB's adapter and the simulation's table pass the same
//! suite: what the simulation proves holds for what is deployed only as far as the two agree.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::join;
use keepwatch_alert::outbox::{LEASE, Outbox};
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::event::Event;
use keepwatch_core::finding::record::{FindingStore, RecordError, Recorded, Write, receipt_key, record};
use keepwatch_core::finding::{AlertState, Finding, LONGEST_WAIT, Passed, Step, Stepped};
use keepwatch_core::observation::{Observation, Verdict};
use keepwatch_core::settings::Settings;
use keepwatch_core::state::Fact;
use keepwatch_rules::registry;

use crate::events::root_sign_in;

/// When the suite plays: a Sunday at noon, in milliseconds since 1970.
const NOON: i64 = 1_772_366_400_000;

/// Twelve digits, so that no two cases share a finding.
fn account(case: u64) -> String {
    format!("{:012}", 111_122_220_000 + case)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON + seconds * 1_000)
}

fn claim(token: &str, now: Timestamp) -> Step<'_> {
    Step::Claim { token, now, lease: now.plus(LEASE) }
}

fn seen(case: u64, event: &str) -> Observation {
    let text = root_sign_in(&account(case), event);
    let index = Index::new(registry::RULES);
    let judged = Event::parse(&text).map(|event| {
        let nobody = |_: &_| Fact::Unavailable("nobody to ask".to_owned());
        index.evaluate_answering(&event, &Config::default(), at(0), nobody).observations
    });
    let first = judged.ok().and_then(|all| all.into_iter().next());
    first.unwrap_or_else(|| unreachable!("root's sign-in is always told"))
}

/// A store under test.
#[derive(Debug)]
pub struct Suite<'s, S>(pub &'s S);

impl<S, E> Suite<'_, S>
where
    S: FindingStore<Error = E> + Outbox<Error = E>,
    E: Debug,
{
    /// All cases.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Panics
    /// When the store does something else than it must.
    pub async fn pass(&self) -> Result<(), E> {
        self.an_alert_has_one_teller_and_is_told_once().await?;
        self.a_claim_ends_with_its_lease().await?;
        self.a_deferred_alert_waits_for_its_turn().await?;
        self.a_turn_in_years_has_come().await?;
        self.a_new_alert_takes_the_claim_away().await?;
        self.of_two_who_claim_at_once_one_gets_it().await?;
        self.nobody_writes_over_what_he_has_not_read().await?;
        self.good_news_is_kept_for_a_finding_that_is_not_there().await?;
        self.a_flood_writes_little_and_hides_nothing().await
    }

    async fn record(&self, seen: &Observation, now: Timestamp) -> Result<Recorded, E> {
        match record(self.0, &Settings::default(), seen, now).await {
            Ok(recorded) => Ok(recorded),
            Err(RecordError::Store(error)) => Err(error),
            Err(RecordError::Contended(id)) => unreachable!("nobody else writes {id}"),
        }
    }

    async fn stored(&self, id: &str) -> Result<Finding, E> {
        let finding = self.0.get(id).await?;
        Ok(finding.unwrap_or_else(|| unreachable!("{id} is not there")))
    }

    async fn open(&self, case: u64) -> Result<Finding, E> {
        let seen = seen(case, "e1");
        let mut finding = Finding::open(&seen, None, None).unwrap_or_else(|| unreachable!("it fails"));
        finding.stamp(at(0));
        let key = receipt_key(&finding.finding_id, &seen.event.id);
        let open = Write::Open { finding: &finding, receipt: (seen.rule.id, &key), passed: None };
        assert!(FindingStore::write(self.0, open, at(0)).await?, "a new finding is written");
        Ok(finding)
    }

    async fn step(&self, id: &str, step: Step<'_>) -> Result<Stepped, E> {
        Ok(self.0.step(id, step).await?.stepped)
    }

    async fn is_due(&self, id: &str, now: Timestamp) -> Result<bool, E> {
        Ok(self.0.due(now).await?.iter().any(|due| due.finding_id == id))
    }

    async fn an_alert_has_one_teller_and_is_told_once(&self) -> Result<(), E> {
        let finding = self.open(1).await?;
        let id = &finding.finding_id;
        assert!(self.is_due(id, at(60)).await?, "a sweep finds it when the stream has had its time");
        let outcome = self.0.step(id, claim("a", at(1))).await?;
        assert_eq!(outcome.stepped, Stepped::Changed);
        let claimed = outcome.finding.and_then(Result::ok).map(|finding| *finding);
        assert_eq!(claimed.as_ref(), Some(&self.stored(id).await?), "it says what stands in the table");
        let untouched =
            |finding: &Finding| Finding { alert: Default::default(), version: 0, ..finding.clone() };
        assert_eq!(claimed.as_ref().map(untouched), Some(untouched(&finding)), "the rest is left alone");
        assert_eq!(claimed.map(|finding| finding.version), Some(finding.version + 1));
        assert_eq!(self.step(id, claim("a", at(2))).await?, Stepped::Already);
        assert_eq!(self.step(id, claim("b", at(2))).await?, Stepped::Busy);
        assert!(!self.is_due(id, at(60)).await?, "it is being told");
        assert_eq!(self.step(id, Step::MarkSent { token: "b" }).await?, Stepped::Nothing);
        assert_eq!(self.step(id, Step::MarkSent { token: "a" }).await?, Stepped::Changed);
        let sent = self.stored(id).await?.alert;
        assert_eq!((sent.state, sent.sent, sent.due, sent.due_at), (AlertState::Sent, 1, None, None));
        assert_eq!(self.step(id, claim("c", at(3_600))).await?, Stepped::Nothing);
        assert!(!self.is_due(id, at(3_600)).await?);
        assert_eq!(self.step("no-such-finding", claim("c", at(0))).await?, Stepped::Nothing);
        Ok(())
    }

    async fn a_claim_ends_with_its_lease(&self) -> Result<(), E> {
        let id = &self.open(2).await?.finding_id;
        assert_eq!(self.step(id, claim("a", at(0))).await?, Stepped::Changed);
        assert_eq!(self.step(id, claim("b", at(179))).await?, Stepped::Busy);
        assert!(self.is_due(id, at(180)).await?);
        assert_eq!(self.step(id, claim("b", at(180))).await?, Stepped::Changed);
        assert_eq!(self.step(id, Step::MarkSent { token: "a" }).await?, Stepped::Nothing);
        Ok(())
    }

    async fn a_deferred_alert_waits_for_its_turn(&self) -> Result<(), E> {
        let id = &self.open(3).await?.finding_id;
        assert_eq!(self.step(id, claim("a", at(0))).await?, Stepped::Changed);
        assert_eq!(self.step(id, Step::Defer { token: "a", until: at(600) }).await?, Stepped::Changed);
        assert!(!self.is_due(id, at(599)).await?);
        assert!(self.is_due(id, at(600)).await?);
        assert_eq!(self.step(id, claim("b", at(600))).await?, Stepped::Changed);
        Ok(())
    }

    async fn a_turn_in_years_has_come(&self) -> Result<(), E> {
        let id = &self.open(4).await?.finding_id;
        assert_eq!(self.step(id, claim("a", at(0))).await?, Stepped::Changed);
        let years = at(0).plus(LONGEST_WAIT * 10_000);
        assert_eq!(self.step(id, Step::Defer { token: "a", until: years }).await?, Stepped::Changed);
        assert!(self.is_due(id, at(0)).await?, "nobody of ours waits so long");
        Ok(())
    }

    async fn a_new_alert_takes_the_claim_away(&self) -> Result<(), E> {
        let finding = self.open(5).await?;
        let id = &finding.finding_id;
        assert_eq!(self.step(id, claim("a", at(0))).await?, Stepped::Changed);
        let mut later = self.stored(id).await?;
        let expected = later.version;
        let mut again = seen(5, "e2");
        again.event.time = at(7_200);
        later.apply(&again);
        later.stamp(at(7_200));
        assert_eq!(later.alert.state, AlertState::Pending);
        let key = receipt_key(id, &again.event.id);
        let write = Write::Update { finding: &later, expected, receipt: Some((again.rule.id, &key)) };
        assert!(FindingStore::write(self.0, write, at(7_200)).await?);
        assert_eq!(self.step(id, Step::MarkSent { token: "a" }).await?, Stepped::Nothing);
        assert_eq!(
            self.stored(id).await?.alert.state,
            AlertState::Pending,
            "the new one is still to be told"
        );
        Ok(())
    }

    async fn of_two_who_claim_at_once_one_gets_it(&self) -> Result<(), E> {
        let id = &self.open(6).await?.finding_id;
        let (one, other) = join(self.step(id, claim("a", at(0))), self.step(id, claim("b", at(0)))).await;
        let mut both = [one?, other?];
        both.sort_by_key(|stepped| *stepped != Stepped::Changed);
        assert_eq!(both, [Stepped::Changed, Stepped::Busy]);
        Ok(())
    }

    async fn nobody_writes_over_what_he_has_not_read(&self) -> Result<(), E> {
        let finding = self.open(7).await?;
        let id = &finding.finding_id;
        let key = receipt_key(id, "e1");
        let again = Write::Open { finding: &finding, receipt: ("another-rule", &key), passed: None };
        assert!(!FindingStore::write(self.0, again, at(1)).await?, "it is there");
        assert_eq!(self.step(id, claim("a", at(0))).await?, Stepped::Changed);
        let mut stale = finding.clone();
        stale.stamp(at(1));
        let write = Write::Update { finding: &stale, expected: finding.version, receipt: None };
        assert!(!FindingStore::write(self.0, write, at(1)).await?, "the claim has written it meanwhile");
        let mut fresh = self.stored(id).await?;
        let expected = fresh.version;
        fresh.stamp(at(1));
        let told = Write::Update { finding: &fresh, expected, receipt: Some((finding.rule.as_str(), &key)) };
        assert!(!FindingStore::write(self.0, told, at(1)).await?, "the rule has told of the event");
        let write = Write::Update { finding: &fresh, expected, receipt: None };
        assert!(FindingStore::write(self.0, write, at(1)).await?);
        Ok(())
    }

    async fn a_flood_writes_little_and_hides_nothing(&self) -> Result<(), E> {
        let id = seen(9, "e1").finding_id();
        for event in 0..200 {
            self.record(&seen(9, &format!("e{event}")), at(1)).await?;
        }
        let flooded = self.stored(&id).await?;
        assert!((50..=70).contains(&flooded.version), "{} writes of 200 events", flooded.version);
        assert_eq!(flooded.occurrences, flooded.version, "what is not counted is not written either");
        // The next second is heard, as is somebody else in the midst of it, and what is worse, and that it is gone.
        let mut next = seen(9, "next");
        next.event.time = next.event.time.plus(Duration::from_secs(1));
        assert_eq!(self.record(&next, at(2)).await?, Recorded::Updated);
        assert_eq!(self.stored(&id).await?.last_seen, next.event.time);
        let mut other = seen(9, "other");
        if let Some(actor) = &mut other.actor {
            actor.source_ip = Some("198.51.100.7".to_owned());
        }
        assert_eq!(self.record(&other, at(2)).await?, Recorded::Updated);
        assert_eq!(self.stored(&id).await?.alert.became_due, flooded.alert.became_due + 1);
        let mut gone = next.clone();
        (gone.verdict, gone.event.id) = (Verdict::Passing, "gone".to_owned());
        gone.event.time = gone.event.time.plus(Duration::from_secs(1));
        assert_eq!(self.record(&gone, at(3)).await?, Recorded::Updated);
        assert!(!self.stored(&id).await?.is_open());
        let mut back = gone.clone();
        (back.verdict, back.event.id) = (next.verdict, "back".to_owned());
        back.event.time = back.event.time.plus(Duration::from_secs(1));
        assert_eq!(self.record(&back, at(4)).await?, Recorded::Updated);
        assert!(self.stored(&id).await?.is_open());
        Ok(())
    }

    async fn good_news_is_kept_for_a_finding_that_is_not_there(&self) -> Result<(), E> {
        let seen = seen(8, "e1");
        let id = seen.finding_id();
        let news = |seconds: i64| Passed { at: at(seconds), ..Passed::of(&seen) };
        let (older, newer) = (news(1), news(2));
        let note = |passed, was| Write::Note { finding_id: &id, passed, was };
        assert!(FindingStore::write(self.0, note(&older, None), at(1)).await?);
        assert!(!FindingStore::write(self.0, note(&newer, None), at(1)).await?, "there is some already");
        assert!(FindingStore::write(self.0, note(&newer, Some(&older)), at(1)).await?);
        assert_eq!(self.0.passed(&id).await?, Some(newer.clone()));
        let mut finding =
            Finding::open(&seen, Some(newer.clone()), None).unwrap_or_else(|| unreachable!("it fails"));
        finding.stamp(at(3));
        let key = receipt_key(&id, &seen.event.id);
        let open = |passed| Write::Open { finding: &finding, receipt: (seen.rule.id, &key), passed };
        assert!(!FindingStore::write(self.0, open(Some(&older)), at(3)).await?, "it is newer by now");
        assert!(FindingStore::write(self.0, open(Some(&newer)), at(3)).await?);
        let stored = self.0.receipt(&key).await?;
        assert!(stored.contains(seen.rule.id), "{stored:?}");
        Ok(())
    }
}
