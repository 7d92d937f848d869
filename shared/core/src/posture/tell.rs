//! Tells the findings what a scan saw: plans, asks the event history who did it, and records.

use std::collections::BTreeMap;

use keepwatch_base::text::{MAX_TEXT, clean};
use keepwatch_base::time::Timestamp;

use super::plan::{Plan, Seen, Why, plan};
use super::question::Question;
use super::touched::Touched;
use crate::finding::Finding;
use crate::finding::record::{FindingStore, Recorded, record};
use crate::history::author;
use crate::history::reconcile::EventHistory;
use crate::observation::{Observation, Verdict};
use crate::settings::Settings;

/// What telling needs.
#[derive(Clone, Copy)]
pub struct Teller<'a, S, H> {
    /// The findings.
    pub store: &'a S,
    /// Whoever knows who did it.
    pub history: &'a H,
    /// What is silenced.
    pub settings: &'a Settings,
    /// The questions of a check.
    pub asks: &'a (dyn Fn(&str) -> &'static [Question] + Sync),
    /// The region in which AWS keeps what has none.
    pub home: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct FindingUpdates {
    /// How many findings were told something, by why.
    pub told: BTreeMap<Why, usize>,
    /// Findings that were written.
    pub written: usize,
    /// What could not be written.
    pub unwritten: Vec<String>,
    /// What the event history did not tell.
    pub unnamed: Vec<String>,
    /// The plan's own: what is empty since when, and what is to be asked again.
    pub plan: Plan,
}

impl<S: FindingStore, H: EventHistory> Teller<'_, S, H> {
    /// Does so. `findings` are those that the table had; `most` is how many may still be asked of the event history in this
    /// run, and becomes less. A finding that cannot be written does not keep the others from it: the next scan tells it again.
    pub async fn tell(
        &self,
        findings: &BTreeMap<String, Finding>,
        seen: &Seen<'_>,
        most: &mut usize,
        now: Timestamp,
    ) -> FindingUpdates {
        let mut plan = plan(findings, seen);
        for planned in &mut plan.planned {
            self.name(&mut planned.observation, seen.heard);
        }
        let (asked, unnamed) =
            author::name(self.history, &mut plan.planned, self.asks, self.home, *most, now).await;
        *most = most.saturating_sub(asked);
        let mut told = FindingUpdates { unnamed, ..FindingUpdates::default() };
        for planned in &plan.planned {
            match record(self.store, self.settings, &planned.observation, now).await {
                Ok(recorded) => {
                    *told.told.entry(planned.why).or_default() += 1;
                    told.written += usize::from(recorded != Recorded::Unchanged);
                }
                Err(error) => told.unwritten.push(error.to_string()),
            }
        }
        told.plan = plan;
        told
    }

    /// Says who did it, where that was heard: the latest call that names the resource.
    fn name(&self, seen: &mut Observation, heard: &[Touched]) {
        let asks = (self.asks)(seen.rule.id);
        let changes = |touched: &&Touched| {
            asks.iter().any(|question| touched.questions.contains(question))
                && touched.is_on(&seen.subject.resource)
        };
        let Some(touched) = heard.iter().filter(changes).max_by_key(|touched| touched.at) else {
            return;
        };
        if seen.verdict == Verdict::Passing {
            seen.title =
                clean(&format!("{} ({} by {})", seen.title, touched.told, touched.actor.name), MAX_TEXT);
        } else {
            seen.details.insert(0, ("Changed last".to_owned(), touched.told.clone()));
            seen.actor = Some(touched.actor.clone());
        }
    }
}
