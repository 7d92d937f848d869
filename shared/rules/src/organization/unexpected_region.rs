use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody started computers or created databases, functions, clusters, buckets or stacks in a region that is not
    /// in the list `expected-regions`. While the list is empty, the rule is silent. A region is one finding for each
    /// account, however much is started in it.
    /// ## Why it matters
    /// Whoever works with stolen credentials likes the regions that you never look at: miners run there until the bill
    /// comes.
    /// ## What to do
    /// Look at what runs there. If it is not yours, stop the caller's key or role, stop what was started, and check the
    /// other regions too.
    /// ## False positives
    /// The first day in a new region: add it to the list. Certificates and functions for CloudFront, and some global
    /// services, need us-east-1: list it if you use them. Stacks whose names begin with that of Keepwatch's own are LOW,
    /// and no less, for anybody can name a stack so.
    UnexpectedRegion {
        id: "organization-unexpected-region",
        title: "Something was created in a region that is not in use",
        severity: High,
        confidence: Medium,
        catalogue: ["ORG-06"],
        references: [attack(&["T1535"]), attack(&["T1496"]), well_architected(&["SEC01-BP01"])],
        on: [
            On::Call("ec2.amazonaws.com", &["CreateFleet", "RequestSpotFleet", "RequestSpotInstances", "RunInstances"]),
            On::Call("lightsail.amazonaws.com", &["CreateInstances"]),
            On::Call("autoscaling.amazonaws.com", &["CreateAutoScalingGroup"]),
            On::Call("ecs.amazonaws.com", &["CreateCluster"]),
            On::Call("eks.amazonaws.com", &["CreateCluster"]),
            On::Call("lambda.amazonaws.com", &["CreateFunction20150331"]),
            On::Call("rds.amazonaws.com", &["CreateDBCluster", "CreateDBInstance"]),
            On::Call("sagemaker.amazonaws.com", &["CreateNotebookInstance"]),
            On::Call("elasticmapreduce.amazonaws.com", &["RunJobFlow"]),
            On::Call("batch.amazonaws.com", &["CreateComputeEnvironment"]),
            On::Call("s3.amazonaws.com", &["CreateBucket"]),
            On::Call("cloudformation.amazonaws.com", &["CreateStack"]),
        ],
    }
}

impl Rule for UnexpectedRegion {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some(region), expected) = (record.aws_region.get(), &cx.config.expected_regions) else {
            return Ok(());
        };
        if expected.is_empty() || expected.iter().any(|name| name == region) {
            return Ok(());
        }
        let (who, call) = (caller_name(record), record.event_name.or_empty().trim_end_matches("20150331"));
        let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
        let stack = record.param(&["stackName"]);
        let own = |name: &str| !cx.config.stack.is_empty() && name.starts_with(cx.config.stack.as_str());
        let named =
            ["stackName", "functionName", "bucketName", "dBInstanceIdentifier", "name", "clusterName"];
        let lookup = lookup("EventName", record.event_name.or_empty());
        let seen = cx
            .failing(
                record.account(),
                format!("{who} called {call} ({service}) in {region}, a region not in use"),
            )
            .severity(if stack.is_some_and(own) { Severity::Low } else { Severity::High })
            .because(format!("The regions in use are {}.", expected.join(", ")))
            .detail("Region", region)
            .detail("Call", format!("{service}:{call}"))
            .detail_if("Name", named.iter().find_map(|name| record.param(&[name])))
            .detail_if("Instance type", record.param(&["instanceType"]))
            .step("What runs there?", "resourcegroupstaggingapi get-resources", &[("--region", region)])
            .step(
                "Which computers run there?",
                "ec2 describe-instances",
                &[("--region", region), ("--filters", "Name=instance-state-name,Values=pending,running")],
            )
            .step(
                "Who called this there?",
                "cloudtrail lookup-events",
                &[("--region", region), ("--lookup-attributes", &lookup)],
            );
        let seen = cx.tempered(stop_caller(seen, record));
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{ACCOUNT, call, observe_under, settings};
    use keepwatch_core::engine::Config;

    /// Under settings that name the regions in use.
    fn seen(event: &str) -> Vec<Observation> {
        let expected_regions = vec!["eu-central-1".to_owned(), "us-east-1".to_owned()];
        observe_under(&UnexpectedRegion, event, Config { expected_regions, ..settings() })
    }

    fn fired(_: &UnexpectedRegion, event: &str) -> Observation {
        let mut seen = seen(event);
        assert_eq!(seen.len(), 1, "{event}");
        seen.remove(0)
    }

    fn at(region: &str, service: &str, name: &str, request: Value) -> String {
        call(service, name, json!({"awsRegion": region, "requestParameters": request}))
    }

    #[test]
    fn fires() {
        let run = fired(
            &UnexpectedRegion,
            &at("ap-south-1", "ec2", "RunInstances", json!({"instanceType": "p5.48xlarge"})),
        );
        assert_eq!(run.title, "alice called RunInstances (ec2) in ap-south-1, a region not in use");
        assert_eq!(run.severity, Severity::High);
        let function = at("ap-south-1", "lambda", "CreateFunction20150331", json!({"functionName": "f"}));
        let function = fired(&UnexpectedRegion, &function);
        assert!(function.title.contains("CreateFunction (lambda)"), "{}", function.title);
        // However much is started, the region is one finding.
        assert_eq!((&run.subject, run.subject.resource.as_str()), (&function.subject, ACCOUNT));
        let elsewhere = fired(&UnexpectedRegion, &at("sa-east-1", "s3", "CreateBucket", json!(null)));
        assert_ne!(elsewhere.subject, run.subject);
    }

    #[test]
    fn own_forwarders_and_services_are_no_alarm() {
        let stack =
            at("ap-south-1", "cloudformation", "CreateStack", json!({"stackName": "keepwatch-forwarder"}));
        assert_eq!(fired(&UnexpectedRegion, &stack).severity, Severity::Low);
        for name in ["miner", "not-keepwatch"] {
            let other = at("ap-south-1", "cloudformation", "CreateStack", json!({"stackName": name}));
            assert_eq!(fired(&UnexpectedRegion, &other).severity, Severity::High);
        }
        let scaling = json!({"awsRegion": "ap-south-1", "userIdentity": {"type": "AWSService"}});
        assert_eq!(fired(&UnexpectedRegion, &call("ec2", "RunInstances", scaling)).severity, Severity::Low);
    }

    #[test]
    fn stays_quiet() {
        let refused = json!({"awsRegion": "ap-south-1", "errorCode": "Client.UnauthorizedOperation"});
        for event in [
            at("eu-central-1", "ec2", "RunInstances", json!({})),
            at("us-east-1", "s3", "CreateBucket", json!({})),
            at("ap-south-1", "ec2", "StopInstances", json!({})),
            call("ec2", "RunInstances", refused),
        ] {
            assert!(seen(&event).is_empty(), "{event}");
        }
        // Nobody has said which regions are in use.
        crate::testing::quiet(&UnexpectedRegion, &[at("ap-south-1", "ec2", "RunInstances", json!({}))]);
    }
}
