"""Recorded events, and how they are played into the event bus."""

import copy
import json
import uuid
from datetime import datetime, timedelta, timezone

from .cloud import REGION, ROOT

STORIES = ROOT / "tests" / "stories"
INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def read_story(name):
    """The EventBridge envelopes of a story, in order; each is as AWS delivers it."""
    lines = (STORIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def at(envelope, moment):
    """The same event, happening at another moment."""
    moved = copy.deepcopy(envelope)
    moment = moment.astimezone(timezone.utc)
    moved["time"] = moment.strftime(INSTANT)
    detail = moved["detail"]
    if "eventTime" in detail:
        detail["eventTime"] = moved["time"]
    # Health writes its times as mail headers do, on the event and on each thing that it names.
    for part in (detail, *detail.get("affectedEntities", [])):
        for name in ("startTime", "lastUpdatedTime"):
            if name in part:
                part[name] = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return moved


def shifted(story, end):
    """The story, moved in time so that its last event happens at `end`."""
    times = [datetime.strptime(envelope["time"], INSTANT).replace(tzinfo=timezone.utc) for envelope in story]
    by = end - max(times)
    return [at(envelope, moment + by) for envelope, moment in zip(story, times)]


def fresh(envelope, **detail):
    """The same event as a new one: another id, the present time, and the given fields of its detail."""
    event = at(envelope, datetime.now(timezone.utc) - timedelta(seconds=1))
    if "eventID" in event["detail"]:
        event["detail"]["eventID"] = str(uuid.uuid4())
    event["detail"].update(detail)
    return event


def play(cloud, envelope, region=REGION):
    """Put one event on the default bus of a region, as the AWS service of its source would."""
    answer = cloud.client("events", region).put_events(
        Entries=[
            {
                "Source": envelope["source"],
                "DetailType": envelope["detail-type"],
                "Detail": json.dumps(envelope["detail"]),
                "Resources": envelope.get("resources", []),
                "Time": datetime.strptime(envelope["time"], INSTANT).replace(tzinfo=timezone.utc),
            }
        ]
    )
    if answer["FailedEntryCount"]:
        raise AssertionError(f"the event bus refused the event: {answer['Entries']}")
