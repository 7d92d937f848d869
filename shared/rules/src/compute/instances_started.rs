use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One caller started expensive machines: with graphics or machine learning chips, bare metal or very large
    /// (medium). Or many: twenty within ten minutes, by one call or by several (high). In a region that is not on your
    /// list of expected ones, either is high. `threshold` changes the number. Expensive machines that were asked for and
    /// refused are low.
    /// ## Why it matters
    /// Mining on somebody else's bill is what most stolen keys are used for, in regions that the owner never opens. It
    /// costs thousands a day.
    /// ## What to do
    /// If nobody knows of it, stop the caller's credentials first, then terminate the instances, in every region.
    /// ## False positives
    /// Training, rendering and tests of load. What Auto Scaling, a fleet or Spot starts is not counted, and is told more
    /// quietly unless the region is not an expected one: anybody may have asked them. Name other schedulers, such as a
    /// cluster's node provisioner, as `automation`.
    InstancesStarted {
        id: "compute-expensive-instances-started",
        title: "Expensive or many instances were started",
        severity: Medium,
        confidence: Medium,
        catalogue: ["EXEC-01"],
        references: [attack(&["T1496"]), attack(&["T1535"]), doc(&["Amazon EC2 instance types"])],
        on: [On::Call("ec2.amazonaws.com", &["RunInstances"])],
        failed_calls: true,
    }
}

/// How many instances are too many.
const MANY: usize = 20;

impl Rule for InstancesStarted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let started = items_at(record.response(), &["instancesSet"]);
        let kinds = started.iter().filter_map(|instance| text_at(instance, &["instanceType"]));
        let kind = kinds.chain(record.param(&["instanceType"])).max_by_key(|kind| expensive(kind));
        let asked = items_at(record.request(), &["instancesSet"]);
        let asked = asked.iter().filter_map(|set| number_at(set, &["maxCount"])).max();
        let count = if started.is_empty() {
            asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(1)
        } else {
            started.len()
        };
        let by = acting_principal(record);
        if record.failed() {
            if let Some(kind) = kind.filter(|kind| expensive(kind)) {
                refused(record, cx, kind);
            }
            return Ok(());
        }
        let threshold = cx.threshold(MANY);
        let ids: Vec<&str> =
            started.iter().filter_map(|instance| text_at(instance, &["instanceId"])).collect();
        // Auto Scaling starts instances one by one, as many as it is told to.
        let scaling = cx.by_service();
        let mut lately = count;
        if !scaling && count < threshold {
            // Many small calls are as good as a large one; a call that tells no instances is counted as one.
            for id in &ids {
                lately = lately.max(cx.count_distinct(by, id, TEN_MINUTES)?.count);
            }
            if ids.is_empty() {
                lately = lately.max(cx.count(by, TEN_MINUTES)?.count);
            }
        }
        let many = !scaling && lately >= threshold;
        let chosen = kind.filter(|kind| expensive(kind));
        if chosen.is_none() && !many {
            return Ok(());
        }
        let place = record.aws_region.or_empty();
        let regions = &cx.config.expected_regions;
        let unexpected = !regions.is_empty() && !regions.iter().any(|expected| expected == place);
        let who = caller_name(record);
        let kind = kind.unwrap_or("of an unnamed type");
        let title = match (count, many && lately > count) {
            (_, true) => {
                format!("{who} started {lately} instances within ten minutes, the latest in {place}, {kind}")
            }
            (1, _) => format!("{who} started an expensive instance, {kind}, in {place}"),
            _ => format!("{who} started {count} instances, {kind}, in {place}"),
        };
        let why = if unexpected {
            "The region is not among those that you have named as in use, which is where miners go first."
        } else {
            "Machines like these, or so many, are what stolen credentials are used for most."
        };
        let first = ids.first().copied().unwrap_or("INSTANCE_ID");
        let seen = cx
            .failing(by, title)
            .aspect(if many { "many" } else { "expensive" })
            .severity(if many || unexpected { Severity::High } else { Severity::Medium })
            .because(why)
            .detail("Instance type", kind)
            .detail("Instances", count.to_string())
            .detail_if("Instance ids", Some(ids.join(", ")).filter(|ids| !ids.is_empty()).as_deref())
            .step(
                "What runs in this region?",
                "ec2 describe-instances",
                &[region_option(record), ("--filters", "Name=instance-state-name,Values=pending,running")],
            );
        let seen = what_else(seen, record).step(
            "Terminate what nobody knows, one after the other",
            "ec2 terminate-instances",
            &[region_option(record), ("--instance-ids", first)],
        );
        let seen = stop_caller(seen, record);
        // A thief's scaling group or fleet is started by the same service as the owner's.
        cx.report(if scaling && unexpected { seen } else { cx.tempered(seen) });
        Ok(())
    }
}

/// Expensive machines that nobody got. Auto Scaling and fleets ask again until there is room.
fn refused(record: &Record<'_>, cx: &mut Cx<'_>, kind: &str) {
    if cx.by_service() {
        return;
    }
    let (code, place) = (record.error_code.or_empty(), record.aws_region.or_empty());
    let title = format!(
        "{} asked for an expensive instance, {kind}, in {place}, and was refused: {code}",
        caller_name(record)
    );
    let seen = cx
        .failing(acting_principal(record), title)
        .aspect("refused")
        .severity(Severity::Low)
        .because(
            "Whoever looks for machines on somebody else's bill tries types and regions until one works.",
        )
        .detail("Instance type", kind);
    cx.report(stop_caller(what_else(seen, record), record));
}

