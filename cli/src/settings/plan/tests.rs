use std::time::Duration;

use proptest::prelude::*;

use super::super::file::{self, parse};
use super::*;

const DAY: u64 = 86_400;

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T00:00:00Z").unwrap()
}

fn at(days: i64) -> Timestamp {
    let span = Duration::from_secs(days.unsigned_abs() * DAY);
    if days < 0 { now().minus(span) } else { now().plus(span) }
}

fn suppressed(name: &str, from: i64, to: i64) -> Value {
    json!({
        KEY: format!("suppression#{name}"), "rule": "admin-*", "resource": "*", "owner": "alice", "reason": "tests",
        "created_at": at(from), "expires_at": at(to),
    })
}

fn table(rows: &[Value]) -> Table {
    Table::of(rows, now())
}

fn export(table: &Table) -> String {
    file::text(table.used.values()).unwrap()
}

fn planned(text: &str, table: &Table) -> Plan {
    plan(&parse(text).unwrap(), table, now()).unwrap()
}

fn refused(text: &str) -> Vec<(usize, String)> {
    let refusals = plan(&parse(text).unwrap(), &table(&[]), now()).unwrap_err();
    refusals.into_iter().map(|one| (one.line, one.reason)).collect()
}

/// The table after the plan.
fn after(rows: &[Value], plan: &Plan) -> Vec<Value> {
    let is = |row: &&Value, other: &Value| row[KEY] == other[KEY];
    let gone = |row: &&Value| {
        plan.removed.iter().any(|other| is(row, other))
            || plan.changed.iter().any(|(_, other)| is(row, other))
    };
    let kept = rows.iter().filter(|row| !gone(row)).cloned();
    kept.chain(plan.added.iter().cloned()).chain(plan.changed.iter().map(|(_, row)| row.clone())).collect()
}

/// A text with what YAML has meanings for, and what a terminal must not see.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z*:#'\" -]{1,30}",
        any::<String>(),
        prop::sample::select(vec![
            "no",
            "null",
            "~",
            "1e3",
            "2026-03-01",
            "- a",
            "a: b",
            "a #b",
            "---",
            "|",
            "&a",
            "\u{200b}x \u{200b}"
        ])
        .prop_map(str::to_owned),
    ]
    .prop_filter("a text that is empty is missing", |text| !clean(text.trim(), 300).trim().is_empty())
}

fn suppressions() -> impl Strategy<Value = Value> {
    let parts = (
        words(),
        words(),
        words(),
        prop::option::of(words()),
        prop::option::of(100_000_000_000_u64..1_000_000_000_000),
    );
    ("[a-c]", -20_i64..5, 1_i64..30, parts).prop_map(
        |(name, from, days, (resource, owner, reason, actor, account))| {
            let mut row = suppressed(&name, from, from + days);
            row["resource"] = json!(resource);
            row["owner"] = json!(owner);
            row["reason"] = json!(reason);
            if let Some(actor) = actor {
                row["actor"] = json!(actor);
            }
            if let Some(account) = account {
                row["account"] = json!(account.to_string());
            }
            row
        },
    )
}

fn tuned() -> impl Strategy<Value = Value> {
    let rule =
        prop::sample::select(vec!["network-changed", "iam-access-denied-burst", "compute-cloudshell-used"]);
    let severity = prop::option::of(prop::sample::select(vec!["LOW", "HIGH"]));
    (rule, prop::option::of(any::<bool>()), severity, prop::option::of(1_u64..100), prop::option::of(words())).prop_map(
        |(rule, enabled, severity, threshold, note)| {
            let all = json!({
                KEY: format!("rule#{rule}"), "enabled": enabled, "severity": severity, "threshold": threshold, "note": note,
            });
            let set = attributes(&all).filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
        },
    )
}

fn listed() -> impl Strategy<Value = Value> {
    let names = "arn:aws:iam::\\*:role/[a-z]{2}[a-z*]{0,6}";
    prop::collection::vec(names, 0..5).prop_map(|values| json!({KEY: "list#automation", "values": values}))
}

