"""Nothing is lost and nothing is said twice, whatever fails on the way."""

import pytest

from events import ADMIN, call, put_user_policy, root, unique
from local_cloud import play, until


def about(name):
    return lambda alert: name in alert.resource


def queue_depth(cloud, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(value) for value in answer["Attributes"].values())


def test_an_event_delivered_ten_times_is_one_finding_and_one_alert(cloud, stack, mailbox, findings):
    name, marker = unique("again"), unique("marker")
    event = put_user_policy(name, ADMIN)
    for _ in range(10):
        play(cloud, event)
    mailbox.wait_for(about(name), "the event")
    until(lambda: queue_depth(cloud, stack.intake_queue) == 0, "all ten to be judged")
    # What came after them has arrived, so what they caused has too.
    play(cloud, put_user_policy(marker, ADMIN))
    mailbox.wait_for(about(marker), "the event after them")

    (finding,) = findings.about(name)
    assert finding["occurrences"] == 1
    assert finding["alerts_sent"] == 1
    assert len([alert for alert in mailbox.alerts if name in alert.resource]) == 1


@pytest.mark.usefixtures("hasty_intake")
def test_a_malformed_message_ends_in_the_dead_letter_queue_and_delays_nobody(cloud, stack, mailbox, dead_letters):
    name, poison = unique("patient"), unique("not json {")
    sqs = cloud.operator(stack, "sqs")
    sqs.send_message(QueueUrl=stack.intake_queue, MessageBody=poison)
    play(cloud, put_user_policy(name, ADMIN))
    mailbox.wait_for(about(name), "the event behind the malformed message")
    (letter,) = until(dead_letters, "the malformed message")
    assert letter["Body"] == poison
    assert queue_depth(cloud, stack.intake_queue) == 0


@pytest.mark.usefixtures("hasty_intake")
def test_an_event_waits_while_the_table_cannot_be_written(cloud, stack, mailbox, findings, without, log_lines):
    name = unique("waiting")
    with without("DetectRole", "dynamodb:PutItem"):
        play(cloud, put_user_policy(name, ADMIN))
        until(lambda: any("not authorized" in line for line in log_lines("DetectLogs")), "detect to be refused")
        assert findings.about(name) == []
        assert queue_depth(cloud, stack.intake_queue) == 1
    mailbox.wait_for(about(name), "the event, once the table can be written")
    assert len(findings.about(name)) == 1


@pytest.mark.usefixtures("hasty_intake")
def test_an_event_that_cannot_be_written_waits_until_it_can(cloud, without, dead_letters, findings, log_lines):
    name = unique("waiting")
    before = len([line for line in log_lines("DetectLogs") if '"message failed"' in line])

    def failed_twice():
        return len([line for line in log_lines("DetectLogs") if '"message failed"' in line]) >= before + 2

    with without("DetectRole", "dynamodb:PutItem"):
        play(cloud, put_user_policy(name, ADMIN))
        until(failed_twice, "detect to be refused twice")
        assert findings.about(name) == []
    until(lambda: findings.about(name), "the finding, once it can be written")
    assert dead_letters() == []


@pytest.mark.usefixtures("hasty_intake")
def test_what_nobody_can_work_with_ends_in_the_dead_letter_queue_and_says_why(cloud, stack, dead_letters):
    poison = unique("not json {")
    cloud.operator(stack, "sqs").send_message(QueueUrl=stack.intake_queue, MessageBody=poison)
    (letter,) = until(dead_letters, "the message in the dead-letter queue")
    assert letter["Body"] == poison
    assert "this is not an event" in letter["MessageAttributes"]["reason"]["StringValue"]
    assert queue_depth(cloud, stack.intake_queue) == 0


