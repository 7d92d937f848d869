use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One caller read twenty or more different secrets within ten minutes: values from Secrets Manager and parameters
    /// from the Parameter Store with decryption, counted together. Or it asked Secrets Manager for a batch of all
    /// secrets, by a filter that leaves nothing out, or the Parameter Store for all that is under its root (medium). A batch
    /// by any other filter is low. `threshold` changes the number.
    /// ## Why it matters
    /// A program knows the few secrets that it needs. Whoever reads them all is collecting keys to everything else.
    /// ## What to do
    /// See who the caller is and what it read. If nobody knows it, stop its credentials and change every secret that it
    /// has read.
    /// ## False positives
    /// Software that copies all secrets into a cluster or a backup: name its role as `automation`. Parameters that AWS
    /// publishes for everybody are not counted. A single secret read by a stranger is not seen here.
    SecretsRead {
        id: "data-secrets-read-in-bulk",
        title: "Many secrets were read by one caller",
        severity: High,
        confidence: Medium,
        catalogue: ["DATA-08", "DATA-09"],
        references: [
            attack(&["T1555.006"]),
            attack(&["T1552"]),
            doc(&["AWS Secrets Manager API Reference: BatchGetSecretValue"]),
            doc(&["AWS Systems Manager API Reference: GetParameters"]),
        ],
        on: [
            On::Read("secretsmanager.amazonaws.com", &["GetSecretValue", "BatchGetSecretValue"]),
            On::Read("ssm.amazonaws.com", &[
                "GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory",
            ]),
        ],
    }
}

/// How many secrets are too many.
const MANY: usize = 20;

impl Rule for SecretsRead {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        // Databases and clusters fetch their own secrets all day long.
        if cx.by_service() {
            return Ok(());
        }
        let by = acting_principal(record);
        let mut count = 0;
        let secrets = secrets(record);
        for secret in &secrets {
            count = count.max(cx.count_distinct(by, secret, TEN_MINUTES)?.count);
        }
        let who = caller_name(record);
        let (severity, title) = if count >= cx.threshold(MANY) {
            (Severity::High, format!("{who} read {count} different secrets within ten minutes"))
        } else if catch_all(record) {
            (
                Severity::Medium,
                format!("{who} asked for all secrets of {} at once", record.aws_region.or_empty()),
            )
        } else if by_filter(record) && matches!(cx.automation(), None | Some(Automation::Agent)) {
            (
                Severity::Low,
                format!("{who} asked for a batch of secrets of {} by a filter", record.aws_region.or_empty()),
            )
        } else {
            return Ok(());
        };
        let low = severity == Severity::Low;
        let seen = cx.failing(by, title).severity(severity);
        // Software that does so every day must not hide what it does once.
        let seen = if low { seen.aspect("by filter") } else { seen }
            .because("A program reads the few secrets that it needs; whoever reads them all is collecting.")
            .detail_if("The latest", secrets.last().map(String::as_str));
        let seen = what_else(seen, record).step(
            "Which secrets are there to change? (LastAccessedDate)",
            "secretsmanager list-secrets",
            &[region_option(record)],
        );
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// The secrets that the call names and reads.
fn secrets(record: &Record<'_>) -> Vec<String> {
    let request = record.request();
    let one = |key| text_at(request, &[key]).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let many = |key| items_at(request, &[key]).into_iter().filter_map(Value::as_str).map(str::to_owned);
    match record.event_name.or_empty() {
        "GetSecretValue" => one("secretId").iter().map(|id| secret_name(id)).collect(),
        "BatchGetSecretValue" => many("secretIdList").map(|id| secret_name(&id)).collect(),
        _ if record.param_flag(&["withDecryption"]) != Some(true) => Vec::new(),
        "GetParameter" | "GetParameterHistory" => ec2_parameters(one("name")),
        // The event does not tell how many there are under a path.
        "GetParametersByPath" => ec2_parameters(one("path")),
        _ => ec2_parameters(many("names").collect()),
    }
}

/// Parameters by name, without what AWS publishes for everybody. A secret that is read as a parameter is that secret.
fn ec2_parameters(names: Vec<String>) -> Vec<String> {
    let own = names.into_iter().filter(|name| !name.starts_with("/aws/service/"));
    own.map(|name| name.strip_prefix("/aws/reference/secretsmanager/").unwrap_or(&name).to_owned()).collect()
}

/// The name of a secret, whether the caller gave the name or the ARN, whose last seven characters AWS adds.
fn secret_name(id: &str) -> String {
    let Some((_, name)) = id.split_once(":secret:") else { return id.to_owned() };
    match name.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == 6 => name.to_owned(),
        _ => name.to_owned(),
    }
}

/// Whether a batch is asked for by what the secrets look like, and not by name.
fn by_filter(record: &Record<'_>) -> bool {
    let request = record.request();
    record.event_name.or_empty() == "BatchGetSecretValue"
        && items_at(request, &["secretIdList"]).is_empty()
        && !items_at(request, &["filters"]).is_empty()
}