/// Rows of different keys.
fn rows() -> impl Strategy<Value = Vec<Value>> {
    let row = prop_oneof![3 => suppressions(), 3 => tuned(), 1 => listed()];
    prop::collection::vec(row, 0..10).prop_map(|rows| {
        let by_key: BTreeMap<String, Value> =
            rows.into_iter().map(|row| (row[KEY].to_string(), row)).collect();
        by_key.into_values().collect()
    })
}

proptest! {
    #[test]
    fn an_export_that_is_applied_changes_nothing(rows in rows()) {
        let table = table(&rows);
        prop_assert!(table.unusable.is_empty(), "{:?}", table.unusable);
        let text = export(&table);
        prop_assert_eq!(planned(&text, &table), Plan::default());
        prop_assert_eq!(export(&table), text);
    }

    /// Of settings that may be set anew, which the ones with patterns that were cut may not.
    #[test]
    fn a_table_is_after_the_file_what_the_file_says(here in rows(), there in rows()) {
        let (here_now, there_now) = (table(&here), table(&there));
        let text = export(&there_now);
        if let Ok(plan) = plan(&parse(&text).unwrap(), &here_now, now()) {
            let new = table(&after(&here, &plan));
            let idle = |key: &&String| !plan.over.contains(key);
            prop_assert_eq!(&new.used, &there_now.used);
            prop_assert!(here_now.idle.keys().filter(idle).all(|key| new.idle.contains_key(key) || new.used.contains_key(key)));
            prop_assert_eq!(planned(&text, &new).len(), 0);
        } else {
            let odd = |row: &Value| new(row, now()).is_err();
            prop_assert!(there_now.used.values().any(odd));
        }
    }
}

#[test]
fn what_is_new_changed_or_gone_is_a_line_each() {
    let rows = [
        suppressed("old", -1, 5),
        json!({KEY: "rule#network-changed", "enabled": false}),
        json!({KEY: "list#automation", "values": ["arn:aws:iam::*:role/a", "arn:aws:iam::*:role/b"]}),
    ];
    let text = "setting_id: list#automation\nvalues: ['arn:aws:iam::*:role/c', 'arn:aws:iam::*:role/b']\n---\n\
                setting_id: rule#network-changed\nenabled: false\nseverity: LOW\n---\n\
                setting_id: suppression#new\nrule: root-*\nresource: '*'\naccount: '111122223333'\nowner: bob\n\
                reason: the audit\nexpires_at: 2026-03-05\n";
    let plan = planned(text, &table(&rows));
    assert_eq!(
        plan.lines(),
        [
            "+ suppression#new: root-* on * in 111122223333 until 2026-03-05T00:00:00Z, bob: the audit",
            "~ list#automation: adds arn:aws:iam::*:role/c, drops arn:aws:iam::*:role/a",
            "~ rule#network-changed: severity was not set, is now LOW",
            "- suppression#old: admin-* on * until 2026-03-06T00:00:00Z, alice: tests",
        ]
    );
    assert_eq!(plan.added[0]["created_at"], json!(now()));
}

#[test]
fn what_is_over_is_left_out_and_left_where_it_is() {
    let rows = [suppressed("past", -9, -1), suppressed("future", 1, 5), suppressed("now", -1, 1)];
    let table = table(&rows);
    let text = export(&table);
    assert!(text.contains("suppression#now") && !text.contains("past") && !text.contains("future"), "{text}");
    assert_eq!(planned("# nothing\n", &table).lines().len(), 1);
}

/// A file that nobody has touched since must stay applicable once a suppression in it is over.
#[test]
fn a_suppression_of_the_file_that_is_over_in_the_table_is_no_error() {
    let row = suppressed("past", -9, -1);
    let was = Table::of(std::slice::from_ref(&row), at(-5));
    let plan = planned(&export(&was), &table(&[row]));
    assert_eq!((plan.len(), plan.over), (0, vec!["suppression#past".to_owned()]));
}

