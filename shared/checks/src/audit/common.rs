//! What the checks on trails share.

use std::collections::BTreeSet;

use keepwatch_core::posture::facts::audit::{AdvancedSelector, BasicSelector, Trail, TrailSelectors};
use keepwatch_core::posture::{Answer, Place, State};

use crate::kit::prelude::*;

/// Sources that the console offers to leave out because of their volume.
const VOLUMINOUS: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];

/// The trails that the regions list, each once, and the regions that did not answer.
pub(super) struct Listed<'s> {
    pub(super) trails: Vec<&'s Trail>,
    pub(super) unread: Vec<(String, Stop)>,
}

/// Asks every region for its trails. A trail of several regions is listed in each of them.
pub(super) fn listed<'s>(cx: &mut Cx<'s>) -> Listed<'s> {
    let (mut trails, mut unread, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for region in cx.regions() {
        match cx.try_known(Trails, region.as_str()) {
            Ok(all) => trails.extend(all.iter().filter(|trail| seen.insert(&trail.arn))),
            Err(stop) => unread.push((region.clone(), stop)),
        }
    }
    Listed { trails, unread }
}

/// Judges each trail of this account in its home region, and says where trails could not be listed. A trail of the
/// organization is its owner's.
pub(super) fn each_trail<'s>(cx: &mut Cx<'s>, mut judge: impl FnMut(&mut Cx<'s>, &'s Trail) -> Outcome) {
    let Listed { trails, unread } = listed(cx);
    for trail in trails {
        if owner(trail) == cx.account() {
            cx.about(&trail.home_region, &trail.arn, |cx| judge(cx, trail));
        }
    }
    let root = cx.root_arn();
    for (region, stop) in unread {
        cx.about(&region, &root, |_| Err(stop));
    }
}

/// The account that a trail belongs to, as its ARN says.
fn owner(trail: &Trail) -> &str {
    trail.arn.split(':').nth(4).unwrap_or_default()
}

/// Whether the trail records, and what it records arrives; `false` for one that was deleted meanwhile.
pub(super) fn works(cx: &mut Cx<'_>, trail: &Trail) -> Result<bool, Stop> {
    match cx.try_known(TrailStatus, (trail.home_region.as_str(), trail.arn.as_str())) {
        Ok(status) => Ok(status.logging && status.delivery_error.is_none()),
        Err(Stop::Gone) => Ok(false),
        Err(unknown) => Err(unknown),
    }
}

/// Whether every management event of every region is recorded, by one trail or by several together.
pub(super) fn covered(cx: &mut Cx<'_>, trails: &[&Trail]) -> Result<bool, Stop> {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for trail in trails {
        let wide = Ok(trail.multi_region && trail.global_events);
        let works = works(cx, trail);
        let kept = match cx.try_known(TrailSelectors, (trail.home_region.as_str(), trail.arn.as_str())) {
            Ok(selectors) => Ok(Kept::of(selectors)),
            Err(Stop::Gone) => Ok(Kept::default()),
            Err(unknown) => Err(unknown),
        };
        let (of_reads, of_writes) = match kept {
            Ok(kept) => (Ok(kept.reads), Ok(kept.writes)),
            Err(unknown) => (Err(unknown.clone()), Err(unknown)),
        };
        reads.push(all(&[wide.clone(), works.clone(), of_reads]));
        writes.push(all(&[wide, works, of_writes]));
    }
    all(&[any(&reads), any(&writes)])
}

/// Whether some trail records the calls of a region that write, which EventBridge gets only then; nothing where what decides could
/// not be read. Whether its log files arrive is another matter.
pub fn records_writes(state: &State, region: &str) -> Option<bool> {
    let mut unread = false;
    for listed in &state.regions {
        let answer = state.answer(Trails, &Place::region(listed));
        let Some(trails) = answer.value() else {
            unread |= !matches!(answer, Answer::Absent);
            continue;
        };
        for trail in trails.iter().filter(|trail| trail.covers(region)) {
            let place = Place::of(&trail.home_region, &trail.arn);
            let logs = known(state.answer(TrailStatus, &place), |status| status.logging);
            let keeps = known(state.answer(TrailSelectors, &place), |selectors| Kept::of(selectors).writes);
            match (logs, keeps) {
                (Some(true), Some(true)) => return Some(true),
                (Some(false), _) | (_, Some(false)) => {}
                _ => unread = true,
            }
        }
    }
    (!unread).then_some(false)
}

