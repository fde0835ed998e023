"""Programs that run for as long as a block does."""

import contextlib
import os
import random
import re
import socket
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("SLUICE_BUILD_DIR", "build"))


class Failure(SystemExit):
    """Ends the program with a line, unless it is one subject's and the others go on."""

    def __init__(self, line):
        super().__init__(f"tests/bench/run: {line}")
        self.line = line


def fail(line):
    raise Failure(line)


def program(folder, name):
    """Path of one of ours."""
    path = os.path.join(BUILD, folder, name)
    if not os.access(path, os.X_OK):
        fail(f"{path} is not there: build it first (deploy/build -DSLUICE_TESTS=ON)")
    return path


def free_port():
    """Below the range that outgoing connections take theirs from: tens of thousands of those are open, or linger after a load."""
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    fail("no free port on 127.0.0.1 between 10000 and 32000")


def wait_for_port(port, process, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.01)
    return False


def descendants(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = [int(child) for child in file.read().split()]
    return children + [pid for child in children for pid in descendants(child)]


class Started:
    """A process that ends with the block; `port` is where it listens. Where none is given, the process tells it in its first
    line. `seconds`: how long it may take to come up."""

    def __init__(self, args, folder, port=None, *, env=None, seconds=10):
        self.name = os.path.basename(args[0])
        self.log = os.path.join(folder, self.name + ".err")
        with open(self.log, "a") as log:
            # Nobody reads what a gateway says on stdout, and a full pipe would stop it.
            out = subprocess.PIPE if port is None else log
            self.process = subprocess.Popen(args, cwd=folder, stdout=out, stderr=log, text=True,
                                            env=env and {**os.environ, **env})
        self.port = port
        if port is None:
            found = re.search(r"[\d.]+:(\d+)", self.process.stdout.readline())
            self.port = found and int(found.group(1))
        elif not wait_for_port(port, self.process, seconds):
            self.port = None
        if self.port is None:
            self.stop()
            with open(self.log) as log:
                fail(f"{args[0]} did not come up: {log.read()[-2000:]}")

    @property
    def pids(self):
        return [self.process.pid, *descendants(self.process.pid)]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
