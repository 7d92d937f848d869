use keepwatch_core::public_acl;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bucket was given an access control list, or made with one, that lets everybody in: AllUsers is the
    /// internet, AuthenticatedUsers is anybody with any AWS account. To write, or to change the list itself,
    /// is critical; to list the bucket is high. Or the list names an account that is not the bucket's owner (medium; low
    /// where the event does not say who the owner is). A list without these groups, or the end of the bucket, settles
    /// the finding.
    /// ## Why it matters
    /// ACLs are the old way to make a bucket public and easily overlooked: no policy shows them.
    /// ## What to do
    /// Set the ACL to private, or switch ACLs off altogether with the object ownership BucketOwnerEnforced.
    /// Look for objects that you did not put there if the bucket was open to writing.
    /// ## False positives
    /// Buckets that are meant to be public. The groups of S3's own log delivery are not reported. If
    /// IgnorePublicAcls is on, the list has no effect; the event does not say so. CloudFront's delivery of logs, which has
    /// an account of its own, is not reported; for other accounts the owner's word is needed.
    BucketAcl {
        id: "exposure-bucket-acl-public",
        title: "A bucket's access control list lets everybody in",
        severity: High,
        confidence: High,
        catalogue: ["PUB-03"],
        references: [
            security_hub(&["S3.2", "S3.3", "S3.12"]),
            attack(&["T1530"]),
            doc(&["S3 user guide: access control list (ACL) overview"]),
        ],
        on: [On::Call("s3.amazonaws.com", &["PutBucketAcl", "CreateBucket", "DeleteBucket"])],
    }
}

