"""`make local-cloud` is ended from outside, and nothing that it started is left."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from local_cloud import REGION, ROOT, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")


def of_cloud(port):
    """The processes of the emulator on this port, its functions included: what it gives them names the port."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if f"GATEWAY_PORT={port}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:  # it has ended, or is somebody else's
                continue
    return found


def signal_each(run, ending):
    """To the process alone, as `kill` does."""
    os.kill(run.pid, ending)


def signal_all(run, ending):
    """To all of its group, as a terminal and `timeout` do. make passes SIGTERM on, so that it comes twice."""
    os.killpg(run.pid, ending)


@pytest.mark.parametrize(
    ("send", "ending"),
    [
        (signal_each, signal.SIGTERM),
        (signal_all, signal.SIGTERM),
        (signal_all, signal.SIGINT),
        (signal_all, signal.SIGHUP),
    ],
)
def test_a_local_cloud_leaves_nothing_behind(send, ending):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    binaries = os.environ.get("KEEPWATCH_BINARIES") or ROOT / "target" / "debug"
    # What it needs is there, or this test would not run: nothing is installed or compiled.
    run = subprocess.Popen(
        ["make", "INSTALL=true", "CARGO=true", "local-cloud"],
        cwd=ROOT,
        env=os.environ | {"KEEPWATCH_PORT": str(port), "KEEPWATCH_BINARIES": str(binaries)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed = []
        for line in run.stdout:
            printed.append(line)
            if "ends it, and all that it started" in line:
                break
        else:
            pytest.fail("it did not come up: " + "".join(printed))
        before = of_cloud(port)
        session = boto3.Session("test", "test", region_name=REGION)
        functions = session.client("lambda", endpoint_url=f"http://127.0.0.1:{port}")
        functions.invoke(FunctionName="keepwatch-notify", Payload="{}")
        until(lambda: len(of_cloud(port)) > len(before), "a function to run")
        send(run, ending)
        run.communicate(timeout=30)
        assert run.returncode != 0
        # make does not wait for what it started when it is told to end.
        until(lambda: not of_cloud(port), "everything to end", deadline=15)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
