//! What a sweep says of the forwarders, by their heartbeats.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::about::SILENT;
use super::home::{Home, deploy};
use crate::finding::Finding;
use crate::finding::record::{FindingStore, record};
use crate::memory::journal::{Journal, change};
use crate::observation::{Occurrence, SCAN};
use crate::posture::judgement::{Judged, Judgement};
use crate::regions::{Forwarder, Forwarders, KEPT};
use crate::settings::Settings;

/// After so long without a heartbeat a region is silent: four of them are missing.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(3_600);

/// Regions that fall silent together are told together. Their heartbeats come at different minutes of a quarter of an hour, so
/// when one has been silent for its hour, those go with it that have missed two.
const SILENT_WITH_OTHERS: Duration = Duration::from_secs(2_700);

/// So long after the call that deletes a forwarder its last heartbeats may come: one more, and what CloudFormation takes.
const LAST_BEATS: Duration = Duration::from_secs(1_200);

/// Whether this forwarder was taken away by a call that was told, so that its silence is no news. `removal` is the finding about
/// that call ([`Home::removal`]). A forwarder that went on after it, or was deployed again, is silent for another reason; and what
/// the owner has silenced was told to nobody.
pub(super) fn was_taken_away(forwarder: &Forwarder, removal: Option<&Finding>) -> bool {
    removal.is_some_and(|told| {
        told.is_open() && told.silence.is_none() && forwarder.at <= told.last_seen.plus(LAST_BEATS)
    })
}

/// Forgets forwarders: their heartbeats are not missed any more.
///
/// # Errors
/// As [`change`].
pub async fn forget<J: Journal>(journal: &J, regions: &[String], now: Timestamp) -> Result<(), String> {
    change(journal, crate::regions::ENTRY, now, KEPT, |Forwarders(known): &mut Forwarders| {
        let before = known.len();
        known.retain(|region, _| !regions.contains(region));
        ((), known.len() != before)
    })
    .await
}

/// The journal's entry of the regions that a sweep has told to be silent.
const TOLD: &str = "forwarders silent";

/// The regions that were told to be silent, each with its last heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SilentRegions(BTreeMap<String, Timestamp>);

/// What a sweep tells: of each region that has fallen silent since the last one, and of each that is heard again. The findings that
/// it told something.
///
/// # Errors
/// The tables'. What was not told is told by the next sweep.
pub async fn sweep<S: FindingStore, J: Journal>(
    store: &S,
    journal: &J,
    settings: &Settings,
    home: &Home<'_>,
    now: Timestamp,
) -> Result<Vec<String>, String> {
    let known = Forwarders::read(journal).await.map_err(|error| error.to_string())?;
    // The forwarders of an account are all there is to it: most have none.
    if known.0.is_empty() {
        return Ok(Vec::new());
    }
    let entry = journal.read::<SilentRegions>(TOLD).await.map_err(|error| error.to_string())?;
    let expected = entry.as_ref().map(|entry| entry.version);
    let before = entry.map(|entry| entry.value).unwrap_or_default();
    let mut told = SilentRegions::default();
    let mut findings = Vec::new();
    let others = || known.0.iter().filter(|(region, _)| *region != home.region);
    let silent_for = |forwarder: &Forwarder, least: Duration| now.since(forwarder.at) >= least;
    let mut taken = BTreeSet::new();
    let mut falls = false;
    for (region, forwarder) in others() {
        if before.0.contains_key(region) || !silent_for(forwarder, SILENT_WITH_OTHERS) {
            continue;
        }
        let removal = store.get(&home.removal(region)).await.map_err(|error| error.to_string())?;
        if was_taken_away(forwarder, removal.as_ref()) {
            taken.insert(region.as_str());
        } else {
            falls |= silent_for(forwarder, SILENT_AFTER);
        }
    }
    for (region, forwarder) in others() {
        let is_silent = silent_for(forwarder, SILENT_AFTER)
            || before.0.get(region) == Some(&forwarder.at)
            || (falls && silent_for(forwarder, SILENT_WITH_OTHERS));
        if is_silent {
            told.0.insert(region.clone(), forwarder.at);
        }
        if is_silent == before.0.contains_key(region) || taken.contains(region.as_str()) {
            continue;
        }
        let seen = heartbeat(region, forwarder, is_silent, home, now);
        let Some(observation) = seen.observation(&occurrence(&seen, forwarder, now)) else { continue };
        record(store, settings, &observation, now).await.map_err(|error| error.to_string())?;
        findings.push(observation.finding_id());
    }
    if told != before {
        // Refused when another sweep has written, which has told the same.
        journal.write(TOLD, &told, expected, now.plus(KEPT)).await.map_err(|error| error.to_string())?;
    }
    Ok(findings)
}

fn heartbeat(
    region: &str,
    forwarder: &Forwarder,
    is_silent: bool,
    home: &Home<'_>,
    now: Timestamp,
) -> Judgement {
    let subject = home.subject(region);
    if !is_silent {
        let title = format!("The forwarder in {region} is heard again");
        return Judgement::new(&SILENT, subject, Judged::Passing, Some(now), title);
    }
    let since = forwarder.at.plus(SILENT_AFTER).min(now);
    let how_long = if now.since(forwarder.at) >= SILENT_AFTER { "an hour" } else { "most of an hour" };
    let title = format!("The forwarder in {region} has sent no heartbeat for {how_long}");
    let mut judgement = Judgement::new(&SILENT, subject, Judged::Failing, Some(since), title)
        .because("what happens there may not be heard")
        .detail("Last heartbeat", forwarder.at.to_string())
        .detail("Version", &forwarder.version);
    judgement.steps = vec![home.rules_step(region), deploy(region)];
    judgement
}

/// A sweep's occurrence, the same however often it is told.
fn occurrence(seen: &Judgement, last: &Forwarder, now: Timestamp) -> Occurrence {
    let said = if seen.verdict == Judged::Failing { "silent since" } else { "heard at" };
    let id = format!("heartbeat {} {said} {}", seen.subject.region, last.at);
    Occurrence::new(&id, SCAN, seen.as_of.unwrap_or(now))
}
