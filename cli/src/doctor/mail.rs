//! The last hop: who gets the mails, and who could be cut off by a click.

use keepwatch_collect::Fault;
use keepwatch_collect::deployed::Subscription;

use super::line::{Line, known};

const CHECK: &str = "mail";

/// Judges the subscriptions of a topic, which is called so.
pub(crate) fn judge(
    what: &str,
    topic: &str,
    region: &str,
    found: Result<&[Subscription], &Fault>,
) -> Vec<Line> {
    let found = known!(found, CHECK, &format!("the subscriptions of the {what}"));
    let subscribe = format!(
        "aws sns subscribe --region {region} --topic-arn {topic} --protocol email --notification-endpoint ADDRESS"
    );
    let confirmed: Vec<&Subscription> = found.iter().filter(|one| one.arn.is_some()).collect();
    let waiting: Vec<&str> =
        found.iter().filter(|one| one.arn.is_none()).map(|one| one.endpoint.as_str()).collect();
    let mut lines = Vec::new();
    match (confirmed.len(), waiting.as_slice()) {
        (0, []) => {
            lines.push(Line::fail(CHECK, format!("nobody is subscribed to the {what}")).mend(subscribe));
            return lines;
        }
        (0, [address, ..]) => {
            let text = format!(
                "nobody gets the {what}: {address} has not confirmed the subscription. AWS's mail has a link; this sends it again"
            );
            lines.push(Line::fail(CHECK, text).mend(subscribe.replace("ADDRESS", address)));
            return lines;
        }
        (_, [address, ..]) => {
            let text = format!(
                "{address} has not confirmed its subscription to the {what}; this sends AWS's mail again"
            );
            lines.push(Line::warn(CHECK, text).mend(subscribe.replace("ADDRESS", address)));
        }
        (1, []) => {
            let text = format!(
                "the {what} reach one address; a second would stand in where the first is full, left or ended"
            );
            lines.push(Line::warn(CHECK, text).mend(subscribe));
        }
        (several, []) => {
            lines.push(Line::ok(CHECK, format!("the {what} reach {several} confirmed subscriptions")))
        }
    }
    // The link in each mail ends the subscription, without a sign-in and without an event (SNS API reference, ConfirmSubscription).
    let mails = confirmed.iter().copied().filter(|one| one.protocol.starts_with("email"));
    let (by_click, unknown): (Vec<&Subscription>, Vec<&Subscription>) =
        mails.filter(|one| one.signed != Some(true)).partition(|one| one.signed == Some(false));
    let confirm = format!(
        "aws sns confirm-subscription --region {region} --topic-arn {topic} --authenticate-on-unsubscribe true --token TOKEN"
    );
    if let Some(one) = by_click.first() {
        let text = format!(
            "whoever opens the link at the end of a mail to {} ends its subscription to the {what}. End it yourself, subscribe \
             again, and confirm with the token in the link of AWS's mail",
            one.endpoint
        );
        lines.push(Line::warn(CHECK, text).mend(confirm));
    } else if let Some(one) = unknown.first() {
        lines.push(Line::warn(
            CHECK,
            format!(
                "whether a click ends the subscription of {} to the {what}: SNS does not say",
                one.endpoint
            ),
        ));
    } else {
        lines.push(Line::ok(CHECK, format!("no click ends a subscription to the {what}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing::{self, Fail, Ok as Well, Warn};
    use crate::doctor::line::tests::{only, refused, standings};

    const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:keepwatch-AlertTopic-1A";

    fn to(address: &str, confirmed: bool, signed: Option<bool>) -> Subscription {
        let arn = confirmed.then(|| format!("{TOPIC}:{address}"));
        Subscription { arn, protocol: "email".to_owned(), endpoint: format!("{address}@example.com"), signed }
    }

    fn judged(found: &[Subscription]) -> Vec<Line> {
        judge("alerts", TOPIC, "us-east-1", Ok(found))
    }

    fn stand(found: &[Subscription]) -> Vec<Standing> {
        standings(&judged(found))
    }

    #[test]
    fn two_that_no_click_ends_are_well() {
        assert_eq!(stand(&[to("a", true, Some(true)), to("b", true, Some(true))]), [Well, Well]);
    }

    #[test]
    fn without_a_subscriber_nobody_is_told() {
        let line = judged(&[]);
        assert!(only(&line, Fail).mend.as_ref().unwrap().contains(TOPIC));
        let line = judged(&[to("a", false, None)]);
        assert!(only(&line, Fail).mend.as_ref().unwrap().ends_with("--notification-endpoint a@example.com"));
    }

    #[test]
    fn one_alone_is_few_and_one_that_waits_is_named() {
        assert_eq!(stand(&[to("a", true, Some(true))]), [Warn, Well]);
        let lines = judged(&[to("a", true, Some(true)), to("b", false, None)]);
        assert_eq!(standings(&lines), [Warn, Well]);
        assert!(lines[0].text.contains("b@example.com"));
    }

    #[test]
    fn a_link_that_anybody_may_click_is_named() {
        let lines = judged(&[to("a", true, Some(true)), to("b", true, Some(false))]);
        assert_eq!(standings(&lines), [Well, Warn]);
        assert!(lines[1].text.contains("b@example.com"));
        assert!(lines[1].mend.as_ref().unwrap().contains("--authenticate-on-unsubscribe true"));
        assert_eq!(stand(&[to("a", true, Some(true)), to("b", true, None)]), [Well, Warn]);
        // A queue has no link.
        let queue = Subscription { protocol: "sqs".to_owned(), ..to("q", true, Some(false)) };
        assert_eq!(stand(&[queue, to("a", true, Some(true))]), [Well, Well]);
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let lines = judge("alerts", TOPIC, "us-east-1", Err(&refused("sns:ListSubscriptionsByTopic")));
        assert!(only(&lines, Warn).text.contains("sns:ListSubscriptionsByTopic"));
    }
}