/// Whether a batch is asked for without any word on which secrets, or with what they must not have alone.
fn catch_all(record: &Record<'_>) -> bool {
    let request = record.request();
    if record.event_name.or_empty() == "GetParametersByPath" {
        return record.param_flag(&["withDecryption"]) == Some(true) && record.param(&["path"]) == Some("/");
    }
    let negative = |filter: &&Value| {
        let values = items_at(filter, &["values"]);
        !values.is_empty()
            && values.iter().all(|value| value.as_str().is_some_and(|value| value.starts_with('!')))
    };
    let filters = items_at(request, &["filters"]);
    record.event_name.or_empty() == "BatchGetSecretValue"
        && items_at(request, &["secretIdList"]).is_empty()
        && !filters.is_empty()
        && filters.iter().all(negative)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Query};

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn read(source: &str, name: &str, request: Value) -> String {
        call(source, name, json!({"requestParameters": request, "readOnly": true}))
    }

    fn window(member: &str, count: usize) -> (Query, Answer) {
        among(&SecretsRead, ALICE, member, TEN_MINUTES, count)
    }

    #[test]
    fn fires() {
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-gscOm8";
        for (source, name, request) in [
            ("secretsmanager", "GetSecretValue", json!({"secretId": "prod/db"})),
            ("secretsmanager", "GetSecretValue", json!({"secretId": arn})),
            ("secretsmanager", "BatchGetSecretValue", json!({"secretIdList": ["first", "prod/db"]})),
            ("ssm", "GetParameter", json!({"name": "prod/db", "withDecryption": true})),
            ("ssm", "GetParameters", json!({"names": ["first", "prod/db"], "withDecryption": "true"})),
            (
                "ssm",
                "GetParameter",
                json!({"name": "/aws/reference/secretsmanager/prod/db", "withDecryption": true}),
            ),
            ("ssm", "GetParameterHistory", json!({"name": "prod/db", "withDecryption": true})),
            ("ssm", "GetParametersByPath", json!({"path": "prod/db", "withDecryption": true})),
        ] {
            let event = read(source, name, request);
            let seen = fired_with(&SecretsRead, &event, &[window("prod/db", 20), window("first", 19)]);
            assert_eq!(seen.severity, Severity::High, "{event}");
            assert_eq!(seen.title, "alice read 20 different secrets within ten minutes");
            assert!(observe_with(&SecretsRead, &event, &[window("prod/db", 19)]).is_empty());
        }
        let all = json!({"filters": [{"key": "tag-key", "values": ["!tagKeyThatWillNeverExist"]}]});
        let seen =
            fires_at(&SecretsRead, Severity::Medium, &read("secretsmanager", "BatchGetSecretValue", all));
        assert_eq!(seen.title, "alice asked for all secrets of us-east-1 at once");
        let root = json!({"path": "/", "recursive": true, "withDecryption": true, "maxResults": 10});
        let seen = fired_with(&SecretsRead, &read("ssm", "GetParametersByPath", root), &[window("/", 1)]);
        assert_eq!(seen.severity, Severity::Medium);
        assert_eq!(seen.title, "alice asked for all secrets of us-east-1 at once");
    }

    #[test]
    fn a_batch_by_some_filter_is_low() {
        let some = json!([{"key": "tag-key", "values": ["stratus"]}, {"key": "name", "values": ["!prod/"]}]);
        let batch = read("secretsmanager", "BatchGetSecretValue", json!({"filters": some}));
        let seen = fires_at(&SecretsRead, Severity::Low, &batch);
        assert_eq!(seen.title, "alice asked for a batch of secrets of us-east-1 by a filter");
        let stack = batch.replace(
            "\"userIdentity\":{",
            "\"userIdentity\":{\"invokedBy\":\"cloudformation.amazonaws.com\",",
        );
        quiet(&SecretsRead, &[stack]);
    }

    #[test]
    fn stays_quiet() {
        let many = [window("prod/db", 50)];
        for event in [
            read("ssm", "GetParameter", json!({"name": "prod/db"})),
            read("ssm", "GetParameter", json!({"name": "prod/db", "withDecryption": false})),
            read("ssm", "GetParametersByPath", json!({"path": "/", "recursive": true})),
            read("ssm", "GetParameter", json!({"name": "/aws/service/ami-x", "withDecryption": true})),
            read("ssm", "GetParameters", json!({"names": {"odd": 1}, "withDecryption": true})),
            read("secretsmanager", "GetSecretValue", json!(null)),
            read("secretsmanager", "BatchGetSecretValue", json!({"secretIdList": ["a", "b"]})),
            read("secretsmanager", "BatchGetSecretValue", json!({"filters": []})),
            call(
                "secretsmanager",
                "GetSecretValue",
                json!({"requestParameters": {"secretId": "prod/db"},
                "errorCode": "AccessDenied"}),
            ),
            call(
                "secretsmanager",
                "GetSecretValue",
                json!({"requestParameters": {"secretId": "prod/db"},
                "userIdentity": {"type": "AWSService"}}),
            ),
        ] {
            assert!(observe_with(&SecretsRead, &event, &many).is_empty(), "{event}");
        }
    }
}
