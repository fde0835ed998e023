"""Real processes for the integration tests: starts them on free loopback
ports, reads their metrics, and stops what it started.

The stub is generated from proto/ at build time and runs on Debian's grpcio: a
client that shares no code with Sluice.
"""

import contextlib
import json
import math
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("SLUICE_BUILD_DIR", "build"))
BIN = os.path.join(BUILD, "bin")
PEERS = os.path.join(BUILD, "tools", "bin")
sys.path.insert(0, os.path.join(BUILD, "tests", "python"))

import grpc  # noqa: E402
from google.protobuf import any_pb2  # noqa: E402,F401
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from sluice.v1 import control_pb2, control_pb2_grpc, gateway_pb2, gateway_pb2_grpc, policy_pb2  # noqa: E402,F401


# What a caller gets when a breaker is open and there is nowhere else to go.
BROKEN_OFF = grpc.StatusCode.UNAVAILABLE


def wait_for(what, condition, seconds=10.0):
    """Polls until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


class Process:
    """A program of ours that says `listening on HOST:PORT…` when it is ready."""

    def __init__(self, args, env=None, ready=True):
        self.args = args
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, **(env or {})})
        self.first_line = ""
        if ready:
            self.first_line = self.process.stdout.readline()
            ports = re.findall(r"[\d.]+:(\d+)", self.first_line)
            if not ports:
                self.stop()
                raise AssertionError(f"{args[0]} did not come up: {self.first_line}{self.stderr()}")
            self.port = int(ports[0])
            self.metrics_port = int(ports[1]) if len(ports) > 1 else None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def fails(self, seconds=10):
        """Waits for it to give up by itself; its exit status."""
        status = self.process.wait(seconds)
        self.process.stdout.close()
        return status

    def stop(self, seconds=20):
        """Asks it to end; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.hurry()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.args[0]} did not stop within {seconds} s of SIGTERM")
        self.process.stdout.close()
        return self.process.returncode

    def hurry(self):
        """What makes it end the sooner."""

    def metrics(self):
        """{'name{label="x"}': value} of its /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as response:
            text = response.read().decode()
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def metric(self, name, **labels):
        """The sum of the samples of a metric that carry these labels."""
        total = 0.0
        for sample, value in self.metrics().items():
            base, _, rest = sample.partition("{")
            if base == name and all(f'{key}="{want}"' in rest for key, want in labels.items()):
                total += value
        return total

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def log_lines(self):
        """The log's lines that are JSON objects (--log-format json)."""
        lines = []
        for line in self.stderr().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict)]

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


class Simulator(Process):
    """Operated on a port of its own, so that it can be asked also while it
    refuses connections."""

    def __init__(self, name, *args, port=0):
        self.name = name
        self.forgotten = 0
        super().__init__([os.path.join(BIN, "sluice-simulator"), "--listen", f"127.0.0.1:{port}", "--operate",
                          "127.0.0.1:0", "--name", name, *args])
        self.operate_port = self.metrics_port

    @property
    def url(self):
        return f"http://{self.address}/v1"

    def _get(self, path, data=None):
        scheme = "https" if "--tls-cert" in self.args else "http"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.operate_port}{path}", data=data)
        unchecked = ssl._create_unverified_context()
        with urllib.request.urlopen(request, timeout=5, context=unchecked) as response:
            return json.loads(response.read() or b"{}")

    def stats(self):
        return self._get("/stats")

    def script(self, **script):
        return self._get("/script", json.dumps(script).encode())

    def requests(self):
        """What came, oldest first: at_ms, path, model, key, fault, headers."""
        return self._get("/requests")

    def reset_stats(self):
        """What was received is remembered, for the sum at a test's end."""
        self.forgotten += self.stats()["requests"]
        return self._get("/stats/reset", b"")


class ControlPlane(Process):
    def __init__(self, folder, *args, listen="127.0.0.1:0"):
        self.store = os.path.join(folder, "sluice.db")
        super().__init__([os.path.join(BIN, "sluice-controlplane"), "--listen", listen,
                          "--metrics-listen", "127.0.0.1:0", "--create", "--store", self.store, *args])

    def hurry(self):
        """Its metrics server looks every two seconds whether it is to end, or
        when somebody calls."""
        deadline = time.monotonic() + 3
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.metrics_port), 1):
                pass
            time.sleep(0.01)

    def admin(self):
        return control_pb2_grpc.AdminStub(grpc.insecure_channel(self.address))


