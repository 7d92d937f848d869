//! The stack that a mail comes from: what the mail's commands and addresses need to name it.

use keepwatch_base::text::shell_word;
use keepwatch_core::posture::forwarders::Home;

/// Who sends: the stack where there is one. A replay has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The stack.
    pub stack: Option<Stack>,
}

/// A deployed Keepwatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The stack's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its account; empty where that is not known.
    pub account: String,
}

impl Sender {
    /// No stack.
    pub const fn none() -> Sender {
        Sender { stack: None }
    }

    /// The stack of this function, whose name ends in `suffix`, by its ARN. None for another ARN.
    pub fn of_function(arn: &str, suffix: &str) -> Sender {
        let stack = Home::of_function(arn, suffix).map(|home| Stack {
            name: home.stack.to_owned(),
            region: home.region.to_owned(),
            account: home.account.to_owned(),
        });
        Sender { stack }
    }

    /// The options that have `keepwatch` find the stack, with a space before them. Always written out, because whoever reads
    /// the mail may have other defaults.
    pub(super) fn options(&self) -> String {
        let Some(stack) = &self.stack else { return String::new() };
        format!(" --stack {} --region {}", shell_word(&stack.name), shell_word(&stack.region))
    }

    /// The account, for mails about Keepwatch itself.
    pub(super) fn account(&self) -> &str {
        self.stack.as_ref().map_or("", |stack| &stack.account)
    }

    /// What a table or role of the stack is called, as far as its name is known: CloudFormation makes up the end.
    pub(super) fn named(&self, logical_id: &str) -> String {
        match &self.stack {
            Some(stack) => format!("{}-{logical_id}-*", stack.name),
            None => format!("STACK-{logical_id}-*"),
        }
    }
}
