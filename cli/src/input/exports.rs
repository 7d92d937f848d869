//! What people have lying around that holds CloudTrail's records in another form: results of queries in CloudTrail Lake and
//! Athena. And what cannot be read: a word on what it is and how to convert it.
//!
//! A query's result has a column for each field of the record, in Athena with the names in lower case (CloudTrail user guide,
//! "Create a table for CloudTrail logs in Athena"), or the whole record in `eventJson` (CloudTrail user guide, "CloudTrail Lake
//! supported schemas for event record fields").

use std::io::{self, BufRead};

use serde_json::{Map, Value, json};

use super::size::PART;

/// How files begin that are no text, what they are, and what makes them readable.
const BINARY: [(&[u8], &str, &str); 6] = [
    (b"PAR1", "Apache Parquet", "query it in Athena, and download the result as CSV"),
    (b"ORC", "Apache ORC", "query it in Athena, and download the result as CSV"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it with unzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "unpack it with zstd -d"),
    (b"BZh", "compressed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it with unxz"),
];

/// Why a file that begins so cannot be read, where that can be told.
pub(super) fn refusal(begin: &[u8]) -> Option<String> {
    let binary = BINARY.iter().find(|(magic, ..)| begin.starts_with(magic));
    if let Some((_, what, how)) = binary {
        return Some(format!("this is {what}: {how}"));
    }
    let first = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let first = first.trim_start_matches('\u{feff}').trim();
    let words: Vec<&str> = first.split_ascii_whitespace().collect();
    let what = if first.starts_with("version account-id")
        || words.get(2).is_some_and(|word| word.starts_with("eni-"))
    {
        "a VPC flow log, which tells of packets and not of calls"
    } else if first.starts_with("#Version:") || first.starts_with("#Fields:") {
        "an access log of CloudFront"
    } else if first.starts_with('<') {
        "XML or a web page"
    } else {
        return None;
    };
    Some(format!(
        "this is {what}: CloudTrail's records are expected, as its trail writes them into its bucket"
    ))
}

/// Whether a file that begins so is a query's result in comma-separated values.
pub(super) fn is_csv(begin: &[u8]) -> bool {
    let first = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).to_ascii_lowercase();
    let columns: Vec<&str> =
        first.trim_start_matches('\u{feff}').split(',').map(|name| name.trim().trim_matches('"')).collect();
    let has = |name: &str| columns.contains(&name);
    has("eventjson") || has("cloudtrailevent") || has("eventname") && has("eventsource")
}

/// Hands on the records of comma-separated values, one a line, some megabytes at once. The number is that of the first line.
pub(super) fn csv(
    reader: &mut dyn BufRead,
    hand_on: &mut dyn FnMut(usize, Vec<u8>) -> bool,
) -> io::Result<bool> {
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let broken = |error: csv::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let header = rows.byte_headers().map_err(broken)?.clone();
    let names: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let (mut bytes, mut first) = (Vec::new(), 2);
    let mut row = csv::ByteRecord::new();
    while rows.read_byte_record(&mut row).map_err(broken)? {
        let cells = names.iter().zip(&row);
        let cells =
            cells.map(|(name, cell)| (name.clone(), Value::from(String::from_utf8_lossy(cell).into_owned())));
        bytes.extend_from_slice(record(cells.collect()).to_string().as_bytes());
        bytes.push(b'\n');
        if bytes.len() >= PART {
            if !hand_on(first, std::mem::take(&mut bytes)) {
                return Ok(false);
            }
            first = usize::try_from(row.position().map_or(0, csv::Position::line)).unwrap_or(first) + 1;
        }
    }
    Ok(bytes.is_empty() || hand_on(first, bytes))
}