class DataPlane(Process):
    def __init__(self, *args, env=None, ready=True):
        self.channels = []
        if "--drain-grace" not in args:
            args = ("--drain-grace", "0s", *args)  # no balancer is to learn that it stops
        super().__init__([os.path.join(BIN, "sluice-server"), "--listen", "127.0.0.1:0",
                          "--metrics-listen", "127.0.0.1:0", *args], env=env, ready=ready)

    def stub(self):
        self.channels.append(grpc.insecure_channel(self.address))
        return gateway_pb2_grpc.GatewayStub(self.channels[-1])

    def leave(self):
        """Closes the callers' connections: a client that does not look at its
        socket lets a server wait that says goodbye."""
        for channel in self.channels:
            channel.close()
        self.channels = []

    def idle(self):
        """Nothing of a call is left behind."""
        samples = self.metrics()
        left = {name: value for name, value in samples.items()
                if value and re.match(r"sluice_(open_calls|open_streams|upstream_in_flight|queue_length)\b", name)}
        busy = {name: value for name, value in samples.items()
                if value and name.startswith("sluice_upstream_connections{") and 'state="busy"' in name}
        return not left and not busy


def run(*args, stdin=None, seconds=60, env=None, cwd=None):
    """Runs a program to its end; returns (status, stdout, stderr)."""
    done = subprocess.run(args, input=stdin, capture_output=True, text=True, timeout=seconds, cwd=cwd,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def ctl(control_plane, *args, stdin=None):
    address = control_plane if isinstance(control_plane, str) else control_plane.address
    return run(os.path.join(BIN, "sluicectl"), "--server", address, *args, stdin=stdin)


def user(text):
    return gateway_pb2.Message(role=gateway_pb2.ROLE_USER, text=text)


def chat_request(text="Why is the sky blue?", model="chat", **fields):
    return gateway_pb2.ChatRequest(model=model, messages=[user(text)], **fields)


def details_of(error):
    """The typed details of a status, by message name."""
    found = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                name = detail.type_url.rpartition("/")[2]
                kinds = {"google.rpc.ErrorInfo": error_details_pb2.ErrorInfo,
                         "google.rpc.RetryInfo": error_details_pb2.RetryInfo,
                         "google.rpc.BadRequest": error_details_pb2.BadRequest,
                         "sluice.v1.AttemptList": gateway_pb2.AttemptList}
                if name in kinds:
                    found[name.rpartition(".")[2]] = kinds[name].FromString(detail.value)
    return found


class Answer:
    """What a caller saw of one stream."""

    def __init__(self):
        self.text = ""
        self.reasoning = ""
        self.events = []
        self.end = None
        self.error = None  # grpc.RpcError
        self.after_end = 0
        self.messages = 0

    @property
    def code(self):
        return self.error.code() if self.error else grpc.StatusCode.OK

    def details(self):
        return details_of(self.error)

    def continuations(self):
        return [event.continuation for event in self.events if event.HasField("continuation")]

    def attempts(self):
        if self.end:
            return list(self.end.attempts)
        return list(self.details().get("AttemptList", gateway_pb2.AttemptList()).attempts)


def stream(stub, request, timeout=30, metadata=None, on_event=None):
    answer = Answer()
    call = stub.StreamChat(request, timeout=timeout, metadata=metadata)
    try:
        for response in call:
            answer.messages += 1
            for event in response.events:
                if answer.end is not None:
                    answer.after_end += 1
                answer.events.append(event)
                kind = event.WhichOneof("kind")
                if kind == "content":
                    answer.text += event.content.text
                elif kind == "continuation" and event.continuation.mode == gateway_pb2.CONTINUATION_MODE_RESTART:
                    answer.text = ""  # what was shown is void
                elif kind == "reasoning":
                    answer.reasoning += event.reasoning.text
                elif kind == "end":
                    answer.end = event.end
                if on_event:
                    on_event(call, event)
    except grpc.RpcError as error:
        answer.error = error
    return answer


def streams(stub, requests, timeout=30, metadata=None):
    """Calls at the same time, a thread each; the answers in the order of the requests."""
    requests = list(requests)
    answers = [None] * len(requests)

    def call(index):
        answers[index] = stream(stub, requests[index], timeout,
                                metadata(index) if callable(metadata) else metadata)

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class Background:
    """One call on a thread of its own; `answer()` waits for it."""

    def __init__(self, stub, request, timeout=30, metadata=None, on_event=None):
        self._answer = None
        self._thread = threading.Thread(target=self._run, args=(stub, request, timeout, metadata, on_event))
        self._thread.start()

    def _run(self, *args):
        self._answer = stream(*args)

    def answer(self):
        self._thread.join()
        return self._answer


def seconds(duration):
    return duration.seconds + duration.nanos / 1e9


def numbered(name, chunks=10):
    """The whole answer of a simulator in numbered mode."""
    return " ".join(f"{name}:{i}" for i in range(chunks))


def binomial_bounds(trials, share, sigmas=5):
    """Where a count lies but for one run in a million."""
    spread = sigmas * math.sqrt(trials * share * (1 - share))
    return trials * share - spread, trials * share + spread


def pool_yaml(name, *endpoints, extra=""):
    """An upstream; an endpoint is an url, or the inside of its YAML map."""
    lines = ["kind: Upstream", f"name: {name}", "format: OPENAI"]
    if extra:
        lines.append(extra)
    lines.append("endpoints:")
    lines += [f"- {{{endpoint if endpoint.startswith(('url:', 'name:')) else f'url: {endpoint}'}}}"
              for endpoint in endpoints]
    return "\n".join(lines)


def upstream_yaml(name, *urls, extra=""):
    """An upstream with endpoints of falling priority."""
    lines = ["kind: Upstream", f"name: {name}", "format: OPENAI"]
    if extra:
        lines.append(extra)
    lines.append("endpoints:")
    for priority, url in enumerate(urls):
        lines.append(f"- {{url: {url}, priority: {priority}}}")
    return "\n".join(lines)


def route_yaml(targets, name="chat", extra="retry: {backoff: {fixed: {delay: 10ms}}}"):
    lines = ["kind: Route", f"name: {name}", f"match: {{model: {name}}}", "targets:"]
    for priority, target in enumerate(targets):
        lines.append(f"- {{upstream: {target}, priority: {priority}}}")
    if extra:
        lines.append(extra)
    return "\n".join(lines)


def documents(*parts):
    return "\n---\n".join(parts) + "\n"


class IntegrationTest(unittest.TestCase):
    """Starts with an empty folder; stops what the test started."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.simulators, self.servers = [], []
        self.elsewhere = 0  # attempts that went to no simulator

    def tearDown(self):
        """In every test, the requests that the simulators received are the
        attempts that the gateway reports."""
        processes = self.simulators + self.servers
        if not self.simulators or not self.servers or any(p.process.poll() is not None for p in processes):
            return
        received = self.elsewhere + sum(simulator.stats()["requests"] + simulator.forgotten
                                        for simulator in self.simulators)
        attempts = sum(server.metric("sluice_attempts_total") for server in self.servers)
        # Those never reached an upstream, or not for certain.
        unsent = sum(server.metric("sluice_attempts_total", error_class=error_class)
                     for server in self.servers for error_class in ("connect", "cancelled", "shed"))
        self.assertLessEqual(received, attempts)
        self.assertGreaterEqual(received, attempts - unsent)

    def started(self, process):
        self.addCleanup(self._stop, process)
        return process

    def _stop(self, process):
        if isinstance(process, DataPlane):
            process.leave()
        status = process.stop()
        if isinstance(process, Process) and status not in (0, -signal.SIGKILL, -signal.SIGTERM):
            self.fail(f"{process.args[0]} ended with {status}:\n{process.stderr()[-4000:]}")

    def gateway(self, *policies, env=None, args=()):
        """A control plane that pushes the policies to a data plane, which runs them."""
        self.control = self.control_plane()
        self.applied(self.control, *policies)
        self.server = self.data_plane(None, self.control, "--node-id", "edge-1", "--log-format", "json", *args, env=env)
        wait_for("the first revision", lambda: self.server.metric("sluice_config_revision") >= 1)
        return self.server.stub()

    def upstreams(self, *names, args=()):
        """A simulator for each name, with numbered answers."""
        return [self.simulator(name, "--answer", "numbered", *args) for name in names]

    def push(self, *policies):
        """Changes what the data plane runs; back when it runs it."""
        out = self.applied(self.control, *policies)
        self.assertIn("acked by 1/1", out)

    def operator(self, *args, status=0):
        """sluicectl; what it prints."""
        got, out, err = ctl(self.control, *args)
        self.assertEqual(got, status, out + err)
        return out + err

    def reaches(self, name, least, seconds=10, server=None, **labels):
        """Waits until a metric of the data plane is at least that."""
        server = server or self.server
        seen = []

        def there():
            seen.append(server.metric(name, **labels))
            return seen[-1] >= least

        try:
            wait_for(f"{name}{labels} >= {least}", there, seconds)
        except AssertionError as error:
            near = {sample: value for sample, value in server.metrics().items() if sample.startswith(name)}
            raise AssertionError(f"{error}; it is {seen[-1]}; {near}") from None
        return seen[-1]

    def ok(self, answer, text=None):
        self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
        self.assertEqual(answer.after_end, 0)
        if text is not None:
            self.assertEqual(answer.text, text)
        return answer

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def simulator(self, name, *args):
        self.simulators.append(self.started(Simulator(name, *args)))
        return self.simulators[-1]

    def control_plane(self, *args, **kwargs):
        return self.started(ControlPlane(self.folder, *args, **kwargs))

    def data_plane(self, policy=None, control_plane=None, *args, env=None, state="state"):
        flags = ["--state-dir", os.path.join(self.folder, state)]
        if "--drain-timeout" not in args:
            flags += ["--drain-timeout", "1s"]
        if policy is not None:
            flags += ["--policy-file", self.file("policy.yaml", policy)]
        if control_plane is not None:
            flags += ["--control-plane", control_plane if isinstance(control_plane, str) else control_plane.address]
        self.servers.append(self.started(DataPlane(*flags, *args, env=env)))
        return self.servers[-1]

    def applied(self, control_plane, *policies):
        """Applies policies and waits until every data plane has them."""
        status, out, err = ctl(control_plane, "apply", "-f", "-", stdin=documents(*policies))
        self.assertEqual(status, 0, out + err)
        return out
