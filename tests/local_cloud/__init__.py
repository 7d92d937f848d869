"""A local AWS for the compiled functions and the unmodified template: no account, no Docker, loopback only.

    with LocalCloud() as cloud:
        stack = cloud.deploy()
        mailbox = Mailbox(cloud, stack)
        play(cloud, envelope)
        alert = mailbox.wait_for(lambda a: a.title == "...")

What it does not prove: real IAM evaluation, resource and key policies, AL2023 itself, and the retry, bisect and
dead-letter behaviour of EventBridge and of streams. tests/template asserts on the template what runs here cannot.
"""

from .cloud import ACCOUNT, REGION, ROOT, CloudError, LocalCloud, Stack, until
from .mailbox import Alert, Mailbox
from .stories import at, play, read_story

__all__ = [
    "ACCOUNT",
    "REGION",
    "ROOT",
    "Alert",
    "CloudError",
    "LocalCloud",
    "Mailbox",
    "Stack",
    "at",
    "play",
    "read_story",
    "until",
]
