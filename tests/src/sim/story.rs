//! The story of one seed: what AWS tells of an account, when each message arrives, and what the owner silences.

use std::sync::Arc;

use fastrand::Rng;
use keepwatch_base::time::Timestamp;
use serde_json::{Value, json};

use super::queue::Message;
use super::scans::Lamps;

/// The accounts that are watched.
pub(super) const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];

/// A change of the settings table.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A row comes: its name, what it silences, how long in milliseconds.
    Add {
        /// Its name.
        name: String,
        /// Pattern of rules.
        rule: String,
        /// Pattern of resources.
        resource: String,
        /// Pattern of those whom it silences.
        actor: Option<String>,
        /// How long it lasts.
        lasts: i64,
    },
    /// A row that went comes back: all it says but when it was made is what it was.
    Restore {
        /// Its name.
        name: String,
    },
    /// A row goes.
    Remove {
        /// Its name.
        name: String,
    },
}

/// What happens, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    /// Messages of the intake queue.
    pub messages: Vec<Message>,
    /// Changes of the settings, with their times.
    pub changes: Vec<(i64, Change)>,
    /// Scans, with what they find.
    pub scans: Vec<(i64, Lamps)>,
    /// When the last of these happens.
    pub ends_at: i64,
    /// Whether it is a flood.
    pub storm: bool,
}

impl Story {
    /// A random story that begins at `from`.
    pub(super) fn random(rng: &mut Rng, from: i64) -> Story {
        let storm = rng.u8(..150) == 0;
        let long = !storm && rng.u8(..150) == 0;
        let horizon = rng.i64(300_000..7_200_000);
        let mut story = Story { storm, ..Story::default() };
        if storm {
            for i in 0..rng.usize(20..320) {
                let at = from + rng.i64(0..240_000);
                let who = format!("flood-{i}");
                let body = match rng.u8(..8) {
                    0..=4 => policy(rng, &format!("m-{i}"), at, "PutUserPolicy", &who, ADMIN),
                    _ => mfa_device(rng, &format!("m-{i}"), at, &who),
                };
                story.send(body, at, false);
            }
        }
        if long {
            // More events on one finding than it remembers: beyond that the receipts must recognise duplicates.
            for i in 0..rng.usize(70..90) {
                let at = from + rng.i64(0..horizon);
                let body =
                    sign_in(&format!("long-{i}"), at - rng.i64(0..60_000), ACCOUNTS[0], "Success", "No");
                story.send(body, at, false);
                if rng.u8(..4) == 0 {
                    let again = story.messages.last().map(|message| Arc::clone(&message.body));
                    story.messages.extend(again.map(|body| Message {
                        body,
                        at: at + 600_000,
                        poison: false,
                    }));
                }
            }
        }
        let count = rng.usize(3..22);
        let mut bodies: Vec<(i64, Arc<str>)> = Vec::new();
        for i in 0..count {
            let at = from + rng.i64(0..horizon);
            // EventBridge delivers some events twice, as messages of their own; most events come late, some very.
            if rng.u8(..8) == 0 && !bodies.is_empty() {
                // No copy comes before what it tells of.
                let (from, body) = &bodies[rng.usize(..bodies.len())];
                story.messages.push(Message { body: Arc::clone(body), at: at.max(*from), poison: false });
                continue;
            }
            if rng.u8(..12) == 0 {
                let body = poison(rng);
                story.send(body, at, true);
                continue;
            }
            let late = if rng.u8(..4) == 0 { rng.i64(0..14_400_000) } else { rng.i64(0..120_000) };
            let body = event(rng, &format!("e-{i}"), at - late);
            story.send(body, at, false);
            bodies.extend(story.messages.last().map(|message| (at, Arc::clone(&message.body))));
        }
        story.suppress(rng, from, horizon);
        story.messages.sort_by_key(|message| message.at);
        // Some come together, so that they meet in one batch.
        for i in (1..story.messages.len()).rev() {
            if rng.u8(..4) == 0 {
                story.messages[i - 1].at = story.messages[i].at;
            }
        }
        let last =
            story.messages.iter().map(|message| message.at).chain(story.changes.iter().map(|(at, _)| *at));
        story.ends_at = last.max().unwrap_or(from);
        // By a chance of their own, so that the story of a seed stays what it was.
        let mut chance = Rng::with_seed(rng.clone().u64(..));
        story.scans = Lamps::story(&mut chance, from, story.ends_at);
        story
    }

