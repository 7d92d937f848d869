//! The commands that ask an account, against a DynamoDB in memory: the compiled binary, its output and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use common::{parsed, remarks, scratch, stderr, stdout, told};
use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::event::Event;
use keepwatch_core::finding::Finding;
use keepwatch_core::severity::MAILED_FROM;
use keepwatch_core::state::Fact;
use keepwatch_rules::registry;
use keepwatch_tests::aws_stub::{AwsStub, Item};
use serde_json::{Map, Value, json};

const EVENTS: &str = include_str!("fixtures/events.jsonl");
const FINDINGS: &str = "keepwatch-FindingsTable-1ABCDEF";
const SETTINGS: &str = "keepwatch-SettingsTable-1ABCDEF";
const FOREIGN: &str = "another-table";

/// An account with Keepwatch, and a person at a terminal with nothing but a key in the environment.
struct World {
    stub: AwsStub,
    home: PathBuf,
    ids: Vec<String>,
}

impl World {
    /// With the findings that the recorded events make: three that are failing and one that is unknown.
    fn new(name: &str) -> World {
        let home = scratch(name);
        fs::create_dir_all(home.join(".aws")).unwrap();
        let stub = AwsStub::http().unwrap();
        let mut world = World { stub, home, ids: Vec::new() };
        for finding in findings() {
            world.put(&serde_json::to_value(&finding).unwrap());
            world.ids.push(finding.finding_id);
        }
        world.setting("old", &json!({}));
        world.stub.put(FOREIGN, "x", Item::new());
        world
    }

    fn put(&self, finding: &Value) {
        self.stub.put(FINDINGS, finding["finding_id"].as_str().unwrap(), item(finding));
    }

    /// A row that has expired, with these changes.
    fn setting(&self, name: &str, changes: &Value) {
        let key = format!("suppression#{name}");
        let mut row = json!({
            "setting_id": key, "rule": "admin-*", "resource": "*", "owner": "bob", "reason": "tests",
            "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-02T00:00:00Z",
        });
        row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.stub.put(SETTINGS, &key, item(&row));
    }

    fn stored(&self, id: &str) -> Item {
        self.stub.table(FINDINGS).remove(id).unwrap()
    }

