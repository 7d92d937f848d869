//! A trail: EventBridge gets API calls only where some trail logs management events.

use keepwatch_checks::trails::Kept;
use keepwatch_collect::deployed::{trail_selectors, trail_status, trails};
use keepwatch_collect::{Client, Fault};
use keepwatch_core::posture::facts::audit::{Trail, TrailSelectors, TrailStatus};

use super::line::{Line, Standing, known};

const CHECK: &str = "trail";

/// A trail, and what is known of it.
pub(crate) struct Seen {
    trail: Trail,
    status: Result<Option<TrailStatus>, Fault>,
    selectors: Result<Option<TrailSelectors>, Fault>,
}

/// The trails of a region. Each is asked in its home region, which alone knows all of it.
///
/// # Errors
/// [`Fault`] of the list.
pub(crate) async fn read(client: &Client, region: &str) -> Result<Vec<Seen>, Fault> {
    let mut seen = Vec::new();
    for trail in trails(client, region).await? {
        let (status, selectors) = tokio::join!(
            trail_status(client, &trail.home_region, &trail.arn),
            trail_selectors(client, &trail.home_region, &trail.arn),
        );
        seen.push(Seen { trail, status, selectors });
    }
    Ok(seen)
}

/// What one trail does for a region, the best first.
enum Does {
    /// Calls that change something come.
    Writes {
        reads: bool,
        left_out: Vec<String>,
    },
    Unknown(Line),
    Nothing(Line),
}

fn does(seen: &Seen, region: &str) -> Does {
    let trail = &seen.trail;
    let name = format!("trail {}", trail.name);
    let home = &trail.home_region;
    if !trail.covers(region) {
        let command = format!(
            "aws cloudtrail update-trail --region {home} --name {} --is-multi-region-trail",
            trail.arn
        );
        return Does::Nothing(Line::fail(CHECK, format!("{name} records {home} alone")).mend(command));
    }
    match &seen.status {
        Err(fault) => return Does::Unknown(Line::unread(CHECK, &format!("whether {name} logs"), fault)),
        Ok(None) => return Does::Nothing(Line::fail(CHECK, format!("{name} is gone"))),
        Ok(Some(status)) if !status.logging => {
            let command = format!("aws cloudtrail start-logging --region {home} --name {}", trail.arn);
            return Does::Nothing(Line::fail(CHECK, format!("{name} is stopped")).mend(command));
        }
        Ok(Some(_)) => {}
    }
    let kept = match &seen.selectors {
        Err(fault) => return Does::Unknown(Line::unread(CHECK, &format!("what {name} records"), fault)),
        Ok(found) => found.as_ref().map(Kept::of).unwrap_or_default(),
    };
    if kept.writes {
        return Does::Writes { reads: kept.reads, left_out: kept.left_out };
    }
    let command = format!(
        "aws cloudtrail put-event-selectors --region {home} --trail-name {} --event-selectors \
         ReadWriteType=All,IncludeManagementEvents=true",
        trail.arn
    );
    Does::Nothing(
        Line::fail(CHECK, format!("{name} records no management events that change something")).mend(command),
    )
}

