"""What a subscriber of the alert topic receives."""

import itertools
import json
import time

_numbers = itertools.count(1)


class Alert(dict):
    """The JSON form of one alert, which is OCSF where OCSF has a word for it, and when it came."""

    def __init__(self, message):
        super().__init__(json.loads(json.loads(message["Body"])["Message"]))
        self.arrived = int(message["Attributes"]["SentTimestamp"]) / 1000

    @property
    def finding_id(self):
        """The finding it is about; a digest, a report and an announcement are about none."""
        return self.get("finding_info", {}).get("uid") or self.get("finding_id")

    @property
    def finding_ids(self):
        """All findings that it tells of."""
        several = self.get("unmapped", {}).get("group") or self.get("digest")
        if several:
            return several["finding_ids"]
        return [self.finding_id] if self.finding_id else []

    @property
    def resource(self):
        return self["resources"][0]["uid"] if "resources" in self else ""

    @property
    def rule(self):
        return self["finding_info"]["analytic"]["uid"] if "finding_info" in self else ""

    @property
    def account(self):
        return self["cloud"]["account"]["uid"]

    @property
    def status(self):
        return self["status"].upper().replace(" ", "_")

    @property
    def severity(self):
        return self["severity"].upper()

    @property
    def title(self):
        return self["message"]

    @property
    def _mail(self):
        """OCSF has no word for a mail; a digest or a report is not OCSF."""
        return self.get("unmapped", self)["mail"]

    @property
    def subject(self):
        return self._mail["subject"]

    @property
    def text(self):
        return self._mail["text"]


class Mailbox:
    """A queue subscribed to the alert topic. A mailbox cannot be read here, and a queue gets the same alerts."""

    def __init__(self, cloud, topic):
        self._sqs = cloud.client("sqs")
        self._sns = cloud.client("sns")
        self._url = self._sqs.create_queue(QueueName=f"mailbox-{next(_numbers)}")["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        self._subscription = self._sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        self.alerts = []

    def look(self, wait=0):
        """Fetch what has arrived; the alerts that are new."""
        fresh = []
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, AttributeNames=["SentTimestamp"]
        )
        for message in answer.get("Messages", []):
            fresh.append(Alert(message))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        self.alerts += fresh
        return fresh

    def wait_for(self, wanted, what, deadline=90.0):
        """The first alert, past or to come, that `wanted` says yes to."""
        end = time.monotonic() + deadline
        seen = 0
        while True:
            for alert in self.alerts[seen:]:
                if wanted(alert):
                    return alert
            seen = len(self.alerts)
            if time.monotonic() > end:
                titles = [alert.subject for alert in self.alerts]
                raise AssertionError(f"no alert for {what} after {deadline:.0f} s; received: {titles}")
            self.look(wait=1)

    def close(self):
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._url)
