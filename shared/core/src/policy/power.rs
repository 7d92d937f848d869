//! What a set of documents allows: the union of its Allows less its unconditional Denies, asked action by action.
//!
//! A Deny with a condition takes nothing away here. Its condition is the holder's to miss: "deny unless MFA" leaves all
//! the power to whoever has the MFA device.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::condition::Limits;
use super::document::{Document, Effect, Statement};
use super::escalation::{PATHS, Path, Target};
use super::scope::{Holder, Place, Reach, SELF, SOME, Scope, is_broad};
use super::wildcard;

/// Changes to IAM of which an administrator may make most.
const IAM: [&str; 12] = [
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:CreateRole",
    "iam:CreateUser",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:UpdateAssumeRolePolicy",
];

/// For the services that matter most, what "every action" comes to: whoever may do all of these has the service,
/// however the pattern is written.
const SERVICES: [(&str, &[&str]); 24] = [
    ("account", &["CloseAccount", "PutAlternateContact", "EnableRegion"]),
    (
        "backup",
        &["DeleteBackupVault", "DeleteRecoveryPoint", "PutBackupVaultAccessPolicy", "StartRestoreJob"],
    ),
    ("cloudformation", &["CreateStack", "DeleteStack", "UpdateStack", "SetStackPolicy"]),
    ("cloudtrail", &["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"]),
    ("config", &["DeleteConfigurationRecorder", "StopConfigurationRecorder", "PutDeliveryChannel"]),
    ("dynamodb", &["GetItem", "PutItem", "DeleteTable", "PutResourcePolicy", "ExportTableToPointInTime"]),
    (
        "ec2",
        &[
            "RunInstances",
            "TerminateInstances",
            "AuthorizeSecurityGroupIngress",
            "ModifySnapshotAttribute",
            "DeleteVpc",
        ],
    ),
    ("ecr", &["PutImage", "DeleteRepository", "SetRepositoryPolicy", "BatchDeleteImage"]),
    ("ecs", &["RunTask", "RegisterTaskDefinition", "DeleteCluster", "ExecuteCommand"]),
    ("eks", &["CreateAccessEntry", "AssociateAccessPolicy", "DeleteCluster", "UpdateClusterConfig"]),
    ("guardduty", &["DeleteDetector", "UpdateDetector", "CreateFilter", "DisassociateMembers"]),
    ("kms", &["Decrypt", "PutKeyPolicy", "ScheduleKeyDeletion", "CreateGrant"]),
    (
        "lambda",
        &["CreateFunction", "UpdateFunctionCode", "AddPermission", "DeleteFunction", "InvokeFunction"],
    ),
    ("logs", &["DeleteLogGroup", "PutResourcePolicy", "PutSubscriptionFilter", "DeleteLogStream"]),
    ("organizations", &["AttachPolicy", "DetachPolicy", "InviteAccountToOrganization", "LeaveOrganization"]),
    ("rds", &["DeleteDBInstance", "ModifyDBInstance", "ModifyDBSnapshotAttribute", "CreateDBSnapshot"]),
    ("route53", &["ChangeResourceRecordSets", "DeleteHostedZone", "CreateHostedZone"]),
    ("s3", &["GetObject", "PutObject", "DeleteObject", "PutBucketPolicy", "DeleteBucket"]),
    ("secretsmanager", &["GetSecretValue", "PutSecretValue", "DeleteSecret", "PutResourcePolicy"]),
    ("securityhub", &["DisableSecurityHub", "UpdateStandardsControl", "BatchUpdateFindings"]),
    ("sns", &["Publish", "DeleteTopic", "SetTopicAttributes", "AddPermission"]),
    ("sqs", &["ReceiveMessage", "SendMessage", "DeleteQueue", "SetQueueAttributes"]),
    ("ssm", &["SendCommand", "StartSession", "PutParameter", "GetParameter", "StartAutomationExecution"]),
    ("sso", &["CreatePermissionSet", "CreateAccountAssignment", "PutInlinePolicyToPermissionSet"]),
];

