use super::common::is_ours;
use super::deployment::{by_cloudformation, deployed, report_change};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's Lambda functions was deleted, throttled or cut off from its queue, or its code,
    /// configuration, permissions or versions were changed, or it got an address on the internet; or another function or
    /// a pipe was made to read from Keepwatch's queue or stream, or a pipe to send there; or another function was given the
    /// role of one of Keepwatch's.
    /// ## Why it matters
    /// Whoever changes the code decides what Keepwatch sees and says, and can use its permissions. A function
    /// without concurrency or without its event source is deaf.
    /// ## What to do
    /// Deploy the stack again from code that you trust. Look at what the caller did since.
    /// ## False positives
    /// Deployments: what CloudFormation does within an hour after the same principal deployed Keepwatch's stack is low, and
    /// what it sets again closes the finding. A reserved concurrency or an event source that is switched off is not low:
    /// no deployment does that.
    Function {
        id: "self-function-changed",
        title: "One of Keepwatch's functions was tampered with",
        severity: Critical,
        confidence: High,
        catalogue: ["SELF-02"],
        references: [attack(&["T1562.001"]), doc(&["AWS Lambda developer guide: event names in CloudTrail"])],
        on: [On::Call("lambda.amazonaws.com", LAMBDA), On::Call("pipes.amazonaws.com", &["CreatePipe", "UpdatePipe"])],
        repeat_hours: 1,
    }
}

/// Calls on Lambda. The names of the older ones end with the date of their interface in CloudTrail, and some with a version
/// of it; `operations.json` says which.
const LAMBDA: &[&str] = &[
    "AddPermission",
    "AddPermission20150331",
    "AddPermission20150331v2",
    "CreateAlias",
    "CreateAlias20150331",
    "CreateEventSourceMapping",
    "CreateEventSourceMapping20150331",
    "CreateFunction",
    "CreateFunction20150331",
    "CreateFunctionUrlConfig",
    "DeleteAlias",
    "DeleteAlias20150331",
    "DeleteEventSourceMapping",
    "DeleteEventSourceMapping20150331",
    "DeleteFunction",
    "DeleteFunction20150331",
    "DeleteFunctionCodeSigningConfig",
    "DeleteFunctionConcurrency",
    "DeleteFunctionConcurrency20171031",
    "DeleteFunctionEventInvokeConfig",
    "DeleteFunctionUrlConfig",
    "DeleteProvisionedConcurrencyConfig",
    "DeleteResourcePolicy",
    "PublishVersion",
    "PublishVersion20150331",
    "PutFunctionCodeSigningConfig",
    "PutFunctionConcurrency",
    "PutFunctionConcurrency20171031",
    "PutFunctionEventInvokeConfig",
    "PutFunctionRecursionConfig",
    "PutFunctionScalingConfig",
    "PutProvisionedConcurrencyConfig",
    "PutResourcePolicy",
    "PutRuntimeManagementConfig",
    "RemovePermission",
    "RemovePermission20150331",
    "RemovePermission20150331v2",
    "UpdateAlias",
    "UpdateAlias20150331",
    "UpdateEventSourceMapping",
    "UpdateEventSourceMapping20150331",
    "UpdateFunctionCode",
    "UpdateFunctionCode20150331",
    "UpdateFunctionCode20150331v2",
    "UpdateFunctionConfiguration",
    "UpdateFunctionConfiguration20150331",
    "UpdateFunctionConfiguration20150331v2",
    "UpdateFunctionEventInvokeConfig",
    "UpdateFunctionUrlConfig",
];

