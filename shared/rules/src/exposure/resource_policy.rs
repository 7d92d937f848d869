use serde_json::{Value, json};

use super::policed::{Policed, document};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The policy of an SNS topic, an SQS queue, an ECR repository, a secret, a DynamoDB table, a Glue catalogue, a
    /// Glacier vault or a backup vault lets somebody outside the account in: everybody is high (critical for secrets
    /// and tables), another account high for secrets, tables and vaults and medium for the rest. Conditions on the own
    /// account (aws:SourceOwner, aws:SourceAccount, aws:SourceArn) make an opening none, also for AWS services. A
    /// service without such a condition acts for anybody and is low, or medium where it can read; so is one that acts
    /// for another account. Conditions on an organization, a VPC or a VPC endpoint are low, for the policy does not say
    /// whose it is. A policy that opens nothing, its removal, or the end of the resource settles the finding.
    /// ## Why it matters
    /// Such a policy gives access without any user or role of this account. Outsiders can read secrets and
    /// messages, push images that you then run, or send messages that your code trusts.
    /// ## What to do
    /// Read the statement that is named and write back a policy that names only whom you know.
    /// ## False positives
    /// Vendors and accounts of the same organization: name them in the TrustedAccounts parameter.
    ResourcePolicy {
        id: "exposure-resource-policy-open",
        title: "A resource's policy lets outsiders in",
        severity: High,
        confidence: High,
        catalogue: ["PUB-09"],
        references: [
            security_hub(&["SNS.4", "SQS.3"]),
            attack(&["T1530", "T1537"]),
            doc(&["IAM user guide: identity-based and resource-based policies"]),
        ],
        on: [
            On::Call("sns.amazonaws.com", &[
                "SetTopicAttributes", "CreateTopic", "AddPermission", "RemovePermission", "DeleteTopic",
            ]),
            On::Call("sqs.amazonaws.com", &[
                "SetQueueAttributes", "CreateQueue", "AddPermission", "RemovePermission", "DeleteQueue",
            ]),
            On::Call("ecr.amazonaws.com", &[
                "SetRepositoryPolicy", "DeleteRepositoryPolicy", "PutRegistryPolicy",
                "DeleteRegistryPolicy", "DeleteRepository"]),
            On::Call("secretsmanager.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy"]),
            On::Call("dynamodb.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy", "DeleteTable"]),
            On::Call("glue.amazonaws.com", &["PutResourcePolicy", "DeleteResourcePolicy"]),
            On::Call("glacier.amazonaws.com", &[
                "SetVaultAccessPolicy", "DeleteVaultAccessPolicy", "DeleteVault",
            ]),
            On::Call("backup.amazonaws.com", &[
                "PutBackupVaultAccessPolicy", "DeleteBackupVaultAccessPolicy", "DeleteBackupVault",
            ]),
        ],
        alerts_as_witness: true,
    }
}

/// A resource, as far as the services differ.
struct Place<'p> {
    service: &'static str,
    arn: String,
    name: String,
    everyone: Severity,
    account: Severity,
    /// The call that reads the policy, and the option that names the resource.
    read: (&'static str, &'static str, &'p str),
}

impl Rule for ResourcePolicy {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (event, request) = (record.event_name.or_empty(), record.request());
        let Some(place) = place(record) else { return Ok(()) };
        let (read, option, id) = place.read;
        let steps = |seen: Observation| {
            let options = [region_option(record), (option, id)];
            let options = if option.is_empty() { &options[..1] } else { options.as_slice() };
            seen.step(
                "Read the policy as it stands, and write back one that names only whom you know",
                read,
                options,
            )
        };
        let policed = Policed {
            service: place.service,
            arn: place.arn,
            name: place.name,
            everyone: place.everyone,
            account: place.account,
            by_reach: false,
            settles: !event.starts_with("Create"),
        };
        if matches!(event, "AddPermission" | "RemovePermission") {
            labelled(record, cx, &policed, |seen, label| {
                // What came by a label is settled by its removal.
                let remove = format!("{} remove-permission", policed.service);
                let options = [region_option(record), (option, id), ("--label", label)];
                steps(seen.step("Remove the permission", &remove, &options))
            });
            return Ok(());
        }
        if event.starts_with("Delete") {
            policed.removed(record, cx);
            return Ok(());
        }
        // The other attributes of a topic or queue are no business of this rule.
        let attribute = value_at(request, &["attributes"]).and_then(|all| value_at(all, &["Policy"]));
        let written = match event {
            "SetTopicAttributes" if text_at(request, &["attributeName"]) != Some("Policy") => return Ok(()),
            "SetTopicAttributes" => value_at(request, &["attributeValue"]),
            "SetQueueAttributes" | "CreateQueue" | "CreateTopic" if attribute.is_none() => return Ok(()),
            "SetQueueAttributes" | "CreateQueue" | "CreateTopic" => attribute,
            "SetVaultAccessPolicy" => {
                value_at(request, &["policy"]).map(|outer| value_at(outer, &["policy"]).unwrap_or(outer))
            }
            _ => ["policyText", "resourcePolicy", "policyInJson", "policy"]
                .iter()
                .find_map(|name| value_at(request, &[name])),
        };
        match document(written) {
            Some(document) => policed.judge(record, cx, document, steps),
            // An empty text takes the policy off.
            None if written.and_then(Value::as_str) == Some("") => policed.removed(record, cx),
            None => policed.judge(record, cx, Err("the event does not carry the policy".to_owned()), steps),
        }
        Ok(())
    }
}

