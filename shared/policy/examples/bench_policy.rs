//! One turn of the engine for `make bench-policy`: it judges every document of a file, one a line, and prints the time that took
//! and which are dangerous. `tests/bench_policy.py` gives its peers their turns.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use keepwatch_policy::{Document, Held, Level, analyse};
use serde_json::json;

/// How long a turn takes at least.
const TURN: Duration = Duration::from_millis(200);

/// What the policies are called in the tables of the engine's tests: some let their holder rewrite the policy of this name.
const NAME: &str = "row";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a file with one policy document a line")?;
    let text = fs::read_to_string(&path)?;
    let documents: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let (begin, mut rounds) = (Instant::now(), 0_u32);
    while begin.elapsed() < TURN {
        for text in &documents {
            black_box(is_dangerous(black_box(text)));
        }
        rounds += 1;
    }
    let seconds = begin.elapsed().as_secs_f64() / f64::from(rounds);
    let dangerous: Vec<Option<bool>> = documents.iter().map(|text| is_dangerous(text)).collect();
    writeln!(io::stdout(), "{}", json!({"seconds": seconds, "dangerous": dangerous}))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the holder of the policy can make itself administrator, or is one; nothing where the text is no policy.
fn is_dangerous(text: &str) -> Option<bool> {
    let document = Document::parse(text).ok()?;
    let grant = analyse(&[Held::managed(NAME, &document)], None);
    // The peers name what they found, so the sentence belongs to it.
    black_box(grant.why());
    Some(grant.level >= Level::PrivilegeEscalation)
}
