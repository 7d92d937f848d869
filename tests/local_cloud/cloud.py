"""The emulator's process, and what is deployed into it."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from .faults import Faults

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
ACCOUNT = "111122223333"
REGION = "us-east-1"
KEPT_RUNS = 5

# The emulator takes this pair as the account's root key and checks every other one against IAM.
ROOT_KEY = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class CloudError(Exception):
    """The local cloud could not be started or deployed to; the message says what to do."""


def until(condition, what, deadline=90.0, pause=0.1):
    """Ask until the answer is true, and give it back. Generous: a busy machine is slow, and that is no failure."""
    end = time.monotonic() + deadline
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"still waiting for {what} after {deadline:.0f} s")
        time.sleep(pause)


@dataclass(frozen=True)
class Stack:
    """The outputs of the deployed stack, by name."""

    name: str
    findings_table: str
    journal_table: str
    settings_table: str
    alert_topic: str
    ops_topic: str
    intake_queue: str
    recheck_queue: str
    dead_letter_queue: str
    invocation_dead_letter_queue: str
    mail_dead_letter_queue: str
    operator_role: str
    detect_function: str
    notify_function: str
    scan_function: str
    version: str

    @property
    def dead_letter_queues(self):
        """Of events, of records and runs, and of mails."""
        return (self.dead_letter_queue, self.invocation_dead_letter_queue, self.mail_dead_letter_queue)


class LocalCloud:
    """The emulator, from `with` to the end of the block, however that comes.

    With `faults`, the functions reach it through a proxy that can be told to fail (see faults.py).
    """

    def __init__(self, binaries=None, faults=False):
        self.faults = None
        self._faulty = faults
        self.binaries = Path(binaries or os.environ.get("KEEPWATCH_BINARIES") or ROOT / "target" / "debug")
        self.run = None
        self.port = None
        self._process = None
        self._clients = {}

    # --- life ---

    def __enter__(self):
        python = TOOLS / "emulator" / "bin" / "python"
        if not python.exists():
            raise CloudError("the tools are not installed. Run: make tools")
        # A faulty cloud may stand beside the one that has the port somebody asked for.
        self.port = _port("" if self._faulty else os.environ.get("KEEPWATCH_PORT", ""))
        self.run = _new_run()
        (self.run / "tmp").mkdir()
        if self._faulty:
            self.faults = Faults(python, _port(""), self.endpoint, self.run / "faults.log")
        with (self.run / "emulator.log").open("wb") as log:
            # A group of its own: Ctrl-C reaches this process first, which then stops the emulator and its functions.
            self._process = subprocess.Popen(
                [python, Path(__file__).with_name("emulator.py")],
                env=self._environment(),
                cwd=self.run,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_for_health()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """End the emulator, and the functions it started. They are one process group, made by us."""
        if self.faults is not None:
            self.faults.stop()
            self.faults = None
        if self._process is None:
            return
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._process = None
        shutil.rmtree(self.run / "tmp", ignore_errors=True)

    def _environment(self):
        """Clean: a function inherits all of it, and nothing of the caller's account or proxy may reach one."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.run),
            "TMPDIR": str(self.run / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AUTH": "true",  # each function has only what its role allows
            # Only the functions look at this; the emulator has nobody to call.
            "AWS_ENDPOINT_URL": self.faults.endpoint if self.faults else self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **ROOT_KEY,
        }

    def _wait_for_health(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise CloudError(f"the local cloud ended at once. {self.logs('emulator.log')}")
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    f"{self.endpoint}/_ministack/health", timeout=2
                ):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise CloudError(f"the local cloud did not answer within a minute. {self.logs('emulator.log')}")

    # --- use ---

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, service, region=REGION):
        """A boto3 client of the local cloud, as root."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self._client(service, boto3.Session("test", "test", region_name=region))
        return self._clients[service, region]

    def operator(self, stack, service):
        """A boto3 client as the stack's operator, who alone sends to its queues and takes dead letters."""
        if (stack, service) not in self._clients:
            taken = self.client("sts").assume_role(RoleArn=stack.operator_role, RoleSessionName="tests")["Credentials"]
            keys = (taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
            self._clients[stack, service] = self._client(service, boto3.Session(*keys, region_name=REGION))
        return self._clients[stack, service]

    def _client(self, service, session):
        os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        return session.client(
            service, endpoint_url=self.endpoint, config=Config(proxies={}, retries={"max_attempts": 2})
        )

    def deploy(self, name="keepwatch", sigma=None, **parameters):
        """`sam deploy` the unmodified template with the compiled functions, as a user would with release builds.

        `sigma` is a folder of own rules, packed as `make build SIGMA=folder` packs it. Each finding has a mail of its
        own unless `MailWindowMinutes` is given: nobody here waits for ten minutes.
        """
        parameters.setdefault("MailWindowMinutes", 0)
        self.deploy_template(ROOT / "template.yaml", name, sigma, **parameters)
        if self.faults:
            self.faults.wait_until_warm()
        return self.stack(name)

    def deploy_template(self, template, name, sigma=None, **parameters):
        """`sam deploy` this template, or an earlier one, with today's functions. A stack that is there is updated."""
        site = self.run / name
        site.mkdir(exist_ok=True)
        shutil.copy2(template, site / "template.yaml")
        for uri in re.findall(r"CodeUri: *(\S+)", (site / "template.yaml").read_text()):
            function = Path(uri).name
            binary = self.binaries / function
            if not binary.exists():
                raise CloudError(f"{binary} is not built. Run: cargo build")
            (site / uri).mkdir(parents=True)
            shutil.copy2(binary, site / uri / "bootstrap")
            if sigma and function == "detect":
                shutil.copytree(sigma, site / uri / "sigma")
        self.client("s3").create_bucket(Bucket="deployment")  # the same bucket twice is no error in us-east-1
        command = [TOOLS / "venv" / "bin" / "sam", "deploy", "--stack-name", name, "--s3-bucket", "deployment"]
        command += ["--region", REGION, "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
        command += ["--no-progressbar", "--template-file", "template.yaml"]
        if parameters:
            command += ["--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())]
        (self.run / ".aws-sam").mkdir(exist_ok=True)
        # Else it asks the package index for its newest version at the end of every deployment.
        settings = {"telemetryEnabled": False, "lastVersionCheck": time.time()}
        (self.run / ".aws-sam" / "metadata.json").write_text(json.dumps(settings))
        environment = self._environment() | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "SAM_CLI_TELEMETRY": "0",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        with (self.run / f"deploy-{name}.log").open("wb") as log:
            done = subprocess.run(
                command,
                env=environment,
                cwd=site,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise CloudError(f"sam deploy failed. {self.logs(f'deploy-{name}.log')}")
        shutil.rmtree(site / "target")

    def regions(self, what, regions):
        """Run tools/regions.py as a user would; what it printed, and its exit code."""
        return self.tool("regions.py", what, regions)

    def tool(self, name, *arguments):
        """Run a program of tools/ as a user would; what it printed, and its exit code."""
        done = subprocess.run(
            [TOOLS / "venv" / "bin" / "python", ROOT / "tools" / name, *arguments],
            env=self._environment() | {"AWS_ENDPOINT_URL": self.endpoint, "AWS_CONFIG_FILE": os.devnull},
            cwd=self.run,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr, done.returncode

    def stack(self, name="keepwatch"):
        described = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        return Stack(name, **{re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): value for key, value in outputs.items()})

    def logs(self, *names):
        """Where to look, and the last lines of it."""
        lines = []
        for name in names or ("emulator.log",):
            path = self.run / name
            tail = path.read_text(errors="replace").splitlines()[-15:] if path.exists() else []
            lines += [f"See {os.path.relpath(path)}, which ends:", *("    " + line for line in tail)]
        return "\n".join(lines)


def _port(wanted):
    """This port, or any free one."""
    if wanted and not (wanted.isdecimal() and 0 < int(wanted) < 65536):
        raise CloudError(f"KEEPWATCH_PORT={wanted} is no port number")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted or 0)))
        except OSError:
            raise CloudError(
                f"port {wanted} is taken. Stop what listens there, choose another with KEEPWATCH_PORT, or unset it "
                "and any free port is used."
            ) from None
        return probe.getsockname()[1]


def _is_running(pid):
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _new_run():
    """A folder for this run's logs. The last few are kept, so that a failure can be looked into, and those in use."""
    runs = TOOLS / "run"
    runs.mkdir(parents=True, exist_ok=True)
    old = sorted((path for path in runs.iterdir() if path.is_dir()), key=lambda path: path.name)
    for path in old[: -KEPT_RUNS + 1]:
        if not _is_running(path.name.rpartition("-")[2]):
            shutil.rmtree(path, ignore_errors=True)
    run = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    run.mkdir()
    return run
