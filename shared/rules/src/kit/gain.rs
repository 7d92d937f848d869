//! What somebody gains by a policy, together with all that the account tells: what it had before, what its groups hold, and
//! what the roles may do that the policy names.

use keepwatch_core::engine::Cx;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Fact, Holdings, Interrupt, PrincipalKind};
use keepwatch_policy::{Document, Grant, Level, Means, RoleInReach, trust};

use super::power::{self, GrantReport, Power, Readable, Rest};
use super::words::as_sentence;

/// The most roles of one policy, members of a group, and holders of a policy that are looked at.
const MAX_LOOKED_AT: usize = 10;
/// The most of those beyond whose names are told.
const MAX_TOLD: usize = 5;

/// What somebody gains.
#[derive(Clone, Debug)]
pub(crate) struct Gain {
    /// Of the policy itself, or of all policies together where that is more than both the policy and the rest.
    pub(crate) power: Power,
    /// A powerful role that it can use now.
    pub(crate) role: Option<RoleGain>,
    /// Why nobody can say whether it is more.
    pub(crate) unsure: Option<Unsure>,
    /// Who gains, where that is not the one to whom the policy was given.
    pub(crate) holder: Option<String>,
}

/// Why nobody can say whether somebody gains more.
#[derive(Clone, Debug)]
pub(crate) enum Unsure {
    /// Something could not be read.
    Unread(String),
    /// There are too many to look at, which is somebody's to bring about.
    TooMany(String),
}

/// A role that somebody can use now, and what the role may do.
#[derive(Clone, Debug)]
pub(crate) struct RoleGain {
    role: RoleInReach,
    grant: Grant,
}

impl Gain {
    /// Of a policy that says all itself.
    pub(crate) fn of(power: Power) -> Gain {
        Gain { power, role: None, unsure: None, holder: None }
    }

    /// Whether its holder can become administrator.
    pub(crate) fn escalates(&self) -> bool {
        self.role.is_some() || self.power.level() >= Level::PrivilegeEscalation
    }

    /// The observation of it, or nothing when it is ordinary.
    pub(crate) fn observation(&self, cx: &Cx<'_>, report: &GrantReport<'_>) -> Option<Observation> {
        let report = GrantReport { holder: self.holder.as_deref().unwrap_or(report.holder), ..*report };
        let seen = match &self.role {
            Some(role) if self.power.level() < Level::PrivilegeEscalation => {
                Some(role.observation(cx, &report))
            }
            _ => power::observation(cx, &self.power, &report),
        };
        let GrantReport { resource, holder, how, most, .. } = report;
        let unknown = |severity: Severity, left: &str, why: &str| {
            let title = format!("{holder} may have new power: {how}, and {left}");
            let reason = as_sentence(&format!("the policy is one part of a way to power; {why}"));
            cx.unknown(resource, title).severity(severity.min(most)).because(reason)
        };
        match (&self.unsure, seen) {
            (None, seen) => seen,
            // By itself it is harmless, and most such policies complete nothing.
            (Some(Unsure::Unread(why)), None) => Some(unknown(
                Severity::Low,
                "the rest could not be read",
                &format!("the other could not be read ({why})"),
            )),
            (Some(Unsure::TooMany(why)), _) if !self.escalates() => {
                Some(unknown(Severity::Medium, "not all that decides was looked at", why))
            }
            (Some(Unsure::Unread(why) | Unsure::TooMany(why)), Some(seen)) => {
                Some(seen.detail(
                    "Other policies",
                    format!("could not be read ({why}); together they may give more"),
                ))
            }
            (_, None) => None,
        }
    }
}

impl RoleGain {
    fn observation(&self, cx: &Cx<'_>, report: &GrantReport<'_>) -> Observation {
        let GrantReport { resource, holder, how, most, now } = report;
        let RoleGain { role, grant } = self;
        let can = if *now { "can now" } else { "could" };
        let title = format!("{holder} {can} act as role {}, which {}: {how}", role.name, grant.ability());
        let how = match &role.means {
            Means::Assume => "it may assume the role, which trusts the account".to_owned(),
            Means::Pass { needs, services, .. } => {
                format!("it may have {} run its code as the role ({needs})", services.join(", "))
            }
        };
        let seen = cx.failing(resource, title).severity(Severity::High.min(*most));
        let seen = seen
            .because(format!("{} The role: {}", as_sentence(&how), as_sentence(&grant.why())))
            .detail("Granted", Level::PrivilegeEscalation.as_str().replace('-', " "))
            .detail("Role", &role.role);
        match &role.means {
            Means::Assume => seen,
            Means::Pass { path, .. } => seen.detail("Escalation", *path),
        }
    }
}

