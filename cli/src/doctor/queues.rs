//! The queues: does anything wait too long, and what was given up?

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_aws::dead_letters::DeadLetter;
use keepwatch_collect::Fault;
use keepwatch_collect::deployed::Depth;

use super::line::{Line, known};
use super::template::Names;
use crate::redrive::{Kind, tell};

/// How long a message may wait: what the alarm `IntakeDelayed` has, and for re-checks, which wait on purpose, a scan's time.
const PATIENCE: Duration = Duration::from_secs(400);
const PATIENCE_OF_RECHECKS: Duration = Duration::from_secs(1_800);

/// A queue of the stack.
pub(crate) struct Queue {
    /// Its logical id.
    pub(crate) id: String,
    /// Its address.
    pub(crate) url: String,
    pub(crate) depth: Result<Depth, Fault>,
    /// Some of its messages, where somebody asked for the kinds of dead letters; or why they could not be had.
    pub(crate) letters: Option<Result<Vec<DeadLetter>, String>>,
}

/// Whether it holds what was given up.
pub(crate) fn is_dead_letters(id: &str) -> bool {
    id.contains("DeadLetter")
}

pub(crate) fn judge(queues: &[Queue], names: &Names) -> Vec<Line> {
    queues
        .iter()
        .flat_map(
            |queue| if is_dead_letters(&queue.id) { given_up(queue, names) } else { waits(queue, names) },
        )
        .collect()
}

/// The function that works on a queue.
fn worker(id: &str) -> &'static str {
    if id == "RecheckQueue" { "ScanFunction" } else { "DetectFunction" }
}

fn waits(queue: &Queue, names: &Names) -> Vec<Line> {
    const CHECK: &str = "queues";
    let id = &queue.id;
    let Depth { messages, oldest } = *known!(queue.depth.as_ref(), CHECK, &format!("the messages in {id}"));
    let patience = if id == "RecheckQueue" { PATIENCE_OF_RECHECKS } else { PATIENCE };
    let function = names.physical(worker(id)).unwrap_or("FUNCTION");
    let log =
        format!("aws lambda get-function-configuration --region {} --function-name {function}", names.region);
    vec![match oldest {
        _ if messages == 0 => Line::ok(CHECK, format!("{id} is empty")),
        Some(age) if age >= patience => {
            let text =
                format!("{messages} messages wait in {id}, the oldest for {} minutes", age.as_secs() / 60);
            Line::fail(CHECK, text).mend(log)
        }
        Some(age) => {
            Line::ok(CHECK, format!("{messages} messages wait in {id}, the oldest for {} s", age.as_secs()))
        }
        None => Line::warn(
            CHECK,
            format!("{messages} messages wait in {id}; CloudWatch has not measured since when"),
        ),
    }]
}

fn given_up(queue: &Queue, names: &Names) -> Vec<Line> {
    const CHECK: &str = "dead letters";
    let id = &queue.id;
    let Depth { messages, oldest } = *known!(queue.depth.as_ref(), CHECK, &format!("the messages in {id}"));
    if messages == 0 {
        return vec![Line::ok(CHECK, format!("{id} is empty"))];
    }
    let since =
        oldest.map(|age| format!(", the oldest {} hours old", age.as_secs() / 3_600)).unwrap_or_default();
    let kinds = match &queue.letters {
        None => "; keepwatch redrive tells their kinds and returns them".to_owned(),
        Some(Err(why)) => format!("; their kinds could not be read: {why}"),
        Some(Ok(letters)) => {
            let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
            for letter in letters {
                *kinds.entry(tell(letter, names).kind).or_default() += 1;
            }
            let told: Vec<String> =
                kinds.iter().map(|(kind, count)| format!("{count} {}", kind.named())).collect();
            format!("; of {} looked at: {}", letters.len(), told.join(", "))
        }
    };
    let command = format!("keepwatch redrive --region {} --stack {}", names.region, names.name);
    vec![Line::fail(CHECK, format!("{messages} lie in {id}{since}{kinds}")).mend(command)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing::{self, Fail, Ok as Well, Warn};
    use crate::doctor::line::tests::{only, refused};
    use crate::doctor::template::{HOME, names_for_tests};
    use crate::redrive::letter::tests::letter;

    fn judged(
        id: &str,
        depth: Result<Depth, Fault>,
        letters: Option<Result<Vec<DeadLetter>, String>>,
    ) -> Line {
        let names = names_for_tests(HOME, &[]);
        let url = names.physical(id).unwrap().to_owned();
        let lines = judge(&[Queue { id: id.to_owned(), url, depth, letters }], &names);
        assert_eq!(lines.len(), 1);
        lines[0].clone()
    }

    fn stands(id: &str, messages: u64, oldest: Option<u64>) -> Standing {
        judged(id, Ok(Depth { messages, oldest: oldest.map(Duration::from_secs) }), None).standing
    }

    #[test]
    fn what_waits_too_long_is_named() {
        assert_eq!(stands("IntakeQueue", 0, None), Well);
        assert_eq!(stands("IntakeQueue", 3, Some(20)), Well);
        assert_eq!(stands("IntakeQueue", 3, Some(401)), Fail);
        assert_eq!(stands("IntakeQueue", 3, None), Warn);
        assert_eq!(stands("RecheckQueue", 3, Some(401)), Well);
        assert_eq!(stands("RecheckQueue", 3, Some(2_000)), Fail);
    }

    #[test]
    fn dead_letters_are_a_failure_however_young_in_whichever_queue() {
        for id in ["DeadLetterQueue", "InvocationDeadLetterQueue", "MailDeadLetterQueue"] {
            assert_eq!(stands(id, 0, None), Well);
            assert_eq!(stands(id, 1, Some(1)), Fail);
            let one = judged(id, Ok(Depth { messages: 1, oldest: None }), None);
            assert!(one.text.starts_with(&format!("1 lie in {id};")), "{}", one.text);
        }
    }

    #[test]
    fn dead_letters_are_told_apart() {
        let letters = vec![
            letter("{}", &[("reason", "why")]),
            letter("no json", &[("reason", "why")]),
            letter(r#"{"Type": "Notification"}"#, &[]),
            letter("?", &[]),
        ];
        let four = Ok(Depth { messages: 4, oldest: Some(Duration::from_secs(7_200)) });
        let line = judged("DeadLetterQueue", four, Some(Ok(letters)));
        assert_eq!(
            line.text,
            "4 lie in DeadLetterQueue, the oldest 2 hours old; of 4 looked at: 2 events that were not judged, \
             1 mails that were not delivered, 1 others"
        );
        assert_eq!(line.mend.as_deref(), Some("keepwatch redrive --region us-east-1 --stack keepwatch"));
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let line = judged("IntakeQueue", Err(refused("sqs:GetQueueAttributes")), None);
        assert!(only(&[line], Warn).text.contains("sqs:GetQueueAttributes"));
        let one = Ok(Depth { messages: 1, oldest: None });
        let line = judged("DeadLetterQueue", one, Some(Err("AWS refused sqs:ReceiveMessage".to_owned())));
        assert!(only(&[line], Fail).text.contains("AWS refused sqs:ReceiveMessage"));
    }
}
