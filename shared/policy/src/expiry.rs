//! Statements whose time is over.

use keepwatch_base::time::Timestamp;

use super::condition::{Constraint, World, groups, satisfiable};
use super::document::{Condition, Document, Effect, Statement};
use super::holder::{Grantee, Holder};

/// The keys that carry the time of a request.
const TIMES: [&str; 2] = ["aws:CurrentTime", "aws:EpochTime"];

fn asks_for_time(condition: &Condition) -> bool {
    TIMES.iter().any(|key| condition.key.eq_ignore_ascii_case(key))
}

impl Document {
    /// The document as it stands from this time on: an Allow that ended before keeps its place, and allows nothing. Shares
    /// "until Friday" stay in a policy long after Friday.
    #[must_use]
    pub fn as_of(mut self, at: Timestamp) -> Document {
        let variables = self.has_variables();
        let over = |statement: &Statement| {
            let requests = Holder::new(Grantee { arn: None, at: Some(at) }, Vec::new());
            let timed = statement.conditions.iter().filter(|one| asks_for_time(one));
            let asked = timed.map(|one| Constraint::new(one, true, variables, &requests)).collect();
            groups(asked).iter().any(|(key, group)| satisfiable(group, &requests.domain(key)).is_none())
        };
        for statement in &mut self.statements {
            let ends = statement.effect == Effect::Allow && statement.conditions.iter().any(asks_for_time);
            if ends && over(statement) {
                statement.actions.clear();
                statement.not_actions = None;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::shares;
    use crate::trust::exposures;

    #[test]
    fn what_is_over_allows_nothing() {
        let at = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        for (condition, open) in [
            (r#""DateLessThan":{"aws:CurrentTime":"2026-03-01T11:59:59Z"}"#, false),
            (r#""DateLessThan":{"aws:CurrentTime":"2026-03-02T00:00:00Z"}"#, true),
            (r#""DateLessThanEquals":{"AWS:currenttime":"2020-01-01"}"#, false),
            (r#""NumericLessThan":{"aws:EpochTime":"1577836800"}"#, false),
            (r#""DateLessThan":{"aws:EpochTime":"1577836800"}"#, false),
            (r#""DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}"#, true),
            // It has not begun.
            (r#""DateGreaterThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"}"#, true),
            (
                r#""DateGreaterThan":{"aws:CurrentTime":"2025-01-01T00:00:00Z"},
                    "DateLessThan":{"aws:CurrentTime":"2025-06-01T00:00:00Z"}"#,
                false,
            ),
            // The time of a session is another matter.
            (r#""DateLessThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"}"#, true),
        ] {
            for element in [r#""Action":"s3:GetObject""#, r#""NotAction":"s3:PutObject""#] {
                let text = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*",{element},"Resource":"*",
                        "Condition":{{{condition}}}}},
                        {{"Effect":"Allow","Principal":{{"AWS":"999988887777"}},"Action":"sts:AssumeRole"}}]}}"#
                );
                let document = Document::parse(&text).unwrap().as_of(at);
                let everyone = shares(&document, "s3", "111122223333", &["999988887777".to_owned()]);
                assert_eq!(!everyone.is_empty(), open, "{element} {condition}");
                // The others keep their numbers.
                let last = exposures(&document, "111122223333", &[]).pop().unwrap();
                assert_eq!(last.statement.number, 2, "{element} {condition}");
            }
        }
    }
}
