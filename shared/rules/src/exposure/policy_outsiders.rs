use serde_json::{Value, json};

use super::bucket_policy::BucketPolicy;
use super::function_public::FunctionPublic;
use super::key_policy::KeyPolicy;
use super::kinds::{Kind, Place, unlisted};
use super::policed::{Policed, document};
use super::policy_fields::FIELDS;
use super::resource_policy::ResourcePolicy;
use super::search_domain::SearchDomain;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A policy that names a principal was put on any resource that no other rule knows better, and lets somebody
    /// outside the account in: an access point, a directory, table or vector bucket, a file system, an event bus, a
    /// mail identity, a package repository, a stream, a private certificate authority, a Kafka cluster, a log
    /// destination, an API, a data warehouse, and whatever else gets such policies. It is heard by the shape of its
    /// parameters, so that new services are heard too. How bad it is follows from what the policy allows: to read or
    /// administer is worse than to send something in. Conditions on the own account (aws:SourceAccount, aws:SourceArn,
    /// aws:PrincipalAccount) make an opening none. File systems that ask for a mount target
    /// (elasticfilesystem:AccessedViaMountTarget) are open to their own network alone. A condition on an organization,
    /// a VPC or a VPC endpoint is low, for the policy does not say whose it is, and so is a service that may act for
    /// anybody but only send something in. A policy that opens nothing, its removal, or the end of the resource settles
    /// the finding.
    /// ## Why it matters
    /// Such a policy gives access without any user or role of this account, and is looked at less often than
    /// those of buckets and keys.
    /// ## What to do
    /// Read the statement that is named and write back a policy that names only whom you know.
    /// ## False positives
    /// Vendors and accounts of the same organization: name them in the TrustedAccounts parameter. Policies of VPC
    /// endpoints, stacks and sessions narrow what the account itself may do and are not judged.
    PolicyOutsiders {
        id: "exposure-policy-outsiders",
        title: "A policy lets outsiders use a resource",
        severity: High,
        confidence: Medium,
        catalogue: ["PUB-09"],
        references: [
            attack(&["T1530", "T1537"]),
            doc(&[
                "IAM user guide: AWS services that work with IAM",
                "IAM user guide: the confused deputy problem",
                "IAM Access Analyzer: resource types for external access",
            ]),
        ],
        on: [
            On::Policy { fields: FIELDS, but: &[
                "access-analyzer.amazonaws.com", "aoss.amazonaws.com", "cloudformation.amazonaws.com", "ec2.amazonaws.com", "iam.amazonaws.com",
                "kms.amazonaws.com", "organizations.amazonaws.com", "sso.amazonaws.com", "sts.amazonaws.com",
            ] },
            On::Call("s3.amazonaws.com", &[
                "PutAccessPointPolicy", "DeleteAccessPointPolicy", "DeleteAccessPoint",
                "PutMultiRegionAccessPointPolicy", "DeleteMultiRegionAccessPoint",
                "PutAccessPointPolicyForObjectLambda", "DeleteAccessPointPolicyForObjectLambda",
                "DeleteAccessPointForObjectLambda", "PutAccessGrantsInstanceResourcePolicy",
                "DeleteAccessGrantsInstanceResourcePolicy", "DeleteAccessGrantsInstance",
            ]),
            On::Call("s3express.amazonaws.com", &["PutBucketPolicy", "DeleteBucketPolicy", "DeleteBucket"]),
            On::Call("s3tables.amazonaws.com", &[
                "PutTableBucketPolicy", "DeleteTableBucketPolicy", "DeleteTableBucket",
                "PutTablePolicy", "DeleteTablePolicy", "DeleteTable",
            ]),
            On::Call("s3vectors.amazonaws.com", &[
                "PutVectorBucketPolicy", "DeleteVectorBucketPolicy", "DeleteVectorBucket",
            ]),
            On::Call("elasticfilesystem.amazonaws.com", &[
                "PutFileSystemPolicy", "DeleteFileSystemPolicy", "DeleteFileSystem",
            ]),
            On::Call("events.amazonaws.com", &["PutPermission", "RemovePermission", "DeleteEventBus"]),
            On::Call("ses.amazonaws.com", &[
                "PutIdentityPolicy", "CreateEmailIdentityPolicy", "UpdateEmailIdentityPolicy",
                "DeleteIdentityPolicy", "DeleteEmailIdentityPolicy",
            ]),
            On::Call("codeartifact.amazonaws.com", &[
                "PutRepositoryPermissionsPolicy", "DeleteRepositoryPermissionsPolicy", "DeleteRepository",
                "PutDomainPermissionsPolicy", "DeleteDomainPermissionsPolicy", "DeleteDomain",
            ]),
            On::Call("kinesis.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy", "DeleteStream"]),
            On::Call("acm-pca.amazonaws.com", &["PutPolicy", "DeletePolicy", "DeleteCertificateAuthority"]),
            On::Call("kafka.amazonaws.com", &["PutClusterPolicy", "DeleteClusterPolicy", "DeleteCluster"]),
            On::Call("logs.amazonaws.com", &[
                "PutDestinationPolicy", "DeleteDestination", "PutDeliveryDestinationPolicy",
                "DeleteDeliveryDestinationPolicy", "DeleteDeliveryDestination", "PutResourcePolicy",
                "DeleteResourcePolicy",
            ]),
            On::Call("apigateway.amazonaws.com", &["CreateRestApi", "UpdateRestApi", "DeleteRestApi"]),
            On::Call("redshift.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy"]),
            On::Call("redshift-serverless.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy"]),
            On::Call("cloudtrail.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy"]),
            On::Call("lambda.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy"]),
            On::Call("ssm.amazonaws.com", &["PutResourcePolicy"]),
            On::Call("dsql.amazonaws.com", &[
                "PutClusterPolicy", "CreateCluster", "DeleteClusterPolicy", "DeleteCluster",
            ]),
            On::Call("vpc-lattice.amazonaws.com", &["PutAuthPolicy", "DeleteAuthPolicy"]),
        ],
        alerts_as_witness: true,
    }
}