    fn id(&self, rule: &str) -> &str {
        self.ids.iter().find(|id| id.starts_with(rule)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = common::command(arguments);
        command.env_clear().envs([
            ("AWS_ENDPOINT_URL", self.stub.endpoint()),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        command.env("HOME", &self.home);
        command
    }

    fn keepwatch(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// What it prints, and nothing was wrong.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.keepwatch(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// What it says is wrong, in one line.
    fn told(&self, code: i32, arguments: &[&str]) -> String {
        told(code, &self.keepwatch(arguments))
    }
}

fn tomorrow() -> Timestamp {
    now().plus(Duration::from_secs(86_400))
}

fn findings() -> Vec<Finding> {
    let rules = Index::new(registry::RULES);
    let answer = |_: &_| Fact::Unavailable("not asked".to_owned());
    EVENTS
        .lines()
        .filter_map(|line| Event::parse(line).ok())
        .flat_map(|event| {
            let now = Timestamp::default();
            rules.evaluate_answering(&event, &Config::default(), now, answer).observations
        })
        // What is only kept on record is another test's.
        .filter(|observation| observation.severity >= MAILED_FROM)
        .filter_map(|observation| Finding::open(&observation, None, None))
        .collect()
}

/// JSON as DynamoDB writes it.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(flag) => json!({"BOOL": flag}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(list) => json!({"L": list.iter().map(attribute).collect::<Vec<_>>()}),
        Value::Object(_) => json!({"M": item(value)}),
    }
}

fn item(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

#[test]
fn findings_are_listed_in_every_format() {
    let world = World::new("listed");
    let table = world.done(&["findings", "list"]);
    assert!(table.contains("User bob is now a full administrator"), "{table}");
    assert!(table.contains("4 findings: "), "{table}");
    let (_, hash) = world.id("admin-inline-policy").rsplit_once('-').unwrap();
    assert!(table.contains(hash), "an id must not be wrapped: {table}");

    let raw = parsed(&world.done(&["findings", "list", "--format", "ndjson"]));
    let severities: Vec<&str> = raw.iter().filter_map(|finding| finding["severity"].as_str()).collect();
    assert_eq!(raw.len(), 4);
    assert_eq!(severities.first(), Some(&"CRITICAL"), "worst first");
    let ocsf = parsed(&world.done(&["findings", "list", "--format", "ocsf"]));
    assert!(ocsf.iter().all(|finding| finding["class_uid"].is_u64()), "{ocsf:?}");
    let asff = parsed(&world.done(&["findings", "list", "--format", "asff"]));
    assert!(asff.iter().all(|f| f["ProductArn"].as_str().is_some_and(|arn| arn.contains(":eu-west-1:"))));

    let all: Value = serde_json::from_str(&world.done(&["findings", "list", "--format", "json"])).unwrap();
    assert_eq!(all.as_array(), Some(&raw));
    let csv = world.done(&["findings", "list", "--format", "csv"]);
    assert!(csv.starts_with("finding_id,status,severity,rule,") && csv.lines().count() == 5, "{csv}");
    let sarif: Value = serde_json::from_str(&world.done(&["findings", "list", "--format", "sarif"])).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(run["results"][0]["level"], "error");
    assert_eq!(run["results"].as_array().map(Vec::len), Some(4));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(
        rules.iter().all(|rule| rule["help"]["text"].as_str().is_some_and(|text| text.len() > 40)),
        "{rules:?}"
    );

    let some = ["findings", "list", "--format", "ndjson", "--rule", "admin-*", "--severity", "critical"];
    assert_eq!(parsed(&world.done(&some)).len(), 1);
    let typo = world.told(2, &["findings", "list", "--rule", "admn-*"]);
    assert!(typo.contains("`keepwatch rules list`"), "{typo}");
    assert_eq!(world.keepwatch(&["findings", "list", "--severity", "bad"]).status.code(), Some(2));
}

#[test]
fn what_nobody_needs_to_look_at_is_counted_and_left_out() {
    let world = World::new("left-out");
    world.done(&["findings", "resolve", world.id("root-console"), "--by", "eve", "--note", "it was me"]);
    let table = world.done(&["findings", "list"]);
    assert!(table.contains("3 findings") && table.contains("left out: 1 RESOLVED (--all"), "{table}");
    let count = |arguments: &[&str]| {
        let all = [&["findings", "list", "--format", "ndjson"], arguments].concat();
        parsed(&world.done(&all)).len()
    };
    assert_eq!(
        (count(&["--all"]), count(&["--status", "resolved"]), count(&["--status", "new,resolved"])),
        (4, 1, 4)
    );
}

#[test]
fn a_finding_is_shown_by_any_part_that_means_only_it() {
    let world = World::new("shown");
    let id = world.id("admin-inline-policy");
    let (rule, hash) = id.rsplit_once('-').unwrap();
    for name in [id, rule, hash] {
        let text = world.done(&["findings", "show", name]);
        assert!(text.contains("WHAT TO DO NOW") && text.contains(id), "{text}");
    }
    for format in ["json", "ocsf", "asff"] {
        let text = world.done(&["findings", "show", id, "--format", format]);
        assert!(serde_json::from_str::<Value>(&text).is_ok_and(|json| json.is_object()), "{text}");
    }
    let both = world.told(2, &["findings", "show", "admin-"]);
    assert!(both.contains("2 findings; write more") && both.contains(id), "{both}");
    assert!(world.told(2, &["findings", "show", "nope"]).contains("`keepwatch findings list --all`"));
    assert!(world.told(2, &["findings", "show", " "]).contains("an id is needed"));
}

#[test]
fn acknowledging_and_resolving_are_written_and_told() {
    let world = World::new("changed");
    let id = world.id("admin-inline-policy").to_owned();
    let ack = ["findings", "ack", &id, "--by", "alice", "--note", "asking bob"];
    assert!(world.done(&ack).contains("IN_PROGRESS, acknowledged by alice: asking bob"));
    let stored = world.stored(&id);
    assert_eq!((&stored["status"], &stored["version"]), (&json!({"S": "IN_PROGRESS"}), &json!({"N": "1"})));

    let resolve = ["findings", "resolve", &id, "--by", "alice", "--note", "gone", "--as", "deleted"];
    assert!(world.done(&resolve).contains("RESOLVED, deleted: alice says: gone"));
    assert!(world.done(&resolve).contains("nothing has changed"));
    assert_eq!(world.stored(&id)["version"], json!({"N": "2"}));
    assert!(world.told(2, &ack).contains("resolved already"));

    let nothing = ["findings", "ack", &id, "--by", " ", "--note", "x"];
    assert_eq!(world.keepwatch(&nothing).status.code(), Some(2));
}

#[test]
fn a_finding_from_the_future_is_not_said_to_be_gone() {
    let world = World::new("future");
    let mut finding = serde_json::to_value(&findings()[0]).unwrap();
    finding["last_seen"] = json!("2999-01-01T00:00:00Z");
    world.put(&finding);
    let id = finding["finding_id"].as_str().unwrap();
    let told = world.told(1, &["findings", "resolve", id, "--by", "alice", "--note", "gone"]);
    assert!(told.contains("last seen at 2999-01-01T00:00:00Z"), "{told}");
    assert_eq!(world.stored(id)["version"], json!({"N": "0"}));
}

#[test]
fn those_who_write_at_the_same_time_lose_nothing() {
    let world = World::new("contended");
    let id = world.id("admin-inline-policy").to_owned();
    let running: Vec<_> = (0..6)
        .map(|i| {
            let by = format!("person-{i}");
            let mut command = world.command(&["findings", "ack", &id, "--by", &by, "--note", "x"]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(world.stored(&id)["version"], json!({"N": "6"}));
}

#[test]
fn no_text_of_an_event_reaches_the_terminal_as_it_is() {
    let world = World::new("clean");
    let id = world.id("admin-inline-policy").to_owned();
    let evil = "\u{1b}[2Jgo to https://evil.example now\u{202e}";
    let mut finding =
        serde_json::to_value(findings().into_iter().find(|f| f.finding_id == id).unwrap()).unwrap();
    finding["title"] = json!(evil);
    finding["resource"] = json!(evil);
    finding["status_reason"] = json!(evil);
    finding["strongest"][0]["title"] = json!(evil);
    world.put(&finding);
    let ack = ["findings", "ack", &id, "--by", evil, "--note", evil];
    let add = [
        "suppress",
        "add",
        "--rule",
        "admin-*",
        "--resource",
        "*",
        "--owner",
        evil,
        "--reason",
        evil,
        "--days",
        "1",
    ];
    for arguments in
        [&["findings", "list"][..], &["findings", "show", &id], &ack, &add, &["suppress", "list"]]
    {
        let text = world.done(arguments);
        assert!(text.contains("https[:]//evil[.]example"), "{arguments:?}: {text}");
        let hidden = |c: char| c.is_control() && !"\n\t".contains(c) || c == '\u{202e}';
        assert!(!text.contains(hidden), "{arguments:?}: {text:?}");
    }
}

#[test]
fn a_suppression_is_written_listed_renewed_and_removed() {
    let world = World::new("suppressed");
    let add =
        ["suppress", "add", "--rule", "admin-inline-policy", "--resource", "*:user/b*", "--owner", "alice"];
    let add = [&add[..], &["--reason", "it is bob's job", "--days", "30", "--name", "bob"]].concat();
    let text = world.done(&add);
    assert!(text.contains("It silences 1 open finding:\n  CRITICAL  User bob is now"), "{text}");
    assert!(text.contains("within a minute") && text.contains("announces it"), "{text}");
    assert!(text.contains("keepwatch suppress remove bob"), "{text}");
    let row = world.stub.table(SETTINGS).remove("suppression#bob").unwrap();
    assert_eq!(row["reason"], json!({"S": "it is bob's job"}));

    let again = world.told(2, &add);
    assert!(again.contains("--replace overwrites it"), "{again}");
    let renew = [&add[..], &["--replace"]].concat();
    world.done(&renew);

    let table = world.done(&["suppress", "list"]);
    assert!(table.contains("active") && table.contains("bob") && table.contains("expired"), "{table}");
    let early = json!({"created_at": "2998-01-01T00:00:00Z", "expires_at": "2998-01-02T00:00:00Z"});
    world.setting("early", &early);
    let states: Vec<Value> = parsed(&world.done(&["suppress", "list", "--format", "ndjson"]))
        .iter()
        .map(|row| json!([row["name"], row["state"]]))
        .collect();
    assert_eq!(states, [json!(["bob", "active"]), json!(["early", "not yet"]), json!(["old", "expired"])]);

    // As an older version wrote it.
    let idle =
        json!({"actor": "arn:aws:iam::111122223333:role/ci", "expires_at": tomorrow(), "created_at": now()});
    world.setting("idle", &idle);
    let said = remarks(0, &world.keepwatch(&["suppress", "list"]));
    let right = "idle: silences nothing, its actor is wrong: nobody acts under arn:aws:iam::111122223333:role/ci: write \
                 arn:aws:sts::111122223333:assumed-role/ci\n";
    assert_eq!(said, right);

    world.setting("typo", &json!({"rule": "admin-polcy"}));
    let output = world.keepwatch(&["suppress", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("suppression#typo: cannot be used, silences nothing: no rule is called")
    );
    let last = parsed(&stdout(&world.keepwatch(&["suppress", "list", "--format", "ndjson"]))).pop().unwrap();
    assert_eq!((&last["state"], &last["setting_id"]), (&json!("invalid"), &json!("suppression#typo")));

    // Whatever form of a role's ARN is written, the one that findings have is kept; who acted on what it leaves is told.
    let add = [
        "suppress",
        "add",
        "--rule",
        "admin-inline-policy",
        "--resource",
        "*",
        "--owner",
        "alice",
        "--reason",
        "a",
    ];
    let actor = ["--days", "3", "--name", "role", "--actor", "arn:aws:iam::111122223333:role/ops/ci"];
    let text = world.done(&[&add[..], &actor].concat());
    let kept = "arn:aws:sts::111122223333:assumed-role/ci";
    assert!(text.contains(&format!("role is written: admin-inline-policy on * by {kept} until ")), "{text}");
    assert!(
        text.contains(&format!("--actor: arn:aws:iam::111122223333:role/ops/ci is kept as {kept}.")),
        "{text}"
    );
    assert!(text.contains("No open finding matches it now"), "{text}");
    let left = "1 open finding of that rule and resource stays as it is: others acted on it, arn:aws:iam::111122223333:user/alice\n";
    assert!(text.contains(left), "{text}");
    assert_eq!(world.stub.table(SETTINGS)["suppression#role"]["actor"], json!({"S": kept}));

    for name in ["bob", "suppression#typo", "role"] {
        world.done(&["suppress", "remove", name]);
    }
    assert!(world.told(2, &["suppress", "remove", "bob"]).contains("there is no row bob"));
}

#[test]
fn what_cannot_be_suppressed_is_refused_before_aws_is_asked() {
    let world = World::new("refused");
    let add = |rule: &str, days: &str| {
        let add = [
            "suppress",
            "add",
            "--rule",
            rule,
            "--resource",
            "*",
            "--owner",
            "a",
            "--reason",
            "b",
            "--days",
            days,
        ];
        world.told(2, &add)
    };
    assert!(add("root-*", "31").contains("may last 30 days because it covers root-"));
    assert!(add("admin-polcy", "3").contains("`keepwatch rules list`"));
    let endless =
        ["suppress", "add", "--rule", "admin-*", "--resource", "*", "--owner", "a", "--reason", "b"];
    assert_eq!(world.keepwatch(&endless).status.code(), Some(2));
    assert_eq!(world.stub.calls("ListTables"), 0);
}

#[test]
fn tables_are_found_by_the_stack_or_named() {
    let world = World::new("tables");
    let none = world.told(2, &["findings", "list", "--stack", "other"]);
    assert!(none.contains("no table other-FindingsTable-... in eu-west-1"), "{none}");
    assert!(
        none.contains("--region") && none.contains("--stack") && none.contains("--findings-table"),
        "{none}"
    );
    world.stub.put("keepwatch-FindingsTable-1OLDONE", "x", Item::new());
    let two = world.told(2, &["findings", "list"]);
    assert!(two.contains("2 tables that may be it") && two.contains("--findings-table"), "{two}");
    assert_eq!(
        parsed(&world.done(&["findings", "list", "--findings-table", FINDINGS, "--format", "ndjson"])).len(),
        4
    );
    let by_environment =
        world.command(&["findings", "list"]).env("KEEPWATCH_FINDINGS_TABLE", FINDINGS).output();
    assert_eq!(by_environment.unwrap().status.code(), Some(0));
}

#[test]
fn an_item_that_is_no_finding_is_told_of_and_hides_no_other() {
    let world = World::new("odd");
    world.stub.put(FINDINGS, "odd", item(&json!({"finding_id": "odd", "title": 7})));
    let output = world.keepwatch(&["findings", "list", "--format", "ndjson"]);
    assert_eq!((output.status.code(), parsed(&stdout(&output)).len()), (Some(1), 4));
    assert!(stderr(&output).contains("1 item of the findings table is no finding"), "{}", stderr(&output));
    assert!(world.told(1, &["findings", "show", "odd"]).contains("item odd of the findings table"));
}

#[test]
fn what_aws_refuses_is_one_line_and_exit_code_3() {
    let world = World::new("broken");
    world.stub.fail("Scan");
    let told = world.told(3, &["findings", "list"]);
    assert!(told.contains("dynamodb:Scan on keepwatch-FindingsTable-1ABCDEF in eu-west-1"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    let dead =
        world.command(&["findings", "list"]).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").output().unwrap();
    assert!(self::told(3, &dead).contains("could not be reached. Look at the network"));
}

#[test]
fn credentials_and_region_come_from_where_the_aws_cli_has_them() {
    let world = World::new("profiles");
    let bare = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_REGION");
        command.output().unwrap()
    };
    let nobody = told(2, &bare(&["findings", "list"]));
    assert!(nobody.contains("no region is set") && nobody.contains("--region"), "{nobody}");
    let nobody = told(3, &bare(&["findings", "list", "--region", "eu-west-1"]));
    assert!(nobody.contains("no AWS credentials") && nobody.contains("--profile"), "{nobody}");

    let asked = world.home.join("asked");
    let script = world.home.join("credentials");
    let keys = r#"{"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "secret"}"#;
    fs::write(&script, format!("echo once >> '{}'\necho '{keys}'\n", asked.display())).unwrap();
    let config =
        format!("[profile watch]\nregion = eu-west-1\ncredential_process = /bin/sh {}\n", script.display());
    fs::write(world.home.join(".aws/config"), config).unwrap();
    let listed = bare(&["findings", "list", "--profile", "watch"]);
    assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
    assert_eq!(fs::read_to_string(&asked).unwrap(), "once\n", "a person may have to type a code each time");
    // Whoever names a profile means it, whatever the environment holds.
    world.done(&["findings", "list", "--profile", "watch"]);
    assert_eq!(fs::read_to_string(&asked).unwrap(), "once\nonce\n");
    let unknown = world.told(3, &["findings", "list", "--profile", "wach"]);
    assert!(unknown.contains("wach"), "{unknown}");
}

#[test]
fn every_command_has_an_example_and_tells_its_exit_codes() {
    let world = World::new("help");
    for path in [
        "findings list",
        "findings show",
        "findings ack",
        "findings resolve",
        "suppress add",
        "suppress list",
        "suppress remove",
        "settings export",
        "settings apply",
    ] {
        let arguments: Vec<&str> = path.split(' ').chain(["--help"]).collect();
        let help = world.done(&arguments);
        assert!(help.contains(&format!("keepwatch {path}")) && help.contains("Exit codes: 0 "), "{help}");
        assert!(help.contains("--stack") && help.contains("--profile"), "{help}");
    }
}

#[test]
fn rules_are_tuned_and_what_cannot_be_is_refused() {
    let world = World::new("tune");
    world.done(&["tune", "rule", "network-changed", "--off", "--note", "a test"]);
    world.done(&["tune", "values", "automation", "arn:aws:iam::111122223333:role/ci-*"]);
    let listed = world.done(&["tune", "list"]);
    assert!(listed.contains("rule#network-changed") && listed.contains("off"), "{listed}");
    assert!(listed.contains("list#automation") && listed.contains("role/ci-*"), "{listed}");
    world.done(&["tune", "values", "automation", "--add", "arn:aws:iam::111122223333:role/deploy"]);
    let added = world.done(&["tune", "list"]);
    assert!(added.contains("role/ci-*") && added.contains("role/deploy"), "{added}");
    let session = "arn:aws:sts::111122223333:assumed-role/cd";
    let added = world.done(&["tune", "values", "automation", "--add", session]);
    assert!(added.contains(&format!(", {session}/*\n")), "{added}");
    let again = world.done(&["tune", "values", "automation", "--add", session]);
    assert_eq!(again.matches(session).count(), 2, "was and is, once each: {again}");
    for (arguments, hint) in [
        (&["tune", "rule", "network-chnged", "--off"][..], "no rule is called"),
        (&["tune", "rule", "root-console-sign-in", "--off"][..], "suppress it for a time"),
        (&["tune", "rule", "network-changed", "--severity", "awful"][..], "INFORMATIONAL, LOW"),
        (&["tune", "rule", "network-chnged", "--off"][..], "did you mean network-changed?"),
        (&["tune", "values", "expected-regions", "mars"][..], "`mars` is no region, such as eu-central-1\n"),
        (&["tune", "values", "expectd-regions", "eu-west-1"][..], "did you mean expected-regions?"),
        (&["tune", "values", "automation"][..], "nothing is changed"),
        (&["tune", "values", "trusted-accounts", "prod"][..], "twelve digits"),
        (&["tune", "values", "automation", "*"][..], "no ARN"),
        (&["tune", "values", "automation", "role/ci"][..], "write arn:aws:iam::111122223333:role/ci"),
        (&["tune", "reset", "rule#nothing"][..], "there is no row"),
    ] {
        let said = world.told(2, arguments);
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
    let shown = world.done(&["tune", "rule", "network-changed"]);
    assert!(shown.starts_with("Nothing is changed: network-changed is off."), "{shown}");
    let changed = world.done(&["tune", "rule", "network-changed", "--severity", "low"]);
    assert!(
        changed.starts_with("rule#network-changed was: off\nrule#network-changed is now: severity LOW\n"),
        "{changed}"
    );
    world.done(&["tune", "reset", "rule#network-changed"]);
    assert!(!world.done(&["tune", "list"]).contains("network-changed"));
}

#[test]
fn settings_are_exported_and_a_changed_file_is_applied() {
    let world = World::new("settings");
    world.done(&["tune", "rule", "network-changed", "--off", "--note", "a test"]);
    world.done(&["tune", "values", "automation", "arn:aws:iam::111122223333:role/ci-*"]);
    let path = world.home.join("settings.yaml");
    let file = path.to_str().unwrap();
    let exported = world.keepwatch(&["settings", "export", "--output", file]);
    assert_eq!(remarks(0, &exported), "suppression#old: left out, it silences nothing now\n");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(world.done(&["settings", "export"]), text);
    assert_eq!(world.done(&["settings", "apply", file]), "Nothing differs.\n");

    let before = world.stub.table(SETTINGS);
    fs::write(&path, text.replace("ci-*", "cd-*").replace("network-changed", "network-chnged")).unwrap();
    let said = remarks(2, &world.keepwatch(&["settings", "apply", file, "--yes"]));
    assert!(said.contains("settings.yaml:7: rule#network-chnged: no rule is called"), "{said}");
    assert_eq!(world.stub.table(SETTINGS), before);

    fs::write(&path, text.replace("ci-*", "cd-*").replace("network-changed", "compute-cloudshell-used"))
        .unwrap();
    let shown = world.keepwatch(&["settings", "apply", file]);
    assert_eq!(remarks(1, &shown), "");
    let lines = "+ rule#compute-cloudshell-used: enabled false, note a test\n\
                 ~ list#automation: adds arn:aws:iam::111122223333:role/cd-*, drops arn:aws:iam::111122223333:role/ci-*\n\
                 - rule#network-changed: enabled false, note a test\n";
    assert_eq!(stdout(&shown), format!("{lines}3 rows would be written. Write it: --yes\n"));
    assert_eq!(world.stub.table(SETTINGS), before);
    let written = world.done(&["settings", "apply", file, "--yes"]);
    assert!(written.starts_with(lines) && written.contains("3 rows written."), "{written}");
    assert_eq!(world.stub.calls("TransactWriteItems"), 1);
    assert_eq!(world.done(&["settings", "apply", file, "--yes"]), "Nothing differs.\n");
    assert!(world.stub.table(SETTINGS).contains_key("suppression#old"));

    let missing = world.told(2, &["settings", "apply", "none.yaml"]);
    assert!(missing.contains("cannot read none.yaml"), "{missing}");
}

/// A row that cannot be used is no part of a file, and whoever compares exports learns of it by the exit code.
#[test]
fn an_export_names_what_cannot_be_used() {
    let world = World::new("settings-unusable");
    world.setting("odd", &json!({"rule": "no-such-rule"}));
    let said = remarks(1, &world.keepwatch(&["settings", "export"]));
    assert!(said.contains("suppression#odd: left out, it cannot be used: no rule is called"), "{said}");
    let path = world.home.join("empty.yaml");
    fs::write(&path, "# nothing\n").unwrap();
    let applied = world.keepwatch(&["settings", "apply", path.to_str().unwrap()]);
    assert!(remarks(0, &applied).contains("suppression#odd: left as it is"));
}

/// More than one transaction takes are written in parts, and all of them.
#[test]
fn a_long_file_is_written_in_several_transactions() {
    let world = World::new("settings-long");
    let path = world.home.join("long.yaml");
    let row = |number: usize| {
        format!(
            "---\nsetting_id: suppression#s{number}\nrule: admin-*\nresource: '*'\nowner: alice\nreason: tests\n\
             expires_at: {}\n",
            tomorrow()
        )
    };
    fs::write(&path, (0..150).map(row).collect::<String>()).unwrap();
    let written = world.done(&["settings", "apply", path.to_str().unwrap(), "--yes"]);
    assert!(written.contains("150 rows written."), "{written}");
    assert_eq!(world.stub.calls("TransactWriteItems"), 2);
    assert_eq!(world.stub.table(SETTINGS).len(), 151);
}

const OPERATOR: &str = "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-1ABCDEF";

/// Commands that write, one a table and kind of row.
fn writes(world: &World) -> Vec<Vec<&str>> {
    let said = ["--by", "alice", "--note", "looking"];
    let ack = [&["findings", "ack", world.id("admin-inline-policy")][..], &said].concat();
    vec![
        ack,
        vec![
            "suppress",
            "add",
            "--rule",
            "admin-*",
            "--resource",
            "*",
            "--owner",
            "alice",
            "--reason",
            "tests",
            "--days",
            "1",
            "--name",
            "new",
        ],
        vec!["suppress", "remove", "new"],
        vec!["tune", "rule", "network-changed", "--off"],
        vec!["tune", "reset", "rule#network-changed"],
    ]
}

#[test]
fn what_is_written_is_written_as_the_operator() {
    let world = World::new("operator");
    world.stub.guard(FINDINGS, OPERATOR);
    world.stub.guard(SETTINGS, OPERATOR);
    for command in writes(&world) {
        let before = world.stub.calls("AssumeRole");
        world.done(&command);
        assert_eq!(world.stub.calls("AssumeRole"), before + 1, "{command:?}");
    }
    // Reading needs no role.
    let before = world.stub.calls("AssumeRole");
    world.done(&["findings", "list"]);
    world.done(&["suppress", "list"]);
    assert_eq!(world.stub.calls("AssumeRole"), before);
}

#[test]
fn a_finding_about_keepwatch_itself_is_not_for_the_operator_to_change() {
    let world = World::new("operator-self");
    world.stub.guard(FINDINGS, OPERATOR);
    let mut own = serde_json::to_value(&findings()[0]).unwrap();
    let id = "self-operator-taken-3f9a2c41d07be5a8";
    own["finding_id"] = json!(id);
    world.put(&own);
    for verb in ["ack", "resolve"] {
        let text = world.told(3, &["findings", verb, id, "--by", "alice", "--note", "looking"]);
        assert!(text.contains("a finding about Keepwatch itself cannot be changed"), "{text}");
    }
    assert_eq!(world.stored(id), item(&own));
}

#[test]
fn a_stack_without_an_operator_is_written_with_the_callers_own_rights() {
    let world = World::new("no-operator");
    for command in writes(&world) {
        world.done(&command);
    }
    assert_eq!(world.stub.calls("AssumeRole"), 0);
}

#[test]
fn who_may_not_become_the_operator_is_told_what_is_missing() {
    let world = World::new("refused-operator");
    world.stub.guard(FINDINGS, OPERATOR);
    world.stub.guard(SETTINGS, OPERATOR);
    world.stub.refuse_roles();
    for command in writes(&world) {
        let text = world.told(3, &command);
        assert!(text.contains("arn:aws:iam::111122223333:user/alice may not take the role"), "{text}");
        let statement = format!(r#"{{"Action":"sts:AssumeRole","Effect":"Allow","Resource":"{OPERATOR}"}}"#);
        assert!(text.contains(&statement), "{text}");
    }
    // Who may not even see the policy tries, and is told what to look with.
    world.stub.hide_policies();
    for command in writes(&world) {
        let text = world.told(3, &command);
        assert!(text.contains("need dynamodb:DescribeTable and dynamodb:GetResourcePolicy"), "{text}");
    }
}

/// The history is fetched once; a day that is there is not fetched again, and today always is.
#[test]
fn the_event_history_is_fetched_and_replayed() {
    let world = World::new("lookup");
    let folder = world.home.join("history");
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap();
    let now = Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap());
    let day = |days: u64| now.minus(std::time::Duration::from_secs(days * 86_400 + 1)).to_string();
    for (i, days) in [0, 1, 2, 20].into_iter().enumerate() {
        let mut record: Value = serde_json::from_str(EVENTS.lines().next().unwrap()).unwrap();
        record["eventID"] = format!("{i}").into();
        record["eventTime"] = format!("{}Z", &day(days)[..19]).into();
        world.stub.remember(&record);
    }
    let path = folder.to_str().unwrap();
    let replay = ["replay", "--lookup", path, "--days", "3", "--region", "us-east-1", "--format", "json"];
    let output = world.keepwatch(&replay);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("about 3 events in 3 days"), "{}", stderr(&output));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["events"]["cloudtrail"], 3, "{told}");
    let again = world.keepwatch(&replay);
    assert!(stderr(&again).starts_with("about 1 events in 1 days"), "{}", stderr(&again));
    let odd = world.keepwatch(&["replay", "--lookup", path, "--days", "91"]);
    assert_eq!(odd.status.code(), Some(2));
}
