"""Faults between the functions and the services: microburst, a proxy that answers with errors as AWS words them.

    with LocalCloud(faults=True) as cloud:
        stack = cloud.deploy()
        with cloud.faults.on(throttled("dynamodb:PutItem", times=5)) as faults:
            play(cloud, envelope)
            ...
        assert faults.fired == 5

Only the functions go through it; tests talk to the emulator directly. An error, a reset and a throttle are answered in
the emulator's place and have done nothing; a lost response is one whose call the emulator did carry out.

The proxy runs in this file too, under the Python of .tools/emulator (see the end), so that what is imported here must
exist there as well.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

VERSION = "0.10.0"

# One call to each service that the functions use, so that its models are loaded before a test begins.
WARMED = {
    "dynamodb": {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"},
    "sns": {"Content-Type": "application/x-www-form-urlencoded"},
    "iam": {"Content-Type": "application/x-www-form-urlencoded"},
}
WARMING_BODY = {"dynamodb": b"{}", "sns": b"Action=ListTopics", "iam": b"Action=ListUsers"}

# What DynamoDB and SNS say when they are asked too much.
THROTTLES = {
    "dynamodb": {"code": "ProvisionedThroughputExceededException", "status": 400},
    "sns": {"code": "Throttled", "status": 429},
}


# --- the faults; a call is named as in IAM: "dynamodb:PutItem" ---


def throttled(call, **limits):
    """Refused for asking too much. `limits` are microburst's own: times=3, or sequence={"fail": 1, "pass": 9}."""
    return _fault(call, limits, error=THROTTLES[call.split(":")[0]])


def broken(call, **limits):
    """Answered with a 500."""
    return _fault(call, limits, error={"code": "InternalServerError", "status": 500})


def reset(call, **limits):
    """The connection is cut before the service has heard of the call."""
    return _fault(call, limits, reset=True)


def response_lost(call, **limits):
    """The service has done it, and the connection is cut before the answer is through."""
    return _fault(call, limits, response={"abort_bytes": 0})


def _fault(call, limits, **effect):
    service, operation = call.split(":")
    return {"service": service, "operation": operation} | limits | effect


# --- the proxy ---


class Injected:
    """The faults of one `with` block."""

    def __init__(self, faults, rules):
        self._faults = faults
        self._ids = {rule["id"] for rule in rules}

    @property
    def fired(self):
        """How many have happened. A test whose faults have not happened shows nothing."""
        return sum(event["rule_id"] in self._ids for event in self._faults.call("GET", "fired?limit=1000000"))


class Faults:
    """The proxy's process, and its rules."""

    def __init__(self, python, port, upstream, log):
        self.endpoint = f"http://127.0.0.1:{port}"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        command = [python, __file__, "--host", "127.0.0.1", "--port", str(port), "--upstream", upstream]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process first, which then stops the proxy.
            )
        # Its first request takes seconds: it reads the models of AWS's services. That passes while `sam deploy` runs.
        self._warming = threading.Thread(target=self._warm, daemon=True)
        self._warming.start()

    def wait_until_warm(self):
        """Back when the proxy answers as fast as it will; an error when it never came up."""
        self._warming.join()
        self.call("GET", "health")

    def stop(self):
        # Not SIGTERM: it would wait for the functions to hang up, and there is nothing of it to save.
        self._process.kill()
        self._process.wait()
        self._warming.join()

    @contextlib.contextmanager
    def on(self, *faults):
        """These faults, and no others, until the end of the block."""
        rules = self.call("POST", "rules", list(faults))
        try:
            yield Injected(self, rules)
        finally:
            self.call("POST", "rules", [])

    def call(self, method, path, body=None):
        """microburst's own API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  # our own address
            f"{self.endpoint}/_microburst/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with self._open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def _warm(self):
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.call("GET", "health")
                break
            except OSError:
                time.sleep(0.1)
        for service, headers in WARMED.items():
            scope = f"Credential=test/20260101/us-east-1/{service}/aws4_request"
            headers = headers | {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}
            request = urllib.request.Request(f"{self.endpoint}/", WARMING_BODY[service], headers)  # noqa: S310
            # Whatever comes of it, the models are loaded.
            with contextlib.suppress(OSError), self._open(request, timeout=60):
                pass


def _end_with(parent):
    """Stop when the test run that started us is gone without saying goodbye."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _main():
    """The proxy, with one thing changed: it passes the Host header on as it came.

    microburst writes the emulator's address into it, but the header is signed, and the emulator, which checks each
    function's own key as AWS does, would refuse every call. Signing again with another key would take the functions'
    roles out of the test.
    """
    from microburst import __version__, cli, forward

    if __version__ != VERSION or not hasattr(forward.Upstream, "_outbound_headers"):
        sys.exit(f"the local cloud needs microburst {VERSION} and found {__version__}")
    rewritten = forward.Upstream._outbound_headers

    def as_signed(self, request):
        return rewritten(self, request) | {"host": request.headers["Host"]}

    forward.Upstream._outbound_headers = as_signed
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    sys.exit(cli.main())


if __name__ == "__main__":
    _main()
