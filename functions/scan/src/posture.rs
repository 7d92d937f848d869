//! One run of a scan: the account as it is, judged, and told to the findings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use keepwatch_alert::sweep::AllFindings as _;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::runtime::now;
use keepwatch_aws::settings::SettingsTable;
use keepwatch_base::partition::Partition;
use keepwatch_base::time::Timestamp;
use keepwatch_checks::check::Check;
use keepwatch_checks::parameters::{Parameters, Profile};
use keepwatch_checks::registry::CHECKS;
use keepwatch_checks::{plan, run as runner, whole};
use keepwatch_collect::{Client, Fault, collect};
use keepwatch_core::canary::{self, Canary};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::engine::Config;
use keepwatch_core::finding::Finding;
use keepwatch_core::history::author;
use keepwatch_core::history::first_look::{self, FirstLook};
use keepwatch_core::posture::canary::{Recorded, join, judgement};
use keepwatch_core::posture::coverage::Coverage;
use keepwatch_core::posture::forwarders::{self, Home, Scanned};
use keepwatch_core::posture::plan::{ALL, Emptied, Seen, Voice};
use keepwatch_core::posture::run::{self, Found, Run};
use keepwatch_core::posture::tell::{FindingUpdates, Teller};
use keepwatch_core::posture::touched::Touched;
use keepwatch_core::posture::{Judged, Judgement, Question, Scope, State};
use keepwatch_core::regions::Forwarders;
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use tracing::{error, info, warn};

use crate::canary::{OF_TRAILS, read, recorded};

/// All rules and checks, without their documentation.
pub(crate) const CATALOGUE: Catalogue =
    keepwatch_rules::registry::CATALOGUE.and(&keepwatch_checks::registry::CATALOGUE);

/// How long the event history is read for the welcome mail.
const FIRST_LOOK: Duration = Duration::from_secs(60);

/// How many findings of a re-check the event history is asked about: most are explained by the call that led to it.
const MOST_AGAIN: usize = 3;

/// The time of an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) began: Timestamp,
    /// From then on no further group of checks is begun: half of what Lambda gives is gone, and what is under way has the other
    /// half to come to its end.
    until: Timestamp,
}

impl Time {
    /// Of an invocation that Lambda ends then, in milliseconds since 1970.
    pub(crate) fn of(began: Timestamp, deadline: u64) -> Time {
        let deadline = Timestamp::from_millis(i64::try_from(deadline).unwrap_or(i64::MAX));
        Time { began, until: began.plus(deadline.since(began) / 2) }
    }
}

/// Everything that a scan needs.
pub(crate) struct Posture {
    pub(crate) client: Client,
    pub(crate) findings: FindingsTable,
    pub(crate) journal: JournalTable,
    pub(crate) settings: SettingsTable,
    pub(crate) history: CloudTrailHistory,
    /// Accounts that are trusted like the account itself.
    pub(crate) trusted: Vec<String>,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) run: Run,
    /// Whether it did all checks; another run goes on otherwise.
    pub(crate) finished: bool,
}

/// How the findings are told.
#[derive(Clone, Copy)]
struct How<'a> {
    emptied: &'a Emptied,
    /// Whether one report tells of all of it.
    first: bool,
    /// The calls that are known to have changed something.
    heard: &'a [Touched],
}

/// The account as the run sees it, and what its findings say.
struct Sight {
    client: Client,
    state: State,
    parameters: Parameters,
    settings: std::sync::Arc<Settings>,
    findings: BTreeMap<String, Finding>,
}

/// A run under way.
struct Walk<'h> {
    run: Run,
    emptied: Emptied,
    sight: Sight,
    /// What was asked.
    asked: BTreeSet<Question>,
    /// The canary, where there is a stack whose call it is.
    daily: Option<(Canary, Home<'h>)>,
    home: Option<Home<'h>>,
    /// How many findings the event history may still be asked about.
    most: usize,
}

impl Walk<'_> {
    /// What came of it, for the log.
    fn log(&self) {
        let Walk { run, sight, .. } = self;
        let open = |severity: Severity| {
            sight.findings.values().filter(|one| one.is_open() && one.severity == severity).count()
        };
        info!(
            critical = open(Severity::Critical),
            high = open(Severity::High),
            medium = open(Severity::Medium),
            low = open(Severity::Low),
            informational = open(Severity::Informational),
            "findings that were open when the scan began"
        );
        info!(
            checks = run.done,
            known = run.coverage.known,
            unknown = run.coverage.unknown,
            refused = run.coverage.refused.len(),
            told = ?run.told,
            unwritten = run.unwritten,
            "scan done"
        );
    }
}