/// A policy that somebody gets, and what it says.
pub(crate) struct Addition {
    /// What the policy gives by itself.
    pub(crate) own: Power,
    /// The policy.
    pub(crate) new: Readable,
}

impl Addition {
    /// Whether there is more to it than it says itself.
    fn is_part(&self, cx: &Cx<'_>, grantee: &str) -> bool {
        match &self.own {
            Power::Unknown(_) => false,
            Power::Known(grant) if grant.level == Level::FullAdmin => false,
            Power::Known(grant) if grant.level > Level::Ordinary => true,
            Power::Known(_) => self.new.lends(cx, grantee),
        }
    }

    /// What one gains who holds the rest already.
    pub(crate) fn gain(&self, cx: &Cx<'_>, rest: Rest, grantee: &str) -> Result<Gain, Interrupt> {
        let mut gain = Gain::of(self.own.clone());
        if !self.is_part(cx, grantee) {
            return Ok(gain);
        }
        gain.unsure = rest.unread.map(Unsure::Unread);
        let before = Readable::of(cx, &rest.held)?;
        let after = before.clone().and(self.new.clone());
        // Beside nothing it is what it is by itself.
        if !before.is_empty() {
            let (old, whole) = (before.power(cx, Some(grantee)), after.power(cx, Some(grantee)));
            if whole.level() > old.level().max(self.own.level()) {
                gain.power = whole;
            } else if let (Power::Unknown(why), None) = (whole, &gain.unsure) {
                gain.unsure = Some(Unsure::Unread(why));
            }
        }
        if gain.escalates() {
            return Ok(gain);
        }
        let roles = after.roles_in_reach(cx, grantee);
        let known = if roles.is_empty() { Vec::new() } else { before.roles_in_reach(cx, grantee) };
        let mut tried: Vec<&str> = Vec::new();
        let mut left: Vec<String> = Vec::new();
        for role in roles.iter().filter(|role| !known.contains(role)) {
            if !tried.contains(&role.name.as_str()) {
                if tried.len() == MAX_LOOKED_AT {
                    left.extend((!left.contains(&role.name)).then(|| role.name.clone()));
                    continue;
                }
                tried.push(&role.name);
            }
            match role_gain(cx, role)? {
                Fact::Known(found) => {
                    gain.role = Some(found);
                    return Ok(gain);
                }
                Fact::Missing => {}
                Fact::Unavailable(why) => {
                    gain.unsure.get_or_insert(Unsure::Unread(format!("role {}: {why}", role.name)));
                }
            }
        }
        if !left.is_empty() {
            let count = format!("it names {} roles", tried.len() + left.len());
            gain.unsure = Some(Unsure::too_many(&count, &left, "may do"));
        }
        Ok(gain)
    }

    /// What the members of a group gain, each with what it holds besides: the first who can become administrator.
    pub(crate) fn gain_of_members(
        &self,
        cx: &Cx<'_>,
        group: &str,
        rest: &Holdings,
        arn_of: impl Fn(&str) -> String,
    ) -> Result<Option<Gain>, Interrupt> {
        if !self.is_part(cx, &arn_of(group)) {
            return Ok(None);
        }
        let members = match cx.facts.group_members(group)? {
            Fact::Known(members) => members,
            Fact::Missing => return Ok(None),
            Fact::Unavailable(why) => {
                return Ok(Some(self.unsure(Unsure::Unread(format!("its members: {why}")))));
            }
        };
        let counted = format!("the group has {} members", members.len());
        let called = |member: &String| power::holder(PrincipalKind::User, member);
        self.first_gain(cx, &members, &counted, called, |member| {
            let mut besides = Rest::of(cx, PrincipalKind::User, member, Some(group))?;
            besides.held = besides.held.and(rest.clone());
            Ok((besides, arn_of(member), format!("User {member}, a member of group {group},")))
        })
    }

