use keepwatch_base::wildcard;
use keepwatch_policy::{
    Condition, Document, Effect, Operator, OperatorKind, Order, PrincipalKind, Statement,
};

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each bucket's policy refuses requests without TLS: it denies everybody every action on the bucket and on its objects, in
    /// one statement or two, where `aws:SecureTransport` is false or `s3:TlsVersion` too low. A bucket without is told and is
    /// no failure, unless the parameter `require-bucket-tls` says otherwise, as the profile `cis` does. Whether conditions on
    /// addresses or dates are in place no API tells.
    /// ## Why it matters
    /// Without the condition S3 answers plain HTTP as well, and whoever is on the way reads along. AWS's own tools use TLS in
    /// any case.
    /// ## What to do
    /// Add the statement to the bucket's policy. What else the policy says stays.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Clients that use plain HTTP. Website endpoints of S3 know HTTP only: a bucket that is such a website stops answering.
    Conditions {
        id: "policy.conditions",
        title: "Buckets refuse requests without TLS",
        severity: Low,
        practices: ["P34"],
        references: [
            cis("3.0", &["2.1.1"]),
            cis("5.0", &["2.1.1"]),
            security_hub(&["S3.5"]),
            config(&["s3-bucket-ssl-requests-only"]),
        ],
        asks: [Buckets, BucketPolicy],
    }
}