impl Posture {
    /// Does a run, or goes on with the one that was cut; nothing where there is none. `home` is the stack that the forwarders of
    /// other regions send to.
    ///
    /// # Errors
    /// What no scan can do without: the regions, the tables.
    pub(crate) async fn scan(
        &self,
        account: &str,
        home: Option<Home<'_>>,
        go_on: bool,
        time: Time,
    ) -> anyhow::Result<Option<Done>> {
        let begun = run::begin(&self.journal, go_on, time.began).await.map_err(|why| anyhow!("{why}"))?;
        let Some((mut run, mut emptied)) = begun else { return Ok(None) };
        let mut sight = self.look(account).await?;
        run.regions = sight.state.regions.len();
        let checks = chosen(&sight.settings);
        let left = left(&checks, &mut run);
        // Whether a region says anything at all must be known of all groups.
        let mut asked: BTreeSet<Question> = BTreeSet::new();
        self.ask(&mut sight, whole::LISTS.to_vec(), &mut asked).await;
        let silent = whole::silent(&sight.state);
        emptied.retain(|what, _| what.strip_prefix(ALL).is_none_or(|region| silent.contains(region)));
        let daily = read(&self.journal, now()).await.zip(home);
        let mut walk = Walk { run, emptied, sight, asked, daily, home, most: author::MOST };
        // One that goes on has nothing else to do. It does at least one group: else a slow AWS would have it go on for ever.
        let mut may_stop = !go_on;
        for group in left {
            if may_stop && now() >= time.until {
                let (done, all) = (walk.run.done, checks.len());
                warn!(done, all, "there was no time for all checks; another run goes on");
                self.note(&walk.run, &walk.emptied, false).await?;
                return Ok(Some(Done { run: walk.run, finished: false }));
            }
            self.group(group, &mut walk).await?;
            may_stop = true;
        }
        self.end(&mut walk).await?;
        walk.log();
        Ok(Some(Done { run: walk.run, finished: true }))
    }

