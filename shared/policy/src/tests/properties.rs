//! What must hold for any document.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tables;
use crate::{Document, Grant, Held, analyse, trust};

fn judge(document: &Document) -> Grant {
    analyse(&[Held::managed("p", document)], Some("arn:aws:iam::111122223333:user/bob"))
}

/// Values near to policies: the right names with anything in them.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[*?a-z:${}/é]{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "Allow",
            "Deny",
            "*",
            "iam:*",
            "arn:aws:iam::*:role/*",
            "${aws:username}",
            "${"
        ])
        .prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "Statement",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Sid",
        "Condition",
        "AWS",
        "StringLike",
        "iam:PassedToService",
        "x",
    ]);
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

fn action() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "*",
            "iam:*",
            "i?m:*",
            "iam:PassRole",
            "ec2:RunInstances",
            "lambda:*",
            "sts:AssumeRole",
            "s3:*",
            "s3:Get*",
            "iam:Create*",
            "iam:PutUserPolicy",
            "iam:CreateRole",
            "iam:PutRolePolicy",
            "iam:AttachRolePolicy",
            "iam:CreatePolicy*",
            "iam:Tag*",
            "nothing:*",
            "a*",
            "ssm:SendCommand",
        ])
        .prop_map(str::to_owned),
        "[a-z*?]{1,4}:[A-Z*][a-z*?]{0,4}",
    ]
}

fn resource() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "*",
        "arn:aws:iam::*:role/*",
        "arn:aws:iam::111122223333:user/bob",
        "arn:aws:iam::*:user/${aws:username}",
        "arn:aws:iam::*:role/app-*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::b/*",
        "arn:aws:lambda:*:*:function:*",
        "arn:*",
        "arn:aws:iam::*:role/a*",
        "arn:aws:iam::*:role/?pp-*",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::*:user/team/${aws:username}",
        "arn:aws:iam::*:policy/app-*",
    ])
    .prop_map(str::to_owned)
}

fn statement(effects: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let condition = prop_oneof![
        3 => Just(json!({})),
        1 => Just(json!({"Bool": {"aws:MultiFactorAuthPresent": true}})),
        1 => Just(json!({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})),
        1 => Just(json!({"ArnLike": {"iam:PolicyARN": "arn:aws:iam::aws:policy/Read*"}})),
        1 => Just(json!({"ArnLike": {"iam:PolicyARN": "arn:aws:iam::111122223333:policy/*"}})),
        1 => Just(json!({"ArnNotLike": {"iam:PolicyARN": "arn:aws:iam::aws:policy/*"}})),
        1 => Just(json!({"StringEquals": {"aws:ResourceTag/t": "${aws:PrincipalTag/t}"}})),
    ];
    let actions = prop::collection::vec(action(), 1..4);
    let resources = prop::collection::vec(resource(), 1..3);
    (prop::sample::select(effects), actions, resources, condition, any::<[bool; 2]>()).prop_map(
        |(effect, actions, resources, condition, [not_action, not_resource])| {
            let (action, resource) = (
                if not_action { "NotAction" } else { "Action" },
                if not_resource { "NotResource" } else { "Resource" },
            );
            json!({"Effect": effect, action: actions, resource: resources, "Condition": condition})
        },
    )
}

fn policy() -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(&["Allow", "Allow", "Deny"]), 1..5)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

/// Lists of one become scalars, scalars become lists.
fn respell(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, inner)| {
                let inner = match inner {
                    Value::Array(list) if list.len() == 1 => respell(&list[0]),
                    Value::Array(list) => list.iter().map(respell).collect(),
                    Value::String(_)
                        if ["Action", "NotAction", "Resource", "NotResource"].contains(&key.as_str()) =>
                    {
                        json!([inner])
                    }
                    other => respell(other),
                };
                (key.clone(), inner)
            })
            .collect(),
        other => other.clone(),
    }
}