    fn send(&mut self, body: String, at: i64, poison: bool) {
        self.messages.push(Message { body: Arc::from(body), at, poison });
    }

    fn suppress(&mut self, rng: &mut Rng, from: i64, horizon: i64) {
        if rng.u8(..5) < 3 {
            return;
        }
        for i in 0..rng.usize(1..4) {
            let name = format!("s-{i}");
            let rules = [
                "*",
                "root-console-sign-in",
                "root-console-sign-in-failed",
                "admin-inline-policy",
                "exposed-access-key",
                "root-mfa-added",
            ];
            let resources = ["*", "arn:aws:iam::111122223333:*", "arn:aws:iam::*:user/u1", "AKIA*"];
            let (rule, resource) = (rules[rng.usize(..rules.len())], resources[rng.usize(..resources.len())]);
            let at = from + rng.i64(0..horizon);
            let lasts = if rng.bool() { rng.i64(60_000..horizon) } else { 5 * 86_400_000 };
            let actor = (rng.u8(..3) == 0).then(|| "arn:aws:iam::*:user/alice".to_owned());
            let add = Change::Add {
                name: name.clone(),
                rule: rule.into(),
                resource: resource.into(),
                actor,
                lasts,
            };
            self.changes.push((at, add));
            if rng.bool() {
                let gone = at + rng.i64(1_000..horizon);
                self.changes.push((gone, Change::Remove { name: name.clone() }));
                if rng.u8(..4) == 0 {
                    self.changes.push((gone + rng.i64(1_000..horizon), Change::Restore { name }));
                }
            }
        }
    }
}

const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Alone it is harmless; with what the user has already it is not, which has to be asked.
const PASS_ROLE: &str = r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}"#;

/// Somebody makes a user an administrator.
pub(super) fn grant(id: &str, at: i64, user: &str) -> String {
    policy_of(id, at, "PutUserPolicy", (user, "p"), ADMIN)
}

/// Somebody takes that away.
pub(super) fn revoke(id: &str, at: i64, user: &str) -> String {
    policy_of(id, at, "DeleteUserPolicy", (user, "p"), ADMIN)
}

fn event(rng: &mut Rng, id: &str, at: i64) -> String {
    let account = ACCOUNTS[usize::from(rng.u8(..4) == 0)];
    let user = ["u1", "u2", "u3"][rng.usize(..3)];
    match rng.u8(..20) {
        0..=3 => sign_in(id, at, account, "Success", if rng.bool() { "Yes" } else { "No" }),
        4..=7 => sign_in(id, at, account, "Failure", "No"),
        8..=9 => policy(rng, id, at, "PutUserPolicy", user, ADMIN),
        10 => policy(rng, id, at, "PutUserPolicy", user, PASS_ROLE),
        11..=12 => policy(rng, id, at, "DeleteUserPolicy", user, ADMIN),
        13..=14 => exposed(rng, id, at),
        15 => trusted_advisor(id, at, "OK", "Exposed"),
        16 => health(id, at),
        17..=18 => mfa_device(rng, id, at, "root-account-mfa-device"),
        _ => record(id, at, account, "kms", "Decrypt", false, json!({"requestParameters": {"keyId": "k"}})),
    }
}

fn poison(rng: &mut Rng) -> String {
    let detail = json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "detail": "text"});
    match rng.u8(..4) {
        0 => "this is not JSON".to_owned(),
        1 => "[1, 2, 3]".to_owned(),
        2 => "{\"detail-type\": \"AWS API Call via CloudTrail\", \"detail\": {".to_owned(),
        _ => detail.to_string(),
    }
}

fn sign_in(id: &str, at: i64, account: &str, result: &str, mfa: &str) -> String {
    let detail = json!({
        "eventType": "AwsConsoleSignIn",
        "additionalEventData": {"MFAUsed": mfa},
        "responseElements": {"ConsoleLogin": result},
    });
    record(id, at, account, "signin", "ConsoleLogin", true, detail)
}

fn policy(rng: &mut Rng, id: &str, at: i64, name: &str, user: &str, document: &str) -> String {
    let policy = if rng.bool() { "p" } else { "q" };
    policy_of(id, at, name, (user, policy), document)
}

fn policy_of(id: &str, at: i64, name: &str, (user, policy): (&str, &str), document: &str) -> String {
    let request = json!({"userName": user, "policyName": policy, "policyDocument": document});
    record(id, at, ACCOUNTS[0], "iam", name, false, json!({"requestParameters": request}))
}

