"""`python -m local_cloud`: a deployed local cloud to look around in, until Ctrl-C or SIGTERM."""

import signal
import sys

from . import LocalCloud, Mailbox, play, until
from .cloud import ACCOUNT, REGION, CloudError
from .endings import end_in_order
from .night import delivered, furnish, judged, once_more, story_of

TRY = f"""
  In another terminal, with
    export AWS_ENDPOINT_URL={{endpoint}} AWS_DEFAULT_REGION={REGION}
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  try
    cargo run -q -p keepwatch-cli -- findings list
    cargo run -q -p keepwatch-cli -- findings show root-console
    cargo run -q -p keepwatch-cli -- suppress add --rule root-console-sign-in --resource '*' \\
        --owner me --reason 'trying it' --days 1
    cargo run -q -p keepwatch-cli -- tune rule network-changed --severity LOW
"""


def play_night(cloud, stack, mailbox, key):
    """Play the night, and print the subjects of the mails that it causes."""
    before = len(mailbox.alerts)
    story = once_more(story_of(key))
    print(f"  playing {len(story)} events ...", flush=True)
    for envelope in story:
        play(cloud, envelope)
        until(lambda: judged(cloud, stack), "an event to be judged", pause=0.05)
    until(lambda: delivered(cloud, stack, mailbox), "the mails")
    for alert in mailbox.alerts[before:]:
        print(f"  MAIL  {alert.subject}")
    if len(mailbox.alerts) == before:
        print("  no mail: all of it was told before, and is counted")


def main():
    with LocalCloud() as cloud:
        stack = cloud.deploy()
        mailbox = Mailbox(cloud, stack.alert_topic)
        key = furnish(cloud)
        print(f"{stack.name} is deployed at {cloud.endpoint}, account {ACCOUNT}.")
        print(TRY.format(endpoint=cloud.endpoint))
        for name, value in vars(stack).items():
            print(f"  {name:18} {value}")
        if not sys.stdin.isatty():
            print("\nCtrl-C or SIGTERM ends it, and all that it started.", flush=True)
            signal.pause()
        print("\nEnter plays a recorded break-in; Ctrl-C ends all of it.", flush=True)
        for _ in sys.stdin:
            play_night(cloud, stack, mailbox, key)
            print("Enter plays it once more; Ctrl-C ends all of it.", flush=True)


end_in_order()
try:
    main()
except (AssertionError, CloudError) as error:
    sys.exit(f"local cloud: {error}")
