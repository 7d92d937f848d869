//! One line of the doctor's: what is so, and the command that mends it.

use std::borrow::Cow;
use std::io::Write;

use keepwatch_base::text::clean;
use keepwatch_collect::Fault;
use keepwatch_core::finding::Finding;
use keepwatch_core::severity::Severity;
use serde_json::{Value, json};

use crate::output::{Listed, SarifResult};
use crate::screen::{Screen, wrapped};

/// The most characters of AWS's own words in a line.
const MAX_TEXT: usize = 500;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// As it should be.
    Ok,
    /// It works, and something should be thought of; or nobody can tell.
    Warn,
    /// Something is not heard, not judged or not told.
    Fail,
}

impl Standing {
    fn as_str(self) -> &'static str {
        match self {
            Standing::Ok => "OK",
            Standing::Warn => "WARN",
            Standing::Fail => "FAIL",
        }
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What was looked at: `rules`, `trail` …
    pub(crate) check: &'static str,
    pub(crate) standing: Standing,
    /// One sentence.
    pub(crate) text: String,
    /// The command, where there is one.
    pub(crate) mend: Option<String>,
}

impl Line {
    pub(crate) fn ok(check: &'static str, text: impl AsRef<str>) -> Line {
        Line { check, standing: Standing::Ok, text: clean(text.as_ref(), MAX_TEXT), mend: None }
    }

    pub(crate) fn warn(check: &'static str, text: impl AsRef<str>) -> Line {
        Line { standing: Standing::Warn, ..Line::ok(check, text) }
    }

    pub(crate) fn fail(check: &'static str, text: impl AsRef<str>) -> Line {
        Line { standing: Standing::Fail, ..Line::ok(check, text) }
    }

    /// With the command that mends it.
    pub(crate) fn mend(self, command: impl Into<String>) -> Line {
        Line { mend: Some(command.into()), ..self }
    }

    /// What could not be read is not well: it says which permission is missing, or what else came in between.
    pub(crate) fn unread(check: &'static str, what: &str, fault: &Fault) -> Line {
        match fault {
            Fault::Refused(refusals) => {
                let mut actions: Vec<&str> = refusals.iter().map(|one| one.action.as_str()).collect();
                actions.sort_unstable();
                actions.dedup();
                Line::warn(check, format!("{what}: not known; your credentials need {}", actions.join(", ")))
            }
            Fault::Code { why, .. } | Fault::Failed(why) => {
                Line::warn(check, format!("{what}: could not be read: {why}"))
            }
        }
    }
}

/// What was read, or the line that says why not.
macro_rules! known {
    ($found:expr, $check:expr, $what:expr) => {
        match $found {
            Ok(value) => value,
            Err(fault) => return vec![$crate::doctor::line::Line::unread($check, $what, fault)],
        }
    };
}
pub(crate) use known;

/// Prints the lines for people.
///
/// # Errors
/// Output that cannot be written.
pub(crate) fn people(lines: &[Line], out: &mut dyn Write) -> anyhow::Result<()> {
    on(&Screen::of_output(), lines, out)
}

fn on(screen: &Screen, lines: &[Line], out: &mut dyn Write) -> anyhow::Result<()> {
    let columns = lines.iter().map(|line| line.check.len()).max().unwrap_or_default();
    let indent = if screen.is_narrow() { 2 } else { columns + 8 };
    for line in lines {
        let standing = line.standing.as_str();
        if screen.is_pipe() {
            let mend = line.mend.as_ref().map(|command| format!("\t{command}")).unwrap_or_default();
            writeln!(out, "{standing}\t{}\t{}{mend}", line.check, line.text)?;
            continue;
        }
        let text = wrapped(&line.text, screen.width, indent);
        if screen.is_narrow() {
            writeln!(out, "{standing:<4}  {}\n{}", line.check, text.join("\n"))?;
        } else {
            writeln!(out, "{standing:<4}  {:<columns$}  {}", line.check, text.join("\n").trim_start())?;
        }
        // It is to be copied, and so is never broken.
        if let Some(command) = &line.mend {
            writeln!(out, "{:indent$}{command}", "")?;
        }
    }
    let count = |standing| lines.iter().filter(|line| line.standing == standing).count();
    let (ok, warn, fail) = (count(Standing::Ok), count(Standing::Warn), count(Standing::Fail));
    writeln!(out, "{fail} FAIL, {warn} WARN, {ok} OK")?;
    Ok(())
}

