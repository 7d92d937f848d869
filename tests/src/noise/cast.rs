//! Who works in the account, and the records that CloudTrail writes of them.

use fastrand::Rng;
use keepwatch_base::time::Timestamp;
use serde_json::{Value, json};

/// The account of the mix.
pub(super) const ACCOUNT: &str = "111122223333";
/// The region that everybody works in.
pub(super) const REGION: &str = "eu-central-1";
/// The address of the office.
pub(super) const OFFICE: &str = "203.0.113.10";

/// Somebody or something that calls AWS.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    /// `userIdentity`.
    pub(super) identity: Value,
    /// `sourceIPAddress`.
    pub(super) address: String,
    /// `userAgent`.
    pub(super) agent: String,
    /// Whether the calls come from the console.
    pub(super) console: bool,
}

/// The user agents of people and of tools.
pub(super) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36";
const CLI: &str =
    "aws-cli/2.34.5 md/awscrt#0.31.2 ua/2.1 os/linux#6.8 md/arch#x86_64 lang/python#3.13.11 md/command#";

impl Actor {
    /// A session of a role; `path` is the role's path, with its slashes.
    pub(super) fn role(path: &str, role: &str, session: &str, address: &str, agent: &str) -> Actor {
        let id = format!("AROA{:X}EXAMPLE", role.len());
        let identity = json!({
            "type": "AssumedRole",
            "principalId": format!("{id}:{session}"),
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"),
            "accountId": ACCOUNT,
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role", "principalId": id, "accountId": ACCOUNT, "userName": role,
                    "arn": format!("arn:aws:iam::{ACCOUNT}:role{path}{role}"),
                },
                "attributes": {"mfaAuthenticated": "false"},
            },
        });
        Actor { identity, address: address.to_owned(), agent: agent.to_owned(), console: false }
    }

    /// A person of Identity Center with a permission set.
    pub(super) fn person(set: &str, mail: &str, address: &str) -> Actor {
        let role = format!("AWSReservedSSO_{set}_0123456789abcdef");
        let path = "/aws-reserved/sso.amazonaws.com/eu-central-1/";
        let mut actor = Actor::role(path, &role, mail, address, CLI);
        actor.identity["onBehalfOf"] = json!({
            "userId": format!("a0c3-{mail}"),
            "identityStoreArn": format!("arn:aws:identitystore::{ACCOUNT}:identitystore/d-9067EXAMPLE"),
        });
        actor
    }

    /// An IAM user; `key` signs the calls.
    pub(super) fn user(name: &str, key: &str, address: &str) -> Actor {
        let identity = json!({
            "type": "IAMUser", "principalId": format!("AIDA{}EXAMPLE", name.to_uppercase()), "accountId": ACCOUNT,
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "accessKeyId": key, "userName": name,
        });
        Actor { identity, address: address.to_owned(), agent: CLI.to_owned(), console: false }
    }

    /// The service-linked role of a service, which acts for itself.
    pub(super) fn service(service: &str, role: &str) -> Actor {
        let source = format!("{service}.amazonaws.com");
        let mut actor = Actor::role(&format!("/aws-service-role/{source}/"), role, "work", &source, &source);
        actor.identity["invokedBy"] = json!(source);
        actor
    }

    /// The same, in a browser.
    pub(super) fn in_console(&self) -> Actor {
        let mut actor = Actor { agent: BROWSER.to_owned(), console: true, ..self.clone() };
        actor.identity["sessionContext"]["attributes"]["mfaAuthenticated"] = json!("true");
        actor
    }

    /// The same, with CloudFormation doing what a stack says.
    pub(super) fn by_stack(&self) -> Actor {
        let service = "cloudformation.amazonaws.com".to_owned();
        let mut actor =
            Actor { agent: service.clone(), address: service.clone(), console: false, ..self.clone() };
        actor.identity["invokedBy"] = json!(service);
        actor
    }
}

/// A log that is being written.
#[derive(Debug)]
pub(super) struct Log {
    /// Each event with its time in milliseconds since 1970.
    pub(super) events: Vec<(i64, String)>,
    /// All chance comes from here; the same seed gives the same weeks.
    pub(super) rng: Rng,
}

impl Log {
    /// Adds a call that succeeded.
    pub(super) fn call(&mut self, at: i64, who: &Actor, service: &str, name: &str, request: Value) {
        self.answered(at, who, service, name, request, Value::Null);
    }

    /// Adds a call and what it answered.
    pub(super) fn answered(
        &mut self,
        at: i64,
        who: &Actor,
        service: &str,
        name: &str,
        request: Value,
        answer: Value,
    ) {
        self.add(at, who, service, name, json!({"requestParameters": request, "responseElements": answer}));
    }

    /// Adds a call that was refused.
    pub(super) fn refused(&mut self, at: i64, who: &Actor, service: &str, name: &str, code: &str) {
        self.add(at, who, service, name, json!({"errorCode": code, "requestParameters": null}));
    }

    /// Adds a record with these fields of its own.
    pub(super) fn add(&mut self, at: i64, who: &Actor, service: &str, name: &str, fields: Value) {
        let number = self.events.len();
        let time = Timestamp::from_millis(at).to_string();
        let reads =
            ["Get", "List", "Describe", "Head", "Lookup", "Simulate", "Generate", "BatchGet", "Assume"];
        let mut record = json!({
            "eventVersion": "1.11",
            "eventID": format!("00000000-0000-4000-8000-{number:012}"),
            "eventTime": time,
            "eventType": "AwsApiCall",
            "eventCategory": "Management",
            "managementEvent": true,
            "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name,
            "awsRegion": if ["iam", "organizations"].contains(&service) { "us-east-1" } else { REGION },
            "sourceIPAddress": who.address,
            "userAgent": who.agent,
            "readOnly": reads.iter().any(|verb| name.starts_with(verb)),
            "recipientAccountId": ACCOUNT,
            "userIdentity": who.identity,
        });
        if who.console {
            record["sessionCredentialFromConsole"] = json!("true");
        }
        if let (Value::Object(record), Value::Object(fields)) = (&mut record, fields) {
            record.extend(fields);
        }
        let kind = match record["eventType"].as_str() {
            Some("AwsConsoleSignIn") => "AWS Console Sign In via CloudTrail",
            Some("AwsServiceEvent") => "AWS Service Event via CloudTrail",
            _ => "AWS API Call via CloudTrail",
        };
        self.envelope(at, &format!("aws.{service}"), kind, record);
    }

    /// Adds an event of EventBridge.
    pub(super) fn envelope(&mut self, at: i64, source: &str, kind: &str, detail: Value) {
        let (number, time) = (self.events.len(), Timestamp::from_millis(at).to_string());
        let region = detail["awsRegion"].as_str().unwrap_or(REGION).to_owned();
        let envelope = json!({
            "version": "0", "id": format!("envelope-{number}"), "detail-type": kind, "source": source,
            "account": ACCOUNT, "time": time, "region": region, "resources": [], "detail": detail,
        });
        self.events.push((at, envelope.to_string()));
    }

    /// A moment within these minutes after a time.
    pub(super) fn within(&mut self, from: i64, minutes: std::ops::Range<i64>) -> i64 {
        from + self.rng.i64(minutes) * super::MINUTE + self.rng.i64(0..super::MINUTE)
    }
}
