use keepwatch_base::runtimes;
use keepwatch_core::posture::Missing;

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each function is on a runtime that AWS still patches (medium; high once AWS refuses to create functions on it). One whose
    /// end is near gets a line (`runtime-notice-days`). The list of runtimes is part of Keepwatch and has a date: a runtime that
    /// is not in it is unknown, and a list older than 90 days is said to be old. Images bring their own runtime.
    /// ## Why it matters
    /// Security holes in the language and its libraries stay open. From a later date AWS refuses changes as well, and a repair
    /// then means a migration at the worst time.
    /// ## What to do
    /// Set a supported runtime and test the function on it before you deploy. Functions that the CDK or another framework makes
    /// on its own move with the framework's next version.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// The function itself: language versions differ, and a new runtime may have another operating system below.
    Runtime {
        id: "lambda.runtime",
        title: "Functions are on supported runtimes",
        severity: Medium,
        practices: ["P55"],
        number: 24,
        references: [
            security_hub(&["Lambda.2"]),
            config(&["lambda-function-settings-check"]),
            trusted_advisor(&["L4dfs2Q4C5"]),
            doc(&["AWS Lambda Developer Guide: Lambda runtimes"]),
        ],
        asks: [Functions],
        finding: "compute-function-runtime-deprecated",
        closes: [Closes::Listed("arn:*:lambda:*:function:*")],
        ages: true,
    }
}

/// After how many days the list of runtimes is old: AWS announces the end of a runtime half a year before.
const OLD: u64 = 90;

impl Check for Runtime {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let mut judged = 0;
        cx.each_of(
            Functions,
            |_, function| function.arn.clone(),
            |cx, function| {
                judged += 1;
                of_function(cx, function)
            },
        );
        let age = age_of_list(cx.now);
        if judged > 0 && age > OLD {
            let seen = cx
                .informational(format!("The list of Lambda runtimes is {age} days old"))
                .because("what AWS has announced since is not in it: take a newer version of Keepwatch")
                .detail("As of", runtimes::AS_OF);
            cx.report(seen);
        }
        Ok(())
    }
}

/// How many days have passed since the list was made.
fn age_of_list(now: Timestamp) -> u64 {
    midnight(runtimes::AS_OF).map_or(0, |made| days_since(made, now))
}

/// The beginning of a day, `2026-08-31`.
fn midnight(day: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{day}T00:00:00Z"))
}