impl Listed for Line {
    const HEADER: &'static [&'static str] = &["check", "standing", "text", "mend"];

    fn json(&self) -> anyhow::Result<Value> {
        let standing = self.standing.as_str();
        Ok(json!({"check": self.check, "standing": standing, "text": self.text, "mend": self.mend}))
    }

    fn cells(&self) -> Vec<String> {
        let mend = self.mend.clone().unwrap_or_default();
        vec![self.check.to_owned(), self.standing.as_str().to_owned(), self.text.clone(), mend]
    }

    fn finding(&self) -> Option<Cow<'_, Finding>> {
        None
    }

    fn result(&self) -> SarifResult<'_> {
        let (kind, severity) = match self.standing {
            Standing::Ok => ("pass", Severity::Informational),
            Standing::Warn => ("review", Severity::Low),
            Standing::Fail => ("fail", Severity::High),
        };
        SarifResult {
            rule: self.check,
            kind,
            severity,
            text: self.text.clone(),
            resource: self.check,
            aspect: None,
            region: "global",
            id: format!("doctor/{}/{}", self.check, self.text),
            suppressed: false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use keepwatch_core::posture::Refusal;

    use super::*;

    /// A refusal of this action.
    pub(crate) fn refused(action: &str) -> Fault {
        Fault::Refused(vec![Refusal { action: action.to_owned(), why: "no policy allows it".to_owned() }])
    }

    /// How all of them stand.
    pub(crate) fn standings(lines: &[Line]) -> Vec<Standing> {
        lines.iter().map(|line| line.standing).collect()
    }

    /// The only line, which must stand so.
    pub(crate) fn only(lines: &[Line], standing: Standing) -> &Line {
        assert_eq!(standings(lines), [standing], "{lines:#?}");
        &lines[0]
    }

    #[test]
    fn what_is_refused_is_no_ok_and_names_the_action() {
        let line = Line::unread("alarms", "the alarms", &refused("cloudwatch:DescribeAlarms"));
        assert_eq!(line.standing, Standing::Warn);
        assert_eq!(line.text, "the alarms: not known; your credentials need cloudwatch:DescribeAlarms");
        let line = Line::unread("alarms", "the alarms", &Fault::Failed("no answer in time".to_owned()));
        assert_eq!((line.standing, line.text.contains("no answer in time")), (Standing::Warn, true));
    }

    #[test]
    fn people_see_the_command_under_the_line_and_the_counts_at_the_end() {
        let lines =
            [Line::ok("clock", "right"), Line::fail("rules", "off").mend("aws events enable-rule --name a")];
        assert_eq!(
            printed(Some(120), &lines),
            "OK    clock  right\nFAIL  rules  off\n             aws events enable-rule --name a\n1 FAIL, 0 WARN, 1 OK\n"
        );
        assert_eq!(
            printed(None, &lines),
            "OK\tclock\tright\nFAIL\trules\toff\taws events enable-rule --name a\n1 FAIL, 0 WARN, 1 OK\n"
        );
    }

    fn printed(width: Option<usize>, lines: &[Line]) -> String {
        let mut out = Vec::new();
        on(&Screen::of_width(width), lines, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_broken_at_words_and_a_command_never() {
        let command = "aws events enable-rule --name keepwatch-calls-1 --region eu-central-1";
        let text = "one of the rules that bring events is switched off, and nothing that it would bring is heard by \
                    anybody";
        let lines = [Line::fail("rules", text).mend(command)];
        let narrow = printed(Some(40), &lines);
        assert!(
            narrow.starts_with("FAIL  rules\n  one of the rules that bring events is\n  switched "),
            "{narrow}"
        );
        for (width, all) in [(40, narrow), (100, printed(Some(100), &lines))] {
            assert!(all.contains(command), "{all}");
            let others = all.lines().filter(|line| !line.contains(command));
            assert!(others.into_iter().all(|line| line.len() <= width), "{all}");
        }
    }
}
