//! The functions: may they run, and does anything feed them?

use keepwatch_collect::deployed::{Mapping, mappings, reserved_concurrency};
use keepwatch_collect::{Client, Fault};

use super::line::{Line, Standing};
use super::template::{Names, Template};

const CHECK: &str = "functions";

/// A function of the stack, and what is known of it.
pub(crate) struct Seen {
    /// Its logical id.
    pub(crate) id: String,
    name: String,
    /// How many queues and streams feed it by the template.
    sources: usize,
    mappings: Result<Vec<Mapping>, Fault>,
    /// How many may run at once; nothing where nobody has limited it.
    reserved: Result<Option<u32>, Fault>,
}

/// The functions that the stack should have, by logical id and name, with the number of what feeds them.
///
/// # Errors
/// A template that cannot be read.
fn wanted(template: &Template, names: &Names) -> anyhow::Result<Vec<(String, String, usize)>> {
    let all = template.functions(names)?;
    let named = |id: &str, given: &serde_json::Value| {
        names
            .physical(id)
            .map(str::to_owned)
            .or_else(|| given.as_str().map(str::to_owned))
            .unwrap_or_else(|| id.to_owned())
    };
    Ok(all
        .into_iter()
        .map(|(one, types)| {
            let name = named(&one.id, &one.properties["FunctionName"]);
            let sources = types.iter().filter(|kind| matches!(kind.as_str(), "SQS" | "DynamoDB")).count();
            (one.id, name, sources)
        })
        .collect())
}

/// Looks at the functions.
///
/// # Errors
/// A template that cannot be read.
pub(crate) async fn read(client: &Client, template: &Template, names: &Names) -> anyhow::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for (id, name, sources) in wanted(template, names)? {
        let (mappings, reserved) = tokio::join!(
            mappings(client, &names.region, &name),
            reserved_concurrency(client, &names.region, &name),
        );
        seen.push(Seen { id, name, sources, mappings, reserved });
    }
    Ok(seen)
}

pub(crate) fn judge(functions: &[Seen], region: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = functions.iter().flat_map(|seen| each(seen, region)).collect();
    if lines.iter().all(|line| line.standing == Standing::Ok) {
        let names: Vec<&str> = functions.iter().map(|seen| seen.name.as_str()).collect();
        lines = vec![Line::ok(CHECK, format!("{} may run and are fed", names.join(", ")))];
    }
    lines
}

fn each(seen: &Seen, region: &str) -> Vec<Line> {
    let name = &seen.name;
    let mut lines = Vec::new();
    match &seen.reserved {
        Err(Fault::Code { code, .. }) if code == "ResourceNotFoundException" => {
            return vec![Line::fail(CHECK, format!("{name} is gone")).mend("make deploy")];
        }
        Err(fault) => lines.push(Line::unread(CHECK, &format!("whether {name} may run"), fault)),
        Ok(Some(0)) => {
            let command =
                format!("aws lambda delete-function-concurrency --region {region} --function-name {name}");
            lines.push(Line::fail(CHECK, format!("{name} may not run: its concurrency is 0")).mend(command));
        }
        Ok(_) => {}
    }
    match &seen.mappings {
        Err(fault) => lines.push(Line::unread(CHECK, &format!("what feeds {name}"), fault)),
        Ok(found) => {
            if found.len() < seen.sources {
                let text = format!(
                    "{name} is fed by {} queues and streams, and not by {}",
                    found.len(),
                    seen.sources
                );
                lines.push(Line::fail(CHECK, text).mend("make deploy"));
            }
            for mapping in found.iter().filter(|one| one.state.starts_with("Disabl")) {
                let source = mapping.source.rsplit(':').next().unwrap_or_default();
                let command = format!(
                    "aws lambda update-event-source-mapping --region {region} --enabled --uuid {}",
                    mapping.id
                );
                lines.push(
                    Line::fail(CHECK, format!("{name} is not fed by {source}: the mapping is off"))
                        .mend(command),
                );
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::tests::{only, refused};
    use crate::doctor::template::{HOME, names_for_tests};

    fn seen() -> Seen {
        let source = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-1A".to_owned();
        Seen {
            id: "DetectFunction".to_owned(),
            name: "keepwatch-detect".to_owned(),
            sources: 1,
            mappings: Ok(vec![Mapping { id: "m-1".to_owned(), source, state: "Enabled".to_owned() }]),
            reserved: Ok(None),
        }
    }

    fn judged(seen: Seen) -> Vec<Line> {
        judge(&[seen], "us-east-1")
    }

    #[test]
    fn the_template_feeds_detect_notify_and_scan() {
        let names = names_for_tests(HOME, &[]);
        let mut all = wanted(&Template::read(HOME).unwrap(), &names).unwrap();
        all.retain(|(.., sources)| *sources > 0);
        let fed: Vec<&str> = all.iter().map(|(id, ..)| id.as_str()).collect();
        assert_eq!(fed, ["DetectFunction", "NotifyFunction", "ScanFunction"]);
    }

    #[test]
    fn a_function_that_may_not_run_is_named() {
        only(&judged(seen()), Standing::Ok);
        let lines = judged(Seen { reserved: Ok(Some(0)), ..seen() });
        assert!(only(&lines, Standing::Fail).mend.as_ref().unwrap().contains("delete-function-concurrency"));
        only(&judged(Seen { reserved: Ok(Some(5)), ..seen() }), Standing::Ok);
        let code = "ResourceNotFoundException".to_owned();
        let gone = Fault::Code { why: code.clone(), code };
        assert!(
            only(&judged(Seen { reserved: Err(gone), ..seen() }), Standing::Fail).text.contains("is gone")
        );
    }

    #[test]
    fn a_function_that_nothing_feeds_is_named() {
        let mut off = seen();
        off.mappings.as_mut().unwrap()[0].state = "Disabled".to_owned();
        let lines = judged(off);
        let line = only(&lines, Standing::Fail);
        assert!(line.mend.as_ref().unwrap().ends_with("--enabled --uuid m-1"));
        assert!(line.text.contains("keepwatch-IntakeQueue-1A"));
        only(&judged(Seen { mappings: Ok(Vec::new()), ..seen() }), Standing::Fail);
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let lines = judged(Seen { mappings: Err(refused("lambda:ListEventSourceMappings")), ..seen() });
        assert!(only(&lines, Standing::Warn).text.contains("lambda:ListEventSourceMappings"));
        let lines = judged(Seen { reserved: Err(refused("lambda:GetFunctionConcurrency")), ..seen() });
        assert!(only(&lines, Standing::Warn).text.contains("lambda:GetFunctionConcurrency"));
    }
}