/// Root gets an MFA device, or one is made for it, which is kept as low and raised by the other.
fn mfa_device(rng: &mut Rng, id: &str, at: i64, device: &str) -> String {
    let serial = format!("arn:aws:iam::{}:mfa/{device}", ACCOUNTS[0]);
    if device.starts_with("root") && rng.bool() {
        let response = json!({"responseElements": {"virtualMFADevice": {"serialNumber": serial}}});
        return record(id, at, ACCOUNTS[0], "iam", "CreateVirtualMFADevice", true, response);
    }
    let request = json!({"requestParameters": {"serialNumber": serial}});
    record(id, at, ACCOUNTS[0], "iam", "EnableMFADevice", true, request)
}

fn exposed(rng: &mut Rng, id: &str, at: i64) -> String {
    if rng.bool() {
        trusted_advisor(id, at, "ERROR", "Exposed")
    } else {
        trusted_advisor(id, at, "WARN", "Suspected")
    }
}

fn trusted_advisor(id: &str, at: i64, status: &str, kind: &str) -> String {
    let item = json!({"Access Key ID": "AKIAIOSFODNN7EXAMPLE", "User Name (IAM or Root)": "bob", "Fraud Type": kind});
    let detail = json!({"check-name": "Exposed Access Keys", "status": status, "uuid": id, "resource_id": "",
        "check-item-detail": item});
    let name = "Trusted Advisor Check Item Refresh Notification";
    envelope(id, at, ACCOUNTS[0], "aws.trustedadvisor", name, detail)
}

fn health(id: &str, at: i64) -> String {
    let code = "AWS_RISK_CREDENTIALS_EXPOSED";
    let detail = json!({
        "eventArn": format!("arn:aws:health:us-east-1::event/RISK/X/{id}"), "service": "RISK", "eventTypeCode": code,
        "communicationId": id, "statusCode": "open", "page": "1", "totalPages": "1",
        "affectedEntities": [{"entityValue": "AKIAIOSFODNN7EXAMPLE"}], "eventMetadata": {"userName": "bob"},
    });
    envelope(id, at, ACCOUNTS[0], "aws.health", "AWS Health Event", detail)
}

/// A record of CloudTrail, as EventBridge delivers it; `more` stands in place of what it names.
pub(super) fn record(
    id: &str,
    at: i64,
    account: &str,
    service: &str,
    name: &str,
    root: bool,
    more: Value,
) -> String {
    // Different people act, and root from different networks: who it is follows from the event.
    let pick = usize::try_from(id.bytes().map(u32::from).sum::<u32>()).unwrap_or(0);
    let (who, address) = (["alice", "mallory", "trudy"][pick % 3], ["203.0.113.7", "198.51.100.9"][pick % 2]);
    // In a flood everybody acts at once.
    let who = if id.starts_with("m-") { id } else { who };
    let identity = if root {
        json!({"type": "Root", "principalId": account, "arn": format!("arn:aws:iam::{account}:root"), "accountId": account})
    } else {
        json!({"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": who, "accountId": account,
            "arn": format!("arn:aws:iam::{account}:user/{who}"), "accessKeyId": "ASIAIOSFODNN7EXAMPLE"})
    };
    let mut record = json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": text(at), "eventType": "AwsApiCall",
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
        "sourceIPAddress": address, "userAgent": "aws-cli/2.15.30", "readOnly": false,
        "recipientAccountId": account, "userIdentity": identity,
        "requestParameters": null, "responseElements": null,
    });
    if let (Value::Object(record), Value::Object(more)) = (&mut record, more) {
        record.extend(more);
    }
    let console = service == "signin";
    let kind = if console { "AWS Console Sign In via CloudTrail" } else { "AWS API Call via CloudTrail" };
    envelope(id, at, account, &format!("aws.{service}"), kind, record)
}

fn envelope(id: &str, at: i64, account: &str, source: &str, kind: &str, detail: Value) -> String {
    json!({
        "version": "0", "id": format!("envelope-{id}"), "detail-type": kind, "source": source, "account": account,
        "time": text(at), "region": "us-east-1", "resources": [], "detail": detail,
    })
    .to_string()
}

fn text(at: i64) -> String {
    Timestamp::from_millis(at / 1_000 * 1_000).to_string()
}
