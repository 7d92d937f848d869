//! The daily call, and what a run says of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use keepwatch_base::time::Timestamp;
use keepwatch_checks::registry::CHECKS;
use keepwatch_checks::trails::records_writes;
use keepwatch_collect::deployed::start_nothing;
use keepwatch_collect::{Client, Fault};
use keepwatch_core::canary::{self, Canary};
use keepwatch_core::engine::Config;
use keepwatch_core::finding::{Finding, Status, finding_id};
use keepwatch_core::memory::journal::Journal;
use keepwatch_core::observation::Subject;
use keepwatch_core::posture::State;
use keepwatch_core::posture::canary::Recorded;
use keepwatch_core::posture::forwarders::Home;
use keepwatch_core::settings::Settings;
use tracing::{error, info, warn};

/// The check that says whether a trail records.
pub(crate) const OF_TRAILS: &str = "trail.multi-region";

/// Makes the daily call, if none was made lately. What goes wrong fails no run: it is a miss, and two of them are a finding.
pub(crate) async fn call<J: Journal>(client: &Client, journal: &J, home: &Home<'_>, now: Timestamp) {
    let number = match random() {
        Ok(number) => number,
        Err(reason) => {
            error!(reason = %reason, "there is no randomness for the daily call's name; it is not made");
            return;
        }
    };
    match canary::begin(journal, &number, now).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(reason) => {
            error!(reason = %reason, "the daily call's name cannot be kept; it is not made");
            return;
        }
    }
    let trail = canary::trail(home.stack, &number);
    let Err(fault) = start_nothing(client, home.region, &trail).await else {
        info!("the daily call was made");
        return;
    };
    let why = words(&fault);
    error!(reason = why, "AWS did not take the daily call");
    if let Err(reason) = canary::refused(journal, &number, &why, now).await {
        warn!(reason, "why AWS did not take the daily call could not be noted");
    }
}

/// Thirty-two hexadecimal digits from the operating system.
fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn words(fault: &Fault) -> String {
    match fault {
        Fault::Refused(refusals) => {
            let each: Vec<String> =
                refusals.iter().map(|one| format!("{}: {}", one.action, one.why)).collect();
            each.join("; ")
        }
        Fault::Code { why, .. } | Fault::Failed(why) => why.clone(),
    }
}

/// What is known of the calls; nothing where the journal cannot be read: then nothing is told.
pub(crate) async fn read<J: Journal>(journal: &J, now: Timestamp) -> Option<Canary> {
    match canary::read(journal, now).await {
        Ok(canary) => Some(canary),
        Err(reason) => {
            warn!(reason = %reason, "whether the daily calls came back is not known");
            None
        }
    }
}

/// Whether a trail records the call, and whether anybody is told that none does.
pub(crate) fn recorded(
    state: &State,
    findings: &BTreeMap<String, Finding>,
    settings: &Settings,
    home: &Home<'_>,
) -> Recorded {
    match records_writes(state, home.region) {
        None => return Recorded::Unknown,
        Some(true) => return Recorded::Yes,
        Some(false) => {}
    }
    let check = CHECKS.iter().map(|check| &check.meta().about).find(|about| about.id == OF_TRAILS);
    let Some(check) = check.filter(|check| Config::default().with(settings).asks(check)) else {
        return Recorded::Untold;
    };
    let subject = Subject {
        account: state.account.clone(),
        region: "global".to_owned(),
        resource: state.root_arn(),
        aspect: None,
    };
    match findings.get(&finding_id(check.finding, &subject)) {
        Some(finding) if finding.status == Status::Suppressed => Recorded::Untold,
        _ => Recorded::Told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_alike() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }
}