/// How the names of calls begin that try a policy out and write none.
const TRIALS: [&str; 5] = ["Check", "Evaluate", "Simulate", "Test", "Validate"];

/// The rules that say more of their own kinds.
const BETTER: [&[On]; 5] = [
    BucketPolicy::META.on,
    FunctionPublic::META.on,
    KeyPolicy::META.on,
    ResourcePolicy::META.on,
    SearchDomain::META.on,
];

impl Rule for PolicyOutsiders {
    fn prefilter(&self, header: &RecordHeader<'_>) -> bool {
        let known = |on: &On| matches!(on, On::Call(source, names) if *source == header.source && names.contains(&header.name));
        !BETTER.iter().any(|rule| rule.iter().any(known))
            && !TRIALS.iter().any(|verb| header.name.starts_with(verb))
    }

    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let event = record.event_name.or_empty();
        let kind = Kind::of(record.event_source.or_empty(), event);
        // What the call makes has no name before the answer, and an API is changed in many ways.
        let Some(place) = kind.map_or_else(|| Some(unlisted(record)), |kind| kind.place(record)) else {
            return Ok(());
        };
        let source = record.event_source.or_empty();
        let policed = Policed {
            service: kind.map_or_else(|| source.split('.').next().unwrap_or(source), |kind| kind.services),
            arn: place.arn.clone(),
            name: place.name.clone(),
            everyone: kind.map_or(Severity::High, |kind| kind.everyone),
            account: kind.map_or(Severity::Medium, |kind| kind.account),
            by_reach: true,
            settles: !event.starts_with("Create"),
        };
        if source == "events.amazonaws.com" {
            bus(record, cx, policed, &place);
            return Ok(());
        }
        if kind.is_some_and(|kind| kind.removes.contains(&event)) {
            policed.removed(record, cx);
            return Ok(());
        }
        if event == "UpdateRestApi" && patch(record).is_some_and(|patch| text_at(patch, &["value"]).is_none())
        {
            policed.removed(record, cx);
            return Ok(());
        }
        let Some(written) = written(record) else {
            // Of a call that does nothing but write a policy, the policy is missing.
            let left_out = record.request_omitted() && kind.is_some() && event.contains("Policy");
            if left_out {
                let why = Err("the event does not carry the policy".to_owned());
                policed.judge(record, cx, why, |seen| steps(seen, record, &place));
            }
            return Ok(());
        };
        match document(Some(written)) {
            Some(read) if kind.is_some() || is_policy(written, &read) => {
                policed.judge(record, cx, read, |seen| steps(seen, record, &place));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The first of the parameters that carries a policy.
fn written<'r>(record: &'r Record<'_>) -> Option<&'r Value> {
    let request = carried(record);
    if record.event_name.or_empty() == "UpdateRestApi" {
        return patch(record).and_then(|patch| value_at(patch, &["value"]));
    }
    // S3 writes an object where others write text.
    let said = |value: &&Value| match value.as_str() {
        Some(text) => !text.is_empty(),
        None => value_at(value, &["Statement"]).is_some(),
    };
    let named = FIELDS.iter().copied().chain(["bucketPolicy"]);
    let mut found = named.filter_map(|field| value_at(request, &field.split('.').collect::<Vec<_>>()));
    found.find(said)
}

/// What a change of an API says of its policy.
fn patch<'r>(record: &'r Record<'_>) -> Option<&'r Value> {
    let patches = items_at(carried(record), &["patchOperations"]);
    patches.into_iter().find(|patch| text_at(patch, &["path"]) == Some("/policy"))
}

/// Whether a text of a service that nobody knows is a policy at all: Cedar's and others' have no statements.
fn is_policy(written: &Value, read: &Result<keepwatch_policy::Document, String>) -> bool {
    read.is_ok() || written.as_str().is_some_and(|text| text.contains("Statement"))
}

fn steps(seen: Observation, record: &Record<'_>, place: &Place) -> Observation {
    let Some((read, named)) = &place.read else {
        let name = record.event_name.or_empty();
        // Which command shows such a policy nobody knows; what was written is in the trail.
        let of = lookup("EventName", name);
        return seen.look_back("What was written there before? Write that back", region(record), &of);
    };
    let mut options = vec![region_option(record)];
    options.extend(named.iter().map(|(option, id)| (*option, id.as_str())));
    seen.step(
        "Read the policy as it stands, and write back one that names only whom you know",
        read,
        &options,
    )
}

/// A bus's policy, which is written whole or by statements that have names.
fn bus(record: &Record<'_>, cx: &mut Cx<'_>, policed: Policed<'_>, place: &Place) {
    let (who, request, event) = (caller_name(record), record.request(), record.event_name.or_empty());
    // `self-event-rule-changed` tells of the bus that Keepwatch hears by.
    if place.arn.ends_with("event-bus/default") {
        return;
    }
    let statement = text_at(request, &["statementId"]);
    let told = |seen: Observation| steps(seen, record, place);
    match (event, statement) {
        ("PutPermission", Some(statement)) => {
            let Some(principal) = text_at(request, &["principal"]) else { return };
            let action = text_at(request, &["action"]).unwrap_or("events:PutEvents");
            let mut condition = json!({});
            if let Some(given) = value_at(request, &["condition"])
                && let [Some(kind), Some(key), Some(value)] =
                    ["type", "key", "value"].map(|name| text_at(given, &[name]))
            {
                condition = json!({kind: {key: value}});
            }
            let rule = json!({"Statement": {"Sid": statement, "Effect": "Allow", "Principal": {"AWS": principal},
                "Action": action, "Condition": condition}});
            let Some(read) = document(Some(&rule)) else { return };
            // Each statement is a finding of its own, for each is removed by its name; the others stay as they are.
            Policed { settles: false, ..policed }.judge(record, cx, read, |seen| {
                let aspect = match &seen.subject.aspect {
                    None => statement.to_owned(),
                    Some(narrowed) => format!("{statement} {narrowed}"),
                };
                told(seen).aspect(&aspect)
            });
        }
        ("PutPermission", None) => {
            if let Some(read) = written(record).and_then(|written| document(Some(written))) {
                policed.judge(record, cx, read, told);
            }
        }
        ("RemovePermission", Some(statement)) => {
            let title = format!("{who} removed permission {statement} of {}", policed.name);
            for aspect in [statement.to_owned(), format!("{statement} {}", super::policed::NARROWED)] {
                cx.report(cx.passing(&policed.arn, &title).aspect(&aspect));
            }
        }
        _ => policed.removed(record, cx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::kinds::KINDS;
    use crate::exposure::policed::testing::{fired, fires_at};
    use crate::exposure::policy_fields::CARRIERS;
    use crate::testing::*;

    fn policy(principal: Value, action: &str, condition: Value) -> String {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action,
            "Resource": "*", "Condition": condition}]})
        .to_string()
    }

    fn put(source: &str, name: &str, request: Value) -> String {
        call(source, name, json!({"requestParameters": request}))
    }

    fn efs(policy: &str) -> String {
        put("elasticfilesystem", "PutFileSystemPolicy", json!({"fileSystemId": "fs-1", "policy": policy}))
    }

    #[test]
    fn fires() {
        let account = || json!({"AWS": "999988887777"});
        let arn = |of: &str| format!("arn:aws:{of}");
        for (event, severity, title) in [
            (
                efs(&policy(json!("*"), "elasticfilesystem:ClientMount", json!({}))),
                Severity::High,
                "alice opened file system fs-1: anybody with an AWS account can mount it and read its files",
            ),
            (
                put(
                    "s3",
                    "PutAccessPointPolicy",
                    json!({"name": "ap", "policy": "", "Policy": policy(account(), "s3:GetObject", json!({}))}),
                ),
                Severity::High,
                "alice opened access point ap: outside account 999988887777 can read its objects",
            ),
            (
                put(
                    "s3",
                    "PutMultiRegionAccessPointPolicy",
                    json!({"details": {"name": "m", "policy": policy(json!("*"), "s3:GetObject", json!({}))}}),
                ),
                Severity::High,
                "alice opened multi-region access point m: anybody on the internet can read its objects",
            ),
            (
                put(
                    "s3express",
                    "PutBucketPolicy",
                    json!({"bucketName": "b--use1-az4--x-s3",
                    "bucketPolicy": serde_json::from_str::<Value>(&policy(account(), "s3express:*", json!({}))).unwrap()}),
                ),
                Severity::High,
                "alice opened directory bucket b--use1-az4--x-s3: outside account 999988887777 can do anything with it",
            ),
            (
                put(
                    "events",
                    "PutPermission",
                    json!({"eventBusName": "shop", "statementId": "s", "principal": "*", "action": "events:PutEvents"}),
                ),
                Severity::Medium,
                "alice opened event bus shop: anybody with an AWS account can send events to it",
            ),
            (
                put(
                    "acm-pca",
                    "PutPolicy",
                    json!({"resourceArn": arn("acm-pca:us-east-1:111122223333:certificate-authority/ca1"),
                    "policy": policy(account(), "acm-pca:IssueCertificate", json!({}))}),
                ),
                Severity::High,
                "alice opened certificate authority ca1: outside account 999988887777 can have it issue certificates",
            ),
            (
                put(
                    "apigateway",
                    "UpdateRestApi",
                    json!({"restApiId": "a1", "patchOperations": [
                    {"op": "replace", "path": "/policy", "value": policy(account(), "execute-api:Invoke", json!({}))}]}),
                ),
                Severity::Low,
                "alice opened API a1: outside account 999988887777 can call it",
            ),
            (
                put(
                    "newstore",
                    "PutStorePolicy",
                    json!({"storeName": "s", "policy": policy(json!("*"), "newstore:Take", json!({}))}),
                ),
                Severity::High,
                "alice opened s of newstore: anybody with an AWS account can call newstore:Take",
            ),
            (
                put(
                    "mediastore",
                    "PutContainerPolicy",
                    json!({"containerName": "c", "policy": policy(json!({"Service": "cloudfront.amazonaws.com"}), "mediastore:GetObject", json!({}))}),
                ),
                Severity::Medium,
                "alice opened c of mediastore: cloudfront.amazonaws.com, acting for any account, can read its objects",
            ),
            (
                put(
                    "logs",
                    "PutResourcePolicy",
                    json!({"policyName": "es", "policyDocument": policy(json!({"Service": "es.amazonaws.com"}), "logs:PutLogEvents", json!({}))}),
                ),
                Severity::Low,
                "alice opened log policy es: es.amazonaws.com, acting for any account, can write to its logs",
            ),
        ] {
            let seen = fires_at(&PolicyOutsiders, severity, &event);
            assert_eq!(seen.title, title);
        }
    }

    /// What somebody else's organization, endpoint or service gets is no good news.
    #[test]
    fn an_outsider_under_a_condition_is_told() {
        let read = "elasticfilesystem:ClientMount";
        for (principal, condition, severity) in [
            (json!("*"), json!({"StringEquals": {"aws:PrincipalOrgID": "o-abcd123456"}}), Severity::Low),
            (
                json!("*"),
                json!({"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}),
                Severity::Low,
            ),
            (
                json!({"Service": "backup.amazonaws.com"}),
                json!({"StringEquals": {"aws:SourceAccount": "999988887777"}}),
                Severity::Medium,
            ),
            (
                json!({"Service": "backup.amazonaws.com"}),
                json!({"StringEquals": {"aws:SourceOrgID": "o-abcd123456"}}),
                Severity::Low,
            ),
        ] {
            let seen = fires_at(&PolicyOutsiders, severity, &efs(&policy(principal, read, condition)));
            assert_eq!(seen.subject.aspect.as_deref(), Some("under a condition"));
        }
    }

    #[test]
    fn what_opens_nothing_settles_it() {
        let read = "elasticfilesystem:ClientMount";
        let open = fired(&PolicyOutsiders, &efs(&policy(json!("*"), read, json!({}))));
        for event in [
            efs(&policy(json!({"AWS": "111122223333"}), read, json!({}))),
            efs(&policy(
                json!("*"),
                read,
                json!({"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}),
            )),
            efs(&policy(
                json!({"Service": "backup.amazonaws.com"}),
                read,
                json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}),
            )),
            put("elasticfilesystem", "DeleteFileSystemPolicy", json!({"fileSystemId": "fs-1"})),
            put("elasticfilesystem", "DeleteFileSystem", json!({"fileSystemId": "fs-1"})),
        ] {
            let gone = observe(&PolicyOutsiders, &event);
            assert_eq!(
                (gone.len(), gone[0].verdict, gone[1].verdict),
                (2, Verdict::Passing, Verdict::Passing),
                "{event}"
            );
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn an_api_without_a_policy_settles_it() {
        let patch = |patch: Value| {
            put("apigateway", "UpdateRestApi", json!({"restApiId": "a1", "patchOperations": [patch]}))
        };
        let open = policy(json!({"AWS": "999988887777"}), "execute-api:Invoke", json!({}));
        let open =
            fired(&PolicyOutsiders, &patch(json!({"op": "replace", "path": "/policy", "value": open})));
        for gone in [
            json!({"op": "remove", "path": "/policy"}),
            json!({"op": "replace", "path": "/policy", "value": ""}),
        ] {
            let gone = observe(&PolicyOutsiders, &patch(gone));
            assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        }
    }

    #[test]
    fn a_statement_of_a_bus_is_settled_by_its_name() {
        let request = json!({"eventBusName": "shop", "statementId": "s", "principal": "999988887777", "action": "events:PutEvents"});
        let open = fires_at(&PolicyOutsiders, Severity::Medium, &put("events", "PutPermission", request));
        let gone = observe(
            &PolicyOutsiders,
            &put("events", "RemovePermission", json!({"eventBusName": "shop", "statementId": "s"})),
        );
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        let condition = json!({"type": "StringEquals", "key": "aws:PrincipalOrgID", "value": "o-abcd123456"});
        let request =
            json!({"eventBusName": "shop", "statementId": "s", "principal": "*", "condition": condition});
        let seen = fires_at(&PolicyOutsiders, Severity::Low, &put("events", "PutPermission", request));
        assert_eq!(seen.finding_id(), gone[1].finding_id());
    }

    #[test]
    fn unreadable_is_unknown() {
        let broken = "{\"Statement\": [{\"Principal\": \"*\"";
        for event in [
            efs(broken),
            put("newstore", "PutStorePolicy", json!({"storeName": "s", "policy": broken})),
            call(
                "elasticfilesystem",
                "PutFileSystemPolicy",
                json!({"requestParameters": {"omitted": true, "fileSystemId": "fs-1"}}),
            ),
        ] {
            let seen = fired(&PolicyOutsiders, &event);
            assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::Medium));
        }
    }

    /// Every parameter of the models that carries a policy is read, whatever the call.
    #[test]
    fn every_field_of_the_models_is_read() {
        let open = policy(json!("*"), "*", json!({}));
        for (service, name, path) in CARRIERS {
            let inner = path.rsplit('.').fold(json!(open), |inner, name| {
                let mut letters = name.chars();
                let first = letters.next().unwrap().to_ascii_lowercase();
                json!({format!("{first}{}", letters.as_str()): inner})
            });
            let event = put("newstore", name, inner);
            let seen = observe(&PolicyOutsiders, &event);
            let told =
                seen.iter().any(|one| one.verdict == Verdict::Failing && one.severity == Severity::High);
            assert!(told, "{service} {name} {path}: {seen:?}");
        }
    }

    #[test]
    fn every_call_of_a_kind_is_heard() {
        for kind in KINDS {
            for name in kind.writes.iter().chain(kind.removes) {
                let source = format!("{}.amazonaws.com", kind.source);
                let heard =
                    |on: &On| matches!(on, On::Call(of, names) if *of == source && names.contains(name));
                assert!(PolicyOutsiders::META.on.iter().any(heard), "{source} {name}");
            }
        }
        let all: usize = KINDS.iter().map(|kind| kind.writes.len() + kind.removes.len()).sum();
        let heard = PolicyOutsiders::META
            .on
            .iter()
            .map(|on| if let On::Call(_, names) = on { names.len() } else { 0 });
        assert_eq!(heard.sum::<usize>(), all, "a call that no kind has");
    }

    #[test]
    fn stays_quiet() {
        let open = policy(json!("*"), "*", json!({}));
        quiet(
            &PolicyOutsiders,
            &[
                // Told by the rules that know them.
                put("s3", "PutBucketPolicy", json!({"bucketName": "b", "bucketPolicy": open})),
                put(
                    "sns",
                    "SetTopicAttributes",
                    json!({"topicArn": "t", "attributeName": "Policy", "attributeValue": open}),
                ),
                put("secretsmanager", "PutResourcePolicy", json!({"secretId": "s", "resourcePolicy": open})),
                // They narrow what the account itself may do.
                put("ec2", "CreateVpcEndpoint", json!({"policyDocument": open})),
                put("cloudformation", "SetStackPolicy", json!({"stackPolicyBody": open})),
                put("sts", "AssumeRole", json!({"policy": open})),
                // They try a policy out.
                put("access-analyzer", "CreateAccessPreview", json!({"policy": open})),
                put(
                    "secretsmanager",
                    "ValidateResourcePolicy",
                    json!({"secretId": "s", "resourcePolicy": open}),
                ),
                // No policies of IAM's.
                put("newstore", "PutThing", json!({"policy": "permit(principal, action, resource);"})),
                put("newstore", "PutThing", json!({"policy": "{\"Principal\": [\"x\"]}"})),
                put(
                    "apigateway",
                    "UpdateRestApi",
                    json!({"restApiId": "a1", "patchOperations": [{"op": "replace", "path": "/name", "value": "x"}]}),
                ),
                put("dsql", "CreateCluster", json!({"tags": {}})),
                call(
                    "elasticfilesystem",
                    "PutFileSystemPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"fileSystemId": "fs-1", "policy": open}}),
                ),
                call("elasticfilesystem", "PutFileSystemPolicy", json!({"requestParameters": null})),
                put("events", "PutPermission", json!({"statementId": "s", "principal": "*"})),
            ],
        );
    }

    #[test]
    fn a_policy_in_an_element_of_its_own_is_read() {
        let open = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "s3:*", "Resource": "*"}]});
        let carried = json!({"xmlns": "x", "Policy": open.to_string()});
        let point = json!({"name": "ap", "PutAccessPointPolicyRequest": carried});
        let seen = fires_at(&PolicyOutsiders, Severity::High, &asked("s3", "PutAccessPointPolicy", point));
        assert_eq!(seen.subject.resource, "arn:aws:s3:us-east-1:111122223333:accesspoint/ap");
        let details = json!({"ClientToken": "t", "Details": {"Name": "m", "Policy": open.to_string()}});
        let regions = json!({"PutMultiRegionAccessPointPolicyRequest": details});
        let seen = fires_at(
            &PolicyOutsiders,
            Severity::High,
            &asked("s3", "PutMultiRegionAccessPointPolicy", regions),
        );
        assert_eq!(seen.subject.resource, "arn:aws:s3::111122223333:accesspoint/m");
        let invoke = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "execute-api:Invoke", "Resource": "*"}]});
        let patch = json!([{"op": "replace", "path": "/policy", "value": invoke.to_string()}]);
        let api = json!({"restApiId": "a1", "updateRestApiInput": {"patchOperations": patch}});
        fires_at(&PolicyOutsiders, Severity::Low, &asked("apigateway", "UpdateRestApi", api));
    }
}
