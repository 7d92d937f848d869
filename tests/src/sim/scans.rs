//! Scans in the simulated world: a few lamps that are switched on and off, looked at in between, in part and with refusals.
//!
//! What is under test is core's own: the plan, its telling and the recording. The state is three resources, so that what must
//! come out is plain: after a scan that sees everything, the open findings are the lamps that are on.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use keepwatch_alert::sweep::AllFindings as _;
use keepwatch_base::time::Timestamp;
use keepwatch_core::about::{About, Origin};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::history::decisive::Lookup;
use keepwatch_core::history::progress::Span;
use keepwatch_core::history::reconcile::{EventHistory, Page};
use keepwatch_core::observation::Subject;
use keepwatch_core::posture::plan::{Emptied, Part, Seen, Voice};
use keepwatch_core::posture::tell::{FindingUpdates, Teller};
use keepwatch_core::posture::{Judged, Judgement, Missing, NEVER_AGAIN};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::{Confidence, Severity};

use super::ports::Ports;
use super::story::ACCOUNTS;

/// The check.
static LAMP: About = About {
    id: "lamp.on",
    title: "No lamp is on",
    severity: Severity::High,
    confidence: Confidence::High,
    catalogue: &["P00"],
    origin: Origin::State,
    finding: "lamp.on",
    general: false,
    repeat_hours: NEVER_AGAIN,
    alerts_as_witness: false,
    opt_in: false,
};

/// How many lamps there are.
const LAMPS: usize = 3;

/// The account as a scan finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lamps {
    /// Which are on.
    pub on: [bool; LAMPS],
    /// Which are gone.
    pub gone: [bool; LAMPS],
    /// Which cannot be looked at.
    pub refused: [bool; LAMPS],
}

impl Lamps {
    /// Some hours of switching: what a scan finds, and when.
    pub(super) fn story(rng: &mut Rng, from: i64, to: i64) -> Vec<(i64, Lamps)> {
        let mut lamps = Lamps::default();
        let mut times: Vec<i64> = (0..rng.usize(0..5)).map(|_| rng.i64(from..=to)).collect();
        times.sort_unstable();
        let mut look = |at: i64| {
            for lamp in 0..LAMPS {
                if rng.u8(..2) == 0 {
                    lamps.on[lamp] = rng.bool();
                }
                lamps.gone[lamp] = rng.u8(..6) == 0;
                lamps.refused[lamp] = rng.u8(..5) == 0;
            }
            (at, lamps)
        };
        times.into_iter().map(&mut look).collect()
    }

    /// The same with nothing refused.
    pub(super) fn seen_whole(self) -> Lamps {
        Lamps { refused: [false; LAMPS], ..self }
    }

    /// The lamps that are on, by name.
    pub(super) fn burning(self) -> BTreeSet<String> {
        (0..LAMPS).filter(|lamp| self.on[*lamp] && !self.gone[*lamp]).map(name).collect()
    }

    /// Whether this lamp is there and cannot be looked at.
    pub(super) fn is_refused(self, resource: &str) -> bool {
        (0..LAMPS).any(|lamp| name(lamp) == resource && self.refused[lamp] && !self.gone[lamp])
    }

    fn judgements(self, at: Timestamp) -> Vec<Judgement> {
        let there = (0..LAMPS).filter(|lamp| !self.gone[*lamp]);
        there
            .map(|lamp| {
                let verdict = match (self.refused[lamp], self.on[lamp]) {
                    (true, _) => Judged::Unknown,
                    (false, true) => Judged::Failing,
                    (false, false) => Judged::Passing,
                };
                judgement(&name(lamp), verdict, at)
            })
            // Or the list would be empty, which is believed the next day.
            .chain([judgement("switch", Judged::Passing, at)])
            .collect()
    }
}

/// Whether a finding is of such a scan.
pub(super) fn is_of_a_scan(finding_id: &str) -> bool {
    finding_id.starts_with("lamp.on-")
}

fn name(lamp: usize) -> String {
    format!("lamp-{lamp}")
}

fn judgement(resource: &str, verdict: Judged, at: Timestamp) -> Judgement {
    let missing = Missing { action: Some("lamp:Look".to_owned()), why: "refused".to_owned() };
    let subject = Subject {
        account: ACCOUNTS[0].to_owned(),
        region: "eu-west-1".to_owned(),
        resource: resource.to_owned(),
        aspect: None,
    };
    let title = format!("{resource} is {}", verdict.as_str());
    Judgement {
        practices: LAMP.catalogue,
        unknown_because: if verdict == Judged::Unknown { vec![missing] } else { Vec::new() },
        ..Judgement::new(&LAMP, subject, verdict, Some(at), title)
    }
}

/// Nobody is asked who did it.
pub(super) struct NoHistory;

impl EventHistory for NoHistory {
    type Error = std::convert::Infallible;

    async fn page(&self, _: &str, _: Lookup<'_>, _: Span, _: Option<&str>) -> Result<Page, Self::Error> {
        Ok(Page::default())
    }
}

/// One scan: what the findings were told; nothing where they could not be read.
pub(super) async fn scan(ports: &Ports, lamps: Lamps, settings: &Settings) -> Option<FindingUpdates> {
    let at = ports.now();
    let mut findings = BTreeMap::new();
    let keep = |finding: keepwatch_core::finding::Finding| {
        if is_of_a_scan(&finding.finding_id) {
            findings.insert(finding.finding_id.clone(), finding);
        }
    };
    ports.visit(keep).await.ok()?;
    let judgements = lamps.judgements(at);
    let part = Part { check: LAMP.id.to_owned(), region: "eu-west-1".to_owned() };
    let seen = Seen {
        account: ACCOUNTS[0],
        voices: &[Voice { about: &LAMP, closes: &[], ages: false }],
        judgements: &judgements,
        whole: &BTreeMap::from([(part, at)]),
        silent: &BTreeSet::new(),
        emptied: &Emptied::new(),
        rules: Catalogue::default(),
        at,
        reported: false,
        heard: &[],
    };
    let teller = Teller { store: ports, history: &NoHistory, settings, asks: &|_| &[], home: "us-east-1" };
    Some(teller.tell(&findings, &seen, &mut 0, ports.now()).await)
}
