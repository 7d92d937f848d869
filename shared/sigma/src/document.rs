//! The documents of a YAML file, each parsed on its own so that an invalid one takes no other with it.

use rsigma_parser::{SigmaCollection, parse_sigma_yaml};

use crate::locate;
use crate::outline::{aggregates, outline};

/// A part of a file, with what it holds.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    /// The line that it begins at, from 1.
    pub(crate) line: usize,
    pub(crate) text: &'t str,
    pub(crate) holds: SigmaCollection,
    /// The titles of rules in it that count over time, in the old way.
    pub(crate) counting: Vec<String>,
    /// Line in the file, and what is wrong there.
    pub(crate) problems: Vec<(usize, String)>,
}

/// The documents of a file. One that uses Sigma's `action` refers to its neighbours, so such a file is one document.
pub(crate) fn documents(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole = text.lines().any(|line| line.starts_with("action:"));
    let parts = if whole { vec![(1, text)] } else { parts(text) };
    parts.into_iter().filter(|(_, part)| says_something(part)).map(|(line, part)| read(line, part)).collect()
}

/// Splits at the lines `---`, which end a document wherever they stand at the beginning of a line.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut begin, mut begin_line, mut at) = (0, 1, 0);
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            parts.push((begin_line, &text[begin..at]));
            (begin, begin_line) = (at + line.len(), i + 2);
        }
        at += line.len();
    }
    parts.push((begin_line, &text[begin..]));
    parts
}

fn says_something(part: &str) -> bool {
    part.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#') && line != "---")
}

fn read(line: usize, text: &str) -> Document<'_> {
    let outline = outline(text);
    let (mut holds, mut errors) = match parse_sigma_yaml(text) {
        Ok(mut holds) => {
            let errors = std::mem::take(&mut holds.errors);
            (holds, errors)
        }
        Err(error) => (SigmaCollection::new(), vec![error.to_string()]),
    };
    // The parser knows no aggregations and takes the pipe for an error, which its message quotes.
    let all = errors.len();
    if !outline.counting.is_empty() {
        errors.retain(|error| !(error.starts_with("Condition") && aggregates(error)));
    }
    let counting = outline.counting.into_iter().take(all - errors.len()).collect();
    let mut problems: Vec<_> = errors.into_iter().map(|e| (line + locate::line_of(&e, text), e)).collect();
    for map in outline.maps {
        holds.rules.retain(|rule| !map.title.is_empty() && rule.title != map.title);
        holds.filters.retain(|filter| !map.title.is_empty() && filter.title != map.title);
        problems.push((line + map.line, map.reason));
    }
    Document { line: line + locate::first(text), text, holds, counting, problems }
}