fn of_function(cx: &mut Cx<'_>, function: &facts::compute::Function) -> Outcome {
    let (name, region, today) = (function.name.as_str(), cx.region(), cx.now.date());
    if function.image {
        cx.report(cx.not_applicable(format!("Function {name} is an image and brings its own runtime")));
        return Ok(());
    }
    // CloudFront keeps copies of its functions in other regions, which nobody but it can change.
    if name.starts_with("us-east-1.") && region != "us-east-1" {
        cx.report(cx.not_applicable(format!("Function {name} is a copy for CloudFront")));
        return Ok(());
    }
    let unknown = |why: String| Err(Stop::Unknown(vec![Missing { action: None, why }]));
    let Some(runtime) = function.runtime.as_deref() else {
        return unknown(format!("function {name} has neither a runtime nor an image"));
    };
    let (Some(end), Some(refused)) = (runtimes::end(runtime), runtimes::creation_refused(runtime)) else {
        return unknown(format!("runtime {runtime} is not in the list of {}", runtimes::AS_OF));
    };
    let soon = || midnight(end).is_some_and(|at| days_since(cx.now, at) <= cx.parameters.runtime_notice_days);
    let seen = if end <= today.as_str() {
        let closed = refused <= today.as_str();
        let since = if end.is_empty() { "for years".to_owned() } else { format!("since {end}") };
        let seen = cx
            .failing(format!("Function {name} is on runtime {runtime}, which AWS no longer patches"))
            .severity(if closed { Severity::High } else { Severity::Medium })
            .because("security holes in this runtime stay open")
            .detail("Unsupported", since);
        let seen = match closed {
            true => seen.detail("Creating functions on it", "refused"),
            false => seen.detail("Creating functions on it", format!("refused from {refused}")),
        };
        seen.step(
            "Move it to a supported runtime",
            "lambda update-function-configuration",
            &[("--region", &region), ("--function-name", name), ("--runtime", "RUNTIME")],
        )
    } else if soon() {
        cx.informational(format!("Function {name} is on runtime {runtime}, which AWS patches until {end}"))
    } else {
        cx.passing(format!("Function {name} is on runtime {runtime}")).detail("Supported until", end)
    };
    cx.report(seen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{Parameters, Profile};
    use crate::run::run;
    use crate::testing::*;
    use facts::compute::Function;
    use keepwatch_core::posture::State;

    fn function(name: &str, runtime: Option<&str>) -> Function {
        Function {
            arn: format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}"),
            name: name.to_owned(),
            runtime: runtime.map(str::to_owned),
            image: false,
            keys_in_environment: Vec::new(),
            environment_error: None,
            in_vpc: false,
        }
    }

    fn state(functions: Vec<Function>) -> State {
        account().with(Functions, region(), functions)
    }

    fn on(day: &str, runtime: &str) -> (Judged, Severity) {
        let at = Timestamp::parse(&format!("{day}T12:00:00Z")).unwrap();
        let state = state(vec![function("f", Some(runtime))]);
        let one = run(&[&Runtime], &state, &Parameters::of(Profile::Default), at).remove(0);
        (one.verdict, one.severity)
    }

    #[test]
    fn the_day_decides() {
        assert_eq!(on("2026-10-30", "python3.10"), (Judged::Informational, Severity::Informational));
        assert_eq!(on("2026-10-31", "python3.10"), (Judged::Failing, Severity::Medium));
        assert_eq!(on("2027-01-31", "python3.10"), (Judged::Failing, Severity::Medium));
        assert_eq!(on("2027-02-01", "python3.10"), (Judged::Failing, Severity::High));
        assert_eq!(on("2026-11-22", "python2.7"), (Judged::Failing, Severity::High));
        assert_eq!(on("2026-11-22", "nodejs22.x").0, Judged::Passing);
        // 120 days before the end of 30 April.
        assert_eq!(on("2026-12-31", "nodejs22.x").0, Judged::Informational);
    }

    #[test]
    fn the_seven_that_others_call_fine() {
        for runtime in
            ["nodejs18.x", "python3.9", "ruby3.2", "nodejs20.x", "provided.al2", "python3.10", "dotnet8"]
        {
            assert_eq!(on("2026-11-22", runtime).0, Judged::Failing, "{runtime}");
        }
    }

    #[test]
    fn what_has_no_runtime_of_its_own() {
        let image = Function { image: true, ..function("image", None) };
        assert_eq!(judge_one(&Runtime, &state(vec![image])).verdict, Judged::NotApplicable);
        let copy = function("us-east-1.edge", Some("nodejs16.x"));
        assert_eq!(judge_one(&Runtime, &state(vec![copy])).verdict, Judged::NotApplicable);
    }

    #[test]
    fn what_is_not_in_the_list_is_unknown() {
        let one = judge_one(&Runtime, &state(vec![function("f", Some("python9.9"))]));
        assert!(one.verdict == Judged::Unknown && one.reason.contains("python9.9"), "{}", one.reason);
        assert_eq!(judge_one(&Runtime, &state(vec![function("f", None)])).verdict, Judged::Unknown);
    }

    #[test]
    fn an_old_list_says_so() {
        let state = state(vec![function("f", Some("python3.13"))]);
        let at = |day: &str| {
            let at = Timestamp::parse(&format!("{day}T12:00:00Z")).unwrap();
            run(&[&Runtime], &state, &Parameters::of(Profile::Default), at)
        };
        assert_eq!(at("2026-11-29").len(), 1);
        let old = at("2026-11-30");
        assert_eq!((old.len(), old[1].verdict), (2, Judged::Informational));
        assert!(old[1].title.contains("91 days old"), "{}", old[1].title);
    }

    #[test]
    fn unknown_and_none() {
        let one = judge_one(&Runtime, &refused(account(), Functions, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["lambda:ListFunctions"]));
        assert_eq!(judge_one(&Runtime, &state(vec![])).verdict, Judged::NotApplicable);
    }
}
