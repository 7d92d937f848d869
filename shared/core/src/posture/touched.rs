//! What a call touched, for a re-check: which answers may be others now, of which resources, and who did it.

use std::collections::BTreeSet;

use keepwatch_base::arn::Arn;
use keepwatch_base::time::Timestamp;
use serde_json::Value;

use super::question::Question;
use crate::event::{Body, Event};
use crate::observation::Actor;

/// How many names of one event are looked at, and how long one may be. `TerminateInstances` takes a thousand instances, and
/// names them in its answer again, with their states (EC2 API reference, `TerminateInstances`).
const MOST: usize = 1_500;
const LONGEST: usize = 512;

/// How the names of the calls begin that take something away.
const REMOVE: [&str; 5] = ["Delete", "Detach", "Remove", "Revoke", "Terminate"];

/// A call that changed something.
#[derive(Clone, Debug)]
pub struct Touched {
    /// The account.
    pub account: String,
    /// Where.
    pub region: String,
    /// The questions that may have another answer now.
    pub questions: BTreeSet<Question>,
    /// When.
    pub at: Timestamp,
    /// Whether the call takes something away, by its name.
    pub removes: bool,
    /// Who did it.
    pub actor: Actor,
    /// The call, its time and its id.
    pub told: String,
    names: BTreeSet<String>,
    /// Whether it has more names than are kept, so that it may be about any resource.
    left_out: bool,
}

impl Touched {
    /// Of a message that EventBridge made of a CloudTrail record; nothing for one that changed no answer.
    pub fn of(event: &Event<'_>) -> Option<Touched> {
        let Body::CloudTrail(record) = &event.body else { return None };
        let (source, name) = (record.event_source.or_empty(), record.event_name.or_empty());
        let questions: BTreeSet<Question> =
            Question::ALL.iter().copied().filter(|question| question.is_changed_by(source, name)).collect();
        let at = record.time()?;
        if questions.is_empty() || record.failed() {
            return None;
        }
        let (mut ids, mut others) = (BTreeSet::new(), BTreeSet::new());
        for said in [record.request(), record.response()] {
            collect(said, false, &mut ids, &mut others);
        }
        let all: BTreeSet<&str> = ids.iter().chain(&others).copied().collect();
        let left_out = all.len() > MOST;
        let mut names: BTreeSet<String> = ids.into_iter().take(MOST).map(str::to_owned).collect();
        let free = MOST - names.len();
        names.extend(others.into_iter().take(free).map(str::to_owned));
        Some(Touched {
            account: record.account().to_owned(),
            region: event.region().to_owned(),
            questions,
            at,
            removes: REMOVE.iter().any(|verb| name.starts_with(verb)),
            actor: Actor::of(record),
            told: format!("{name} at {at}, event {}", event.occurrence_id()),
            names,
            left_out,
        })
    }

    /// Whether the call names this very resource: by its ARN, or by its whole name or id. A call on `evil/app` is none on `app`.
    pub fn is_on(&self, resource: &str) -> bool {
        let own = identifier(resource);
        let service = Arn::parse(resource).map_or("", |arn| arn.service);
        // IAM does not tell names apart by case, and RDS keeps identifiers in lower case (IAM user guide, "IAM and AWS STS
        // quotas"; RDS API reference, `CreateDBInstance`).
        let same = |one: &str, other: &str| match service {
            "iam" | "rds" => one.eq_ignore_ascii_case(other),
            _ => one == other,
        };
        let is = |name: &String| {
            // SQS is told a queue by its URL.
            let short = match name.strip_prefix("https://") {
                Some(url) => url.rsplit('/').next().unwrap_or_default(),
                None => name,
            };
            same(name, resource) || !name.starts_with("arn:") && same(short, own)
        };
        !own.is_empty() && self.names.iter().any(is)
    }