impl Check for Conditions {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for bucket in cx.known(Buckets, GLOBAL)? {
            let (name, region) = (bucket.name.as_str(), bucket.region.as_str());
            let arn = format!("arn:{}:s3:::{name}", cx.partition());
            cx.about(region, &arn, |cx| {
                let policy = cx.known(BucketPolicy, (region, name))?;
                let lack = match policy.document.as_deref() {
                    None => Some("it has no policy".to_owned()),
                    Some(text) => lack(&read(name, text)?, &arn),
                };
                let Some(lack) = lack else {
                    cx.report(cx.passing(format!("Bucket {name} refuses requests without TLS")));
                    return Ok(());
                };
                let title = format!("Bucket {name} answers requests without TLS");
                let seen = match cx.parameters.require_bucket_tls {
                    0 => cx.informational(title),
                    _ => cx.failing(title),
                };
                let statement = format!(
                    r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["{arn}","{arn}/*"],"Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}"#
                );
                let at = [("--bucket", name), ("--region", region)];
                let seen = seen
                    .because(lack)
                    .detail("Statement to add", statement)
                    .step("Read the policy as it stands", "s3api get-bucket-policy", &at)
                    .step(
                        "Write it back with the statement",
                        "s3api put-bucket-policy",
                        &[at[0], ("--policy", "file://POLICY_FILE"), at[1]],
                    );
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

fn read(bucket: &str, text: &str) -> Result<Document, Stop> {
    Document::parse(text).map_err(|error| {
        let why = format!("the policy of bucket {bucket} cannot be read: {error}");
        Stop::Unknown(vec![keepwatch_core::posture::Missing { action: None, why }])
    })
}

/// What answers without TLS; nothing where all of it refuses.
fn lack(document: &Document, bucket: &str) -> Option<String> {
    let refuses = |resource: &str| document.statements.iter().any(|one| denies_all(one, resource));
    match (refuses(bucket), refuses(&format!("{bucket}/*"))) {
        (true, true) => None,
        (true, false) => Some("its policy denies it for the bucket and not for its objects".to_owned()),
        (false, true) => Some("its policy denies it for its objects and not for the bucket".to_owned()),
        (false, false) => {
            Some("no statement of its policy denies everybody every action without TLS".to_owned())
        }
    }
}

/// Whether the statement denies everybody everything on the resource in requests without TLS.
fn denies_all(statement: &Statement, resource: &str) -> bool {
    let covers = |patterns: &[String], text: &str| {
        patterns.iter().any(|pattern| wildcard::covers(&pattern.to_ascii_lowercase(), text))
    };
    let everybody = statement.principals.iter().any(|one| one.kind == PrincipalKind::Aws && one.value == "*");
    statement.effect == Effect::Deny
        && everybody
        && covers(&statement.actions, "s3:*")
        && statement.resources.iter().any(|pattern| wildcard::covers(pattern, resource))
        && statement.conditions.iter().all(holds_without_tls)
}

/// Whether the condition holds for every request without TLS. S3 takes a request without TLS for one of a lower version
/// ("Enforce TLS 1.2 or higher for connections to Amazon S3", AWS Knowledge Center).
fn holds_without_tls(condition: &Condition) -> bool {
    let operator = Operator::parse(&condition.operator);
    match (condition.key.to_ascii_lowercase().as_str(), operator.kind) {
        ("aws:securetransport", OperatorKind::Bool | OperatorKind::Equals { .. }) if !operator.negated => {
            condition.values.iter().any(|value| value.eq_ignore_ascii_case("false"))
        }
        ("s3:tlsversion", OperatorKind::Number(Order::Less | Order::LessOrEqual)) => {
            condition.values.iter().any(|value| value.trim().parse().is_ok_and(|version: f64| version >= 1.0))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use facts::s3::{Bucket, BucketPolicy as Policy};
    use keepwatch_core::posture::State;

    fn state(document: Option<&str>) -> State {
        let bucket = Bucket { name: "data".to_owned(), region: REGION.to_owned() };
        let policy = Policy { document: document.map(str::to_owned) };
        account().with(Buckets, global(), vec![bucket]).with(BucketPolicy, of("data"), policy)
    }

    fn statement(principal: &str, action: &str, resource: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect": "Deny", "Principal": {principal}, "Action": {action}, "Resource": {resource}, "Condition": {condition}}}"#
        )
    }

    fn document(statements: &[String]) -> String {
        format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "))
    }

    const BOTH: &str = r#"["arn:aws:s3:::data", "arn:aws:s3:::data/*"]"#;
    const NO_TLS: &str = r#"{"Bool": {"aws:SecureTransport": "false"}}"#;

    fn verdict(statements: &[String]) -> Judged {
        judge_one(&Conditions, &state(Some(&document(statements)))).verdict
    }

    #[test]
    fn every_way_to_refuse() {
        let old = r#"{"NumericLessThan": {"s3:TlsVersion": 1.2}}"#;
        for good in [
            statement(r#""*""#, r#""s3:*""#, BOTH, NO_TLS),
            statement(r#"{"AWS": "*"}"#, r#"["s3:*"]"#, BOTH, r#"{"Bool": {"aws:SecureTransport": false}}"#),
            statement(r#""*""#, r#""*""#, r#""*""#, NO_TLS),
            statement(r#""*""#, r#""S3:*""#, r#""arn:aws:s3:::data*""#, old),
        ] {
            assert_eq!(verdict(std::slice::from_ref(&good)), Judged::Passing, "{good}");
        }
        let bucket = statement(r#""*""#, r#""s3:*""#, r#""arn:aws:s3:::data""#, NO_TLS);
        let objects = statement(r#""*""#, r#""s3:*""#, r#""arn:aws:s3:::data/*""#, NO_TLS);
        assert_eq!(verdict(&[bucket, objects]), Judged::Passing);
    }

    #[test]
    fn what_does_not_refuse() {
        let wide = r#"{"Bool": {"aws:SecureTransport": "true"}, "NumericLessThan": {"s3:TlsVersion": 1.2}}"#;
        let narrow =
            r#"{"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}"#;
        for bad in [
            statement(r#""*""#, r#""s3:*""#, r#""arn:aws:s3:::data/*""#, NO_TLS),
            statement(r#""*""#, r#""s3:*""#, r#""arn:aws:s3:::data""#, NO_TLS),
            statement(r#""*""#, r#""s3:GetObject""#, BOTH, NO_TLS),
            statement(r#"{"AWS": "arn:aws:iam::111122223333:root"}"#, r#""s3:*""#, BOTH, NO_TLS),
            statement(r#""*""#, r#""s3:*""#, r#"["arn:aws:s3:::other", "arn:aws:s3:::other/*"]"#, NO_TLS),
            statement(r#""*""#, r#""s3:*""#, BOTH, wide),
            statement(r#""*""#, r#""s3:*""#, BOTH, narrow),
            statement(r#""*""#, r#""s3:*""#, BOTH, NO_TLS).replace("Deny", "Allow"),
        ] {
            assert_eq!(verdict(std::slice::from_ref(&bad)), Judged::Informational, "{bad}");
        }
        assert_eq!(judge_one(&Conditions, &state(None)).verdict, Judged::Informational);
    }

    #[test]
    fn the_profile_cis_requires_it() {
        let one = judgements_with(&Conditions, &state(None), &Parameters::of(Profile::Cis)).remove(0);
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        assert_eq!(one.subject.resource, "arn:aws:s3:::data");
    }

    #[test]
    fn unknown_deleted_and_none() {
        let one = judge_one(&Conditions, &refused(state(None), BucketPolicy, of("data")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketPolicy"]));
        let one = judge_one(&Conditions, &refused(account(), Buckets, global()));
        assert_eq!(missing(&one), ["s3:ListAllMyBuckets"]);
        assert_eq!(judge_one(&Conditions, &state(Some("no policy"))).verdict, Judged::Unknown);
        let gone = absent(state(None), BucketPolicy, of("data"));
        assert_eq!(judge_one(&Conditions, &gone).verdict, Judged::NotApplicable);
        assert_eq!(
            judge_one(&Conditions, &account().with(Buckets, global(), vec![])).verdict,
            Judged::NotApplicable
        );
    }
}