/// What the template has nothing of, with the aspect, how bad it is, and what was done: versions and aliases, addresses on
/// the internet, code signing, a scaling of its own, a policy written as a whole.
const FOREIGN: [(&[&str], &str, Severity, &str); 7] = [
    (
        &["CreateFunctionUrlConfig", "UpdateFunctionUrlConfig"],
        "url",
        Severity::High,
        "gave an address on the internet to",
    ),
    (
        &["PutFunctionCodeSigningConfig", "DeleteFunctionCodeSigningConfig"],
        "code signing",
        Severity::High,
        "changed who must have signed the code of",
    ),
    (&["PutFunctionScalingConfig"], "scaling", Severity::High, "changed how many may run of"),
    (
        &["PutResourcePolicy", "DeleteResourcePolicy"],
        "policy",
        Severity::High,
        "replaced or deleted the permissions to invoke",
    ),
    (
        &["PutProvisionedConcurrencyConfig", "DeleteProvisionedConcurrencyConfig"],
        "provisioned concurrency",
        Severity::Medium,
        "changed the provisioned concurrency of",
    ),
    (
        &["PutFunctionRecursionConfig", "PutRuntimeManagementConfig"],
        "runtime",
        Severity::Medium,
        "changed the runtime or the loop detection of",
    ),
    (
        &["CreateAlias", "UpdateAlias", "DeleteAlias", "PublishVersion"],
        "version",
        Severity::Medium,
        "changed a version or an alias of",
    ),
];

impl Rule for Function {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_source.or_empty() == "pipes.amazonaws.com" {
            pipe(record, cx);
            return Ok(());
        }
        let Some(name) = function(record) else { return Ok(()) };
        if let Some(role) = lent(record, cx, name) {
            let role = role.to_owned();
            borrowed(record, cx, name, &role);
            return Ok(());
        }
        if !is_ours(cx, name) {
            taken(record, cx, name);
            return Ok(());
        }
        // A rehearsal changes nothing.
        if flag_at(record.request(), &["dryRun"]) == Some(true) {
            return Ok(());
        }
        changed(record, cx, name)
    }
}

/// What a call does to one of Keepwatch's functions.
enum Effect<'r> {
    /// These aspects are as the template has them.
    Restored(Vec<&'r str>),
    /// An aspect is not, how bad that is, and what was done.
    Harmed(&'r str, Severity, &'static str),
}

/// A call about one of Keepwatch's functions.
struct Change<'r> {
    record: &'r Record<'r>,
    /// The call's name. Lambda's names end with the version of its interface, which is left out.
    event: &'r str,
    /// The id of the event source, or what stands for it.
    source: &'r str,
    /// Whether it keeps events from the function.
    muted: bool,
    /// Whether it is part of a deployment of Keepwatch's own stack.
    deployed: bool,
}

