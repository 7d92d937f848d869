//! The home stack, and what of a forwarder follows from it.

use keepwatch_base::arn::Arn;

use crate::finding::finding_id;
use crate::observation::{RemediationStep, Subject};
use crate::posture::facts::events::{EventRule, Target};

/// The home stack, which the forwarders of its account send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home<'a> {
    /// `aws`.
    pub partition: &'a str,
    /// Its account.
    pub account: &'a str,
    /// Its region.
    pub region: &'a str,
    /// Its name.
    pub stack: &'a str,
}

impl<'a> Home<'a> {
    /// The home stack by the ARN of one of its functions, whose name ends in `suffix`: `-scan`.
    pub fn of_function(arn: &'a str, suffix: &str) -> Option<Home<'a>> {
        // arn:aws:lambda:us-east-1:111122223333:function:keepwatch-scan
        let Arn { partition, service: "lambda", region, account, resource } = Arn::parse(arn)? else {
            return None;
        };
        let name = resource.strip_prefix("function:")?.split(':').next()?;
        let stack = name.strip_suffix(suffix).filter(|stack| !stack.is_empty())?;
        Some(Home { partition, account, region, stack })
    }

    fn bus(&self) -> String {
        let Home { partition, account, region, stack } = self;
        format!("arn:{partition}:events:{region}:{account}:event-bus/{stack}-regions")
    }

    /// In what the targets of a forwarder's rule differ from the template's, which has one.
    pub(super) fn misled(&self, rule: &EventRule, region: &str) -> Option<&'static str> {
        let Home { partition, account, stack, .. } = self;
        let Some(target) = rule.sends.iter().find(|target| target.arn == self.bus()) else {
            return Some("does not send to the home stack");
        };
        let role = format!("arn:{partition}:iam::{account}:role/{stack}-forwarder");
        // In a stack set the stack, and so the queue, has another name.
        let queues = format!("arn:{partition}:sqs:{region}:{account}:");
        let queue = target.dead_letters.as_deref().and_then(|arn| arn.strip_prefix(queues.as_str()));
        let (max_age, retries) = (target.max_age, target.retries);
        if !target.instead.is_empty() {
            Some("sends something else than the events")
        } else if target.role.as_ref() != Some(&role) {
            Some("sends with another role")
        } else if !queue.is_some_and(|name| name.contains("-DeadLetters-")) {
            Some("gives up what it cannot send to another queue, or to none")
        } else if (max_age, retries) != Target::RETRIES {
            Some("tries for a shorter time to send")
        } else {
            None
        }
    }

    /// The forwarder of a region.
    pub(super) fn subject(&self, region: &str) -> Subject {
        let Home { partition, account, stack, .. } = self;
        Subject {
            account: (*account).to_owned(),
            region: region.to_owned(),
            resource: format!("arn:{partition}:cloudformation:{region}:{account}:stack/{stack}-forwarder"),
            aspect: None,
        }
    }

    /// The finding that tells of the call that deleted the forwarder of a region: of rule `self-stack-changed`.
    pub fn removal(&self, region: &str) -> String {
        finding_id(
            "self-stack-changed",
            &Subject { aspect: Some("stack".to_owned()), ..self.subject(region) },
        )
    }

    pub(super) fn rules_step(&self, region: &str) -> RemediationStep {
        let prefix = format!("{}-", self.stack);
        RemediationStep::aws(
            "Which rules are there?",
            "events list-rules",
            &[("--name-prefix", &prefix), ("--region", region)],
        )
    }
}

/// What to do, by a command of the repository.
pub(super) fn deploy(regions: &str) -> RemediationStep {
    RemediationStep {
        purpose: "Deploy the forwarder again, from the folder of Keepwatch".to_owned(),
        command: format!("make deploy-regions REGIONS={regions}"),
    }
}