    /// One group of checks: asked, judged, told, and noted as done.
    async fn group(&self, group: &[&'static dyn Check], walk: &mut Walk<'_>) -> anyhow::Result<()> {
        self.ask(&mut walk.sight, plan::questions(group), &mut walk.asked).await;
        let sight = &walk.sight;
        let mut judgements = runner::run(group, &sight.state, &sight.parameters, sight.state.at);
        walk.run.coverage.add(Coverage::of(&judgements));
        join_daily(sight, &mut judgements, walk.daily.as_ref());
        walk.run.done += group.len();
        walk.run.themes.extend(group.first().map(|check| theme(*check).to_owned()));
        self.told(group, &judgements, walk).await;
        self.note(&walk.run, &walk.emptied, false).await
    }

    /// What a run tells of itself, of the canary and of the forwarders, once all checks are done.
    async fn end(&self, walk: &mut Walk<'_>) -> anyhow::Result<()> {
        let State { account, at, .. } = &walk.sight.state;
        let (at, mut explained) = (*at, false);
        let mut judgements = vec![walk.run.coverage.judgement(account, &walk.sight.state.root_arn(), at)];
        if let Some((canary, home)) = &walk.daily {
            // A run that goes on has not asked it.
            self.ask(&mut walk.sight, of_trails(), &mut walk.asked).await;
            let recorded = of(&walk.sight, home);
            explained = recorded == Recorded::Told && canary.misses > 0;
            judgements.extend(judgement(canary, recorded, home, at));
        }
        let mut forgotten = Vec::new();
        if let Some(home) = walk.home {
            let scanned = self.forwarders(&walk.sight, &home).await;
            judgements.extend(scanned.judgements);
            forgotten = scanned.forgotten;
        }
        let told = self.told(&[], &judgements, walk).await;
        self.note(&walk.run, &walk.emptied, true).await?;
        if explained {
            canary::explain(&self.journal, now()).await.map_err(|why| anyhow!("{why}"))?;
        }
        // Not before their findings are closed, which nothing would close after it.
        if !forgotten.is_empty() && told.unwritten.is_empty() {
            let outcome = forwarders::forget(&self.journal, &forgotten, now()).await;
            outcome.map_err(|why| anyhow!("{why}"))?;
        }
        Ok(())
    }

    /// Tells the findings what was judged, and counts it.
    async fn told(
        &self,
        group: &[&'static dyn Check],
        judgements: &[Judgement],
        walk: &mut Walk<'_>,
    ) -> FindingUpdates {
        let how = How { emptied: &walk.emptied, first: walk.run.first, heard: &[] };
        let mut told = self.tell(&walk.sight, group, judgements, how, &mut walk.most).await;
        count(&mut walk.run, judgements, &told);
        forget_those_of(group, &mut walk.emptied);
        walk.emptied.append(&mut told.plan.emptied);
        told
    }

    /// Looks again at what these calls touched. What else the answers show is told as well: it is as true. Questions about other
    /// regions are not put, and whatever rests on them is unknown and stays as it is.
    ///
    /// # Errors
    /// As [`Posture::scan`].
    pub(crate) async fn recheck(
        &self,
        account: &str,
        home: Option<Home<'_>>,
        heard: &[Touched],
    ) -> anyhow::Result<FindingUpdates> {
        let changed: BTreeSet<Question> = heard.iter().flat_map(|one| &one.questions).copied().collect();
        let regions: BTreeSet<&str> = heard.iter().map(|one| one.region.as_str()).collect();
        let mut sight = self.look(account).await?;
        let mut checks = chosen(&sight.settings);
        checks.retain(|check| check.meta().asks.iter().any(|question| changed.contains(question)));
        let mut questions = plan::questions(&checks);
        // It is hours old: of the time after a call it tells nothing.
        questions.retain(|question| *question != Question::CredentialReport);
        let Sight { client, state, parameters, .. } = &mut sight;
        let parameters = &*parameters;
        let places = |question: Question, state: &State| {
            let mut places = plan::places(question, state, parameters);
            places.retain(|place| match question.scope() {
                Scope::Account | Scope::Home => true,
                // A trail of another region may record this one too.
                Scope::Region => question == Question::Trails || regions.contains(place.region.as_str()),
                Scope::Each(Question::Trails) => true,
                Scope::Each(_) => heard.iter().any(|one| one.touches(&place.of)),
            });
            places
        };
        let begun = std::mem::replace(state, State::new("", "", &[], Timestamp::default()));
        *state = collect(client, begun, &questions, plan::needs, &places, |_| {}).await;
        let mut judgements = runner::run(&checks, &sight.state, &sight.parameters, sight.state.at);
        if judgements.iter().any(|one| one.check.id == OF_TRAILS) {
            let daily = read(&self.journal, now()).await.zip(home);
            join_daily(&sight, &mut judgements, daily.as_ref());
        }
        whole::leave_out_told(&mut judgements, &checks, Question::CredentialReport, &sight.findings);
        let mut most = MOST_AGAIN;
        let how = How { emptied: &Emptied::new(), first: false, heard };
        let told = self.tell(&sight, &checks, &judgements, how, &mut most).await;
        info!(calls = heard.len(), checks = checks.len(), told = ?told.told, "looked again");
        match told.unwritten.first() {
            None => Ok(told),
            Some(reason) => Err(anyhow!("{reason}")),
        }
    }

    /// What is to be told of the forwarders of other regions. Where it is not known which ones were heard, nothing is.
    async fn forwarders(&self, sight: &Sight, home: &Home<'_>) -> Scanned {
        let known = match Forwarders::read(&self.journal).await {
            Ok(known) => known,
            Err(reason) => {
                warn!(reason = %reason, "the forwarders of other regions were not looked at");
                return Scanned::default();
            }
        };
        let mut scanned = forwarders::scanned(&sight.state, &known, &sight.findings, home);
        let config = Config::default().with(&sight.settings);
        scanned.judgements.retain(|judgement| config.asks(judgement.check));
        scanned
    }

    /// Looks up what the welcome mail tells, once: trails, regions, and who acts like a machine.
    ///
    /// # Errors
    /// As [`Posture::scan`].
    pub(crate) async fn first_look(&self, account: &str) -> anyhow::Result<()> {
        if FirstLook::read(&self.journal).await.context("the journal cannot be read")?.is_some() {
            return Ok(());
        }
        let mut sight = self.look(account).await?;
        self.ask(&mut sight, of_trails(), &mut BTreeSet::new()).await;
        let judgements = runner::run(&checks_on_trails(), &sight.state, &sight.parameters, sight.state.at);
        let trails = judgements.iter().map(|one| first_look::OfTrails {
            check: one.check.id.to_owned(),
            verdict: match one.verdict {
                Judged::Failing => "failing",
                Judged::Passing => "passing",
                _ => "unknown",
            }
            .to_owned(),
            title: one.title.clone(),
        });
        let home = self.client.region().to_owned();
        let deadline = now().plus(FIRST_LOOK);
        let found = FirstLook {
            at: now(),
            trails: trails.collect(),
            callers: first_look::callers(&self.history, &home, now, deadline).await,
            regions: sight.state.regions.iter().map(ToString::to_string).collect(),
            home,
        };
        info!(trails = found.trails.len(), callers = found.callers.len(), "first look done");
        found.note(&self.journal, now()).await.map_err(|why| anyhow!("{why}"))
    }

    async fn note(&self, run: &Run, emptied: &Emptied, finished: bool) -> anyhow::Result<()> {
        run::note(&self.journal, run, emptied, finished, now()).await.map_err(|why| anyhow!("{why}"))
    }

    /// Reads what every run begins with.
    async fn look(&self, account: &str) -> anyhow::Result<Sight> {
        let client = self.client.clone().of(account);
        let regions = client.regions().await.map_err(|fault| failed(&fault))?;
        let settings = self.settings.read(now()).await?;
        let mut parameters = Parameters::of(Profile::Default);
        parameters.trusted_accounts.extend(self.trusted.iter().cloned());
        parameters.trusted_accounts.extend(settings.lists.trusted_accounts.iter().cloned());
        let mut findings = BTreeMap::new();
        let keep = |finding: Finding| {
            if finding.account == account {
                findings.insert(finding.finding_id.clone(), finding);
            }
        };
        let unreadable = self.findings.visit(keep).await.context("the findings table cannot be read")?;
        if unreadable > 0 {
            warn!(unreadable, "items of the findings table are no findings");
        }
        let state = State::new(account, client.partition().name, &regions, now());
        Ok(Sight { client, state, parameters, settings, findings })
    }

    /// Asks what nobody has asked yet of these questions.
    async fn ask(&self, sight: &mut Sight, mut questions: Vec<Question>, asked: &mut BTreeSet<Question>) {
        questions.retain(|question| !asked.contains(question));
        let Sight { client, state, parameters, .. } = sight;
        let parameters = &*parameters;
        let places = |question, state: &State| plan::places(question, state, parameters);
        let begun = std::mem::replace(state, State::new("", "", &[], Timestamp::default()));
        *state = collect(client, begun, &questions, plan::needs, &places, |_| {}).await;
        asked.extend(questions);
    }

    async fn tell(
        &self,
        sight: &Sight,
        checks: &[&'static dyn Check],
        judgements: &[Judgement],
        how: How<'_>,
        most: &mut usize,
    ) -> FindingUpdates {
        let voices: Vec<Voice> = checks.iter().map(|check| check.meta().voice()).collect();
        let seen = Seen {
            account: &sight.state.account,
            voices: &voices,
            judgements,
            whole: &whole::parts(checks, &sight.state, judgements),
            silent: &whole::silent(&sight.state),
            emptied: how.emptied,
            rules: CATALOGUE,
            at: sight.state.at,
            reported: how.first,
            heard: how.heard,
        };
        let teller = Teller {
            store: &self.findings,
            history: &self.history,
            settings: &sight.settings,
            asks: &asks,
            home: Partition::of_region(self.client.region()).home_region,
        };
        let told = teller.tell(&sight.findings, &seen, most, now()).await;
        for reason in &told.unwritten {
            error!(reason, "a finding was not written; the next scan tells it again");
        }
        for reason in &told.unnamed {
            warn!(reason, "the event history was not asked who did it");
        }
        told
    }
}

/// The check on trails, alone.
fn checks_on_trails() -> Vec<&'static dyn Check> {
    CHECKS.iter().copied().filter(|check| check.meta().about.id == OF_TRAILS).collect()
}

/// What it asks.
fn of_trails() -> Vec<Question> {
    plan::questions(&checks_on_trails())
}

/// Has the finding of the check on trails say that the daily call does not come back, where that is why.
fn join_daily(sight: &Sight, judgements: &mut [Judgement], daily: Option<&(Canary, Home<'_>)>) {
    let Some((canary, home)) = daily else { return };
    let of_trails =
        judgements.iter_mut().find(|one| one.check.id == OF_TRAILS && one.verdict == Judged::Failing);
    if let Some(of_trails) = of_trails
        && of(sight, home) == Recorded::Told
    {
        *of_trails = join(of_trails.clone(), canary);
    }
}

/// Whether a trail records the daily call.
fn of(sight: &Sight, home: &Home<'_>) -> Recorded {
    recorded(&sight.state, &sight.findings, &sight.settings, home)
}

/// The checks that the owner has not switched off.
fn chosen(settings: &Settings) -> Vec<&'static dyn Check> {
    let config = Config::default().with(settings);
    CHECKS.iter().copied().filter(|check| config.asks(&check.meta().about)).collect()
}

/// The theme of a check: what its id begins with. Those of one theme ask alike.
fn theme(check: &dyn Check) -> &'static str {
    check.meta().about.id.split('.').next().unwrap_or_default()
}

/// The themes that the run has not done, each with its checks.
fn left<'c>(checks: &'c [&'static dyn Check], run: &mut Run) -> Vec<&'c [&'static dyn Check]> {
    let mut left: Vec<&[&dyn Check]> = checks.chunk_by(|a, b| theme(*a) == theme(*b)).collect();
    if run.themes.is_empty() {
        // An earlier version noted only how many checks it had done.
        let mut end = 0;
        for group in &left {
            end += group.len();
            run.themes
                .extend(group.first().filter(|_| end <= run.done).map(|check| theme(*check).to_owned()));
        }
    }
    left.retain(|group| group.first().is_some_and(|check| !run.themes.contains(theme(*check))));
    left
}

/// The questions of a check.
fn asks(id: &str) -> &'static [Question] {
    let check = CHECKS.iter().find(|check| check.meta().about.id == id);
    check.map_or(&[], |check| check.meta().asks)
}

/// What earlier scans noted of these checks is noted anew, or is over.
fn forget_those_of(checks: &[&dyn Check], emptied: &mut Emptied) {
    let of =
        |what: &str| checks.iter().any(|check| what.starts_with(&format!("{} in ", check.meta().about.id)));
    emptied.retain(|what, _| !of(what));
}

fn count(run: &mut Run, judgements: &[Judgement], told: &FindingUpdates) {
    run.tell(&told.told);
    run.unwritten += told.unwritten.len();
    for judgement in judgements.iter().filter(|one| one.verdict == Judged::Failing) {
        run.found(Found {
            severity: judgement.severity,
            check: judgement.check.id.to_owned(),
            title: judgement.title.clone(),
            finding_id: judgement.finding_id(),
        });
    }
}

fn failed(fault: &Fault) -> anyhow::Error {
    match fault {
        Fault::Refused(refusals) => {
            let each: Vec<String> =
                refusals.iter().map(|one| format!("{}: {}", one.action, one.why)).collect();
            anyhow!("AWS refused what no scan can do without: {}", each.join("; "))
        }
        Fault::Code { why, .. } | Fault::Failed(why) => anyhow!("{why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn themes(groups: &[&[&'static dyn Check]]) -> Vec<&'static str> {
        groups.iter().map(|group| theme(group[0])).collect()
    }

    #[test]
    fn a_theme_is_one_group() {
        let groups = left(CHECKS, &mut Run::default());
        let names: BTreeSet<&str> = themes(&groups).into_iter().collect();
        assert_eq!(names.len(), groups.len());
        assert_eq!(groups.iter().map(|group| group.len()).sum::<usize>(), CHECKS.len());
    }

    #[test]
    fn a_run_goes_on_with_the_next_theme_whatever_was_switched_off_or_on_meanwhile() {
        let all = left(CHECKS, &mut Run::default());
        let done: usize = all[..3].iter().map(|group| group.len()).sum();
        let noted: BTreeSet<String> = themes(&all[..3]).into_iter().map(str::to_owned).collect();
        for off in [0, 1, all[0].len(), done, done + 1] {
            let checks: Vec<&dyn Check> = CHECKS.iter().copied().skip(off).collect();
            let mut run = Run { done, themes: noted.clone(), ..Run::default() };
            let expected: Vec<&str> = themes(&left(&checks, &mut Run::default()));
            let expected: Vec<&str> = expected.into_iter().filter(|theme| !noted.contains(*theme)).collect();
            assert_eq!(themes(&left(&checks, &mut run)), expected, "{off} checks were switched off");
        }
    }

    #[test]
    fn a_run_that_an_earlier_version_began_goes_on() {
        let all = left(CHECKS, &mut Run::default());
        let mut run = Run { done: all[0].len() + all[1].len(), ..Run::default() };
        assert_eq!(themes(&left(CHECKS, &mut run)), themes(&all[2..]));
        assert_eq!(run.themes.len(), 2);
    }
}