impl<'r> Change<'r> {
    /// The call; whether it is part of a deployment is to be asked.
    fn of(record: &'r Record<'r>, name: &str) -> Change<'r> {
        let request = record.request();
        let event = record.event_name.or_empty();
        let event = event.split("20").next().unwrap_or(event);
        // The template filters what notify and securityhub get from the stream, and nothing of what detect gets.
        let muted = event.ends_with("EventSourceMapping")
            && (flag_at(request, &["enabled"]) == Some(false)
                || (filters(record) && name.ends_with("-detect"))
                || forgets(record));
        let source = text_at(request, &["uUID"]).or_else(|| text_at(request, &["uuid"])).unwrap_or("source");
        Change { record, event, source, muted, deployed: false }
    }

    /// What the template has nothing of.
    fn foreign(&self) -> Option<Effect<'r>> {
        let (_, aspect, severity, did) = FOREIGN.iter().find(|(calls, ..)| calls.contains(&self.event))?;
        Some(Effect::Harmed(aspect, *severity, did))
    }

    /// Whether a deployment of the function of this name makes such a call.
    fn deploys(&self, name: &str) -> bool {
        match self.event {
            _ if self.muted || self.foreign().is_some() => false,
            "PutFunctionConcurrency" | "DeleteFunctionConcurrency" | "DeleteFunctionUrlConfig" => false,
            // The function for Security Hub comes and goes with its parameter; the others stay.
            "DeleteFunction" => name.ends_with("-securityhub"),
            _ => true,
        }
    }

    fn effect(&self) -> Effect<'r> {
        use Effect::{Harmed, Restored};
        use Severity::{Critical, High, Medium};
        let limit = number_at(self.record.request(), &["reservedConcurrentExecutions"]);
        match self.event {
            _ if let Some(foreign) = self.foreign() => foreign,
            event if event.ends_with("EventSourceMapping") => self.effect_on_source(),
            "DeleteFunctionUrlConfig" => Restored(vec!["url"]),
            "UpdateFunctionCode" if self.deployed => Restored(vec!["code"]),
            "UpdateFunctionCode" => Harmed("code", Critical, "changed the code of"),
            "UpdateFunctionConfiguration" if self.deployed => Restored(vec!["configuration"]),
            "UpdateFunctionConfiguration" => {
                Harmed("configuration", Critical, "changed the configuration of")
            }
            "CreateFunction" if self.deployed => Restored(vec!["function", "code", "configuration"]),
            // Nobody can create it while it is there.
            "CreateFunction" => Harmed("code", Critical, "created, outside a deployment,"),
            "DeleteFunction" => Harmed("function", Critical, "deleted"),
            "DeleteFunctionConcurrency" => Restored(vec!["concurrency"]),
            "PutFunctionConcurrency" if limit == Some(0) => {
                Harmed("concurrency", Critical, "stopped, with a concurrency of 0,")
            }
            "PutFunctionConcurrency" => Harmed("concurrency", Medium, "changed the concurrency of"),
            "AddPermission" => Harmed("permission added", High, "let somebody else invoke"),
            "RemovePermission" => Harmed("permission", High, "removed a permission to invoke"),
            _ => Harmed("invocations", Medium, "changed what becomes of failed invocations of"),
        }
    }

    /// The same of a call about what the function reads from. The template gives a function one source, which comes back under
    /// another id.
    fn effect_on_source(&self) -> Effect<'r> {
        use Effect::{Harmed, Restored};
        use Severity::{Critical, High, Medium};
        let enabled = flag_at(self.record.request(), &["enabled"]);
        match self.event {
            "CreateEventSourceMapping" if self.deployed => Restored(vec!["event source"]),
            "CreateEventSourceMapping" if self.muted && by_cloudformation(self.record) => {
                Harmed("event source", Critical, "connected, without letting events through,")
            }
            "CreateEventSourceMapping" => Harmed("event source added", High, "gave another event source to"),
            "DeleteEventSourceMapping" => Harmed("event source", Critical, "deleted the event source of"),
            _ if enabled == Some(true) && !self.muted && (self.deployed || enables(self.record)) => {
                Restored(vec![self.source])
            }
            _ if enabled == Some(false) => Harmed(self.source, Critical, "disabled the event source of"),
            _ if forgets(self.record) => {
                Harmed("event source settings", Critical, "had the failures forgotten of")
            }
            _ if filters(self.record) => Harmed("event source settings", Critical, "filtered what reaches"),
            _ => Harmed("event source settings", Medium, "changed the event source of"),
        }
    }
}

/// One of Keepwatch's functions is another than before.
fn changed(record: &Record<'_>, cx: &mut Cx<'_>, name: &str) -> Outcome {
    let mut change = Change::of(record, name);
    change.deployed = change.deploys(name) && deployed(record, cx)?;
    let arn = record.arn("lambda", &format!("function:{name}"));
    let who = caller_name(record);
    let pass = |cx: &mut Cx<'_>, aspect: &str| {
        let title = format!("{who} set Keepwatch's function {name}");
        cx.report(cx.passing(&arn, title).aspect(aspect));
    };
    // What a deployment adds stays on record besides.
    if change.deployed && change.event == "AddPermission" {
        pass(cx, "permission");
    }
    let (aspect, severity, did) = match change.effect() {
        Effect::Restored(aspects) => {
            aspects.into_iter().for_each(|aspect| pass(cx, aspect));
            return Ok(());
        }
        Effect::Harmed(aspect, severity, did) => (aspect, severity, did),
    };
    let seen = cx
        .failing(&arn, format!("{who} {did} Keepwatch's function {name}"))
        .severity(severity)
        .aspect(aspect)
        .because("Keepwatch sees and says what its functions do.")
        .detail("Function", name)
        .detail_if("May invoke it", text_at(record.request(), &["principal"]))
        .step(
            "What is set now?",
            "lambda get-function",
            &[("--function-name", name), ("--region", region(record))],
        );
    let seen = match change.event {
        "PutFunctionConcurrency" => seen.step(
            "Let it run again",
            "lambda delete-function-concurrency",
            &[("--function-name", name), ("--region", region(record))],
        ),
        "UpdateEventSourceMapping" if change.source != "source" => seen.step(
            "Enable the event source again",
            "lambda update-event-source-mapping --enabled",
            &[("--uuid", change.source), ("--region", region(record))],
        ),
        _ => seen,
    };
    report_change(record, cx, stop_caller(seen, record), change.deployed);
    Ok(())
}