/// What is known; `false` of what is gone.
fn known<T>(answer: Answer<&T>, holds: impl Fn(&T) -> bool) -> Option<bool> {
    match answer {
        Answer::Known(value, _) => Some(holds(value)),
        Answer::Absent => Some(false),
        _ => None,
    }
}

/// The management events that selectors keep. What a filter lets through makes up for nothing; a filter that leaves out no
/// more than the services of great volume is taken for none, and they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Calls that only read.
    pub reads: bool,
    /// All others.
    pub writes: bool,
    /// Services of great volume that a selector which keeps the rest leaves out.
    pub left_out: Vec<String>,
}

impl Kept {
    /// All selectors together. A trail to which nobody gave any records every management event (CloudTrail user guide,
    /// "Logging management events").
    pub fn of(selectors: &TrailSelectors) -> Kept {
        if selectors.basic.is_empty() && selectors.advanced.is_empty() {
            return Kept { reads: true, writes: true, left_out: Vec::new() };
        }
        let basic = selectors.basic.iter().filter_map(of_basic);
        let mut kept = Kept::default();
        for one in basic.chain(selectors.advanced.iter().filter_map(of_advanced)) {
            kept.reads |= one.reads;
            kept.writes |= one.writes;
            kept.left_out.extend(one.left_out);
        }
        kept.left_out.sort();
        kept.left_out.dedup();
        kept
    }

    /// What is missing, to follow a trail's name.
    pub(super) fn lack(&self) -> Option<&'static str> {
        match (self.reads, self.writes) {
            (true, true) => None,
            (false, true) => Some("records no management events that read"),
            (true, false) => Some("records no management events that write"),
            (false, false) => Some("does not record all management events"),
        }
    }
}

fn is_voluminous(source: &str) -> bool {
    VOLUMINOUS.contains(&source)
}

fn of_basic(selector: &BasicSelector) -> Option<Kept> {
    let whole = selector.excluded.iter().all(|source| is_voluminous(source));
    (selector.management && whole).then(|| Kept {
        reads: selector.read_write != "WriteOnly",
        writes: selector.read_write != "ReadOnly",
        left_out: selector.excluded.clone(),
    })
}