/// The records in an object that holds none in a form of CloudTrail's own: an answer of `get-query-results` of CloudTrail Lake or
/// of Athena, or a row of a query.
pub(crate) fn converted(text: &str) -> Option<Vec<String>> {
    let document: Value = serde_json::from_str(text).ok()?;
    if let Some(rows) = document["QueryResultRows"].as_array() {
        let cells = |row: &Value| -> Map<String, Value> {
            let cells = row.as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
            cells.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        return Some(rows.iter().map(|row| record(cells(row)).to_string()).collect());
    }
    if let Some(rows) = document["ResultSet"]["Rows"].as_array() {
        let cells = |row: &Value| -> Vec<String> {
            let data = row["Data"].as_array().into_iter().flatten();
            data.map(|cell| cell["VarCharValue"].as_str().unwrap_or_default().to_owned()).collect()
        };
        let (header, rows) = rows.split_first()?;
        let names = cells(header);
        let row = |row: &Value| names.iter().cloned().zip(cells(row).into_iter().map(Value::from)).collect();
        return Some(rows.iter().map(|cells| record(row(cells)).to_string()).collect());
    }
    let Value::Object(row) = document else { return None };
    let is_row = ["eventJson", "eventjson", "eventname"].iter().any(|name| row.contains_key(*name));
    is_row.then(|| vec![record(row).to_string()])
}

/// The record that a row tells of.
fn record(row: Map<String, Value>) -> Value {
    let whole = row.iter().find(|(name, _)| {
        name.eq_ignore_ascii_case("eventjson") || name.eq_ignore_ascii_case("cloudtrailevent")
    });
    if let Some((_, Value::String(text))) = whole
        && let Ok(record @ Value::Object(_)) = serde_json::from_str(text)
    {
        return record;
    }
    Value::Object(
        row.into_iter().map(|(name, value)| (named(&name).to_owned(), field(&name, value))).collect(),
    )
}

/// The fields of a record whose names are not all in lower case, as CloudTrail writes them.
const NAMES: [&str; 48] = [
    "accessKeyId",
    "accountId",
    "additionalEventData",
    "apiVersion",
    "awsRegion",
    "cipherSuite",
    "clientProvidedHostHeader",
    "creationDate",
    "credentialId",
    "ec2RoleDelivery",
    "edgeDeviceDetails",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "federatedProvider",
    "identityProvider",
    "identityStoreArn",
    "invokedBy",
    "managementEvent",
    "mfaAuthenticated",
    "onBehalfOf",
    "principalId",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sessionContext",
    "sessionIssuer",
    "sharedEventID",
    "sourceIPAddress",
    "sourceIdentity",
    "tlsDetails",
    "tlsVersion",
    "userAgent",
    "userId",
    "userIdentity",
    "userName",
    "vpcEndpointId",
    "webIdFederationData",
];

fn named(name: &str) -> &str {
    NAMES.iter().find(|own| own.eq_ignore_ascii_case(name)).copied().unwrap_or(name)
}

/// What stands in a column: JSON in texts, and structures as Athena prints them.
fn field(name: &str, value: Value) -> Value {
    let name = named(name);
    let structured = [
        "userIdentity",
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "serviceEventDetails",
        "tlsDetails",
        "resources",
    ];
    match value {
        Value::String(text) if text.is_empty() || text == "null" => Value::Null,
        Value::String(text) if structured.contains(&name) => match serde_json::from_str::<Value>(&text) {
            Ok(value) => value,
            Err(_) => structure(&text),
        },
        Value::Object(fields) if name == "userIdentity" => renamed(fields),
        value => value,
    }
}

/// The fields of a structure under CloudTrail's names.
fn renamed(fields: Map<String, Value>) -> Value {
    let renamed = fields.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Object(inner) => renamed(inner),
            value => value,
        };
        (named(&name).to_owned(), value)
    });
    Value::Object(renamed.collect())
}

/// A structure as Athena prints it: `{type=IAMUser, arn=..., sessioncontext={attributes={mfaauthenticated=false}}}`. Text of
/// another form stays text.
fn structure(text: &str) -> Value {
    let Some(inner) = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return json!(text);
    };
    let mut fields = Map::new();
    let mut rest = inner;
    while let Some((name, value)) = rest.split_once('=') {
        let end = end_of(value);
        let (own, behind) = value.split_at(end);
        let value = match own.trim() {
            "null" | "" => Value::Null,
            own if own.starts_with('{') => structure(own),
            own => json!(own),
        };
        fields.insert(named(name.trim()).to_owned(), value);
        rest = behind.trim_start_matches([',', ' ']);
    }
    Value::Object(fields)
}