/// The resource that the call is about.
fn place<'r>(record: &'r Record<'_>) -> Option<Place<'r>> {
    use Severity::{Critical, High, Medium};
    let (request, event) = (record.request(), record.event_name.or_empty());
    let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
    Some(match service {
        "sns" => {
            let arn = record.param(&["topicArn"]).or_else(|| record.response_text(&["topicArn"]));
            // A new topic is asked for by its name; there may be no answer.
            let id = arn.or_else(|| record.param(&["name"]))?;
            let topic = id.rsplit(':').next().unwrap_or(id);
            let read = ("sns get-topic-attributes", "--topic-arn", id);
            let arn = arn.map_or_else(|| record.arn("sns", topic), str::to_owned);
            Place {
                service: "sns",
                arn,
                name: format!("topic {topic}"),
                everyone: High,
                account: Medium,
                read,
            }
        }
        "sqs" => {
            let url = record.param(&["queueUrl"]).or_else(|| record.response_text(&["queueUrl"]));
            let url = url.or_else(|| record.param(&["queueName"]))?;
            let queue = url.rsplit('/').next().unwrap_or(url);
            let read = ("sqs get-queue-attributes --attribute-names Policy", "--queue-url", url);
            let name = format!("queue {queue}");
            Place {
                service: "sqs",
                arn: record.arn("sqs", queue),
                name,
                everyone: High,
                account: Medium,
                read,
            }
        }
        "ecr" if event.contains("Registry") => {
            let read = ("ecr get-registry-policy", "", "");
            let name = "the container registry".to_owned();
            Place {
                service: "ecr",
                arn: record.arn("ecr", "registry"),
                name,
                everyone: High,
                account: Medium,
                read,
            }
        }
        "ecr" => {
            let repository = record.param(&["repositoryName"])?;
            let arn = record.arn("ecr", &format!("repository/{repository}"));
            let read = ("ecr get-repository-policy", "--repository-name", repository);
            let name = format!("image repository {repository}");
            Place { service: "ecr", arn, name, everyone: High, account: Medium, read }
        }
        "secretsmanager" => {
            let id = record.param(&["secretId"])?;
            let secret = secret_name(id);
            let arn = record.arn("secretsmanager", &format!("secret:{secret}"));
            let read = ("secretsmanager get-resource-policy", "--secret-id", id);
            let name = format!("secret {secret}");
            Place { service: "secretsmanager", arn, name, everyone: Critical, account: High, read }
        }
        "dynamodb" => {
            // The end of a table names it by its name or its ARN.
            let id = record.param(&["resourceArn"]).or_else(|| record.param(&["tableName"]))?;
            let table = id.split_once(":table/").map_or(id, |(_, name)| name);
            let arn = record.arn("dynamodb", &format!("table/{table}"));
            let read = ("dynamodb get-resource-policy", "--resource-arn", id);
            let name = format!("table {table}");
            Place { service: "dynamodb", arn, name, everyone: Critical, account: High, read }
        }
        "glue" => {
            let read = ("glue get-resource-policy", "", "");
            let name = "the Glue data catalogue".to_owned();
            Place {
                service: "glue",
                arn: record.arn("glue", "catalog"),
                name,
                everyone: High,
                account: Medium,
                read,
            }
        }
        "glacier" => {
            let vault = record.param(&["vaultName"])?;
            let arn = record.arn("glacier", &format!("vaults/{vault}"));
            let read = ("glacier get-vault-access-policy --account-id -", "--vault-name", vault);
            Place {
                service: "glacier",
                arn,
                name: format!("vault {vault}"),
                everyone: Critical,
                account: High,
                read,
            }
        }
        "backup" => {
            let vault = text_at(request, &["backupVaultName"])?;
            let arn = record.arn("backup", &format!("backup-vault:{vault}"));
            let read = ("backup get-backup-vault-access-policy", "--backup-vault-name", vault);
            // Copies from other accounts come in by such a policy, and nothing goes out.
            Place {
                service: "backup",
                arn,
                name: format!("backup vault {vault}"),
                everyone: High,
                account: Medium,
                read,
            }
        }
        _ => return None,
    })
}