    /// What those gain who hold a policy that was rewritten: the first who can become administrator.
    pub(crate) fn gain_of_holders(
        &self,
        cx: &Cx<'_>,
        policy: &str,
        arn_of: impl Fn(PrincipalKind, &str) -> String,
    ) -> Result<Option<Gain>, Interrupt> {
        if !self.is_part(cx, &arn_of(PrincipalKind::User, "")) {
            return Ok(None);
        }
        let holders = match cx.facts.policy_holders(policy)? {
            Fact::Known(holders) => holders,
            Fact::Missing => return Ok(None),
            Fact::Unavailable(why) => {
                return Ok(Some(self.unsure(Unsure::Unread(format!("who holds it: {why}")))));
            }
        };
        let counted = format!("{} hold the policy", holders.len());
        let called = |(kind, name): &(PrincipalKind, String)| power::holder(*kind, name);
        self.first_gain(cx, &holders, &counted, called, |(kind, name)| {
            let mut rest = Rest::of(cx, *kind, name, None)?;
            rest.held.managed.retain(|arn| arn != policy);
            Ok((rest, arn_of(*kind, name), power::holder(*kind, name)))
        })
    }

    /// What the first of these gains who can become administrator; else why nobody can say of some. `called` and `of` tell of
    /// each what it is called; and what it holds already, its ARN, and what sentences call it.
    fn first_gain<T>(
        &self,
        cx: &Cx<'_>,
        all: &[T],
        counted: &str,
        called: impl Fn(&T) -> String,
        of: impl Fn(&T) -> Result<(Rest, String, String), Interrupt>,
    ) -> Result<Option<Gain>, Interrupt> {
        let (looked_at, beyond) = all.split_at(all.len().min(MAX_LOOKED_AT));
        let (mut unsure, mut grantee) = (None, String::new());
        for one in looked_at {
            let (rest, arn, holder) = of(one)?;
            grantee.clone_from(&arn);
            let gain = self.gain(cx, rest, &arn)?;
            if gain.escalates() {
                return Ok(Some(Gain { holder: Some(holder), ..gain }));
            }
            unsure = match (unsure, gain.unsure) {
                (Some(Unsure::Unread(_)) | None, Some(many @ Unsure::TooMany(_))) => Some(many),
                (before, now) => before.or(now),
            };
        }
        // What completes nothing does so with none of them.
        if !beyond.is_empty() && self.new.lends(cx, &grantee) {
            let beyond: Vec<String> = beyond.iter().map(called).collect();
            unsure = Some(Unsure::too_many(counted, &beyond, "hold besides"));
        }
        Ok(unsure.map(|why| self.unsure(why)))
    }

    fn unsure(&self, why: Unsure) -> Gain {
        Gain { unsure: Some(why), ..Gain::of(self.own.clone()) }
    }
}

impl Unsure {
    /// `counted` says how many there are; `left` are those that were not looked at, and `do_what` is what decides about them.
    fn too_many(counted: &str, left: &[String], do_what: &str) -> Unsure {
        let told = left.iter().take(MAX_TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match left.len().saturating_sub(MAX_TOLD) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Unsure::TooMany(format!(
            "{counted}, and {MAX_LOOKED_AT} were looked at: find out what {told}{more} {do_what}"
        ))
    }
}

/// What a role gives to those who can use it; missing where that is no power, or the role does not trust what would use it.
fn role_gain(cx: &Cx<'_>, role: &RoleInReach) -> Result<Fact<RoleGain>, Interrupt> {
    let facts = match cx.facts.role(&role.name)? {
        Fact::Known(facts) => facts,
        Fact::Missing => return Ok(Fact::Missing),
        Fact::Unavailable(why) => return Ok(Fact::Unavailable(why)),
    };
    let trusts = match Document::parse(&facts.trust.text) {
        Ok(document) => match &role.means {
            Means::Assume => trust::leaves_to_policies(&document, cx.event.account()),
            Means::Pass { services, .. } => {
                let trusted = trust::trusted_services(&document);
                services.iter().any(|service| trusted.iter().any(|one| one == service))
            }
        },
        Err(error) => return Ok(Fact::Unavailable(format!("its trust policy cannot be read: {error}"))),
    };
    if !trusts {
        return Ok(Fact::Missing);
    }
    Ok(match power::of_principal(cx, PrincipalKind::Role, &role.name, Some(&role.role))? {
        Power::Known(grant) if grant.level >= Level::PrivilegeEscalation => {
            Fact::Known(RoleGain { role: role.clone(), grant })
        }
        Power::Known(_) => Fact::Missing,
        Power::Unknown(why) => Fact::Unavailable(why),
    })
}

#[cfg(test)]
mod tests {
    use keepwatch_core::observation::{Observation, Verdict};
    use keepwatch_core::severity::Severity;
    use keepwatch_core::state::{Answer, Fact, Holdings, PolicyText, PrincipalKind, Query, RoleFacts, Value};
    use serde_json::json;