    /// Whether the call may concern this resource: it names its ARN, or something that ends as the ARN does, or more than is
    /// kept of it.
    pub fn touches(&self, resource: &str) -> bool {
        let last = resource.rsplit([':', '/']).next().unwrap_or_default();
        let is =
            |name: &String| name == resource || name == last || name.rsplit([':', '/']).next() == Some(last);
        self.left_out || !last.is_empty() && self.names.iter().any(is)
    }
}

/// What a resource is called in calls and in the event history: a name or id, with all its slashes, without what the ARN says of
/// its kind. The path of an IAM name is no part of it. What is no ARN is a name.
pub(crate) fn identifier(resource: &str) -> &str {
    let Some(arn) = Arn::parse(resource) else { return resource };
    let rest = arn.resource.split_once([':', '/']).map_or(arn.resource, |(_, rest)| rest);
    match arn.service {
        // These ARNs have no kind: a bucket, a topic and a queue are the whole of it.
        "s3" | "sns" | "sqs" => arn.resource,
        "iam" => rest.rsplit('/').next().unwrap_or_default(),
        // log-group:NAME:*
        "logs" => rest.strip_suffix(":*").unwrap_or(rest),
        _ => rest,
    }
}

/// The texts of a call's parameters or answer that may name a resource: those that are ids, names or ARNs by what they are called,
/// and others. Tags and descriptions say what their writer likes.
fn collect<'v>(value: &'v Value, is_id: bool, ids: &mut BTreeSet<&'v str>, others: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) if text.len() <= LONGEST => {
            if is_id { ids } else { others }.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_id, ids, others)),
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.to_ascii_lowercase();
                let ends = |with: &[&str]| with.iter().any(|end| key.ends_with(end));
                if !key.starts_with("tag") && !ends(&["tags", "description", "comment"]) {
                    let is_id = ends(&["id", "ids", "arn", "arns", "name", "names", "identifier"]);
                    collect(member, is_id, ids, others);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn touched(source: &str, name: &str, detail: Value) -> Option<Touched> {
        let mut record = json!({"eventID": "e-1", "eventName": name, "eventSource": format!("{source}.amazonaws.com"),
            "eventTime": "2026-03-01T12:00:00Z", "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "userName": "alice"}});
        record.as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
        let message = json!({"source": format!("aws.{source}"), "detail-type": "AWS API Call via CloudTrail",
            "region": "eu-west-1", "account": "111122223333", "detail": record})
        .to_string();
        Touched::of(&Event::parse(&message).unwrap())
    }

    #[test]
    fn a_call_touches_what_it_names() {
        let seen =
            touched("s3", "PutBucketPolicy", json!({"requestParameters": {"bucketName": "files"}})).unwrap();
        assert_eq!(seen.questions, BTreeSet::from([Question::BucketPolicy]));
        assert!(!seen.removes);
        let request = json!({"requestParameters": {"groupId": "sg-1"}});
        assert!(touched("ec2", "RevokeSecurityGroupIngress", request).unwrap().removes);
        assert_eq!((seen.actor.name.as_str(), seen.region.as_str()), ("alice", "eu-west-1"));
        assert!(seen.touches("arn:aws:s3:::files") && seen.touches("files"));
        assert!(!seen.touches("arn:aws:s3:::other-files"));
        let arn = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";
        assert!(
            touched("cloudtrail", "StopLogging", json!({"requestParameters": {"name": arn}}))
                .unwrap()
                .touches(arn)
        );
        let answer = json!({"responseElements": {"volumeId": "vol-1"}});
        let made = touched("ec2", "CreateVolume", answer).unwrap();
        assert!(made.touches("arn:aws:ec2:eu-west-1:111122223333:volume/vol-1"));
    }

    #[test]
    fn a_call_is_on_what_it_names_whole_and_on_nothing_that_ends_alike() {
        let of = |name: &str| {
            let request = json!({"requestParameters": {"bucketName": name}});
            touched("s3", "PutBucketPolicy", request).unwrap()
        };
        let repository = |name: &str| format!("arn:aws:ecr:eu-west-1:111122223333:repository/{name}");
        for (named, resource, is) in [
            ("app", repository("app"), true),
            ("evil/app", repository("app"), false),
            ("app", repository("evil/app"), false),
            ("evil/app", repository("evil/app"), true),
            (&repository("evil/app"), repository("app"), false),
            (&repository("app"), repository("app"), true),
            ("files", "arn:aws:s3:::files".to_owned(), true),
            (
                "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs",
                "arn:aws:sqs:eu-west-1:111122223333:jobs".to_owned(),
                true,
            ),
            ("evil:app", "arn:aws:lambda:eu-west-1:111122223333:function:app".to_owned(), false),
            ("app", "arn:aws:lambda:eu-west-1:111122223333:function:app".to_owned(), true),
            (
                "/aws/lambda/app",
                "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/app:*".to_owned(),
                true,
            ),
            ("/evil/app", "arn:aws:logs:eu-west-1:111122223333:log-group:app:*".to_owned(), false),
            ("ADMIN", "arn:aws:iam::111122223333:role/team/Admin".to_owned(), true),
            ("team/Admin", "arn:aws:iam::111122223333:role/team/Admin".to_owned(), false),
            (
                "arn:aws:iam::111122223333:user/Admin",
                "arn:aws:iam::111122223333:role/Admin".to_owned(),
                false,
            ),
        ] {
            assert_eq!(of(named).is_on(&resource), is, "{named} and {resource}");
        }
    }

    #[test]
    fn a_call_that_names_more_than_is_kept_may_be_about_anything_there() {
        let id = |i: usize| format!("i-{i:04}");
        let call = |count: usize| {
            let items: Vec<Value> = (0..count).map(|i| json!({"instanceId": id(i)})).collect();
            let states: Vec<Value> = (0..count)
                .map(|i| json!({"instanceId": id(i), "currentState": {"name": format!("state-{i}")}}))
                .collect();
            let detail = json!({"requestParameters": {"instancesSet": {"items": items}},
                "responseElements": {"instancesSet": {"items": states}}});
            touched("ec2", "TerminateInstances", detail).unwrap()
        };
        let arn = |id: &str| format!("arn:aws:ec2:eu-west-1:111122223333:instance/{id}");
        let all = call(300);
        for i in 0..300 {
            assert!(all.touches(&arn(&id(i))) && all.is_on(&arn(&id(i))), "{i}");
        }
        assert!(!all.touches(&arn("i-9999")));
        let more = call(2 * MOST);
        assert!(more.touches(&arn(&id(2 * MOST - 1))) && more.touches(&arn("i-9999")));
        assert!(!more.is_on(&arn("i-9999")), "nobody is named for what the call may not have named");
    }

    #[test]
    fn a_tag_or_a_description_is_no_name() {
        let request = json!({"requestParameters": {"groupId": "sg-1", "description": "sg-2", "groupDescription": "sg-3",
            "tagSpecificationSet": {"items": [{"tags": [{"key": "k", "value": "sg-4"}]}]}, "tags": {"a": "sg-5"},
            "tagSet": {"items": [{"key": "sg-6", "value": "sg-7"}]}}});
        let seen = touched("ec2", "AuthorizeSecurityGroupIngress", request).unwrap();
        assert!(seen.is_on("sg-1"));
        for other in 2..8 {
            let other = format!("sg-{other}");
            assert!(!seen.is_on(&other) && !seen.touches(&other), "{other}");
        }
    }

    #[test]
    fn what_failed_or_changes_no_answer_touches_nothing() {
        let request = json!({"requestParameters": {"bucketName": "files"}});
        assert!(touched("s3", "PutBucketTagging", request.clone()).is_none());
        assert!(touched("s3", "GetBucketPolicy", request).is_none());
        assert!(touched("s3", "PutBucketPolicy", json!({"errorCode": "AccessDenied"})).is_none());
    }
}
