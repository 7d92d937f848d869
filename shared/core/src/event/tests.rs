//! Whatever AWS sends, it is read; whatever cannot be read says why.

use keepwatch_rules::testing::{call, envelope};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn what_is_no_event_says_why() {
    for (text, why) in [
        ("", "EOF"),
        ("{broken", "line 1"),
        ("[1, 2]", "a JSON object is expected"),
        ("\"text\"", "a JSON object is expected"),
        ("{\"detail-type\": \"x\"", "EOF"),
    ] {
        let error = Event::parse(text).expect_err(text).to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
}

#[test]
fn every_spelling_of_a_cloudtrail_event_is_one() {
    let record: Value = serde_json::from_str(&call("signin", "ConsoleLogin", json!({}))).unwrap();
    for spelling in ["Console Sign In", "Console Signin", "API Call", "Service Event", "Console Action"] {
        let text = envelope("aws.signin", &format!("AWS {spelling} via CloudTrail"), record.clone());
        assert_eq!(Event::parse(&text).unwrap().kind(), "cloudtrail", "{spelling}");
    }
    assert_eq!(Event::parse(&record.to_string()).unwrap().kind(), "cloudtrail");
    assert_eq!(Event::parse(&format!("\u{feff}  {record}")).unwrap().kind(), "cloudtrail");
}

#[test]
fn a_policy_is_known_by_its_principal_in_every_spelling() {
    let policy = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}});
    let text = policy.to_string();
    let encoded = text.replace('{', "%7B").replace('"', "%22");
    let gives = |changes: Value| {
        let text = call("newstore", "PutStorePolicy", changes);
        let Body::CloudTrail(record) = Event::parse(&text).unwrap().body else { panic!("{text}") };
        // What is read of a log before anything else says the same.
        let (outline, _) = skim::skim::<Outline<'_>>(&text).unwrap();
        assert_eq!(outline.header().gives_policy(), record.header().gives_policy());
        record.header().gives_policy()
    };
    for request in [
        json!({"policy": text}),
        json!({"policy": encoded}),
        json!({"bucketPolicy": policy}),
        json!({"policy": text.replace("Principal", "NotPrincipal")}),
        json!({"details": {"policy": text}}),
    ] {
        assert!(gives(json!({"requestParameters": request})), "{request}");
        assert!(!gives(json!({"requestParameters": request, "readOnly": true})), "{request}");
    }
    for request in
        [json!({"policy": "x"}), json!({"principalId": "x"}), json!({"principal": "*"}), json!(null)]
    {
        assert!(!gives(json!({"requestParameters": request})), "{request}");
    }
    assert!(!gives(json!({"responseElements": {"policy": text}})));
}

#[test]
fn one_occurrence_has_one_id() {
    let record: Value = serde_json::from_str(&call("iam", "CreateUser", json!({"eventID": "e-1"}))).unwrap();
    let bare = record.to_string();
    let wrapped = envelope("aws.iam", "AWS API Call via CloudTrail", record);
    assert_eq!(Event::parse(&bare).unwrap().occurrence_id(), "e-1");
    assert_eq!(Event::parse(&wrapped).unwrap().occurrence_id(), "e-1");

    let page = |page: &str, backup: &str, communication: &str| {
        let detail =
            json!({"eventArn": "arn", "communicationId": communication, "page": page, "backupEvent": backup});
        let text = envelope("aws.health", "AWS Health Event", detail);
        Event::parse(&text).unwrap().occurrence_id()
    };
    assert_eq!(page("1", "false", "c"), page("1", "true", "c"));
    assert_ne!(page("1", "false", "c"), page("2", "false", "c"));
    assert_ne!(page("1", "false", "c"), page("1", "false", "d"));
}

