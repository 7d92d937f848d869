//! This computer's clock. AWS refuses what is signed more than five minutes beside its own (IAM user guide, "Troubleshoot signed
//! requests").

use std::time::Duration;

use keepwatch_collect::Clocks;

use super::line::Line;

const CHECK: &str = "clock";

/// From here on the times that are told are worth little.
const WRONG: Duration = Duration::from_secs(60);

/// From here on AWS will soon refuse every call.
const FAR: Duration = Duration::from_secs(240);

pub(super) fn judge(clocks: Option<Clocks>) -> Vec<Line> {
    let Some(Clocks { ours, aws }) = clocks else {
        return vec![Line::warn(CHECK, "AWS has told no time")];
    };
    let (beside, way) = if ours > aws { (ours.since(aws), "ahead of") } else { (aws.since(ours), "behind") };
    let text = format!("this computer's clock is {} s {way} AWS's", beside.as_secs());
    let set = "sudo timedatectl set-ntp true";
    vec![match beside {
        _ if beside >= FAR => Line::fail(CHECK, text).mend(set),
        _ if beside >= WRONG => Line::warn(CHECK, text).mend(set),
        _ => Line::ok(CHECK, "this computer's clock and AWS's agree"),
    }]
}

#[cfg(test)]
mod tests {
    use keepwatch_base::time::Timestamp;

    use super::*;
    use crate::doctor::line::Standing::{self, Fail, Ok as Well, Warn};
    use crate::doctor::line::tests::standings;

    fn judged(seconds_ahead: i64) -> Vec<Standing> {
        let aws = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let ours = Timestamp::from_millis(aws.millis() + seconds_ahead * 1_000);
        standings(&judge(Some(Clocks { ours, aws })))
    }

    #[test]
    fn a_wrong_clock_is_named_either_way() {
        assert_eq!(judged(2), [Well]);
        assert_eq!(judged(-2), [Well]);
        assert_eq!(judged(90), [Warn]);
        assert_eq!(judged(-90), [Warn]);
        assert_eq!(judged(400), [Fail]);
        assert_eq!(judged(-400), [Fail]);
        assert_eq!(standings(&judge(None)), [Warn]);
    }
}