/// Services with nothing to administer: channels of agents, prices, the caller's own health and identity. IAM and STS
/// are judged by the ways to gain power instead.
const TRIFLES: [&str; 10] = [
    "ec2messages",
    "execute-api",
    "health",
    "iam",
    "mobileanalytics",
    "pricing",
    "ssmmessages",
    "sts",
    "support",
    "xray",
];

/// The most services that one document may name; AWS has about four hundred.
const MAX_SERVICES: usize = 400;

/// Which probe actions a statement names, one bit each.
type Bits = [u64; 6];

/// The actions that are asked for.
struct Table {
    actions: Vec<(String, Place<'static>)>,
    index: HashMap<&'static str, usize>,
    letters: Vec<usize>,
    services: Vec<(&'static str, Vec<usize>)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table =
        Table { actions: Vec::new(), index: HashMap::new(), letters: Vec::new(), services: Vec::new() };
    let named = PATHS.iter().flat_map(|p| p.all.iter().chain(p.any)).chain(&IAM).chain(&["iam:PassRole"]);
    for &action in named {
        if !table.index.contains_key(action) {
            table.index.insert(action, table.actions.len());
            table.actions.push((action.to_owned(), place(action)));
        }
    }
    for (service, names) in SERVICES {
        let first = table.actions.len();
        table.actions.extend(names.iter().map(|name| (format!("{service}:{name}"), Place::Service(service))));
        table.services.push((service, (first..table.actions.len()).collect()));
    }
    // Actions that no list can name, one for each letter that the name of a service can begin with.
    for (letter, verb) in ('a'..='z').zip(('A'..='Z').rev()) {
        table.letters.push(table.actions.len());
        table.actions.push((format!("{letter}~~~~~~~~~:{verb}~~~~~~~~~~"), Place::Anywhere));
    }
    table
});

/// On what kind of resource an action works.
fn place(action: &'static str) -> Place<'static> {
    let (service, name) = action.split_once(':').unwrap_or((action, ""));
    match service {
        "sts" => Place::Role,
        "iam" if name.contains("Group") => Place::Group,
        "iam" if name.contains("Role") => Place::Role,
        "iam" if name.contains("SAML") => Place::Saml,
        "iam" if name.contains("OpenID") => Place::Oidc,
        "iam" if name.ends_with("PolicyVersion") => Place::Policy,
        "iam" => Place::User,
        _ => Place::Service(service),
    }
}

/// One statement, made ready to be asked.
pub(super) struct Entry<'a> {
    /// Which document it stands in.
    pub(super) document: usize,
    /// Its number in the document, from one.
    pub(super) number: usize,
    pub(super) statement: &'a Statement,
    pub(super) limits: Limits<'a>,
    actions: Bits,
    scope: Scope,
    reach: RefCell<HashMap<Place<'static>, Reach>>,
}

impl Entry<'_> {
    fn names(&self, action: usize) -> bool {
        self.actions[action / 64] >> (action % 64) & 1 == 1
    }

    fn reach(&self, place: Place<'static>, holder: &Holder) -> Reach {
        *self.reach.borrow_mut().entry(place).or_insert_with(|| self.scope.reach(place, holder))
    }
}

/// All the documents of one holder.
pub(super) struct Power<'a> {
    pub(super) allows: Vec<Entry<'a>>,
    pub(super) denies: Vec<Entry<'a>>,
    holder: Holder,
}

