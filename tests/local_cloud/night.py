"""The recorded night of the demo: the account before it, the events, and when all is told."""

import json
import uuid
from datetime import datetime, timedelta, timezone

from boto3.dynamodb.types import TypeDeserializer

from .stories import read_story, shifted

STORY_KEY = "AKIAI44QH8DHBEXAMPLE"


def furnish(cloud):
    """The users and roles of the story. The functions ask for them; the id of the leaked key is made by the cloud."""
    iam = cloud.client("iam")
    for user in ("ana", "backup-operator", "ci-deploy", "reporting"):
        iam.create_user(UserName=user)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="thumbnailer", AssumeRolePolicyDocument=policy)
    return iam.create_access_key(UserName="ci-deploy")["AccessKey"]["AccessKeyId"]


def story_of(key):
    """The recorded night, with this cloud's key in it, ending now."""
    text = json.dumps(read_story("demo")).replace(STORY_KEY, key)
    return shifted(json.loads(text), datetime.now(timezone.utc) - timedelta(seconds=2))


def once_more(story):
    """The same events as new ones, so that they are no duplicates. Copies of one event stay copies."""
    ids = {envelope["detail"]["eventID"] for envelope in story if "eventID" in envelope["detail"]}
    text = json.dumps(story)
    for known in ids:
        text = text.replace(known, str(uuid.uuid4()))
    return json.loads(text)


def findings_of(cloud, stack):
    """The rows of the findings table."""
    table = cloud.client("dynamodb").scan(TableName=stack.findings_table, ConsistentRead=True)
    read = TypeDeserializer().deserialize
    return [{name: read(value) for name, value in item.items()} for item in table["Items"]]


def waiting(cloud, url):
    """How many messages a queue holds."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(number) for number in answer["Attributes"].values())


def judged(cloud, stack):
    """Whether every event is judged and every alert that is due has been sent."""
    if waiting(cloud, stack.intake_queue):
        return False
    return not any(finding["alert_state"] in ("PENDING", "CLAIMED") for finding in findings_of(cloud, stack))


def delivered(cloud, stack, mailbox):
    """Whether all alerts that were sent are here."""
    mailbox.look()
    sent = sum(int(finding["alerts_sent"]) for finding in findings_of(cloud, stack))
    return 0 < sent <= len(mailbox.alerts)
