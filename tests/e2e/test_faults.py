"""Nothing is lost when the services fail, and an alert is repeated only where the failure explains it.

The functions speak to the emulator through microburst (see local_cloud/faults.py), in a cloud of their own: a fault
meant for one test must not meet another. What is the emulator's own, and not AWS's:

* A stream batch that notify answers with batchItemFailures is kept and redelivered only by patch 4 of emulator.py:
  whole, from its first record, a second later, and without end. AWS goes on from the failed record, up to the
  template's MaximumRetryAttempts. What is shown here is that a redelivered batch repeats no alert.
* The clock sweeps once a minute; here a test sweeps whenever it looks, by calling notify as the clock does. The leases
  of claims are three minutes; here a test ends those of notifiers that failed by writing the index's time back.
* The emulator runs notify in the thread that also reads the queues: while notify waits, detect gets no new batch.
* The queue's visibility timeout is set to seconds here; in the template it is three minutes.
* A transaction, a condition and a stream record are the emulator's. That a call whose answer was lost has happened is
  certain: microburst cuts the connection after the emulator has answered.
"""

import itertools
import json
from collections import Counter

import pytest

from conftest import Findings
from events import ADMIN, HARMLESS, call, put_user_policy, unique
from local_cloud import ACCOUNT, CloudError, LocalCloud, Mailbox, play, until
from local_cloud.faults import broken, reset, response_lost, throttled

# --- What the tests know of how it is built; it changes here and nowhere else. ---

# What detect does to the table for each event: the read before, and the write that makes a finding last.
READ = "dynamodb:GetItem"
WRITE = "dynamodb:TransactWriteItems"
# What notify does for each alert, in order. The two updates are one operation and differ in what they set.
CLAIM = ("dynamodb:UpdateItem", "ExpressionAttributeValues.\":alert_state\".S == 'CLAIMED'")
PUBLISH = "sns:Publish"
MARK = ("dynamodb:UpdateItem", "ExpressionAttributeValues.\":alert_state\".S == 'SENT'")
# Alert states in which nobody is owed a message any more.
QUIET = {"NONE", "SENT"}
# Messages that may be sent within one second, below SNS's limit of ten; see alert/budget.rs.
CAPACITY = 8
# Findings that one event of these tests leaves: the administrator, and the record of the change.
OBSERVED = 2
# Attempts of the SDK in one invocation, and how often the queue delivers a message before the dead-letter queue.
ATTEMPTS = 3
DELIVERIES = 5
# How long the pipeline may take to be done with what a test played, where nothing has to wait for a lease to end.
PATIENCE = 120


def told(mailbox):
    """How often each finding was told, by finding id. A message that tells of several findings counts for each."""
    return Counter(finding_id for alert in mailbox.alerts for finding_id in alert.finding_ids)


# --- The faulty cloud: the fixtures of conftest.py with these names use it in this file. ---


@pytest.fixture(scope="module")
def cloud():
    try:
        with LocalCloud(faults=True) as faulty:
            yield faulty
    except CloudError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="module")
def stack(cloud):
    try:
        deployed = cloud.deploy()
    except CloudError as error:
        pytest.exit(str(error), returncode=1)
    # Once for all tests here, so that what failed in one comes back while it runs. Longer than the SDK's attempts take
    # with their pauses, or a message would come back while it is still being judged.
    cloud.client("sqs").set_queue_attributes(QueueUrl=deployed.intake_queue, Attributes={"VisibilityTimeout": "5"})
    return deployed


@pytest.fixture(autouse=True)
def where_the_logs_are(cloud):
    """Pytest shows this with a failed test."""
    print(f"logs of the functions, the emulator and the proxy: {cloud.run}")


@pytest.fixture
def watch(cloud, stack):
    watch = Watch(cloud, stack)
    yield watch
    watch.close()


