//! The account itself: organization, contacts, budgets, billing alarms, Identity Center.

use keepwatch_core::posture::facts::billing::{BillingAlarm, Budget};
use keepwatch_core::posture::facts::organization::{Member, Organization, SecurityContact};
use serde_json::json;

use crate::client::{Client, Input};
use crate::fault::{Fault, absent_if};
use crate::node::Node;
use crate::operation::{
    DESCRIBE_ALARMS, DESCRIBE_BUDGETS, DESCRIBE_NOTIFICATIONS, DESCRIBE_ORGANIZATION, DESCRIBE_SUBSCRIBERS,
    GET_ALTERNATE_CONTACT, LIST_ACCOUNTS, LIST_SSO_INSTANCES,
};

/// What Organizations says of an account that is in none.
const NO_ORGANIZATION: &[&str] = &["AWSOrganizationsNotInUseException"];

pub(super) async fn organization(client: &Client, home: &str) -> Result<Option<Organization>, Fault> {
    let read = |node: Node| {
        let one = node.at("Organization").ok_or_else(|| Fault::unreadable("it has no Organization"))?;
        Ok(Organization {
            id: one.need("Id")?,
            management_account: one.need("MasterAccountId")?,
            features: one.text("FeatureSet").unwrap_or_default(),
        })
    };
    let found = client.call(&DESCRIBE_ORGANIZATION, home, Input::none()).await;
    absent_if(found.and_then(read), NO_ORGANIZATION)
}

pub(super) async fn members(client: &Client, home: &str) -> Result<Option<Vec<Member>>, Fault> {
    let read = |pages: Vec<Node>| {
        let member = |node: &Node| {
            // `State` replaces `Status`, which AWS takes away in September 2026 (Organizations API reference, Account).
            let status = node.text("State").or_else(|| node.text("Status")).unwrap_or_default();
            Ok(Member { id: node.need("Id")?, name: node.text("Name").unwrap_or_default(), status })
        };
        pages.iter().flat_map(|page| page.all("Accounts")).map(member).collect()
    };
    absent_if(client.pages(&LIST_ACCOUNTS, home, Input::none()).await.and_then(read), NO_ORGANIZATION)
}

pub(super) async fn security_contact(client: &Client, home: &str) -> Result<Option<SecurityContact>, Fault> {
    let input = Input::none().member("AlternateContactType", "SECURITY");
    let found = client.call(&GET_ALTERNATE_CONTACT, home, input).await;
    let read = |node: Node| node.need("AlternateContact/EmailAddress").map(|_| SecurityContact {});
    absent_if(found.and_then(read), &["ResourceNotFoundException"])
}

pub(super) async fn identity_center(client: &Client, home: &str) -> Result<Vec<String>, Fault> {
    let pages = client.pages(&LIST_SSO_INSTANCES, home, Input::none()).await?;
    Ok(pages.iter().flat_map(|page| page.texts("Instances/InstanceArn")).collect())
}

pub(super) async fn budgets(client: &Client, home: &str) -> Result<Vec<Budget>, Fault> {
    let none = &["NotFoundException"];
    let of_account = Input::none().member("AccountId", client.account.as_str());
    let pages =
        absent_if(client.pages(&DESCRIBE_BUDGETS, home, of_account.clone()).await, none)?.unwrap_or_default();
    let mut budgets = Vec::new();
    for node in pages.iter().flat_map(|page| page.all("Budgets")) {
        let (name, kind) = (node.need("BudgetName")?, node.need("BudgetType")?);
        let of_budget = of_account.clone().member("BudgetName", name.as_str());
        let found = absent_if(client.pages(&DESCRIBE_NOTIFICATIONS, home, of_budget.clone()).await, none)?;
        let mut subscribers = Vec::new();
        for notification in found.iter().flatten().flat_map(|page| page.all("Notifications")) {
            let mut same = json!({
                "NotificationType": notification.need("NotificationType")?,
                "ComparisonOperator": notification.need("ComparisonOperator")?,
                "Threshold": notification.number::<f64>("Threshold")?.unwrap_or_default(),
            });
            if let Some(kind) = notification.text("ThresholdType") {
                same["ThresholdType"] = json!(kind);
            }
            let input = of_budget.clone().member("Notification", same);
            let told = absent_if(client.pages(&DESCRIBE_SUBSCRIBERS, home, input).await, none)?;
            let count: usize = told.iter().flatten().map(|page| page.all("Subscribers").len()).sum();
            subscribers.push(u32::try_from(count).unwrap_or(u32::MAX));
        }
        budgets.push(Budget { name, kind, subscribers });
    }
    Ok(budgets)
}

/// The alarms on the metric of estimated charges, alone or in an expression, whatever service or linked account they are for.
pub(super) async fn billing_alarms(client: &Client, home: &str) -> Result<Vec<BillingAlarm>, Fault> {
    let input = Input::none().field("AlarmTypes.member.1", "MetricAlarm").field("MaxRecords", 100);
    let pages = client.pages(&DESCRIBE_ALARMS, home, input).await?;
    let alarms = pages.iter().flat_map(|page| page.all("DescribeAlarmsResult/MetricAlarms/member"));
    let read = |node: &Node| {
        let actions = node.all("AlarmActions/member").len();
        Ok(BillingAlarm {
            arn: node.need("AlarmArn")?,
            name: node.need("AlarmName")?,
            actions_enabled: node.flag("ActionsEnabled")?,
            actions: u32::try_from(actions).unwrap_or(u32::MAX),
            state: node.text("StateValue").unwrap_or_default(),
        })
    };
    alarms.filter(|node| is_on_charges(node)).map(read).collect()
}

fn is_on_charges(alarm: &Node) -> bool {
    let named = |metric: &Node| {
        metric.text("Namespace").as_deref() == Some("AWS/Billing")
            && metric.text("MetricName").as_deref() == Some("EstimatedCharges")
    };
    named(alarm) || alarm.all("Metrics/member/MetricStat/Metric").into_iter().any(named)
}
