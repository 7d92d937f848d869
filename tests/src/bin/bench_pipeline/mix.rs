//! What is sent: the events of an ordinary account, as of many accounts, and what one principal does again and again.

use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_tests::{events, noise};
use serde_json::{Value, json};

/// The accounts of the organization. A thousand events a second are no single account's.
const ACCOUNTS: usize = 100;

/// What stands in a text for its own id and for the present.
const ID: &str = "@id@";
const TIME: &str = "@time@";

/// What the events are made of.
pub(crate) struct Mix {
    ordinary: Vec<String>,
    hot: Vec<String>,
}

impl Mix {
    pub(crate) fn new() -> Mix {
        let role = json!({"type": "AssumedRole", "userName": null, "principalId": "AROAEXAMPLE:batch",
            "arn": "arn:aws:sts::111122223333:assumed-role/batch/batch", "sessionContext": {"sessionIssuer": {
            "type": "Role", "userName": "batch", "arn": "arn:aws:iam::111122223333:role/batch"}}});
        let by_role = |service: &str, name: &str, request: Value, fields: Value| {
            let mut event: Value =
                serde_json::from_str(&events::user_call(service, name, ID, request)).unwrap_or_default();
            event["detail"]["userIdentity"] = role.clone();
            if let (Some(detail), Value::Object(fields)) = (event["detail"].as_object_mut(), fields) {
                detail.extend(fields);
            }
            templated(&event.to_string())
        };
        let reads = by_role(
            "secretsmanager",
            "GetSecretValue",
            json!({"secretId": "shop/database"}),
            json!({"readOnly": true}),
        );
        let refused =
            by_role("ec2", "RunInstances", Value::Null, json!({"errorCode": "Client.UnauthorizedOperation"}));
        let who = by_role("sts", "GetCallerIdentity", Value::Null, json!({"readOnly": true}));
        // Of six calls four read the one secret, one asks who it is, and one is refused.
        let hot = vec![reads.clone(), reads.clone(), reads.clone(), reads, who, refused];
        Mix { ordinary: noise::brought().iter().map(|text| templated(text)).collect(), hot }
    }

    /// The event of this number: an ordinary one of one of the accounts.
    pub(crate) fn ordinary(&self, number: usize) -> String {
        let text = &self.ordinary[number % self.ordinary.len()];
        let account = format!("{:012}", 111_122_223_333 + number % ACCOUNTS);
        happening(text, number).replace("111122223333", &account)
    }

    /// The same, where every other event is the hot principal's.
    pub(crate) fn with_hot(&self, number: usize) -> String {
        match number.is_multiple_of(2) {
            true => self.ordinary(number),
            false => happening(&self.hot[number / 2 % self.hot.len()], number),
        }
    }
}

/// A CRITICAL finding of its own: root signs in without MFA, in an account that nobody else is in.
pub(crate) fn critical(account: usize) -> String {
    happening(&templated(&events::root_sign_in(&critical_account(account), ID)), account)
}

/// The account of that number's CRITICAL finding.
pub(crate) fn critical_account(number: usize) -> String {
    format!("{:012}", 900_000_000_000 + number)
}

/// The text with marks where its id and its time stand.
fn templated(text: &str) -> String {
    let mut event: Value = serde_json::from_str(text).unwrap_or_default();
    event["id"] = json!(format!("envelope-{ID}"));
    event["time"] = json!(TIME);
    if event["detail"]["eventTime"].is_string() {
        event["detail"]["eventTime"] = json!(TIME);
        event["detail"]["eventID"] = json!(ID);
    }
    event.to_string()
}

/// CloudTrail's times are whole seconds.
fn happening(text: &str, number: usize) -> String {
    let time = Timestamp::from_millis(now().millis() / 1_000 * 1_000).to_string();
    let id = format!("00000000-0000-4000-8000-{number:012}");
    text.replace(ID, &id).replace(TIME, &time)
}