impl Rule for BucketAcl {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(bucket) = record.param(&["bucketName"]) else { return Ok(()) };
        let (who, arn) = (caller_name(record), bucket_arn(record, bucket));
        if record.event_name.or_empty() == "DeleteBucket" {
            cx.report(cx.passing(arn, format!("{who} deleted bucket {bucket}")));
            return Ok(());
        }
        let Some(public) = granted(record.request()) else { return Ok(()) };
        let worst = public.iter().max_by_key(|(_, permission)| public_acl::severity(permission));
        let Some((group, permission)) = worst else {
            let others = others(record.request());
            if !others.is_empty() {
                cx.report(by_account(record, cx, bucket, &others));
                return Ok(());
            }
            if record.event_name.or_empty() == "PutBucketAcl" {
                let title = format!("{who} rewrote the ACL of bucket {bucket}, and the public is not on it");
                cx.report(cx.passing(arn, title));
            }
            return Ok(());
        };
        let (whom, can) = (public_acl::whom(group), public_acl::ability(permission));
        let seen = cx
            .failing(&arn, format!("{who} opened bucket {bucket} by an ACL: {whom} can {can}"))
            .severity(public_acl::severity(permission))
            .because("The access control list names a group that anybody belongs to.");
        let seen = public.iter().fold(seen, |seen, (group, permission)| seen.detail(group, permission));
        let seen = seen
            .step("Read the ACL as it stands", "s3api get-bucket-acl", &[("--bucket", bucket)])
            .step("Make it private", "s3api put-bucket-acl", &[("--bucket", bucket), ("--acl", "private")])
            .step(
                "Switch ACLs off for good",
                "s3api put-bucket-ownership-controls",
                &[
                    ("--bucket", bucket),
                    ("--ownership-controls", "Rules=[{ObjectOwnership=BucketOwnerEnforced}]"),
                ],
            );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// Others than the owner that a list names: canonical ids of accounts. Only a list that is given in full says who the owner
/// is; in headers any id may be the owner's own.
fn others(request: &Value) -> Vec<(String, bool)> {
    let owner = text_at(request, &["AccessControlPolicy", "Owner", "ID"]);
    let mut found = Vec::new();
    for grant in items_at(request, &["AccessControlPolicy", "AccessControlList", "Grant"]) {
        let id = text_at(grant, &["Grantee", "ID"]).or_else(|| text_at(grant, &["Grantee", "EmailAddress"]));
        found.extend(id.filter(|id| Some(*id) != owner).map(|id| (id.to_owned(), owner.is_some())));
    }
    for permission in ["read", "write", "read-acp", "write-acp", "full-control"] {
        for header in texts_at(request, &[&format!("x-amz-grant-{permission}")]) {
            for grantee in header.split(',').map(str::trim) {
                let id = ["id=", "emailAddress="].iter().find_map(|key| grantee.strip_prefix(key));
                found.extend(id.map(|id| (id.trim_matches('"').to_owned(), false)));
            }
        }
    }
    found.retain(|(id, _)| id != LOG_DELIVERY);
    found.sort_unstable();
    found.dedup();
    found
}

/// The account by which CloudFront delivers its logs (CloudFront developer guide, "Standard logging (legacy)").
const LOG_DELIVERY: &str = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0";

/// An account has the bucket by its canonical id, which does not say whose it is.
fn by_account(record: &Record<'_>, cx: &Cx<'_>, bucket: &str, others: &[(String, bool)]) -> Observation {
    let (who, arn) = (caller_name(record), bucket_arn(record, bucket));
    let seen = if others.iter().any(|(_, is_other)| *is_other) {
        cx.failing(arn, format!("{who} gave another account than its owner's bucket {bucket} by an ACL"))
            .severity(Severity::Medium)
            .because("The list names an account that is not the owner of the bucket.")
    } else {
        cx.unknown(
            arn,
            format!(
                "{who} gave an account bucket {bucket} by an ACL, and the event does not say whose it is"
            ),
        )
        .severity(Severity::Low)
        .because("The list names an account by its canonical id, which may be your own.")
    };
    let seen = others.iter().fold(seen, |seen, (id, _)| seen.detail("Canonical id", clean(id, 100)));
    let seen = seen
        .step("Which is your own canonical id?", "s3api list-buckets", &[("--query", "Owner.ID")])
        .step("Read the ACL as it stands", "s3api get-bucket-acl", &[("--bucket", bucket)]);
    cx.tempered(stop_caller(seen, record))
}

/// The public groups and what each is permitted; nothing where the call says nothing of an ACL.
fn granted(request: &Value) -> Option<Vec<(String, String)>> {
    let mut said = false;
    let mut public = Vec::new();
    for canned in texts_at(request, &["x-amz-acl"]) {
        said = true;
        let all: &[(&str, &str)] = match canned {
            "public-read" => &[("AllUsers", "READ")],
            "public-read-write" => &[("AllUsers", "READ"), ("AllUsers", "WRITE")],
            "authenticated-read" => &[("AuthenticatedUsers", "READ")],
            _ => &[],
        };
        public.extend(all.iter().map(|(group, permission)| ((*group).to_owned(), (*permission).to_owned())));
    }
    for permission in ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"] {
        let header = format!("x-amz-grant-{}", permission.to_ascii_lowercase().replace('_', "-"));
        for grantees in texts_at(request, &[&header]) {
            said = true;
            public.extend(groups(grantees).map(|group| (group.to_owned(), permission.to_owned())));
        }
    }
    if request.get("AccessControlPolicy").is_some_and(Value::is_object) {
        said = true;
        for grant in items_at(request, &["AccessControlPolicy", "AccessControlList", "Grant"]) {
            let uri = text_at(grant, &["Grantee", "URI"]).unwrap_or_default();
            let permission = text_at(grant, &["Permission"]).unwrap_or("FULL_CONTROL");
            public.extend(groups(uri).map(|group| (group.to_owned(), permission.to_owned())));
        }
    }
    said.then_some(public)
}