/// Where a value ends: at a comma that is followed by a name and `=`, and stands in no inner structure.
fn end_of(value: &str) -> usize {
    let mut depth = 0_usize;
    for (i, c) in value.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let name = value[i + 1..].split('=').next().unwrap_or_default().trim();
                if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()) {
                    return i;
                }
            }
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str = "{type=AssumedRole, principalid=AROA:me, arn=arn:aws:sts::111122223333:assumed-role/r/a,b, \
                            accountid=111122223333, invokedby=null, sessioncontext={attributes={mfaauthenticated=false, \
                            creationdate=2026-03-01T12:00:00Z}, sessionissuer={type=Role, username=r}}}";

    #[test]
    fn a_structure_of_athena_is_read() {
        let identity = structure(IDENTITY);
        assert_eq!(identity["principalId"], "AROA:me");
        assert_eq!(identity["arn"], "arn:aws:sts::111122223333:assumed-role/r/a,b");
        assert_eq!(identity["invokedBy"], Value::Null);
        assert_eq!(identity["sessionContext"]["attributes"]["mfaAuthenticated"], "false");
        assert_eq!(identity["sessionContext"]["sessionIssuer"]["userName"], "r");
        assert_eq!(structure("no structure"), json!("no structure"));
        assert_eq!(structure("{"), json!("{"));
        assert_eq!(structure("{a}"), json!({}));
    }

    #[test]
    fn rows_of_queries_become_records() {
        let record = json!({"eventName": "A", "eventSource": "iam.amazonaws.com", "requestParameters": {"userName": "bob"}});
        let whole = record.to_string();
        for document in [
            json!({"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventJson": whole}]]}),
            json!({"QueryResultRows": [[{"eventName": "A"}, {"eventSource": "iam.amazonaws.com"},
                {"requestParameters": "{\"userName\":\"bob\"}"}]]}),
            json!({"ResultSet": {"Rows": [
                {"Data": [{"VarCharValue": "eventname"}, {"VarCharValue": "eventsource"}, {"VarCharValue": "requestparameters"}]},
                {"Data": [{"VarCharValue": "A"}, {"VarCharValue": "iam.amazonaws.com"}, {"VarCharValue": "{\"userName\":\"bob\"}"}]},
            ]}}),
            json!({"eventname": "A", "eventsource": "iam.amazonaws.com", "requestparameters": "{\"userName\":\"bob\"}"}),
        ] {
            let records = converted(&document.to_string()).unwrap();
            let records: Vec<Value> =
                records.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            assert_eq!(records, std::slice::from_ref(&record), "{document}");
        }
        assert_eq!(converted("{\"a\": 1}"), None);
        assert_eq!(converted("[1]"), None);
    }

    #[test]
    fn comma_separated_values_become_records() {
        let text = format!(
            "\"eventname\",\"eventsource\",useridentity\r\n\"A\",iam.amazonaws.com,\"{IDENTITY}\"\r\n"
        );
        assert!(is_csv(text.as_bytes()));
        let mut lines = String::new();
        csv(&mut text.as_bytes(), &mut |line, bytes| {
            assert_eq!(line, 2);
            lines.push_str(&String::from_utf8(bytes).unwrap());
            true
        })
        .unwrap();
        let record: Value = serde_json::from_str(&lines).unwrap();
        assert_eq!(
            (&record["eventName"], &record["userIdentity"]["type"]),
            (&json!("A"), &json!("AssumedRole"))
        );
        assert!(!is_csv(b"{\"eventName\":\"A\",\"eventSource\":\"b\"}"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (begin, what) in [
            (b"PAR1\x15\x04".as_slice(), "Parquet"),
            (b"PK\x03\x04", "unzip"),
            (b"2 111122223333 eni-0a1b 10.0.0.1", "VPC flow log"),
            (b"<html>", "XML"),
        ] {
            assert!(refusal(begin).is_some_and(|told| told.contains(what)), "{what}");
        }
        assert_eq!(refusal(b"{\"Records\":["), None);
        assert_eq!(refusal(b""), None);
    }
}