    use crate::testing::*;

    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    const READ: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
    const PASS: &str = r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}"#;
    const CODE: &str = r#"{"Statement":{"Effect":"Allow","Action":["lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}}"#;
    const PASS_ONE: &str = r#"{"Statement":[
        {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/deploy"},
        {"Effect":"Allow","Action":["lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}]}"#;
    const ASSUME_ONE: &str = r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/deploy"}}"#;
    const OWN: &str = "arn:aws:iam::111122223333:policy/half";

    type Answered = (Query, Answer);

    fn holds(kind: PrincipalKind, name: &str, inline: &[&str]) -> Answered {
        let policy = |text: &&str| PolicyText { name: "held".to_owned(), text: (*text).to_owned() };
        let holdings = Holdings { inline: inline.iter().map(policy).collect(), ..Holdings::default() };
        (Query::Principal { kind, name: name.to_owned() }, Fact::Known(Value::Holdings(holdings)))
    }

    fn names(list: &[&str]) -> Answer {
        Fact::Known(Value::Names(list.iter().map(|name| (*name).to_owned()).collect()))
    }

    fn groups(user: &str, groups: &[&str]) -> Answered {
        (Query::GroupsOf { user: user.to_owned() }, names(groups))
    }

    fn members(group: &str, members: &[&str]) -> Answered {
        (Query::GroupMembers { name: group.to_owned() }, names(members))
    }

    fn role(principal: serde_json::Value) -> Answered {
        let trust =
            json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}});
        let trust = PolicyText { name: "trust policy".to_owned(), text: trust.to_string() };
        (
            Query::Role { name: "deploy".to_owned() },
            Fact::Known(Value::Role(RoleFacts { trust, created: None })),
        )
    }

    fn put(kind: &str, name: &str, document: &str) -> String {
        let parameter = format!("{}Name", kind.to_lowercase());
        let request = json!({parameter: name, "policyName": "new", "policyDocument": document});
        call("iam", &format!("Put{kind}Policy"), json!({"requestParameters": request}))
    }

    fn told(event: &str, rule: &str, answers: &[Answered]) -> Option<Observation> {
        evaluate_all_with(event, answers).into_iter().find(|seen| seen.rule.id == rule)
    }

    fn headline(event: &str, rule: &str, answers: &[Answered]) -> Option<(Severity, String)> {
        told(event, rule, answers).map(|seen| (seen.severity, seen.title))
    }

    const USER: PrincipalKind = PrincipalKind::User;
    const GROUP: PrincipalKind = PrincipalKind::Group;
    const ROLE: PrincipalKind = PrincipalKind::Role;

    #[test]
    fn the_other_half_is_in_a_group_of_the_user() {
        let event = put("User", "bob", CODE);
        let account = [holds(USER, "bob", &[]), groups("bob", &["ops"]), holds(GROUP, "ops", &[PASS])];
        let (severity, title) = headline(&event, "admin-inline-policy", &account).unwrap();
        assert_eq!(severity, Severity::High);
        assert!(title.starts_with("User bob can now make itself administrator: "), "{title}");
        let harmless = [holds(USER, "bob", &[]), groups("bob", &["ops"]), holds(GROUP, "ops", &[READ])];
        assert_eq!(headline(&event, "admin-inline-policy", &harmless), None);
    }