/// A secret's own name. Its ARN ends in six random characters, which its name has not.
fn secret_name(id: &str) -> &str {
    let Some((_, name)) = id.split_once(":secret:") else { return id };
    match name.rsplit_once('-') {
        Some((name, random)) if random.len() == 6 => name,
        _ => name,
    }
}

/// The old way of topics and queues: accounts and actions under a label, by which they are removed.
fn labelled(
    record: &Record<'_>,
    cx: &mut Cx<'_>,
    policed: &Policed<'_>,
    steps: impl Fn(Observation, &str) -> Observation,
) {
    let (who, request, name) = (caller_name(record), record.request(), &policed.name);
    let label = text_at(request, &["label"]).unwrap_or_default();
    if record.event_name.or_empty() == "RemovePermission" {
        let title = format!("{who} removed permission {label} of {name}");
        cx.report(cx.passing(&policed.arn, title).aspect(label));
        return;
    }
    let accounts = match value_at(request, &["AWSAccountIds"]) {
        Some(_) => texts_at(request, &["AWSAccountIds"]),
        None => texts_at(request, &["AWSAccountId"]),
    };
    let actions = ["actions", "actionName", "actionNames"].map(|name| texts_at(request, &[name])).concat();
    let prefixed: Vec<String> =
        actions.iter().map(|action| format!("{}:{action}", policed.service)).collect();
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": accounts}, "Action": prefixed});
    let Some(Ok(document)) = document(Some(&json!({"Statement": statement}))) else { return };
    let trusted = &cx.config.trusted_accounts;
    let all = keepwatch_policy::sharing::shares(&document, policed.service, record.account(), trusted);
    let Some(first) = all.first() else { return };
    let severity = match first.who {
        keepwatch_policy::sharing::Outsider::Everyone => policed.everyone,
        _ => policed.account,
    };
    let seen = cx
        .failing(&policed.arn, format!("{who} opened {name}: {} can {}", first.whom(), first.ability()))
        .severity(severity)
        .aspect(label)
        .because(
            "The permission lets principals of these accounts in without any user or role of this account.",
        );
    let seen = all.iter().fold(seen, |seen, share| seen.detail("Account", &share.principal));
    cx.report(cx.tempered(stop_caller(steps(seen, label), record)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::policed::testing::{fired, fires_at};
    use crate::testing::*;

    fn policy(principal: Value, action: &str) -> String {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action,
            "Resource": "*"}]})
        .to_string()
    }

    fn topic() -> Value {
        json!("arn:aws:sns:us-east-1:111122223333:orders")
    }

    /// Each service's call with this policy.
    fn calls(policy: &str) -> Vec<(&'static str, &'static str, Value)> {
        let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/orders";
        vec![
            (
                "sns",
                "SetTopicAttributes",
                json!({"topicArn": topic(), "attributeName": "Policy", "attributeValue": policy}),
            ),
            ("sqs", "SetQueueAttributes", json!({"queueUrl": queue, "attributes": {"Policy": policy}})),
            (
                "ecr",
                "SetRepositoryPolicy",
                json!({"repositoryName": "orders", "policyText": policy, "force": false}),
            ),
            ("ecr", "PutRegistryPolicy", json!({"policyText": policy})),
            ("secretsmanager", "PutResourcePolicy", json!({"secretId": "orders", "resourcePolicy": policy})),
            (
                "dynamodb",
                "PutResourcePolicy",
                json!({"resourceArn": "arn:aws:dynamodb:us-east-1:111122223333:table/orders", "policy": policy}),
            ),
            ("glue", "PutResourcePolicy", json!({"policyInJson": policy})),
            (
                "glacier",
                "SetVaultAccessPolicy",
                json!({"vaultName": "orders", "accountId": "-", "policy": {"policy": policy}}),
            ),
            ("backup", "PutBackupVaultAccessPolicy", json!({"backupVaultName": "orders", "policy": policy})),
        ]
    }

    #[test]
    fn fires() {
        for (service, name, request) in calls(&policy(json!("*"), "*")) {
            let seen = fired(&ResourcePolicy, &call(service, name, json!({"requestParameters": request})));
            assert!(seen.severity >= Severity::High && seen.title.contains("anybody "), "{}", seen.title);
            assert!(seen.title.ends_with("can do anything with it"), "{}", seen.title);
            assert!(seen.steps[0].command.contains(" --region us-east-1"), "{:?}", seen.steps);
        }
        for (service, name, request) in calls(&policy(json!({"AWS": "999988887777"}), "*")) {
            let seen = fired(&ResourcePolicy, &call(service, name, json!({"requestParameters": request})));
            assert!(seen.title.contains("outside account 999988887777 can "), "{}", seen.title);
        }
        // JSON in a string, encoded once more.
        let twice = Value::from(policy(json!("*"), "sns:Publish")).to_string();
        let (service, name, request) = calls(&twice).swap_remove(0);
        let seen = fires_at(
            &ResourcePolicy,
            Severity::High,
            &call(service, name, json!({"requestParameters": request})),
        );
        assert_eq!(seen.title, "alice opened topic orders: anybody on the internet can publish to it");
    }

    /// What a principal is was once read from its text as it is shown: a provider whose name begins with a capital A was taken
    /// for what is left of a deleted user, and was LOW.
    #[test]
    fn only_a_unique_id_is_what_is_left_of_somebody_deleted() {
        for (principal, severity) in [
            (json!({"AWS": "AIDACKCEVSQ6C2EXAMPLE"}), Severity::Low),
            (json!({"Federated": "Accounts.example.com"}), Severity::Medium),
        ] {
            let (service, name, request) = calls(&policy(principal, "sns:Publish")).swap_remove(0);
            fires_at(&ResourcePolicy, severity, &call(service, name, json!({"requestParameters": request})));
        }
    }

    #[test]
    fn what_opens_nothing_settles_it() {
        let harmless = policy(json!({"AWS": "arn:aws:iam::111122223333:root"}), "*");
        let (open, closed) = (calls(&policy(json!("*"), "*")), calls(&harmless));
        for ((service, name, open), (_, _, closed)) in open.into_iter().zip(closed) {
            let open = fired(&ResourcePolicy, &call(service, name, json!({"requestParameters": open})));
            let gone = observe(&ResourcePolicy, &call(service, name, json!({"requestParameters": closed})));
            assert_eq!((gone.len(), gone[0].verdict), (2, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
        let id = "arn:aws:secretsmanager:us-east-1:111122223333:secret:orders-AbCdEf";
        let gone =
            call("secretsmanager", "DeleteResourcePolicy", json!({"requestParameters": {"secretId": id}}));
        let (service, name, request) = calls(&policy(json!("*"), "*")).swap_remove(4);
        let open = fired(&ResourcePolicy, &call(service, name, json!({"requestParameters": request})));
        assert_eq!(observe(&ResourcePolicy, &gone)[0].finding_id(), open.finding_id());
        let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/orders";
        for (which, name, request) in [
            (0, "DeleteTopic", json!({"topicArn": topic()})),
            (1, "DeleteQueue", json!({"queueUrl": queue})),
            (2, "DeleteRepository", json!({"repositoryName": "orders", "force": true})),
            (5, "DeleteTable", json!({"tableName": "orders"})),
            (7, "DeleteVault", json!({"vaultName": "orders", "accountId": "-"})),
            (8, "DeleteBackupVault", json!({"backupVaultName": "orders"})),
        ] {
            let (service, set, open) = calls(&policy(json!("*"), "*")).swap_remove(which);
            let open = fired(&ResourcePolicy, &call(service, set, json!({"requestParameters": open})));
            let gone = observe(&ResourcePolicy, &call(service, name, json!({"requestParameters": request})));
            assert_eq!(
                (gone[0].verdict, gone[0].finding_id()),
                (Verdict::Passing, open.finding_id()),
                "{name}"
            );
            assert!(gone[0].title.starts_with("alice deleted "), "{}", gone[0].title);
        }
        let empty = json!({"topicArn": topic(), "attributeName": "Policy", "attributeValue": ""});
        let gone =
            observe(&ResourcePolicy, &call("sns", "SetTopicAttributes", json!({"requestParameters": empty})));
        assert_eq!(gone[0].verdict, Verdict::Passing);
    }

    #[test]
    fn a_label_comes_and_goes() {
        let queue = "https://sqs.us-east-2.amazonaws.com/111122223333/orders";
        let request = json!({"queueUrl": queue, "label": "L", "actions": ["SendMessage"], "AWSAccountIds": ["999988887777"]});
        let open = fires_at(
            &ResourcePolicy,
            Severity::Medium,
            &call("sqs", "AddPermission", json!({"requestParameters": request})),
        );
        assert_eq!(
            open.title,
            "alice opened queue orders: outside account 999988887777 can send messages to it"
        );
        assert!(open.steps[0].command.starts_with("aws sqs remove-permission "), "{:?}", open.steps);
        assert!(open.steps[0].command.ends_with(" --label L"), "{:?}", open.steps);
        let request = json!({"queueUrl": queue, "label": "L"});
        let gone =
            observe(&ResourcePolicy, &call("sqs", "RemovePermission", json!({"requestParameters": request})));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        let request =
            json!({"topicArn": topic(), "label": "L", "actionName": ["Publish"], "aWSAccountId": "*"});
        fires_at(
            &ResourcePolicy,
            Severity::High,
            &call("sns", "AddPermission", json!({"requestParameters": request})),
        );
    }

    #[test]
    fn unreadable_is_unknown() {
        for (service, name, request) in calls("{broken") {
            let seen = fired(&ResourcePolicy, &call(service, name, json!({"requestParameters": request})));
            assert_eq!(seen.verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn stays_quiet() {
        let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/orders";
        quiet(
            &ResourcePolicy,
            &[
                call(
                    "sns",
                    "SetTopicAttributes",
                    json!({"requestParameters":
                    {"topicArn": topic(), "attributeName": "DisplayName", "attributeValue": "x"}}),
                ),
                call(
                    "sqs",
                    "SetQueueAttributes",
                    json!({"requestParameters":
                    {"queueUrl": queue, "attributes": {"VisibilityTimeout": "100"}}}),
                ),
                call(
                    "sqs",
                    "CreateQueue",
                    json!({"requestParameters": {"queueName": "orders"},
                    "responseElements": {"queueUrl": queue}}),
                ),
                call(
                    "sns",
                    "CreateTopic",
                    json!({"requestParameters": {"name": "orders"},
                    "responseElements": {"topicArn": topic()}}),
                ),
                call(
                    "sqs",
                    "AddPermission",
                    json!({"requestParameters": {"queueUrl": queue, "label": "L",
                    "actions": ["SendMessage"], "AWSAccountIds": ["444455556666"]}}),
                ),
                call(
                    "sqs",
                    "AddPermission",
                    json!({"requestParameters": {"queueUrl": queue, "AWSAccountIds": null}}),
                ),
                call(
                    "secretsmanager",
                    "PutResourcePolicy",
                    json!({"errorCode": "AccessDeniedException", "requestParameters":
                    {"secretId": "orders", "resourcePolicy": policy(json!("*"), "*")}}),
                ),
                call("ecr", "SetRepositoryPolicy", json!({"requestParameters": null})),
            ],
        );
    }

    #[test]
    fn what_was_just_made_is_told_without_an_answer() {
        let open =
            json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
                .to_string();
        let attributes = json!({"Policy": open});
        let topic = asked("sns", "CreateTopic", json!({"name": "news", "attributes": attributes}));
        let topic = fires_at(&ResourcePolicy, Severity::High, &topic);
        assert_eq!(topic.subject.resource, "arn:aws:sns:us-east-1:111122223333:news");
        let queue = asked("sqs", "CreateQueue", json!({"queueName": "orders", "attributes": attributes}));
        let queue = fires_at(&ResourcePolicy, Severity::High, &queue);
        assert_eq!(queue.subject.resource, "arn:aws:sqs:us-east-1:111122223333:orders");
    }
}