fn same_in_every_form(value: &Value) {
    let expected = Document::from_value(value).map(|document| judge(&document));
    let text = value.to_string();
    let percent = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    let string = Value::from(text.as_str()).to_string();
    for form in [
        &text,
        &percent,
        &string,
        &Value::from(percent.as_str()).to_string(),
        &format!("\u{feff}\n {text}\n"),
    ] {
        assert_eq!(
            Document::parse(form).map(|document| judge(&document)).ok(),
            expected.clone().ok(),
            "{form}"
        );
    }
    assert_eq!(Document::from_value(&respell(value)).map(|document| judge(&document)), expected, "{value}");
}

#[test]
fn tables_are_the_same_in_every_form() {
    for (_, rows) in tables::all() {
        rows.iter()
            .flat_map(|row| &row.policies)
            .filter(|value| value.is_object())
            .for_each(same_in_every_form);
    }
}

#[test]
fn no_allow_lowers_any_row() {
    let more = Document::parse(r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#)
        .unwrap();
    for (level, rows) in tables::all() {
        for row in rows {
            let read: Vec<Document> = row.policies.iter().map(|p| Document::from_value(p).unwrap()).collect();
            let mut named: Vec<Held<'_>> = read.iter().map(|d| Held::managed("row", d)).collect();
            named.insert(0, Held::managed("more", &more));
            assert!(analyse(&named, row.grantee.as_deref()).level >= level, "{}", row.name);
        }
    }
}

/// A long document of many wildcards must be read, not given up: what it grants stands at its very end.
#[test]
fn long_hostile_documents_are_read_to_the_end() {
    let noise: Vec<String> = (0..1000).map(|i| format!("*a*b*{i}*c*?{}", "*a".repeat(i % 20))).collect();
    let mut statements: Vec<Value> =
        (0..7).map(|_| json!({"Effect": "Allow", "Action": noise, "Resource": noise})).collect();
    statements.push(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let document = Document::from_value(&json!({"Statement": statements})).unwrap();
    assert_eq!(judge(&document).level, crate::Level::FullAdmin);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_panics_on_values(value in anything()) {
        if let Ok(document) = Document::from_value(&value) {
            judge(&document);
            trust::exposures(&document, "111122223333", &[]);
            trust::trusted_services(&document);
        }
    }

    #[test]
    fn nothing_panics_on_text(text in "\\PC*", tail in "[{}\"%\\\\a-zA-Z:,*\\[\\]7B2]{0,40}") {
        for text in [text.as_str(), tail.as_str(), &format!("{{{tail}"), &format!("\"{text}"), &format!("%7B{tail}")] {
            let _ = Document::parse(text);
        }
    }

    #[test]
    fn an_allow_never_lowers_the_level(value in policy(), more in statement(&["Allow"])) {
        let before = judge(&Document::from_value(&value).unwrap()).level;
        let mut longer = value;
        longer["Statement"].as_array_mut().unwrap().push(more);
        let after = judge(&Document::from_value(&longer).unwrap()).level;
        prop_assert!(after >= before, "{before:?} became {after:?}");
    }

    #[test]
    fn a_deny_never_raises_the_level(value in policy(), more in statement(&["Deny"])) {
        let before = judge(&Document::from_value(&value).unwrap()).level;
        let mut longer = value;
        longer["Statement"].as_array_mut().unwrap().push(more);
        let after = judge(&Document::from_value(&longer).unwrap()).level;
        prop_assert!(after <= before, "{before:?} became {after:?}");
    }

    #[test]
    fn every_form_means_the_same(value in policy()) {
        same_in_every_form(&value);
    }

    #[test]
    fn documents_or_statements_make_no_difference(value in policy()) {
        let whole = judge(&Document::from_value(&value).unwrap()).level;
        let parts: Vec<Document> = value["Statement"].as_array().unwrap().iter()
            .map(|statement| Document::from_value(&json!({"Version": value["Version"], "Statement": statement})).unwrap()).collect();
        let named: Vec<Held<'_>> = parts.iter().map(|document| Held::managed("p", document)).collect();
        let split = analyse(&named, Some("arn:aws:iam::111122223333:user/bob")).level;
        prop_assert_eq!(whole, split);
    }
}