#[test]
fn a_renewed_suppression_is_as_if_made_now() {
    let row = json!({
        KEY: "suppression#root", "rule": "root-*", "resource": "*", "owner": "a", "reason": "b",
        "created_at": at(-25), "expires_at": at(2),
    });
    let before = table(&[row]);
    let text = export(&before).replace("2026-03-03", "2026-03-20");
    let plan = planned(&text, &before);
    assert_eq!(plan.lines().len(), 1);
    assert_eq!(plan.changed[0].1["created_at"], json!(now()));
}

/// A file may have either ARN of a role, and says the same as the row that was made of it.
#[test]
fn forms_of_a_role_are_no_difference() {
    let mut row = suppressed("ci", 0, 20);
    row["actor"] = json!("arn:aws:sts::111122223333:assumed-role/ci");
    let list = json!({KEY: "list#automation", "values": ["arn:aws:sts::111122223333:assumed-role/cd/*"]});
    let table = table(&[row, list]);
    let text = export(&table);
    let other = text
        .replace("arn:aws:sts::111122223333:assumed-role/ci", "arn:aws:iam::111122223333:role/ops/ci")
        .replace("assumed-role/cd/*", "assumed-role/cd");
    assert_ne!(text, other);
    assert_eq!(planned(&other, &table), Plan::default());
    let told = refused(&other.replace("role/ops/ci", "role/ops/*"));
    assert!(told.len() == 1 && told[0].1.contains("`actor`: what a role does"), "{told:?}");
}

#[test]
fn what_suppress_add_and_tune_refuse_is_refused_with_its_line() {
    let long = "x".repeat(400);
    let row = |id: &str, rest: &str| format!("# a comment\n---\nsetting_id: {id}\n{rest}");
    let one = |rest: &str| {
        row(
            "suppression#a",
            &format!("resource: '*'\nowner: alice\nreason: tests\nexpires_at: 2026-03-20\n{rest}\n"),
        )
    };
    for (text, hint) in [
        (one("rule: admin-polcy"), "no rule is called `admin-polcy`"),
        (one("rule: admin-*\naccount: prod"), "twelve digits"),
        (one("rule: admin-*\ncreated_at: 2026-01-01T00:00:00Z"), "`created_at` is not for a file"),
        (one(&format!("rule: admin-*\nactor: {long}")), "`actor` is too long"),
        (one("rule: admin-*\nowners: bob"), "no attribute `owners`"),
        (one("rule: root-*").replace("03-20", "04-20"), "it may last 30 days because it covers"),
        (one("rule: admin-*").replace("2026-03-20", "2025-03-20"), "is not in the future"),
        (one("rule: admin-*").replace("2026-03-20", "soon"), "write it like"),
        (row("rule#network-chnged", "enabled: false\n"), "no rule is called"),
        (row("rule#root-console-sign-in", "enabled: false\n"), "suppress it for a time"),
        (row("rule#network-changed", "note: x\n"), "it sets nothing"),
        (row("rule#network-changed", "enabled: off-ish\n"), "must be true or false"),
        (row("rule#network-changed", "enabled: false\nnote: 5\n"), "`note` must be a text"),
        (row("list#expected-regions", "values: [mars]\n"), "`mars` is no region"),
        (row("list#automation", "values: []\n"), "it sets nothing"),
        (row("list#trusted-accounts", "values: [111122223333]\n"), "list of texts"),
        (row("lists#automation", "values: []\n"), "must be suppression#NAME"),
    ] {
        let told = refused(&text);
        assert!(told.len() == 1 && told[0].0 == 3 && told[0].1.contains(hint), "{text}: {told:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "setting_id: rule#a\nenabled: true\n---\nsetting_id: rule#b\nenabled: true\n";
    assert_eq!(refused(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn a_row_that_cannot_be_used_stays_unless_the_file_has_it() {
    let rows = [json!({KEY: "rule#network-changed", "enabled": "yes"})];
    let table = table(&rows);
    assert_eq!(table.unusable.len(), 1);
    assert_eq!(planned("# nothing\n", &table), Plan::default());
    let plan = planned("setting_id: rule#network-changed\nenabled: false\n", &table);
    assert_eq!(plan.lines(), ["~ rule#network-changed: a row that cannot be used; is now: enabled false"]);
}