impl<'a> Power<'a> {
    pub(super) fn new(documents: &[(&str, &'a Document)], holder: Holder) -> Power<'a> {
        let mut power = Power { allows: Vec::new(), denies: Vec::new(), holder };
        let mut known: HashMap<&'a str, Bits> = HashMap::new();
        for (document, (_, content)) in documents.iter().enumerate() {
            for (i, statement) in content.statements.iter().enumerate() {
                let allow = statement.effect == Effect::Allow;
                if !allow && !statement.conditions.is_empty() {
                    continue;
                }
                let entry = Entry {
                    document,
                    number: i + 1,
                    statement,
                    limits: Limits::of(&statement.conditions),
                    actions: actions(statement, &mut known),
                    scope: Scope::of(statement, allow, &power.holder),
                    reach: RefCell::default(),
                };
                if allow { power.allows.push(entry) } else { power.denies.push(entry) }
            }
        }
        power
    }
}

/// The probe actions that a statement names. Documents repeat their patterns, so that each is matched once.
fn actions<'a>(statement: &'a Statement, known: &mut HashMap<&'a str, Bits>) -> Bits {
    let list = statement.not_actions.as_ref().unwrap_or(&statement.actions);
    let mut bits = Bits::default();
    for pattern in list {
        let found = known.entry(pattern).or_insert_with(|| {
            let mut found = Bits::default();
            for (i, (action, _)) in TABLE.actions.iter().enumerate() {
                if wildcard::matches_ignore_ascii_case(pattern, action) {
                    found[i / 64] |= 1 << (i % 64);
                }
            }
            found
        });
        bits.iter_mut().zip(*found).for_each(|(all, one)| *all |= one);
    }
    if statement.not_actions.is_some() { bits.map(|word| !word) } else { bits }
}

/// Some of the Allows of a holder, and what they come to.
pub(super) struct View<'p, 'a> {
    power: &'p Power<'a>,
    /// Indices into `power.allows`.
    pub(super) chosen: Vec<usize>,
    memo: RefCell<HashMap<(usize, Option<&'static str>), Reach>>,
}

impl<'p, 'a> View<'p, 'a> {
    pub(super) fn new(power: &'p Power<'a>, chosen: Vec<usize>) -> View<'p, 'a> {
        View { power, chosen, memo: RefCell::default() }
    }

    fn reach(&self, action: usize, service: Option<&'static str>) -> Reach {
        if let Some(&reach) = self.memo.borrow().get(&(action, service)) {
            return reach;
        }
        let (name, place) = &TABLE.actions[action];
        let holder = &self.power.holder;
        let mut reach = 0;
        for entry in self.chosen.iter().map(|&i| &self.power.allows[i]) {
            if entry.names(action) && entry.limits.permit(name, service) {
                reach |= entry.reach(*place, holder);
            }
        }
        for entry in &self.power.denies {
            if reach != 0 && entry.names(action) {
                reach &= !entry.reach(*place, holder);
            }
        }
        self.memo.borrow_mut().insert((action, service), reach);
        reach
    }

    fn named(&self, action: &str, service: Option<&'static str>) -> Reach {
        TABLE.index.get(action).map_or(0, |&i| self.reach(i, service))
    }

    /// Whether it covers actions that no list can name. Three quarters of the letters will do: there are letters that
    /// no service begins with, and a small Deny does not make an administrator harmless.
    pub(super) fn is_everything(&self) -> bool {
        TABLE.letters.iter().filter(|&&i| is_broad(self.reach(i, None))).count() >= 20
    }

    /// Whether it covers IAM: most of the changes that make an administrator.
    pub(super) fn is_iam(&self) -> bool {
        IAM.iter().filter(|action| is_broad(self.named(action, None))).count() >= 8
    }

    /// Whether this way to gain power is open.
    pub(super) fn is_open(&self, path: &Path) -> bool {
        let passes = path.passes.is_empty()
            || path.passes.iter().any(|&service| is_broad(self.named("iam:PassRole", Some(service))));
        let held = |action: &&str| {
            let reach = self.named(action, None);
            // Once any role can be passed, one function of a given name is enough to use it.
            let some = !path.passes.is_empty() && reach & SOME != 0;
            let own = path.target == Target::OthersOrSelf && (reach & SELF != 0 || self.joins(action));
            is_broad(reach) || some || own
        };
        passes && path.all.iter().all(held) && (path.any.is_empty() || path.any.iter().any(held))
    }

    /// `AddUserToGroup` is asked of the group, but written for the user by many authors.
    fn joins(&self, action: &str) -> bool {
        let Some(&index) = TABLE.index.get(action).filter(|_| action == "iam:AddUserToGroup") else {
            return false;
        };
        let names = |e: &&Entry<'_>| e.names(index);
        let own = |e: &Entry<'_>| e.reach(Place::User, &self.power.holder) & SELF != 0;
        let chosen = self.chosen.iter().map(|&i| &self.power.allows[i]);
        let denied = |e: &Entry<'_>| own(e) || is_broad(e.reach(Place::Group, &self.power.holder));
        chosen.filter(names).any(|e| e.limits.permit(action, None) && own(e))
            && !self.power.denies.iter().filter(names).any(denied)
    }

    /// The services all of whose actions it covers on most resources, in the alphabet's order.
    pub(super) fn services(&self) -> Vec<String> {
        let known = |(_, probes): &&(&str, Vec<usize>)| probes.iter().all(|&i| is_broad(self.reach(i, None)));
        let mut all: Vec<String> =
            TABLE.services.iter().filter(known).map(|(name, _)| (*name).to_owned()).collect();
        all.extend(self.others());
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether it covers this service, of the table or not.
    pub(super) fn holds(&self, service: &str) -> bool {
        match TABLE.services.iter().find(|(name, _)| *name == service) {
            Some((_, probes)) => probes.iter().all(|&i| is_broad(self.reach(i, None))),
            None => self.others().iter().any(|other| other == service),
        }
    }

    /// Services outside the table that a statement names in full: `name:*`.
    fn others(&self) -> Vec<String> {
        let mut given: HashMap<String, Reach> = HashMap::new();
        for entry in self.chosen.iter().map(|&i| &self.power.allows[i]) {
            for pattern in &entry.statement.actions {
                let Some((service, action)) = pattern.split_once(':') else { continue };
                let whole =
                    !action.is_empty() && action.bytes().all(|b| b == b'*') && !wildcard::is_wild(service);
                let service = service.trim().to_ascii_lowercase();
                if !whole || service.is_empty() || TRIFLES.contains(&service.as_str()) {
                    continue;
                }
                let full = given.len() >= MAX_SERVICES && !given.contains_key(&service);
                if full || SERVICES.iter().any(|(known, _)| *known == service) {
                    continue;
                }
                if entry.limits.permit(&format!("{service}:~~~~~~~~"), None) {
                    let reach = entry.scope.reach(Place::Service(&service), &self.power.holder);
                    *given.entry(service).or_default() |= reach;
                }
            }
        }
        given.retain(|service, reach| is_broad(*reach) && is_broad(*reach & !self.taken(service)));
        given.into_keys().collect()
    }

    /// What is denied of a service outside the table.
    fn taken(&self, service: &str) -> Reach {
        let action = format!("{service}:~~~~~~~~");
        let names = |statement: &Statement| {
            let fits =
                |list: &Vec<String>| list.iter().any(|p| wildcard::matches_ignore_ascii_case(p, &action));
            statement.not_actions.as_ref().map_or_else(|| fits(&statement.actions), |list| !fits(list))
        };
        let denies = self.power.denies.iter().filter(|entry| names(entry.statement));
        denies.fold(0, |all, entry| all | entry.scope.reach(Place::Service(service), &self.power.holder))
    }

    /// The fewest of the chosen statements, as far as one pass finds them, that still pass the test.
    pub(super) fn witnesses(&self, test: impl Fn(&View<'p, 'a>) -> bool) -> Vec<usize> {
        let alone = |i: &&usize| test(&View::new(self.power, vec![**i]));
        // To try every statement of a document with thousands is not worth it: the sentence names three.
        if let Some(&one) = self.chosen.iter().take(100).find(alone) {
            return vec![one];
        }
        let mut kept = self.chosen.clone();
        if kept.len() <= 100 {
            for i in self.chosen.iter().rev() {
                let fewer: Vec<usize> = kept.iter().copied().filter(|k| k != i).collect();
                if test(&View::new(self.power, fewer.clone())) {
                    kept = fewer;
                }
            }
        }
        kept
    }
}