/// Whether the call says which events the function gets: a filter that nothing passes makes it deaf.
fn filters(record: &Record<'_>) -> bool {
    value_at(record.request(), &["filterCriteria"]).is_some_and(|filter| !filter.is_null())
}

/// Whether the call takes away that single messages of a batch may fail: what the function gives back would be deleted.
fn forgets(record: &Record<'_>) -> bool {
    let request = record.request();
    let says = value_at(request, &["functionResponseTypes"]).is_some_and(|types| !types.is_null());
    says && !texts_at(request, &["functionResponseTypes"]).contains(&"ReportBatchItemFailures")
}

/// Whether the call enables an event source and says nothing else of it.
fn enables(record: &Record<'_>) -> bool {
    let known =
        |name: &String| ["uuid", "functionname", "enabled"].contains(&name.to_ascii_lowercase().as_str());
    record.request().as_object().is_some_and(|request| request.keys().all(known))
}

/// The template's functions, by what follows the stack's name.
const OWN: [&str; 4] = ["-detect", "-notify", "-scan", "-securityhub"];

/// The role of one of the template's functions, where the call gives it to another function.
fn lent<'r>(record: &'r Record<'_>, cx: &Cx<'_>, function: &str) -> Option<&'r str> {
    let role = text_at(record.request(), &["role"])?;
    let own = function.strip_prefix(cx.config.stack.as_str()).is_some_and(|rest| OWN.contains(&rest));
    (!own && cx.config.own_arns.iter().any(|arn| arn.eq_ignore_ascii_case(role))).then_some(role)
}

/// Another function gets the role of one of ours, and with it what the policies of tables and queues let that role alone do.
fn borrowed(record: &Record<'_>, cx: &mut Cx<'_>, function: &str, role: &str) {
    let title =
        format!("{} gave function {function} Keepwatch's role {}", caller_name(record), last_part(role));
    let seen = cx
        .failing(record.arn("lambda", &format!("function:{function}")), title)
        .severity(Severity::Critical)
        .aspect("borrowed role")
        .because("With this role a function can write Keepwatch's findings, or take the events that it has not judged yet.")
        .detail("Role", role)
        .step(
            "Delete the function, or give it another role",
            "lambda get-function-configuration",
            &[("--function-name", function), ("--region", region(record))],
        );
    // No deployment of Keepwatch's does that, so that it is no better when CloudFormation does it.
    cx.report(stop_caller(seen, record));
}

/// Another function reads from Keepwatch's queue or stream: a new event source, or Keepwatch's own that was given away.
fn taken(record: &Record<'_>, cx: &mut Cx<'_>, function: &str) {
    let event = record.event_name.or_empty();
    if !event.starts_with("CreateEventSourceMapping") && !event.starts_with("UpdateEventSourceMapping") {
        return;
    }
    let source = text_at(record.request(), &["eventSourceArn"]);
    let source = source.or_else(|| text_at(record.response(), &["eventSourceArn"]));
    let Some((source, name)) = source.and_then(|source| Some((source, part_of_ours(cx, source)?))) else {
        return;
    };
    let title = format!("{} has function {function} read from Keepwatch's {name}", caller_name(record));
    let seen = cx
        .failing(source, title)
        .severity(Severity::Critical)
        .aspect(function)
        .because("What another function takes from there, Keepwatch does not hear or tell.")
        .detail("Function", function)
        .step(
            "Who reads from it?",
            "lambda list-event-source-mappings",
            &[("--event-source-arn", source), ("--region", region(record))],
        );
    // No deployment of Keepwatch's does that, so that it is no better when CloudFormation does it.
    cx.report(stop_caller(seen, record));
}