#[test]
fn what_is_told_again_with_news_is_another_occurrence() {
    let id = |source: &str, kind: &str, detail: Value| {
        Event::parse(&envelope(source, kind, detail)).unwrap().occurrence_id()
    };
    let notice = |status: &str| {
        let detail = json!({"eventArn": "arn", "communicationId": "c", "statusCode": status});
        id("aws.health", "AWS Health Event", detail)
    };
    assert_eq!(notice("open"), notice("open"));
    assert_ne!(notice("open"), notice("closed"));
    let anomaly = |total: f64| {
        id("aws.ce", "Anomaly Detected", json!({"anomalyId": "a", "impact": {"totalImpact": total}}))
    };
    assert_eq!(anomaly(5.0), anomaly(5.0));
    assert_ne!(anomaly(5.0), anomaly(5_000.0));
    let kind = "Trusted Advisor Check Item Refresh Notification";
    let item = envelope("aws.trustedadvisor", kind, json!({"uuid": "u"}));
    let later = item.replace("2026-03-01", "2026-03-02");
    let ids = [&item, &item, &later].map(|text| Event::parse(text).unwrap().occurrence_id());
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn times_are_read_in_both_formats() {
    let health =
        envelope("aws.health", "AWS Health Event", json!({"startTime": "Wed, 12 Feb 2025 00:37:54 GMT"}));
    assert_eq!(Event::parse(&health).unwrap().time().unwrap().to_string(), "2025-02-12T00:37:54Z");
    let odd = envelope("aws.health", "AWS Health Event", json!({"startTime": 7}));
    assert_eq!(Event::parse(&odd).unwrap().time().unwrap().to_string(), "2026-03-01T12:00:00Z");
}

#[test]
fn parameters_may_be_of_any_type() {
    for odd in
        [json!(null), json!("text"), json!(7), json!([1]), json!({"omitted": "true"}), json!({"omitted": 1})]
    {
        let text = call("iam", "CreateUser", json!({"requestParameters": odd}));
        let event = Event::parse(&text).unwrap();
        let Body::CloudTrail(record) = &event.body else { panic!("{text}") };
        assert_eq!(record.request_omitted(), odd.get("omitted") == Some(&json!("true")));
        assert_eq!(record.param(&["userName"]), None);
    }
}

/// Any JSON value, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,8}|type|detail|userIdentity|accountId", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces the value that `path` leads to, choosing among its children.
fn replace(value: &mut Value, path: &[usize], with: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = with;
        return;
    };
    let child = match value {
        Value::Object(map) if !map.is_empty() => {
            let at = first % map.len();
            map.iter_mut().nth(at).map(|(_, child)| child)
        }
        Value::Array(list) if !list.is_empty() => {
            let at = first % list.len();
            list.get_mut(at)
        }
        _ => None,
    };
    match child {
        Some(child) => replace(child, rest, with),
        None => *value = with,
    }
}

proptest! {
    /// A real event with any part of it replaced by anything is still read, and every rule copes with it.
    #[test]
    fn no_odd_field_loses_an_event(
        which in 0..4_usize,
        path in prop::collection::vec(0..40_usize, 1..4),
        with in any_json(),
    ) {
        let record = json!({"requestParameters": {"userName": "bob", "policyName": "p", "policyDocument": "{}",
            "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
            "responseElements": {"accessKey": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}});
        let health = json!({"eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED", "affectedEntities": [{"entityValue": "AKIAIOSFODNN7EXAMPLE"}],
            "eventMetadata": {"userName": "bob"}, "eventDescription": [{"latestDescription": "x"}]});
        let item = json!({"check-name": "Exposed Access Keys", "status": "ERROR", "check-item-detail": {"Access Key ID": "k"}});
        let text = match which {
            0 => call("iam", "PutUserPolicy", record),
            1 => call("iam", "AttachUserPolicy", record),
            2 => envelope("aws.health", "AWS Health Event", health),
            _ => envelope("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification", item),
        };
        let mut event: Value = serde_json::from_str(&text).unwrap();
        replace(&mut event, &path, with);
        let text = event.to_string();
        let parsed = Event::parse(&text);
        match parsed {
            Ok(_) => drop(keepwatch_rules::testing::evaluate_all(&text)),
            Err(error) => prop_assert!(event.get("detail").is_some_and(|detail| !detail.is_object()), "{error}: {text}"),
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,200}|\\{\"detail-type\":.{0,60}") {
        let _ = Event::parse(&text);
    }
}

#[test]
fn a_record_without_an_id_is_told_from_others() {
    let id = |text: &str| Event::parse(text).unwrap().occurrence_id();
    let (a, b) = (r#"{"eventName":"A","eventSource":"s"}"#, r#"{"eventName":"B","eventSource":"s"}"#);
    assert!(!id(a).is_empty() && id(a) == id(a) && id(a) != id(b));
    assert_eq!(id(r#"{"eventName":"A","eventSource":"s","eventID":"1"}"#), "1");
}
