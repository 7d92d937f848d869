//! How a mail is laid out: plain text, headings, labelled lines, commands that can be copied whole.
//!
//! Everything that is written here is cleaned and defanged here, so that no caller can forget it.

use std::fmt::{self, Write as _};

use keepwatch_base::text::{clean, defang, shell_word};

use crate::sender::Sender;

/// The most characters of a paragraph or of a line's value.
const MAX_SHOWN: usize = 4_000;

/// How wide the column of labels is.
const LABELS: usize = 16;

/// A mail in the making.
#[derive(Debug)]
pub(super) struct Page<'s> {
    /// What is written so far.
    pub(super) text: String,
    sender: &'s Sender,
    /// Whether it has a command of Keepwatch's own.
    commands: bool,
    /// Whether one of them changes the settings.
    settings: bool,
    /// Whether one of them shows findings.
    findings: bool,
}

impl<'s> Page<'s> {
    /// An empty one of this sender's.
    pub(super) fn new(sender: &'s Sender) -> Page<'s> {
        Page { text: String::new(), sender, commands: false, settings: false, findings: false }
    }

    /// Text as it may stand in this mail, with the readers' time beside each in UTC.
    fn said(&self, text: &str) -> String {
        self.sender.with_local_times(shown(text))
    }

    /// The option of an AWS command about the region of the stack that sends; nothing where there is none.
    pub(super) fn sender_region(&self) -> String {
        self.sender
            .stack
            .as_ref()
            .map_or_else(String::new, |stack| format!(" --region {}", shell_word(&stack.region)))
    }

    /// The whole text. A mail with commands of Keepwatch's own ends with where they come from, and how it is done without.
    pub(super) fn finish(mut self) -> String {
        if self.commands {
            let (role, settings) = (self.sender.named("OperatorRole"), self.sender.named("SettingsTable"));
            let without = if self.settings {
                format!(
                    "in the AWS console switch to the role {role} and add or delete an item in the DynamoDB table {settings}; \
                     the page \"The operator\" of Keepwatch's docs shows one"
                )
            } else if self.findings {
                format!(
                    "each finding is an item of the DynamoDB table {}",
                    self.sender.named("FindingsTable")
                )
            } else {
                "the page \"The operator\" of Keepwatch's docs says how".to_owned()
            };
            heading(&mut self, "THE KEEPWATCH COMMAND");
            paragraph(
                &mut self,
                &format!(
                    "Install it from Keepwatch's source folder: cargo install --path cli. Without it: {without}."
                ),
            );
        }
        format!("{}\n", self.text.trim_end())
    }
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.write_str(text)
    }
}

/// Text as it may stand in a mail: nothing hidden, nothing clickable.
pub(super) fn shown(text: &str) -> String {
    defang(&clean(text, MAX_SHOWN))
}

/// One empty line, unless the mail begins here or there is one.
pub(super) fn gap(out: &mut Page<'_>) {
    if !out.text.is_empty() && !out.text.ends_with("\n\n") {
        out.text.push('\n');
    }
}

/// A heading, set off by one empty line.
pub(super) fn heading(out: &mut Page<'_>, title: &str) {
    gap(out);
    let _ = writeln!(out, "{title}");
}

/// A labelled line, or nothing where there is nothing to say.
pub(super) fn line(out: &mut Page<'_>, label: &str, value: &str) {
    let value = out.said(value);
    labelled(out, label, &value);
}

/// A link that was built from checked parts.
pub(super) fn link(out: &mut Page<'_>, label: &str, link: &str) {
    labelled(out, label, link);
}

fn labelled(out: &mut Page<'_>, label: &str, value: &str) {
    // A label that is too long for its column has a line of its own.
    let mut label = wrap(&shown(label), 74).join(" ");
    if label.chars().count() >= LABELS && !value.is_empty() {
        let _ = writeln!(out, "  {label}");
        label.clear();
    }
    for row in wrap(value, 76 - LABELS) {
        let _ = writeln!(out, "  {label:<LABELS$}{row}");
        label.clear();
    }
}

/// What a command is for, and the command on one line of its own. A command made of quoted words has nothing that
/// [`shown`] would change.
pub(super) fn command(out: &mut Page<'_>, purpose: &str, command: &str) {
    let command = shown(command);
    if command.trim().is_empty() {
        return;
    }
    gap(out);
    for row in wrap(&shown(purpose), 74) {
        let _ = writeln!(out, "  # {row}");
    }
    let _ = writeln!(out, "  {}", command.trim());
}

/// What for, and a command of Keepwatch's own about the stack that sends: `findings list`, with the stack and its region.
pub(super) fn keepwatch(out: &mut Page<'_>, purpose: &str, call: &str) {
    out.commands = true;
    out.settings |= ["suppress add", "suppress remove", "tune "].iter().any(|start| call.starts_with(start));
    out.findings |= call.starts_with("findings ");
    let options = out.sender.options();
    command(out, purpose, &format!("keepwatch {call}{options}"));
}

/// An entry of a list, and notes under it, each on a line of its own.
pub(super) fn listed(out: &mut Page<'_>, text: &str, notes: &[&str]) {
    for (i, row) in wrap(&out.said(text), 74).iter().enumerate() {
        let _ = writeln!(out, "{}{row}", if i == 0 { "  " } else { "    " });
    }
    for row in notes.iter().flat_map(|note| wrap(&out.said(note), 74)).collect::<Vec<_>>() {
        let _ = writeln!(out, "    {row}");
    }
}

/// A paragraph, and an empty line after it; nothing for no words.
pub(super) fn paragraph(out: &mut Page<'_>, text: &str) {
    let rows = wrap(&out.said(text), 76);
    for row in &rows {
        let _ = writeln!(out, "{row}");
    }
    if !rows.is_empty() {
        out.text.push('\n');
    }
}

/// Wraps at white space; a word longer than the width keeps its line, so that an ARN can be copied whole. No rows for no
/// words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match rows.last_mut() {
            Some(row) if row.chars().count() + 1 + word.chars().count() <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

/// Cuts a mail at this many bytes, at the end of a line.
pub(super) fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = text.floor_char_boundary(max);
        text.truncate(text[..end].rfind('\n').map_or(end, |at| at + 1));
        text.push_str("[cut here; the findings table has the rest]\n");
    }
    text
}