/// A pipe reads from Keepwatch's queue or stream, or sends to one of its queues or functions.
fn pipe(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request) = (caller_name(record), record.request());
    let pipe = text_at(request, &["name"]).unwrap_or("that is not named");
    let ends = [
        (
            "source",
            "reads from",
            Severity::Critical,
            "What a pipe takes from there, Keepwatch does not hear or tell.",
        ),
        (
            "target",
            "sends to",
            Severity::High,
            "What a pipe sends there can look like events that did not happen.",
        ),
    ];
    for (end, does, severity, because) in ends {
        let Some((arn, name)) = text_at(request, &[end]).and_then(|arn| Some((arn, part_of_ours(cx, arn)?)))
        else {
            continue;
        };
        let seen = cx
            .failing(arn, format!("{who} has pipe {pipe} that {does} Keepwatch's {name}"))
            .severity(severity)
            .aspect(pipe)
            .because(because)
            .detail("Pipe", pipe)
            .step(
                "What does it do?",
                "pipes describe-pipe",
                &[("--name", pipe), ("--region", region(record))],
            );
        report_change(record, cx, stop_caller(seen, record), false);
    }
}

/// What of an ARN names something of ours: arn:…:QUEUE, arn:…:function:NAME, or arn:…:table/TABLE/stream/LABEL.
fn part_of_ours<'a>(cx: &Cx<'_>, arn: &'a str) -> Option<&'a str> {
    arn.split([':', '/']).find(|part| is_ours(cx, part))
}

