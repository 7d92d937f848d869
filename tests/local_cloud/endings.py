"""How a program that holds a local cloud is ended from outside."""

import signal
import sys

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_in_order():
    """Let Ctrl-C, SIGTERM and a closed terminal leave each `with` block, once.

    A second one would cut short what the first began: whoever signals a whole group reaches this process twice, because
    make passes SIGTERM on to it.
    """
    for ending in ENDINGS:
        signal.signal(ending, _stop)


def _stop(_signal, _frame):
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    sys.exit("\nstopped")
