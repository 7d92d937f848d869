//! A small validator that knows the attributes of both formats that are used here, which of them are required, and
//! their types. An attribute that it does not know is an error: it may be a mistyped name.
//!
//! Sources. OCSF: the compiled schema of version 1.8.0 (schema.ocsf.io/1.8.0, also in the Python package
//! ocsf-json-schema), classes `detection_finding` and `compliance_finding` and the objects that they name. ASFF: the
//! model of Security Hub's API of 2018-10-26, shape `AwsSecurityFinding`, with the lengths that its documentation
//! gives; and the user guide's page "Required top-level ASFF attributes", which requires `Severity` and `Types` too.

use keepwatch_base::time::Timestamp;
use serde_json::Value;

/// What a value must be.
enum Kind {
    /// A boolean.
    Bool,
    /// An integer of 32 bits.
    Int,
    /// Milliseconds.
    Millis,
    /// Any text; OCSF limits none.
    Text,
    /// Text with something other than spaces in it, at most so long in UTF-16.
    Within(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these numbers.
    Id(&'static [i64]),
    /// The caption of the number in the attribute beside it.
    Caption(&'static str, &'static [(i64, &'static str)]),
    /// An IP address.
    Address,
    /// A time as Security Hub reads it.
    Time,
    /// Twelve digits.
    Account,
    /// `namespace/category/classifier` or the beginning of it.
    Type,
    /// A map of texts: the most entries, the longest key, the longest value.
    Texts(usize, usize, usize),
    /// Any object.
    Any,
    /// An object.
    Object(&'static Shape),
    /// A list: the fewest and the most elements.
    List(usize, usize, &'static Kind),
}

/// An object's attributes: name, whether it is required, what it must be.
struct Shape {
    /// All that are known.
    attributes: &'static [(&'static str, bool, Kind)],
    /// Of these there must be one, where there are any.
    at_least_one: &'static [&'static str],
}

use Kind::{
    Account, Address, Any, Bool, Caption, Id, Int, List, Millis, Object, Text, Texts, Time, Type, Within,
    Word,
};

const MANY: usize = usize::MAX;

/// What both classes of finding have.
static FINDING: Shape = Shape {
    attributes: &[
        ("activity_id", true, Id(&[1, 2, 3])),
        ("activity_name", false, Caption("activity_id", &[(1, "Create"), (2, "Update"), (3, "Close")])),
        ("category_uid", true, Id(&[2])),
        ("category_name", false, Caption("category_uid", &[(2, "Findings")])),
        ("time", true, Millis),
        ("start_time", false, Millis),
        ("end_time", false, Millis),
        ("count", false, Int),
        ("message", false, Text),
        ("severity_id", true, Id(&[0, 1, 2, 3, 4, 5, 6, 99])),
        ("severity", false, Caption("severity_id", SEVERITIES)),
        ("confidence_id", false, Id(&[0, 1, 2, 3, 99])),
        ("confidence", false, Caption("confidence_id", &[(1, "Low"), (2, "Medium"), (3, "High")])),
        ("status_id", false, Id(&[0, 1, 2, 3, 4, 5, 6, 99])),
        ("status", false, Caption("status_id", STATUSES)),
        ("status_detail", false, Text),
        ("comment", false, Text),
        ("metadata", true, Object(&METADATA)),
        ("cloud", true, Object(&CLOUD)),
        ("finding_info", true, Object(&FINDING_INFO)),
        ("resources", false, List(0, MANY, &Object(&OCSF_RESOURCE))),
        ("evidences", false, List(0, MANY, &Object(&EVIDENCE))),
        ("remediation", false, Object(&REMEDIATION)),
        ("unmapped", false, Any),
    ],
    at_least_one: &[],
};

const SEVERITIES: &[(i64, &str)] =
    &[(1, "Informational"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical")];

const STATUSES: &[(i64, &str)] = &[(1, "New"), (2, "In Progress"), (3, "Suppressed"), (4, "Resolved")];

/// What Detection Finding, class 2004, has besides.
static DETECTION: Shape = Shape {
    attributes: &[
        ("class_uid", true, Id(&[2004])),
        ("class_name", false, Caption("class_uid", &[(2004, "Detection Finding")])),
        ("type_uid", true, Id(&[200_401, 200_402, 200_403])),
        (
            "type_name",
            false,
            Caption(
                "type_uid",
                &[
                    (200_401, "Detection Finding: Create"),
                    (200_402, "Detection Finding: Update"),
                    (200_403, "Detection Finding: Close"),
                ],
            ),
        ),
        ("is_alert", false, Bool),
    ],
    at_least_one: &[],
};

/// What Compliance Finding, class 2003, has besides.
static COMPLIANCE: Shape = Shape {
    attributes: &[
        ("class_uid", true, Id(&[2003])),
        ("class_name", false, Caption("class_uid", &[(2003, "Compliance Finding")])),
        ("type_uid", true, Id(&[200_301, 200_302, 200_303])),
        (
            "type_name",
            false,
            Caption(
                "type_uid",
                &[
                    (200_301, "Compliance Finding: Create"),
                    (200_302, "Compliance Finding: Update"),
                    (200_303, "Compliance Finding: Close"),
                ],
            ),
        ),
        (
            "compliance",
            true,
            Object(&Shape {
                attributes: &[
                    ("control", false, Text),
                    ("standards", false, List(0, MANY, &Text)),
                    ("requirements", false, List(0, MANY, &Text)),
                    ("status_id", false, Id(&[0, 1, 2, 3, 99])),
                    ("status", false, Caption("status_id", &[(1, "Pass"), (2, "Warning"), (3, "Fail")])),
                    ("status_details", false, List(0, MANY, &Text)),
                ],
                at_least_one: &[],
            }),
        ),
    ],
    at_least_one: &[],
};

static PRODUCT: Shape = Shape {
    attributes: &[("name", false, Text), ("vendor_name", false, Text), ("version", false, Text)],
    at_least_one: &["name", "uid"],
};

static METADATA: Shape = Shape {
    attributes: &[
        ("version", true, Word(&["1.8.0"])),
        ("product", true, Object(&PRODUCT)),
        ("profiles", false, List(1, MANY, &Word(&["cloud"]))),
        ("uid", false, Text),
    ],
    at_least_one: &[],
};

static CLOUD: Shape = Shape {
    attributes: &[
        ("provider", true, Text),
        ("region", false, Text),
        ("cloud_partition", false, Word(PARTITIONS)),
        (
            "account",
            false,
            Object(&Shape {
                attributes: &[
                    ("uid", false, Text),
                    ("type_id", false, Id(&[10])),
                    ("type", false, Caption("type_id", &[(10, "AWS Account")])),
                ],
                at_least_one: &["name", "uid"],
            }),
        ),
    ],
    at_least_one: &[],
};

/// ASFF's own list ends with the third; Security Hub in the others names itself.
const PARTITIONS: &[&str] =
    &["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"];

static FINDING_INFO: Shape = Shape {
    attributes: &[
        ("uid", true, Text),
        ("title", false, Text),
        ("desc", false, Text),
        ("created_time", false, Millis),
        ("modified_time", false, Millis),
        ("first_seen_time", false, Millis),
        ("last_seen_time", false, Millis),
        ("types", false, List(0, MANY, &Text)),
        ("product", false, Object(&PRODUCT)),
        (
            "analytic",
            false,
            Object(&Shape {
                attributes: &[
                    ("type_id", true, Id(&[1])),
                    ("type", false, Caption("type_id", &[(1, "Rule")])),
                    ("name", false, Text),
                    ("uid", false, Text),
                ],
                at_least_one: &["name", "uid"],
            }),
        ),
        (
            "attacks",
            false,
            List(
                1,
                MANY,
                &Object(&Shape {
                    attributes: &[
                        ("technique", false, Object(&NAMED)),
                        ("sub_technique", false, Object(&NAMED)),
                    ],
                    at_least_one: &["tactic", "technique", "sub_technique"],
                }),
            ),
        ),
    ],
    at_least_one: &[],
};

static NAMED: Shape =
    Shape { attributes: &[("name", false, Text), ("uid", false, Text)], at_least_one: &["name", "uid"] };

static OCSF_RESOURCE: Shape = Shape {
    attributes: &[
        ("uid", false, Text),
        ("type", false, Text),
        ("region", false, Text),
        ("cloud_partition", false, Word(PARTITIONS)),
    ],
    at_least_one: &["name", "uid"],
};

static EVIDENCE: Shape = Shape {
    attributes: &[
        ("name", false, Text),
        ("uid", false, Text),
        ("data", false, Any),
        ("api", false, Object(&Shape { attributes: &[("operation", true, Text)], at_least_one: &[] })),
        (
            "http_request",
            false,
            Object(&Shape { attributes: &[("user_agent", false, Text)], at_least_one: &[] }),
        ),
        (
            "src_endpoint",
            false,
            Object(&Shape {
                attributes: &[("ip", false, Address), ("svc_name", false, Text)],
                at_least_one: &["ip", "svc_name"],
            }),
        ),
        (
            "actor",
            false,
            Object(&Shape {
                attributes: &[
                    (
                        "user",
                        false,
                        Object(&Shape {
                            attributes: &[
                                ("name", false, Text),
                                ("uid", false, Text),
                                ("type", false, Text),
                                ("type_id", false, Id(&[0, 1, 2, 3, 4, 99])),
                            ],
                            at_least_one: &["account", "name", "uid"],
                        }),
                    ),
                    (
                        "session",
                        false,
                        Object(&Shape {
                            attributes: &[("credential_uid", false, Text), ("is_mfa", false, Bool)],
                            at_least_one: &[],
                        }),
                    ),
                ],
                at_least_one: &["process", "user", "session", "app_name", "app_uid"],
            }),
        ),
    ],
    at_least_one: &["actor", "api", "data", "src_endpoint", "user"],
};

static REMEDIATION: Shape = Shape {
    attributes: &[("desc", true, Text), ("references", false, List(0, MANY, &Text))],
    at_least_one: &[],
};

/// `AwsSecurityFinding`.
static ASFF: Shape = Shape {
    attributes: &[
        ("SchemaVersion", true, Word(&["2018-10-08"])),
        ("Id", true, Within(512)),
        ("ProductArn", true, Within(2_048)),
        ("GeneratorId", true, Within(512)),
        ("AwsAccountId", true, Account),
        ("Types", true, List(1, 50, &Type)),
        ("CreatedAt", true, Time),
        ("UpdatedAt", true, Time),
        ("FirstObservedAt", false, Time),
        ("LastObservedAt", false, Time),
        ("Severity", true, Object(&ASFF_SEVERITY)),
        ("Title", true, Within(256)),
        ("Description", true, Within(1_024)),
        ("Resources", true, List(1, 32, &Object(&ASFF_RESOURCE))),
        ("RecordState", false, Word(&["ACTIVE", "ARCHIVED"])),
        (
            "Compliance",
            false,
            Object(&Shape {
                attributes: &[
                    ("Status", false, Word(&["PASSED", "WARNING", "FAILED", "NOT_AVAILABLE"])),
                    ("RelatedRequirements", false, List(1, 32, &Within(1_024))),
                ],
                at_least_one: &[],
            }),
        ),
        (
            "Remediation",
            false,
            Object(&Shape {
                attributes: &[(
                    "Recommendation",
                    false,
                    Object(&Shape { attributes: &[("Text", false, Within(512))], at_least_one: &[] }),
                )],
                at_least_one: &[],
            }),
        ),
        ("ProductFields", false, Texts(50, 128, 2_048)),
        (
            "FindingProviderFields",
            false,
            Object(&Shape {
                attributes: &[
                    ("Severity", false, Object(&ASFF_SEVERITY)),
                    ("Types", false, List(1, 50, &Type)),
                ],
                at_least_one: &[],
            }),
        ),
    ],
    at_least_one: &[],
};

static ASFF_SEVERITY: Shape = Shape {
    attributes: &[
        ("Label", true, Word(&["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"])),
        ("Original", false, Within(64)),
    ],
    at_least_one: &[],
};

static ASFF_RESOURCE: Shape = Shape {
    attributes: &[
        ("Type", true, Within(256)),
        ("Id", true, Within(512)),
        ("Partition", false, Word(PARTITIONS)),
        ("Region", false, Within(16)),
    ],
    at_least_one: &[],
};

/// What is wrong with an object of this shape, with the attributes of `more` besides.
fn faults(value: &Value, shape: &Shape, more: Option<&Shape>) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(object) = value.as_object() else { return vec!["not an object".to_owned()] };
    let extra = more.map_or(&[][..], |more| more.attributes);
    let known = |name: &str| extra.iter().chain(shape.attributes).find(|(known, ..)| *known == name);
    for (name, required, _) in extra.iter().chain(shape.attributes) {
        if *required && !object.contains_key(*name) {
            faults.push(format!("{name} is missing"));
        }
    }
    for (name, value) in object {
        match known(name) {
            None => faults.push(format!("{name} is unknown")),
            Some((_, _, kind)) => {
                let inner = check(value, kind, object);
                faults.extend(inner.into_iter().map(|fault| format!("{name}: {fault}")));
            }
        }
    }
    if !shape.at_least_one.is_empty() && !shape.at_least_one.iter().any(|name| object.contains_key(*name)) {
        faults.push(format!("none of {:?}", shape.at_least_one));
    }
    faults
}

fn check(value: &Value, kind: &Kind, beside: &serde_json::Map<String, Value>) -> Vec<String> {
    let text = value.as_str();
    let within = |text: &str, max: usize| !text.trim().is_empty() && text.encode_utf16().count() <= max;
    let good = match kind {
        Bool => value.is_boolean(),
        Int => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Millis => value.is_i64() || value.is_u64(),
        Text => text.is_some(),
        Within(max) => text.is_some_and(|text| within(text, *max)),
        Word(words) => text.is_some_and(|text| words.contains(&text)),
        Id(ids) => value.as_i64().is_some_and(|id| ids.contains(&id)),
        Caption(of, captions) => {
            let id = beside.get(*of).and_then(Value::as_i64);
            text.is_some_and(|text| captions.iter().any(|(known, word)| Some(*known) == id && *word == text))
        }
        Address => text.is_some_and(|text| text.len() <= 40 && text.parse::<std::net::IpAddr>().is_ok()),
        Time => text.is_some_and(|text| {
            text.len() >= 20
                && text.as_bytes()[4] == b'-'
                && text.ends_with('Z')
                && Timestamp::parse(text).is_some()
        }),
        Account => text.is_some_and(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())),
        Type => text.is_some_and(|text| {
            let mut parts = text.split('/');
            let namespaces = [
                "Software and Configuration Checks",
                "TTPs",
                "Effects",
                "Unusual Behaviors",
                "Sensitive Data Identifications",
            ];
            parts.next().is_some_and(|namespace| namespaces.contains(&namespace)) && parts.count() <= 2
        }),
        Texts(most, key, longest) => value.as_object().is_some_and(|map| {
            map.len() <= *most
                && map.iter().all(|(name, value)| {
                    within(name, *key) && value.as_str().is_some_and(|value| within(value, *longest))
                })
        }),
        Any => value.is_object(),
        Object(shape) => return faults(value, shape, None),
        List(fewest, most, kind) => {
            let Some(list) = value.as_array() else { return vec!["not a list".to_owned()] };
            if !(*fewest..=*most).contains(&list.len()) {
                return vec![format!("{} elements", list.len())];
            }
            return list.iter().flat_map(|element| check(element, kind, beside)).collect();
        }
    };
    if good { Vec::new() } else { vec![format!("{value} does not fit")] }
}

/// What is wrong with an OCSF finding.
pub fn ocsf(finding: &Value) -> Vec<String> {
    let class = if finding["class_uid"] == 2003 { &COMPLIANCE } else { &DETECTION };
    let mut faults = faults(finding, &FINDING, Some(class));
    let number = |name: &str| finding[name].as_i64().unwrap_or_default();
    if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
        faults.push("type_uid is not made of class and activity".to_owned());
    }
    faults
}

/// What is wrong with an ASFF finding.
pub fn asff(finding: &Value) -> Vec<String> {
    let mut faults = faults(finding, &ASFF, None);
    if finding.to_string().len() > 240_000 {
        faults.push("larger than 240 KB".to_owned());
    }
    let account = finding["AwsAccountId"].as_str().unwrap_or_default();
    let product = format!(":{account}:product/{account}/default");
    if !finding["ProductArn"].as_str().is_some_and(|arn| arn.ends_with(&product)) {
        faults.push("the product is not the account's".to_owned());
    }
    faults
}