/// A selector of management events, by its field `eventCategory` and not by its name.
fn of_advanced(selector: &AdvancedSelector) -> Option<Kept> {
    let category = selector.fields.iter().find(|field| field.field == "eventCategory")?;
    if !category.equals.iter().any(|value| value == "Management") {
        return None;
    }
    let mut kept = Kept { reads: true, writes: true, left_out: Vec::new() };
    for field in &selector.fields {
        match field.field.as_str() {
            "eventCategory" => {}
            "readOnly" if !field.equals.is_empty() => {
                kept.reads &= field.equals.iter().any(|value| value == "true");
                kept.writes &= field.equals.iter().any(|value| value == "false");
            }
            "eventSource" if field.equals.is_empty() => {
                for other in &field.others {
                    let source = other.strip_prefix("NotEquals ").filter(|source| is_voluminous(source))?;
                    kept.left_out.push(source.to_owned());
                }
            }
            _ => return None,
        }
    }
    Some(kept)
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;
    use crate::testing::*;
    use facts::audit::{TrailSelectors as Selectors, TrailStatus as Status};
    use keepwatch_core::posture::{Place, State};

    /// A trail of several regions that is as it should be, but for key and validation.
    pub(in crate::audit) fn trail(name: &str) -> Trail {
        Trail {
            arn: format!("arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{name}"),
            name: name.to_owned(),
            home_region: REGION.to_owned(),
            bucket: Some("logs".to_owned()),
            multi_region: true,
            global_events: true,
            organization: false,
            kms_key: None,
            validation: false,
            log_group: None,
        }
    }

    /// Where questions about it are put.
    pub(in crate::audit) fn at(trail: &Trail) -> Place {
        Place::of(&trail.home_region, &trail.arn)
    }

    /// A basic selector of management events: `All`, `ReadOnly`, `WriteOnly`.
    pub(in crate::audit) fn basic(read_write: &str) -> Selectors {
        let selector =
            BasicSelector { read_write: read_write.to_owned(), management: true, excluded: Vec::new() };
        Selectors { basic: vec![selector], advanced: Vec::new() }
    }

    /// The trails, each with whether it logs and what it records.
    pub(in crate::audit) fn state(trails: Vec<(Trail, bool, Selectors)>) -> State {
        let listed: Vec<Trail> = trails.iter().map(|(trail, ..)| trail.clone()).collect();
        let mut state = account().with(Trails, region(), listed);
        for (trail, logging, selectors) in trails {
            let status = Status { logging, delivery_error: None };
            state = state.with(TrailStatus, at(&trail), status).with(TrailSelectors, at(&trail), selectors);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::basic;
    use super::*;
    use facts::audit::FieldSelector;

    fn advanced(fields: &[(&str, &[&str], &[&str])]) -> TrailSelectors {
        let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let field = |(field, equals, others): &(&str, &[&str], &[&str])| FieldSelector {
            field: (*field).to_owned(),
            equals: texts(equals),
            others: texts(others),
        };
        let selector = AdvancedSelector { fields: fields.iter().map(field).collect() };
        TrailSelectors { basic: Vec::new(), advanced: vec![selector] }
    }

    const MANAGEMENT: (&str, &[&str], &[&str]) = ("eventCategory", &["Management"], &[]);

    fn kept(selectors: &TrailSelectors) -> (bool, bool) {
        let kept = Kept::of(selectors);
        (kept.reads, kept.writes)
    }

    #[test]
    fn basic_selectors() {
        assert_eq!(kept(&TrailSelectors::default()), (true, true));
        assert_eq!(kept(&basic("All")), (true, true));
        assert_eq!(kept(&basic("WriteOnly")), (false, true));
        assert_eq!(kept(&basic("ReadOnly")), (true, false));
        let mut none = basic("All");
        none.basic[0].management = false;
        assert_eq!(kept(&none), (false, false));
        let mut both = basic("ReadOnly");
        both.basic.extend(basic("WriteOnly").basic);
        assert_eq!(kept(&both), (true, true));
        let mut excluded = basic("All");
        excluded.basic[0].excluded = vec!["kms.amazonaws.com".to_owned()];
        assert_eq!(Kept::of(&excluded).left_out, ["kms.amazonaws.com"]);
        excluded.basic[0].excluded.push("iam.amazonaws.com".to_owned());
        assert_eq!(kept(&excluded), (false, false));
    }

    /// The daily call (`keepwatch_core::canary`) is a write at home.
    #[test]
    fn a_trail_records_the_writes_of_a_region() {
        use super::fixtures::{state, trail};
        use crate::testing::*;
        let main = |logs, keeps| records_writes(&state(vec![(trail("main"), logs, basic(keeps))]), REGION);
        assert_eq!(main(true, "All"), Some(true));
        assert_eq!(main(true, "WriteOnly"), Some(true));
        assert_eq!(main(true, "ReadOnly"), Some(false));
        assert_eq!(main(false, "All"), Some(false));
        assert_eq!(records_writes(&state(vec![]), REGION), Some(false));
        let one_region = |region: &str| {
            let one = Trail { multi_region: false, home_region: region.to_owned(), ..trail("one") };
            records_writes(&state(vec![(one, true, basic("All"))]), REGION)
        };
        assert_eq!((one_region(REGION), one_region("sa-east-1")), (Some(true), Some(false)));
        // What cannot be read is neither.
        let unread = refused(account(), Trails, region());
        assert_eq!(records_writes(&unread, REGION), None);
        let at = Place::of(REGION, &trail("main").arn);
        let hidden = refused(state(vec![(trail("main"), true, basic("All"))]), TrailStatus, at);
        assert_eq!(records_writes(&hidden, REGION), None);
    }

    #[test]
    fn advanced_selectors() {
        assert_eq!(kept(&advanced(&[MANAGEMENT])), (true, true));
        // The category decides, not what somebody calls the selector.
        assert_eq!(kept(&advanced(&[("eventCategory", &["Data"], &[])])), (false, false));
        assert_eq!(kept(&advanced(&[MANAGEMENT, ("readOnly", &["false"], &[])])), (false, true));
        let without = |source: &str| advanced(&[MANAGEMENT, ("eventSource", &[], &[source])]);
        assert_eq!(kept(&without("NotEquals kms.amazonaws.com")), (true, true));
        assert_eq!(kept(&without("NotEquals rdsdata.amazonaws.com")), (true, true));
        assert_eq!(kept(&without("NotEquals iam.amazonaws.com")), (false, false));
        assert_eq!(kept(&without("NotStartsWith kms.amazonaws.com")), (false, false));
        assert_eq!(
            kept(&advanced(&[MANAGEMENT, ("eventSource", &["iam.amazonaws.com"], &[])])),
            (false, false)
        );
        assert_eq!(
            kept(&advanced(&[MANAGEMENT, ("eventName", &[], &["NotEquals DeleteUser"])])),
            (false, false)
        );
    }
}