    #[test]
    fn the_other_half_is_with_a_member_of_the_group() {
        let event = put("Group", "ops", CODE);
        let with = |held: &'static str, besides: &[&str]| {
            [
                holds(GROUP, "ops", &[]),
                members("ops", &["alice", "bob"]),
                holds(USER, "alice", &[READ]),
                groups("alice", &["ops"]),
                holds(USER, "bob", &[held]),
                groups("bob", besides),
                holds(GROUP, "builders", &[PASS]),
            ]
        };
        for account in [with(PASS, &["ops"]), with(READ, &["ops", "builders"])] {
            let (severity, title) = headline(&event, "admin-inline-policy", &account).unwrap();
            assert_eq!(severity, Severity::High);
            let who = "User bob, a member of group ops, can now make itself administrator: ";
            assert!(title.starts_with(who), "{title}");
        }
        assert_eq!(headline(&event, "admin-inline-policy", &with(READ, &["ops"])), None);
    }

    #[test]
    fn the_other_half_is_what_the_new_member_holds() {
        let request = json!({"userName": "bob", "groupName": "ops"});
        let event = call("iam", "AddUserToGroup", json!({"requestParameters": request}));
        // IAM's listing may show the new group, or not yet.
        for listed in [&["ops"][..], &[]] {
            let account = [holds(GROUP, "ops", &[CODE]), holds(USER, "bob", &[PASS]), groups("bob", listed)];
            let (severity, _) = headline(&event, "admin-group-joined", &account).unwrap();
            assert_eq!(severity, Severity::High);
        }
        let account = [holds(GROUP, "ops", &[CODE]), holds(USER, "bob", &[READ]), groups("bob", &[])];
        assert_eq!(headline(&event, "admin-group-joined", &account), None);
        // What it could do before is no news.
        let account = [holds(GROUP, "ops", &[CODE]), holds(USER, "bob", &[ADMIN]), groups("bob", &[])];
        assert_eq!(headline(&event, "admin-group-joined", &account), None);
    }

    #[test]
    fn the_other_half_is_with_a_holder_of_the_rewritten_policy() {
        let request = json!({"policyArn": OWN, "policyDocument": CODE, "setAsDefault": true});
        let event = call("iam", "CreatePolicyVersion", json!({"requestParameters": request}));
        let holders = |list: &[(PrincipalKind, &str)]| {
            let list = list.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect();
            (Query::PolicyHolders { arn: OWN.to_owned() }, Fact::Known(Value::Principals(list)))
        };
        let account =
            [holders(&[(USER, "bob"), (ROLE, "app")]), holds(USER, "bob", &[READ]), groups("bob", &[])];
        let with = |held| [account.to_vec(), vec![holds(ROLE, "app", &[held])]].concat();
        let (severity, title) = headline(&event, "admin-policy-written", &with(PASS)).unwrap();
        assert_eq!(severity, Severity::High);
        assert!(title.starts_with("Role app can now make itself administrator: "), "{title}");
        let harmless = told(&event, "admin-policy-written", &with(READ)).unwrap();
        assert_eq!(harmless.verdict, Verdict::Passing);
    }

    /// Half of an administrator's policy was attached to ten users without anything, and the eleventh, who had the other half,
    /// was not looked at: that was low, and no mail.
    #[test]
    fn holders_who_were_not_looked_at_are_no_small_matter() {
        let rewrite = |document: &str| {
            let request = json!({"policyArn": OWN, "policyDocument": document, "setAsDefault": true});
            call("iam", "CreatePolicyVersion", json!({"requestParameters": request}))
        };
        let crowd = |held: &[&str]| {
            let mut account: Vec<Answered> = Vec::new();
            let list: Vec<(PrincipalKind, String)> = (1..=12).map(|n| (USER, format!("u{n}"))).collect();
            for (_, name) in &list {
                account.extend([holds(USER, name, held), groups(name, &[])]);
            }
            account
                .push((Query::PolicyHolders { arn: OWN.to_owned() }, Fact::Known(Value::Principals(list))));
            account
        };
        let whole = r#"{"Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#;
        for half in [CODE, PASS, whole] {
            let seen = told(&rewrite(half), "admin-policy-written", &crowd(&[])).unwrap();
            assert_eq!((seen.severity, seen.verdict), (Severity::Medium, Verdict::Unknown), "{half}");
            let beyond =
                "12 hold the policy, and 10 were looked at: find out what User u11, User u12 hold besides.";
            assert!(seen.reason.ends_with(beyond), "{}", seen.reason);
        }
        // What is part of no way completes none, however many hold it.
        let seen = told(&rewrite(READ), "admin-policy-written", &crowd(&[])).unwrap();
        assert_eq!(seen.verdict, Verdict::Passing);
        // Whoever is found tells enough.
        let seen = told(&rewrite(CODE), "admin-policy-written", &crowd(&[PASS])).unwrap();
        assert_eq!((seen.severity, seen.verdict), (Severity::High, Verdict::Failing));

        let names: Vec<String> = (1..=12).map(|n| format!("u{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut account = crowd(&[]);
        account.extend([holds(GROUP, "ops", &[]), members("ops", &names)]);
        let event = put("Group", "ops", CODE);
        assert_eq!(told(&event, "admin-inline-policy", &account).unwrap().severity, Severity::Medium);
        assert_eq!(headline(&put("Group", "ops", READ), "admin-inline-policy", &account), None);
    }

    #[test]
    fn roles_that_were_not_looked_at_are_no_small_matter() {
        let names: Vec<String> = (1..=12).map(|n| format!("r{n}")).collect();
        let document = |names: &[String]| {
            let arns: Vec<String> =
                names.iter().map(|name| format!("arn:aws:iam::111122223333:role/{name}")).collect();
            json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arns}})
                .to_string()
        };
        let mut account = vec![holds(USER, "bob", &[]), groups("bob", &[])];
        account.extend(names.iter().map(|name| (Query::Role { name: name.clone() }, Fact::Missing)));
        let seen = told(&put("User", "bob", &document(&names)), "admin-inline-policy", &account).unwrap();
        assert_eq!((seen.severity, seen.verdict), (Severity::Medium, Verdict::Unknown));
        assert!(
            seen.reason.contains("it names 12 roles, and 10 were looked at: find out what r"),
            "{}",
            seen.reason
        );
        assert_eq!(
            headline(&put("User", "bob", &document(&names[..10])), "admin-inline-policy", &account),
            None
        );
    }

    #[test]
    fn a_role_of_a_given_name_is_what_it_may_do() {
        let lambda = json!({"Service": "lambda.amazonaws.com"});
        let account = json!({"AWS": "arn:aws:iam::111122223333:root"});
        let bob = [holds(USER, "bob", &[]), groups("bob", &[])];
        for (document, trusted, other) in [(PASS_ONE, &lambda, &account), (ASSUME_ONE, &account, &lambda)] {
            let event = put("User", "bob", document);
            let with = |trust: &serde_json::Value, held| {
                [bob.to_vec(), vec![role(trust.clone()), holds(ROLE, "deploy", &[held])]].concat()
            };
            let seen = told(&event, "admin-inline-policy", &with(trusted, ADMIN)).unwrap();
            assert_eq!((seen.severity, seen.verdict), (Severity::High, Verdict::Failing));
            let who = "User bob can now act as role deploy, which is a full administrator: ";
            assert!(seen.title.starts_with(who), "{}", seen.title);
            // The role is ordinary, or does not trust whoever would use it.
            assert_eq!(headline(&event, "admin-inline-policy", &with(trusted, READ)), None);
            assert_eq!(headline(&event, "admin-inline-policy", &with(other, ADMIN)), None);
        }
    }

    #[test]
    fn what_was_so_before_is_no_news() {
        let event = put("User", "bob", ASSUME_ONE);
        let account = [
            holds(USER, "bob", &[ASSUME_ONE]),
            groups("bob", &[]),
            role(json!({"AWS": "111122223333"})),
            holds(ROLE, "deploy", &[ADMIN]),
        ];
        // Under another name: the policy of this name is the new one.
        assert_eq!(headline(&event, "admin-inline-policy", &account), None);
    }

    #[test]
    fn what_is_refused_is_unknown_and_no_mail() {
        let bob = [holds(USER, "bob", &[]), groups("bob", &[])];
        let refused: [(String, Vec<Answered>); 4] = [
            (put("User", "bob", CODE), vec![holds(USER, "bob", &[])]),
            (put("User", "bob", PASS), vec![groups("bob", &[])]),
            (put("User", "bob", PASS_ONE), bob.to_vec()),
            (put("Group", "ops", CODE), vec![holds(GROUP, "ops", &[])]),
        ];
        for (event, account) in refused {
            let seen = told(&event, "admin-inline-policy", &account).unwrap();
            assert_eq!((seen.severity, seen.verdict), (Severity::Low, Verdict::Unknown), "{event}");
            assert!(seen.reason.contains("AccessDenied"), "{}", seen.reason);
        }
        // What is part of no way needs no answer.
        assert_eq!(headline(&put("User", "bob", READ), "admin-inline-policy", &[]), None);
    }
}