/// Whether machines of this type cost so much that somebody should know: special chips, bare metal, and sizes from
/// twelve times `xlarge` on.
fn expensive(kind: &str) -> bool {
    let Some((family, size)) = kind.split_once('.') else { return false };
    let letters: String = family.chars().take_while(char::is_ascii_alphabetic).collect();
    let chips = matches!(letters.as_str(), "p" | "g" | "gr" | "trn" | "inf" | "dl" | "vt" | "f" | "u");
    let large = size
        .strip_suffix("xlarge")
        .and_then(|times| times.parse::<u32>().ok())
        .is_some_and(|times| times >= 12);
    chips || large || size.starts_with("metal")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_base::time::Timestamp;
    use keepwatch_core::engine::Config;
    use keepwatch_core::engine::dispatch::Index;
    use keepwatch_core::event::Event;
    use keepwatch_core::state::Fact;

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn run(kind: &str, count: usize, changes: Value) -> String {
        let instance = |i: usize| json!({"instanceId": format!("i-{i}"), "instanceType": kind});
        let set: Vec<Value> = (0..count).map(instance).collect();
        let mut event = json!({"requestParameters": {"instanceType": kind, "instancesSet": {"items": [{"maxCount": count}]}},
            "responseElements": {"instancesSet": {"items": set}}});
        for (key, value) in changes.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        call("ec2", "RunInstances", event)
    }

    #[test]
    fn fires() {
        for kind in [
            "p5.48xlarge",
            "g4dn.xlarge",
            "trn1.2xlarge",
            "m5.metal",
            "c7i.metal-48xl",
            "c5.12xlarge",
            "u-6tb1.112xlarge",
        ] {
            let seen = fires_at(&InstancesStarted, Severity::Medium, &run(kind, 1, json!({})));
            assert_eq!(seen.title, format!("alice started an expensive instance, {kind}, in us-east-1"));
            assert_eq!(seen.subject.resource, ALICE);
        }
        let many = fires_at(&InstancesStarted, Severity::High, &run("t3.micro", 20, json!({})));
        assert_eq!(many.title, "alice started 20 instances, t3.micro, in us-east-1");
        assert!(many.steps[2].command.contains("--instance-ids i-0"), "{:?}", many.steps);
        // Where the answer is missing, the request tells.
        let asked = run("t3.micro", 20, json!({"responseElements": null}));
        fires_at(&InstancesStarted, Severity::High, &asked);
        let window = |member: &str, count| among(&InstancesStarted, ALICE, member, TEN_MINUTES, count);
        // Two of this call, eighteen of others.
        let often = fired_with(
            &InstancesStarted,
            &run("t3.micro", 2, json!({})),
            &[window("i-0", 19), window("i-1", 20)],
        );
        assert_eq!(often.severity, Severity::High);
        assert!(often.title.starts_with("alice started 20 instances within ten minutes"), "{}", often.title);
        // Calls that tell no instances are counted themselves.
        let silent = run("t3.micro", 1, json!({"responseElements": null}));
        let event = "6b2a5e0c-0000-4000-8000-000000000001";
        assert_eq!(fired_with(&InstancesStarted, &silent, &[window(event, 20)]).severity, Severity::High);
    }

    #[test]
    fn a_region_that_nobody_uses_makes_it_worse() {
        let severity = |regions: &[&str], who: Value| {
            static RULES: &[&dyn Rule] = &[&InstancesStarted];
            let expected_regions = regions.iter().map(|region| (*region).to_owned()).collect();
            let config = Config { expected_regions, ..Config::default() };
            let text = run("p5.48xlarge", 1, json!({"userIdentity": who}));
            let Ok(event) = Event::parse(&text) else { return None };
            let index = Index::new(RULES);
            let seen = index.evaluate_answering(&event, &config, Timestamp::from_millis(0), |_| {
                Fact::Unavailable("AccessDenied".to_owned())
            });
            seen.observations.first().map(|seen| seen.severity)
        };
        let alice = json!({"userName": "alice"});
        assert_eq!(severity(&["eu-central-1"], alice.clone()), Some(Severity::High));
        assert_eq!(severity(&["eu-central-1", "us-east-1"], alice), Some(Severity::Medium));
        // Anybody can have a service start them.
        let service = json!({"type": "AWSService", "invokedBy": "spot.amazonaws.com"});
        assert_eq!(severity(&["eu-central-1"], service.clone()), Some(Severity::High));
        assert_eq!(severity(&["us-east-1"], service), Some(Severity::Low));
    }

    #[test]
    fn what_scales_by_itself_is_quiet() {
        let linked = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
        let scaling = json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": linked}}});
        fires_at(&InstancesStarted, Severity::Low, &run("p5.48xlarge", 1, json!({"userIdentity": scaling})));
        quiet(&InstancesStarted, &[run("t3.micro", 50, json!({"userIdentity": scaling}))]);
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "Client.InstanceLimitExceeded"});
        let told = fires_at(&InstancesStarted, Severity::Low, &run("p5.48xlarge", 100, failed.clone()));
        assert!(told.title.ends_with("and was refused: Client.InstanceLimitExceeded"), "{}", told.title);
        quiet(
            &InstancesStarted,
            &[
                run("t3.micro", 19, json!({})),
                run("m5.8xlarge", 1, json!({})),
                run("x2gd.medium", 1, json!({})),
                run("p", 1, json!({})),
                run("t3.micro", 100, failed),
                call("ec2", "RunInstances", json!({"requestParameters": null})),
                call(
                    "ec2",
                    "RunInstances",
                    json!({"requestParameters": {"instanceType": {"value": "p5.48xlarge"}}}),
                ),
            ],
        );
        let window = [among(&InstancesStarted, ALICE, "i-0", TEN_MINUTES, 19)];
        assert!(observe_with(&InstancesStarted, &run("t3.micro", 1, json!({})), &window).is_empty());
    }
}