/// Judges the trails of a region.
pub(crate) fn judge(region: &str, found: Result<&[Seen], &Fault>) -> Vec<Line> {
    let found = known!(found, CHECK, &format!("the trails of {region}"));
    if found.is_empty() {
        let text = format!("no trail records {region}: EventBridge gets none of its API calls");
        let command = format!(
            "aws cloudtrail create-trail --region {region} --name management-events --s3-bucket-name BUCKET \
             --is-multi-region-trail && aws cloudtrail start-logging --region {region} --name management-events"
        );
        return vec![Line::fail(CHECK, text).mend(command)];
    }
    let (mut unknown, mut nothing) = (Vec::new(), Vec::new());
    let mut lacking: Option<Line> = None;
    for seen in found {
        match does(seen, region) {
            Does::Writes { reads: true, left_out } => {
                let but = if left_out.is_empty() {
                    String::new()
                } else {
                    format!(" but those of {}", left_out.join(", "))
                };
                let text = format!("trail {} logs all management events of {region}{but}", seen.trail.name);
                return vec![Line::ok(CHECK, text)];
            }
            Does::Writes { reads: false, .. } => {
                let text = format!(
                    "trail {} logs no calls of {region} that only read: reconnaissance is not heard",
                    seen.trail.name
                );
                let command = format!(
                    "aws cloudtrail put-event-selectors --region {} --trail-name {} --event-selectors \
                     ReadWriteType=All,IncludeManagementEvents=true",
                    seen.trail.home_region, seen.trail.arn
                );
                lacking = Some(Line::warn(CHECK, text).mend(command));
            }
            Does::Unknown(line) => unknown.push(line),
            Does::Nothing(line) => nothing.push(line),
        }
    }
    // One that nobody may look at may be the one that works.
    match lacking {
        Some(line) => vec![line],
        None if unknown.is_empty() => nothing,
        None => unknown.into_iter().map(|line| Line { standing: Standing::Warn, ..line }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::posture::facts::audit::BasicSelector;

    use super::*;
    use crate::doctor::line::tests::{only, refused};

    fn seen(name: &str, logging: bool, read_write: &str) -> Seen {
        let selector =
            BasicSelector { read_write: read_write.to_owned(), management: true, excluded: Vec::new() };
        Seen {
            trail: Trail {
                arn: format!("arn:aws:cloudtrail:us-east-1:111122223333:trail/{name}"),
                name: name.to_owned(),
                home_region: "us-east-1".to_owned(),
                bucket: None,
                multi_region: true,
                global_events: true,
                organization: false,
                kms_key: None,
                validation: false,
                log_group: None,
            },
            status: Ok(Some(TrailStatus { logging, delivery_error: None })),
            selectors: Ok(Some(TrailSelectors { basic: vec![selector], advanced: Vec::new() })),
        }
    }

    fn judged(all: &[Seen]) -> Line {
        let lines = judge("us-east-1", Ok(all));
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }

    #[test]
    fn one_that_logs_everything_is_enough() {
        assert_eq!(judged(&[seen("a", false, "All"), seen("b", true, "All")]).standing, Standing::Ok);
    }

    #[test]
    fn without_a_trail_that_logs_nothing_is_heard() {
        let none = judged(&[]);
        assert_eq!((none.standing, none.mend.unwrap().contains("create-trail")), (Standing::Fail, true));
        let stopped = judged(&[seen("main", false, "All")]);
        assert_eq!(stopped.standing, Standing::Fail);
        assert_eq!(
            stopped.mend.unwrap(),
            "aws cloudtrail start-logging --region us-east-1 --name arn:aws:cloudtrail:us-east-1:111122223333:trail/main"
        );
        assert_eq!(judged(&[seen("main", true, "ReadOnly")]).standing, Standing::Fail);
        let mut elsewhere = seen("main", true, "All");
        (elsewhere.trail.multi_region, elsewhere.trail.home_region) = (false, "eu-west-1".to_owned());
        assert_eq!(judged(&[elsewhere]).standing, Standing::Fail);
    }

    #[test]
    fn writes_alone_are_a_warning() {
        assert_eq!(judged(&[seen("main", true, "WriteOnly")]).standing, Standing::Warn);
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let unread = judge("us-east-1", Err(&refused("cloudtrail:DescribeTrails")));
        assert!(only(&unread, Standing::Warn).text.contains("cloudtrail:DescribeTrails"));
        // A trail of the organization may be its owner's alone to look at.
        let mut one = seen("main", true, "All");
        one.status = Err(refused("cloudtrail:GetTrailStatus"));
        let line = judged(&[one, seen("other", false, "All")]);
        assert_eq!(line.standing, Standing::Warn);
        assert!(line.text.contains("cloudtrail:GetTrailStatus"));
        let mut one = seen("main", true, "All");
        one.selectors = Err(refused("cloudtrail:GetEventSelectors"));
        assert!(judged(&[one]).text.contains("cloudtrail:GetEventSelectors"));
    }
}