/// The function's own name, from a name, an ARN or a part of one, with or without a version. Of an event
/// source only the response tells the function.
fn function<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let given = text_at(record.request(), &["functionName"])
        .or_else(|| text_at(record.request(), &["resourceArn"]))
        .or_else(|| text_at(record.response(), &["functionArn"]))
        .or_else(|| text_at(record.response(), &["functionName"]))?;
    let name = given.split_once("function:").map_or(given, |(_, name)| name);
    Some(name.split(':').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::deployment::testing::*;
    use super::*;
    use crate::testing::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:keepwatch-detect";

    fn lambda(event: &str, request: Value) -> String {
        call("lambda", event, json!({"requestParameters": request}))
    }

    fn of(name: &str) -> Value {
        json!({"functionName": name})
    }

    #[test]
    fn a_role_of_ours_on_another_function_is_critical_even_in_a_deployment() {
        let role = "arn:aws:iam::111122223333:role/keepwatch-DetectRole-A1B2C3";
        for (name, event) in [
            ("shop", "CreateFunction20150331"),
            ("keepwatch-evil", "CreateFunction20150331"),
            ("shop", "UpdateFunctionConfiguration20150331v2"),
        ] {
            let request = json!({"functionName": name, "role": role});
            let seen = fires_at(&Function, Severity::Critical, &by_stack("lambda", event, request.clone()));
            assert!(seen.title.ends_with("Keepwatch's role keepwatch-DetectRole-A1B2C3"), "{}", seen.title);
            fires_at(&Function, Severity::Critical, &lambda(event, request));
        }
        let own = json!({"functionName": "keepwatch-detect", "role": role});
        let seen = deploying(&Function, &by_stack("lambda", "CreateFunction20150331", own));
        assert!(seen.iter().all(|one| one.verdict == Verdict::Passing), "{seen:?}");
        let scan = json!({"functionName": "keepwatch-scan", "role": "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3"});
        let seen = deploying(&Function, &by_stack("lambda", "CreateFunction20150331", scan));
        assert!(seen.iter().all(|one| one.verdict == Verdict::Passing), "{seen:?}");
        let other = json!({"functionName": "shop", "role": "arn:aws:iam::111122223333:role/shop"});
        quiet(&Function, &[lambda("CreateFunction20150331", other)]);
    }

    #[test]
    fn enabling_an_event_source_excuses_nothing_else() {
        let update = |mut request: Value| {
            request["uuid"] = json!("0a1b2c3d-0000-4000-8000-000000000001");
            request["functionName"] = json!("keepwatch-detect");
            lambda("UpdateEventSourceMapping20150331", request)
        };
        let forgets = json!({"enabled": true, "functionResponseTypes": []});
        let seen = fires_at(&Function, Severity::Critical, &update(forgets));
        assert!(seen.title.contains("had the failures forgotten of"), "{}", seen.title);
        let kept = json!({"enabled": true, "functionResponseTypes": ["ReportBatchItemFailures"]});
        fires_at(&Function, Severity::Medium, &update(kept));
        fires_at(&Function, Severity::Medium, &update(json!({"enabled": true, "batchSize": 1})));
        let seen = observe(&Function, &update(json!({"enabled": true})));
        assert_eq!(seen.iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::Passing]);
    }

    #[test]
    fn fires() {
        let seen = fires_at(
            &Function,
            Severity::Critical,
            &lambda("UpdateFunctionCode20150331v2", of("keepwatch-detect")),
        );
        assert_eq!(seen.title, "alice changed the code of Keepwatch's function keepwatch-detect");
        assert_eq!(seen.subject.resource, ARN);
        let config = lambda("UpdateFunctionConfiguration20150331v2", of(ARN));
        assert_eq!(fires_at(&Function, Severity::Critical, &config).subject.resource, ARN);
        fires_at(
            &Function,
            Severity::Critical,
            &lambda("DeleteFunction20150331", of("111122223333:function:keepwatch-notify")),
        );
        fires_at(&Function, Severity::Critical, &lambda("CreateFunction20150331", of("keepwatch-detect")));
        let limit = |n: i64| json!({"functionName": "keepwatch-detect", "reservedConcurrentExecutions": n});
        fires_at(&Function, Severity::Critical, &lambda("PutFunctionConcurrency20171031", limit(0)));
        fires_at(&Function, Severity::Medium, &lambda("PutFunctionConcurrency20171031", limit(5)));
        fires_at(&Function, Severity::High, &lambda("RemovePermission20150331v2", of("keepwatch-notify")));
        fires_at(&Function, Severity::High, &lambda("AddPermission20150331v2", of("keepwatch-notify:live")));
        fires_at(
            &Function,
            Severity::Medium,
            &lambda("PutFunctionEventInvokeConfig", of("keepwatch-notify")),
        );
    }

    fn mapping(event: &str, enabled: Value) -> String {
        let request = json!({"uUID": "14e0db71-0000-4000-8000-000000000001", "enabled": enabled});
        call("lambda", event, json!({"requestParameters": request, "responseElements": {"functionArn": ARN}}))
    }

    #[test]
    fn fires_where_events_go_astray() {
        let queue = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2";
        let stream = "arn:aws:dynamodb:us-east-1:111122223333:table/keepwatch-FindingsTable-A1/stream/2026";
        for source in [queue, stream] {
            let request = json!({"functionName": "thief", "eventSourceArn": source});
            let seen =
                fires_at(&Function, Severity::Critical, &lambda("CreateEventSourceMapping20150331", request));
            assert!(seen.title.starts_with("alice has function thief read from"), "{}", seen.title);
            let request = json!({"functionName": "thief", "eventSourceArn": source});
            let by_stack = by_stack("lambda", "CreateEventSourceMapping20150331", request);
            fires_at(&Function, Severity::Critical, &by_stack);
        }
        // Only the answer tells whose event source was given away.
        let away = json!({
            "requestParameters": {"uUID": "14e0db71-0000-4000-8000-000000000001", "functionName": "thief"},
            "responseElements": {"functionArn": "arn:aws:lambda:us-east-1:111122223333:function:thief",
                "eventSourceArn": queue}});
        fires_at(&Function, Severity::Critical, &call("lambda", "UpdateEventSourceMapping20150331", away));
        // Enabled, and deaf: a filter that nothing passes is no repair.
        let filtered = json!({
            "requestParameters": {"uUID": "x", "enabled": true,
                "filterCriteria": {"filters": [{"pattern": "none"}]}},
            "responseElements": {"functionArn": ARN, "eventSourceArn": queue}});
        fires_at(
            &Function,
            Severity::Critical,
            &call("lambda", "UpdateEventSourceMapping20150331", filtered),
        );
        let added = json!({"functionName": "keepwatch-notify",
            "eventSourceArn": "arn:aws:sqs:us-east-1:111122223333:other"});
        fires_at(&Function, Severity::High, &lambda("CreateEventSourceMapping20150331", added));
    }

    #[test]
    fn a_repair_resolves() {
        let limit = json!({"functionName": "keepwatch-detect", "reservedConcurrentExecutions": "0"});
        for (bad, good) in [
            (
                mapping("UpdateEventSourceMapping20150331", json!(false)),
                mapping("UpdateEventSourceMapping20150331", json!(true)),
            ),
            (
                lambda("PutFunctionConcurrency20171031", limit),
                lambda("DeleteFunctionConcurrency20171031", of(ARN)),
            ),
            (
                lambda("UpdateFunctionCode20150331v2", of(ARN)),
                by_stack("lambda", "UpdateFunctionCode20150331v2", of("keepwatch-detect")),
            ),
            (
                lambda("UpdateFunctionConfiguration20150331v2", of(ARN)),
                by_stack("lambda", "UpdateFunctionConfiguration20150331v2", of(ARN)),
            ),
            (
                lambda("DeleteFunction20150331", of(ARN)),
                by_stack("lambda", "CreateFunction20150331", of("keepwatch-detect")),
            ),
        ] {
            let (bad, good) = (fires_at(&Function, Severity::Critical, &bad), deploying(&Function, &good));
            assert!(good.iter().all(|o| o.verdict == Verdict::Passing));
            assert!(good.iter().any(|o| o.finding_id() == bad.finding_id()), "{bad:?} {good:?}");
        }
        let gone = fires_at(
            &Function,
            Severity::Critical,
            &mapping("DeleteEventSourceMapping20150331", json!(null)),
        );
        let back = by_stack("lambda", "CreateEventSourceMapping20150331", of("keepwatch-detect"));
        let back = deploying(&Function, &back);
        assert_eq!((back[0].verdict, back[0].finding_id()), (Verdict::Passing, gone.finding_id()));
        let gone = fired(&Function, &lambda("RemovePermission20150331v2", of("keepwatch-notify")));
        let back = by_stack("lambda", "AddPermission20150331v2", of("keepwatch-notify"));
        let back = deploying(&Function, &back);
        assert_eq!((back.len(), back[1].severity), (2, Severity::Low));
        assert_eq!((back[0].verdict, back[0].finding_id()), (Verdict::Passing, gone.finding_id()));
    }

    #[test]
    fn a_deployment_is_low_and_another_stack_is_not() {
        for (event, name, severity) in [
            ("RemovePermission20150331v2", "keepwatch-notify", Severity::High),
            ("DeleteFunction20150331", "keepwatch-securityhub", Severity::Critical),
            ("DeleteEventSourceMapping20150331", "keepwatch-detect", Severity::Critical),
        ] {
            let event = by_stack("lambda", event, of(name));
            deploys_at(&Function, Severity::Low, &event);
            foreign_at(&Function, severity, &event);
        }
        for event in ["UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2"] {
            let event = by_stack("lambda", event, of("keepwatch-detect"));
            foreign_at(&Function, Severity::Critical, &event);
            assert!(deploying(&Function, &event).iter().all(|one| one.verdict == Verdict::Passing));
        }
    }

    #[test]
    fn what_no_deployment_does_is_never_explained_by_one() {
        let name = json!("keepwatch-detect");
        for (event, request) in [
            (
                "PutFunctionConcurrency20171031",
                json!({"functionName": name, "reservedConcurrentExecutions": 0}),
            ),
            (
                "UpdateEventSourceMapping20150331",
                json!({"functionName": name, "uUID": "a1", "enabled": false}),
            ),
        ] {
            deploys_at(&Function, Severity::Critical, &by_stack("lambda", event, request));
        }
        deploys_at(
            &Function,
            Severity::Critical,
            &by_stack("lambda", "DeleteFunction20150331", of("keepwatch-detect")),
        );
        let filter = json!({"filters": [{"pattern": "{}"}]});
        for (event, request) in [
            ("CreateEventSourceMapping20150331", json!({"functionName": name, "enabled": false})),
            ("CreateEventSourceMapping20150331", json!({"functionName": name, "filterCriteria": filter})),
            (
                "UpdateEventSourceMapping20150331",
                json!({"functionName": name, "uUID": "a1", "enabled": true,
                "filterCriteria": filter}),
            ),
        ] {
            deploys_at(&Function, Severity::Critical, &by_stack("lambda", event, request));
        }
        let some = json!({"functionName": name, "reservedConcurrentExecutions": 1});
        deploys_at(&Function, Severity::Medium, &by_stack("lambda", "PutFunctionConcurrency20171031", some));
    }

    #[test]
    fn what_the_template_has_nothing_of() {
        let arn = json!({"resourceArn": ARN});
        for (event, request, severity) in [
            ("CreateFunctionUrlConfig", of(ARN), Severity::High),
            ("PutFunctionCodeSigningConfig", of("keepwatch-detect"), Severity::High),
            ("PutFunctionScalingConfig", of("keepwatch-detect"), Severity::High),
            ("PutResourcePolicy", arn.clone(), Severity::High),
            ("DeleteResourcePolicy", arn, Severity::High),
            ("PutProvisionedConcurrencyConfig", of("keepwatch-detect"), Severity::Medium),
            ("PutFunctionRecursionConfig", of("keepwatch-detect"), Severity::Medium),
            ("PutRuntimeManagementConfig", of("keepwatch-detect"), Severity::Medium),
            ("UpdateAlias20150331", of("keepwatch-detect"), Severity::Medium),
            ("PublishVersion20150331", of("keepwatch-detect"), Severity::Medium),
        ] {
            let seen = fires_at(&Function, severity, &lambda(event, request.clone()));
            assert_eq!(seen.subject.resource, ARN);
            fires_at(&Function, severity, &by_stack("lambda", event, request));
        }
        let url = fired(&Function, &lambda("UpdateFunctionUrlConfig", of("keepwatch-detect")));
        let gone = observe(&Function, &lambda("DeleteFunctionUrlConfig", of("keepwatch-detect")));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, url.finding_id()));
    }

    #[test]
    fn a_pipe_takes_events_or_sends_some() {
        let queue = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2";
        let pipe = |event: &str, request: Value| call("pipes", event, json!({"requestParameters": request}));
        let drain =
            json!({"name": "drain", "source": queue, "target": "arn:aws:sqs:us-east-1:111122223333:shop"});
        let seen = fires_at(&Function, Severity::Critical, &pipe("CreatePipe", drain.clone()));
        assert_eq!(seen.title, "alice has pipe drain that reads from Keepwatch's keepwatch-IntakeQueue-A1B2");
        fires_at(&Function, Severity::Critical, &by_stack("pipes", "CreatePipe", drain));
        fires_at(&Function, Severity::High, &pipe("UpdatePipe", json!({"name": "forge", "target": queue})));
        quiet(
            &Function,
            &[pipe("CreatePipe", json!({"name": "shop", "source": "arn:aws:sqs:us-east-1:1:orders"}))],
        );
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Function,
            &[
                lambda("UpdateFunctionCode20150331v2", of("shop")),
                lambda("UpdateFunctionCode20150331v2", of("my-keepwatch-detect")),
                lambda("UpdateFunctionCode20150331v2", json!(null)),
                lambda(
                    "UpdateFunctionCode20150331v2",
                    json!({"functionName": "keepwatch-detect", "dryRun": true}),
                ),
                lambda("DeleteEventSourceMapping20150331", json!({"uUID": "x"})),
                lambda(
                    "CreateEventSourceMapping20150331",
                    json!({"functionName": "shop", "eventSourceArn": "arn:aws:sqs:us-east-1:1:orders"}),
                ),
                call(
                    "lambda",
                    "DeleteFunction20150331",
                    json!({"errorCode": "AccessDenied", "requestParameters": of(ARN)}),
                ),
            ],
        );
    }
}