/// The public groups that a URI or a header names.
fn groups(uri: &str) -> impl Iterator<Item = &'static str> {
    let uri = uri.to_owned();
    public_acl::GROUPS.into_iter().filter(move |group| uri.contains(&format!("/groups/global/{group}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn acl(name: &str, request: Value) -> String {
        let mut request = request;
        request["bucketName"] = json!("photos");
        call("s3", name, json!({"requestParameters": request}))
    }

    fn grants(grants: Value) -> Value {
        json!({"acl": [""], "AccessControlPolicy": {"Owner": {"ID": "d25639"}, "AccessControlList": {"Grant": grants}}})
    }

    fn to(group: &str, permission: &str) -> Value {
        let uri = format!("http://acs.amazonaws.com/groups/{group}");
        json!({"Grantee": {"xsi:type": "Group", "URI": uri}, "Permission": permission})
    }

    #[test]
    fn fires() {
        let read =
            fires_at(&BucketAcl, Severity::High, &acl("PutBucketAcl", json!({"x-amz-acl": ["public-read"]})));
        assert_eq!(read.title, "alice opened bucket photos by an ACL: anybody on the internet can list it");
        fires_at(&BucketAcl, Severity::High, &acl("CreateBucket", json!({"x-amz-acl": "public-read"})));
        let write = acl("PutBucketAcl", json!({"x-amz-acl": "public-read-write"}));
        assert_eq!(fires_at(&BucketAcl, Severity::Critical, &write).details.len(), 2);
        let any = fires_at(
            &BucketAcl,
            Severity::High,
            &acl("PutBucketAcl", json!({"X-Amz-Acl": "authenticated-read"})),
        );
        assert!(any.title.contains("anybody with an AWS account can list it"), "{}", any.title);
        let owner =
            json!({"Grantee": {"xsi:type": "CanonicalUser", "ID": "d25639"}, "Permission": "FULL_CONTROL"});
        let list = grants(json!([owner, to("global/AuthenticatedUsers", "READ_ACP")]));
        fires_at(&BucketAcl, Severity::Medium, &acl("PutBucketAcl", list));
        fires_at(
            &BucketAcl,
            Severity::Critical,
            &acl("PutBucketAcl", grants(to("global/AllUsers", "FULL_CONTROL"))),
        );
        let header =
            json!({"x-amz-grant-write-acp": ["uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""]});
        fires_at(&BucketAcl, Severity::Critical, &acl("PutBucketAcl", header));
    }

    #[test]
    fn a_list_without_the_public_settles_it() {
        let open = fired(&BucketAcl, &acl("PutBucketAcl", json!({"x-amz-acl": ["public-read"]})));
        let owner =
            json!({"Grantee": {"xsi:type": "CanonicalUser", "ID": "d25639"}, "Permission": "FULL_CONTROL"});
        for (name, request) in [
            ("PutBucketAcl", json!({"x-amz-acl": ["private"]})),
            ("PutBucketAcl", json!({"x-amz-acl": "log-delivery-write"})),
            ("PutBucketAcl", grants(owner)),
            ("PutBucketAcl", grants(to("s3/LogDelivery", "WRITE"))),
            ("DeleteBucket", json!({})),
        ] {
            let gone = observe(&BucketAcl, &acl(name, request));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &BucketAcl,
            &[
                acl("CreateBucket", json!({})),
                acl("CreateBucket", json!({"x-amz-acl": "private"})),
                acl("PutBucketAcl", json!({"acl": [""], "x-amz-acl": ""})),
                acl("PutBucketAcl", json!({"AccessControlPolicy": null, "x-amz-acl": 7})),
                call(
                    "s3",
                    "PutBucketAcl",
                    json!({"errorCode": "AccessDenied",
                    "requestParameters": {"bucketName": "photos", "x-amz-acl": "public-read"}}),
                ),
                call("s3", "PutBucketAcl", json!({"requestParameters": null})),
            ],
        );
    }

    #[test]
    fn an_account_is_named_by_its_canonical_id() {
        let to_id = |id: &str| json!([{"Grantee": {"xsi:type": "CanonicalUser", "ID": id}, "Permission": "FULL_CONTROL"}]);
        let seen = fires_at(&BucketAcl, Severity::Medium, &acl("PutBucketAcl", grants(to_id("79a59d"))));
        assert_eq!(seen.title, "alice gave another account than its owner's bucket photos by an ACL");
        for header in [r#"id="79a59d""#, "emailAddress=mallory@example.com"] {
            let seen = fires_at(
                &BucketAcl,
                Severity::Low,
                &acl("PutBucketAcl", json!({"x-amz-grant-write": header})),
            );
            assert_eq!(seen.verdict, Verdict::Unknown);
        }
        for own in ["d25639", LOG_DELIVERY] {
            let seen = observe(&BucketAcl, &acl("PutBucketAcl", grants(to_id(own))));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{own}");
        }
    }
}