class Watch:
    """One test's view of the pipeline: what goes in, what must come out, and nothing else."""

    def __init__(self, cloud, stack):
        self._cloud = cloud
        self._stack = stack
        self._sqs = cloud.operator(stack, "sqs")
        self._findings = Findings(cloud, stack)
        self._before = {finding["finding_id"] for finding in self._findings.all()}
        self.mailbox = Mailbox(cloud, stack.alert_topic)

    def close(self):
        self.mailbox.close()

    def findings(self):
        """What this test has brought into the table."""
        return [finding for finding in self._findings.all() if finding["finding_id"] not in self._before]

    def settled(self, deadline):
        """Wait until nothing is on its way: no message, no alert that is due, and no message behind the last alert."""

        def quiet():
            self.sweep()
            self.mailbox.look()
            return self._depth() == 0 and all(finding["alert_state"] in QUIET for finding in self.findings())

        until(quiet, "all events to be judged and all alerts to be sent", deadline=deadline)
        # The stream is in order: once this one's alert is here, so is every other that is ever to come.
        marker = unique("marker")
        play(self._cloud, put_user_policy(marker, ADMIN))

        def marked():
            self.sweep()
            self.mailbox.look(wait=1)
            sent = [f for f in self.findings() if marker in f["resource"] and f["alert_state"] in QUIET]
            return sent and told(self.mailbox)[sent[0]["finding_id"]]

        until(marked, "the event after all others", deadline=deadline)
        while self.mailbox.look():
            pass
        return marker

    def holds(self, occurrences, *, again=(), unmailed=(), dead=(), deadline=PATIENCE):
        """The end of every test.

        `occurrences`: how often each subject was seen; each has exactly one finding, and there are no others.
        Each finding was told exactly once, but for those `unmailed`, never, and those whose telling may be repeated:
        `again`, because of the fault that the test injected.
        `dead`: the bodies in the dead-letter queue, all of them. The intake queue is empty.
        """
        marker = self.settled(deadline)
        found = {}
        for finding in self.findings():
            found.setdefault(finding["resource"].split("/")[-1], []).append(finding)
        assert len(found.pop(marker)) == 1
        assert {name: [f["occurrences"] for f in each] for name, each in found.items()} == {
            name: [count] for name, count in occurrences.items()
        }
        times = told(self.mailbox)
        times = {name: times[finding["finding_id"]] for name, (finding,) in found.items()}
        assert {name: count for name, count in times.items() if name in unmailed and count} == {}
        assert [name for name, count in times.items() if count == 0 and name not in unmailed] == []
        assert {name: count for name, count in times.items() if count > 1 and name not in again} == {}
        # Whoever was told is known, or the queue holds alerts of which the table knows nothing.
        assert set(told(self.mailbox)) <= {finding["finding_id"] for finding in self.findings()}
        assert sorted(self._dead_letters()) == sorted(dead)
        assert self._depth() == 0
        return times

    def sweep(self):
        """As the clock does. One that could not do everything fails, and the next makes up for it."""
        payload = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
        self._cloud.client("lambda").invoke(FunctionName=self._stack.notify_function, Payload=payload)

    def end_leases(self):
        """Three minutes pass for the claims of notifiers that failed."""
        until(lambda: any(f["alert_state"] == "CLAIMED" for f in self.findings()), "a claim that was never ended")
        for finding in self.findings():
            if finding["alert_state"] == "CLAIMED":
                self._cloud.client("dynamodb").update_item(
                    TableName=self._stack.findings_table,
                    Key={"finding_id": {"S": finding["finding_id"]}},
                    UpdateExpression="SET due_at = :past",
                    ExpressionAttributeValues={":past": {"N": "0"}},
                )

    def letters(self):
        """How many messages the dead-letter queue holds."""
        return self._depth(self._stack.dead_letter_queue)

    def _depth(self, queue=None):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        names.append("ApproximateNumberOfMessagesDelayed")
        answer = self._sqs.get_queue_attributes(QueueUrl=queue or self._stack.intake_queue, AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())

    def _dead_letters(self):
        bodies = []
        while True:
            answer = self._sqs.receive_message(QueueUrl=self._stack.dead_letter_queue, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            if not messages:
                return bodies
            for message in messages:
                bodies.append(message["Body"])
                handle = message["ReceiptHandle"]
                self._sqs.delete_message(QueueUrl=self._stack.dead_letter_queue, ReceiptHandle=handle)


def play_all(cloud, envelopes):
    """Many events at once, ten a call, which is as many as the event bus takes."""
    bus = cloud.client("events")
    for start in range(0, len(envelopes), 10):
        entries = [
            {
                "Source": envelope["source"],
                "DetailType": envelope["detail-type"],
                "Detail": json.dumps(envelope["detail"]),
                "Resources": envelope["resources"],
                "Time": envelope["time"],
            }
            for envelope in envelopes[start : start + 10]
        ]
        assert bus.put_events(Entries=entries)["FailedEntryCount"] == 0


def of(step, **limits):
    """The arguments of a fault for a step that is told apart by what it sends."""
    operation, body = step
    return {"call": operation, "body": body} | limits


def new_admins(cloud, prefix, count=4):
    """Some users who become administrators: a critical finding each, seen once."""
    names = [unique(prefix) for _ in range(count)]
    play_all(cloud, [put_user_policy(name, ADMIN) for name in names])
    return dict.fromkeys(names, 1)


# --- detect ---


def test_throttled_writes(cloud, watch):
    """More refusals than one invocation has attempts: some events go back to the queue and come again."""
    with cloud.faults.on(throttled(WRITE, times=4 * ATTEMPTS)) as faults:
        watch.holds(new_admins(cloud, "throttled"))
    assert faults.fired == 4 * ATTEMPTS


def test_throttled_reads(cloud, watch):
    with cloud.faults.on(throttled(READ, times=4 * ATTEMPTS)) as faults:
        watch.holds(new_admins(cloud, "unread"))
    assert faults.fired == 4 * ATTEMPTS


def test_writes_answered_with_500(cloud, watch):
    """One event, which fails in all attempts of two invocations and in the first two of the third."""
    name = unique("broken")
    with cloud.faults.on(broken(WRITE, times=3 * ATTEMPTS - 1)) as faults:
        play(cloud, put_user_policy(name, ADMIN))
        watch.holds({name: 1})
    assert faults.fired == 3 * ATTEMPTS - 1


def test_writes_that_fail_for_long_cost_time_and_no_event(cloud, watch):
    """What fails with the table stays in the queue; tests/tests/detect.rs has outages of days."""
    name = unique("waiting")
    failures = (DELIVERIES - 1) * ATTEMPTS * OBSERVED
    with cloud.faults.on(broken(WRITE, times=failures)) as faults:
        play(cloud, put_user_policy(name, ADMIN))
        watch.holds({name: 1})
        assert watch.letters() == 0
    assert faults.fired == failures


def test_connection_resets(cloud, watch):
    """Each call of the pipeline, cut twice before the service has heard of it."""
    cut = [reset(READ, times=2), reset(WRITE, times=2), reset(PUBLISH, times=2)]
    cut += [reset(**of(CLAIM, times=2)), reset(**of(MARK, times=2))]
    with cloud.faults.on(*cut) as faults:
        watch.holds(new_admins(cloud, "cut"))
    assert faults.fired == 2 * len(cut)


def test_the_response_to_a_write_is_lost(cloud, watch):
    """The finding is there and detect does not know it: the same event again must neither count nor be told twice."""
    with cloud.faults.on(response_lost(WRITE, times=ATTEMPTS + 2)) as faults:
        seen = new_admins(cloud, "unheard")
        # Another event of a subject that is known already: an update and not an insert.
        known = next(iter(seen))
        play(cloud, put_user_policy(known, ADMIN))
        watch.holds(seen | {known: 2})
    assert faults.fired == ATTEMPTS + 2


def test_a_poison_message_among_good_ones(cloud, stack, watch, log_lines):
    """Nine good messages and one that is no JSON, in one batch, while the table is throttled."""
    names = [unique("neighbour") for _ in range(9)]
    poison = unique("not json {")
    bodies = [json.dumps(put_user_policy(name, ADMIN)) for name in names]
    bodies.insert(4, poison)
    with cloud.faults.on(throttled(WRITE, times=ATTEMPTS), reset(READ, times=ATTEMPTS)) as faults:
        # The delay lets all ten become visible at once, so that they are received as one batch.
        # One by one: to AWS a batch is sqs:SendMessage as well, to the emulator an action of its own.
        for body in bodies:
            cloud.operator(stack, "sqs").send_message(QueueUrl=stack.intake_queue, MessageBody=body, DelaySeconds=2)
        watch.holds(dict.fromkeys(names, 1), dead=[poison])
    assert faults.fired == 2 * ATTEMPTS
    batches = [json.loads(line)["fields"] for line in log_lines("DetectLogs") if '"batch done"' in line]
    assert [batch for batch in batches if batch["failed"] and batch["received"] > 1]
    assert sum(batch["failed"] for batch in batches) >= DELIVERIES - 1
    assert sum(batch["given_up"] for batch in batches) == 1


# --- notify ---


def test_sns_refuses_nine_times(cloud, watch):
    """One alert, refused nine times over. A refused call has published nothing, so that it comes once."""
    with cloud.faults.on(throttled(PUBLISH, times=9)) as faults:
        watch.holds(new_admins(cloud, "refused", count=1))
    assert faults.fired == 9


def test_sns_answers_500_nine_times(cloud, watch):
    """Several alerts in one batch. Those that got through are not repeated when the batch comes again."""
    with cloud.faults.on(broken(PUBLISH, times=9)) as faults:
        watch.holds(new_admins(cloud, "sns-down"))
    assert faults.fired == 9


def test_the_response_to_a_publish_is_lost(cloud, watch):
    """SNS has the message and notify cannot know: it must say it again. The one fault that explains a second alert."""
    with cloud.faults.on(response_lost(PUBLISH, times=1)) as faults:
        seen = new_admins(cloud, "twice")
        times = watch.holds(seen, again=seen)
    assert faults.fired == 1
    assert sum(times.values()) == len(seen) + faults.fired


def test_the_response_to_the_mark_is_lost(cloud, watch):
    """The table says SENT and notify does not know: the condition on its claim keeps it from saying so twice."""
    with cloud.faults.on(response_lost(**of(MARK, times=2))) as faults:
        watch.holds(new_admins(cloud, "marked"))
    assert faults.fired == 2


def test_the_response_to_the_claim_is_lost(cloud, watch):
    """Claimed, and notify asks again: it knows its own claim."""
    with cloud.faults.on(response_lost(**of(CLAIM, times=1))) as faults:
        watch.holds(new_admins(cloud, "claimed"))
    assert faults.fired == 1


def test_the_mark_fails(cloud, watch):
    """Published, and never marked as such: the claim ends with its lease and the alert is due again, as after a crash
    between publish and mark. The fault explains one more alert for each finding that it met."""
    with cloud.faults.on(broken(**of(MARK, times=ATTEMPTS))) as faults:
        seen = new_admins(cloud, "unmarked", count=1)
        until(lambda: faults.fired == ATTEMPTS, "the mark to fail")
        watch.end_leases()
        times = watch.holds(seen, again=seen)
    assert faults.fired == ATTEMPTS
    assert list(times.values()) == [2]


# --- both ---


def test_a_thousand_events_in_a_burst(cloud, watch):
    """Duplicates, repetitions and distinct problems of several severities, mixed, with every tenth write and every
    tenth message to SNS refused. The counts are exact."""

    def provider(operation, kind, parameter):
        name = unique(kind)
        arn = f"arn:aws:iam::{ACCOUNT}:{kind}/{name}"
        return name, call("iam", operation, {parameter: arn, "clientID": "sts.amazonaws.com"})

    groups, occurrences, unmailed = [], {}, set()

    def add(name, events, seen):
        groups.append(events)
        if seen:
            occurrences[name] = seen

    for _ in range(60):  # 60 criticals, one event each
        name = unique("critical")
        add(name, [put_user_policy(name, ADMIN)], 1)
    for _ in range(40):  # 40 highs
        name, event = provider("UpdateSAMLProvider", "saml-provider", "sAMLProviderArn")
        add(name, [event], 1)
    for _ in range(40):  # 40 mediums
        name, event = provider("DeleteSAMLProvider", "saml-provider", "sAMLProviderArn")
        add(name, [event], 1)
    for _ in range(40):  # 40 lows, in the table and in nobody's mail
        name, event = provider("RemoveClientIDFromOpenIDConnectProvider", "oidc-provider", "openIDConnectProviderArn")
        unmailed.add(name)
        add(name, [event], 1)
    for _ in range(20):  # 20 events, delivered 20 times each
        name = unique("duplicate")
        add(name, [put_user_policy(name, ADMIN)] * 20, 1)
    for _ in range(20):  # 20 subjects, 10 events each: seen ten times, told once
        name = unique("repeated")
        add(name, [put_user_policy(name, ADMIN) for _ in range(10)], 10)
    for _ in range(220):  # and 220 that only look like something
        name = unique("AdministratorAccess")
        add(name, [put_user_policy(name, HARMLESS)], 0)

    # One of each group in turn, so that every batch is a mixture.
    mixed = [event for turn in itertools.zip_longest(*groups) for event in turn if event]
    assert len(mixed) == 1000
    assert len(occurrences) == 220

    tenth = {"fail": 1, "pass": 9}
    with cloud.faults.on(throttled(WRITE, sequence=tenth), throttled(PUBLISH, sequence=tenth)) as faults:
        play_all(cloud, mixed)
        watch.holds(occurrences, unmailed=unmailed, deadline=300)
    assert faults.fired >= 40
    # A flood would suspend the subscription of whoever reads the mails.
    seconds = Counter(int(alert.arrived) for alert in watch.mailbox.alerts)
    assert max(seconds.values()) <= CAPACITY + 1, "and a digest"