def test_an_alert_waits_while_the_topic_cannot_be_published_to(cloud, mailbox, findings, without, log_lines, sweep):
    name = unique("unspoken")
    with without("NotifyRole", "sns:Publish"):
        play(cloud, put_user_policy(name, ADMIN))
        until(lambda: any("not authorized" in line for line in log_lines("NotifyLogs")), "notify to be refused")
        until(lambda: findings.about(name)[0]["alert_state"] == "DEFERRED", "notify to have given the claim back")
        assert [finding["alerts_sent"] for finding in findings.about(name)] == [0]
        assert not sweep(), "a sweep that could not send is an error, for the alarm"
    assert sweep()
    mailbox.wait_for(about(name), "the alert, once it can be published", deadline=150)
    until(lambda: findings.about(name)[0]["alert_state"] == "SENT", "the finding to say so")


def test_a_storm_is_a_few_alerts_and_one_digest(cloud, mailbox, findings, sweep):
    """Eight at once is what the budget allows, and fewer unless they are critical. The rest is told together."""
    names = [unique("storm") for _ in range(40)]
    for name in names:
        play(cloud, put_user_policy(name, ADMIN))
    ids = {}

    def all_told():
        ids.update({f["finding_id"]: f for name in names for f in findings.about(name)})
        sweep()
        mailbox.look()
        return len(ids) == 40 and {i for alert in mailbox.alerts for i in alert.finding_ids} >= set(ids)

    until(all_told, "each finding of the storm to be told")
    told = [i for alert in mailbox.alerts for i in alert.finding_ids if i in ids]
    assert sorted(told) == sorted(ids), "each once"
    alone = [alert for alert in mailbox.alerts if alert.finding_id in ids]
    digests = [alert for alert in mailbox.alerts if len(alert.finding_ids) > 1]
    # Other tests may have used some of the budget, and it fills up by one each quarter of a minute.
    assert 4 <= len(alone) <= 20
    assert digests
    assert digests[0].subject.startswith("[CRITICAL] ")
    assert digests[0].subject.endswith(" (111122223333)")
    until(lambda: all(f["alert_state"] == "SENT" for f in findings.all() if f["finding_id"] in ids), "the marks")


def test_the_watch_shows_that_it_is_alive(mailbox, stack, cloud, sweep):
    """Once a week; in a fresh stack with the first sweep, which may have been the clock's own."""
    assert sweep()
    entries = cloud.client("dynamodb").scan(TableName=stack.journal_table)["Items"]
    letters = [item["entry"]["S"] for item in entries if item["entry"]["S"].startswith("letter#weekly#")]
    assert len(letters) == 1


def test_in_the_plain_state_the_root_rule_would_be_deaf_to_reads(cloud, stack, mailbox):
    """What the rule's state in the template is for. It is the wrapper that withholds (emulator.py, 2), as AWS does."""
    events = cloud.client("events")
    rule = events.describe_rule(Name=f"{stack.name}-reads")
    kept = {key: rule[key] for key in ("Name", "EventPattern", "State")}
    assert kept["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    marker = unique("marker")
    try:
        events.put_rule(**kept | {"State": "ENABLED"})
        play(cloud, call("iam", "GetAccountSummary", None, by=root(), read_only=True))
        play(cloud, put_user_policy(marker, ADMIN))
        mailbox.wait_for(about(marker), "the event after the read")
        assert not [alert for alert in mailbox.alerts if "GetAccountSummary" in alert.text]
    finally:
        events.put_rule(**kept)


def test_without_an_address_nobody_gets_mail(cloud, stack):
    subscriptions = cloud.client("sns").list_subscriptions()["Subscriptions"]
    assert [s for s in subscriptions if s["Protocol"] == "email"] == []


def test_with_an_address_it_gets_alerts_and_alarms(cloud, stack):
    mailed = cloud.deploy("mailed", AlertEmail="you@example.com")
    for topic in (mailed.alert_topic, mailed.ops_topic):
        listed = cloud.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert [(s["Protocol"], s["Endpoint"]) for s in listed] == [("email", "you@example.com")]
