//! How text stands on a screen: as wide as the terminal, and unbroken where no terminal is.

use std::io::{self, IsTerminal as _, Write};

use keepwatch_core::severity::Severity;

/// Below this many columns a row of a table is told in two lines.
pub(crate) const NARROW: usize = 100;

/// Standard output as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Columns of the terminal; none where the output goes into a file or a pipe, where nothing is wrapped or cut.
    pub(crate) width: Option<usize>,
    colours: bool,
}

impl Screen {
    /// Standard output's.
    pub(crate) fn of_output() -> Screen {
        if !io::stdout().is_terminal() {
            return Screen { width: None, colours: false };
        }
        let width = comfy_table::Table::new().width().map_or(80, usize::from);
        let colours = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        Screen { width: Some(width.max(20)), colours }
    }

    /// One of this width and without colours.
    #[cfg(test)]
    pub(crate) fn of_width(width: Option<usize>) -> Screen {
        Screen { width, colours: false }
    }

    /// Whether nobody looks at it: what is written goes into a file or a pipe, with tabs between cells.
    pub(crate) fn is_pipe(&self) -> bool {
        self.width.is_none()
    }

    /// Whether a row of a table is told in two lines.
    pub(crate) fn is_narrow(&self) -> bool {
        self.width.is_some_and(|width| width < NARROW)
    }

    /// A paragraph.
    pub(crate) fn line(&self, out: &mut impl Write, text: &str) -> anyhow::Result<()> {
        for line in wrapped(text, self.width, 0) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// A paragraph that stands out.
    pub(crate) fn strong(&self, out: &mut impl Write, text: &str) -> anyhow::Result<()> {
        for line in wrapped(text, self.width, 0) {
            if self.colours {
                writeln!(out, "\u{1b}[1m{line}\u{1b}[0m")?;
            } else {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// A row whose last cell is a sentence: behind its head of `columns`, or below it where the screen is narrow.
    pub(crate) fn headed(
        &self,
        out: &mut impl Write,
        head: &str,
        columns: usize,
        text: &str,
    ) -> anyhow::Result<()> {
        match self.width {
            None => writeln!(out, "{head}  {text}")?,
            Some(_) if self.is_narrow() => {
                writeln!(out, "{head}")?;
                for line in wrapped(text, self.width, 2) {
                    writeln!(out, "{line}")?;
                }
            }
            Some(width) => writeln!(out, "{head}  {}", cut(text, width.saturating_sub(columns + 2)))?,
        }
        Ok(())
    }

    /// A command behind what it is for. It is to be copied, and so is never broken.
    pub(crate) fn command(&self, out: &mut impl Write, head: &str, command: &str) -> anyhow::Result<()> {
        let fits = self.width.is_none_or(|width| width >= head.chars().count() + 2 + command.chars().count());
        if fits {
            writeln!(out, "{head}  {command}")?;
        } else {
            writeln!(out, "{head}\n  {command}")?;
        }
        Ok(())
    }

    /// The word for a severity, padded and on a terminal in its colour.
    pub(crate) fn severity(&self, severity: Severity, columns: usize) -> String {
        let word = format!("{:<columns$}", severity.as_str());
        if !self.colours {
            return word;
        }
        let colour = match severity {
            Severity::Critical => "1;31",
            Severity::High => "31",
            Severity::Medium => "33",
            Severity::Low | Severity::Informational => "2",
        };
        format!("\u{1b}[{colour}m{word}\u{1b}[0m")
    }
}

/// The lines of a paragraph, broken at words.
pub(crate) fn wrapped(text: &str, width: Option<usize>, indent: usize) -> Vec<String> {
    let margin = " ".repeat(indent);
    let Some(width) = width else { return vec![format!("{margin}{text}")] };
    let mut lines = Vec::new();
    let mut line = margin.clone();
    for word in text.split(' ') {
        let (length, is_empty) = (line.chars().count(), line.len() == indent);
        if !is_empty && length + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, margin.clone()));
            line.push_str(word);
        } else {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

/// As much of a sentence as fits, cut at a word.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    // With the character behind it, so that a word that just fits is kept.
    let kept: String = text.chars().take(columns.saturating_sub(3)).collect();
    let kept = kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words);
    format!("{kept} ...")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Screen = Screen { width: None, colours: false };

    fn printed(width: Option<usize>) -> String {
        let mut out = Vec::new();
        let screen = Screen { width, ..PIPE };
        screen
            .headed(&mut out, "HIGH  PROBLEM", 13, "User bob is now a full administrator of everything")
            .unwrap();
        screen.line(&mut out, "one two three four").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_pipe_gets_whole_lines_and_a_screen_what_fits() {
        assert_eq!(
            printed(None),
            "HIGH  PROBLEM  User bob is now a full administrator of everything\none two three four\n"
        );
        assert_eq!(
            printed(Some(30)),
            "HIGH  PROBLEM\n  User bob is now a full\n  administrator of everything\none two three four\n"
        );
        assert!(printed(Some(NARROW)).lines().all(|line| line.len() <= NARROW));
        assert_eq!(wrapped("one two three", Some(8), 0), ["one two", "three"]);
        assert_eq!(cut("one two three", 11), "one two ...");
    }
}
