"""The clients of client/python and client/node, as installed, each led by a test through
a small program (clients/driver.*) that does as it is told."""

import base64
import json
import os
import subprocess

from harness import PEERS, ROOT, IntegrationTest, chat_request, documents, route_yaml, upstream_yaml
from installed_clients import node_client, python_client

CLIENTS = os.path.join(ROOT, "tests", "integration", "clients")


def programs():
    """Name -> how it is run, and in which folder."""
    # -I: nothing but what is installed.
    python = [python_client(), "-I", os.path.join(CLIENTS, "driver.py")]
    app = node_client()
    with open(os.path.join(CLIENTS, "driver.mjs")) as source, open(os.path.join(app, "driver.mjs"), "w") as copy:
        copy.write(source.read())  # Node.js looks for packages beside the program
    return {"python": [*python, "sync"], "python aio": [*python, "aio"],
            "node": [os.path.join(PEERS, "node"), os.path.join(app, "driver.mjs")]}


class Driven:
    """One program that does as it is told."""

    def __init__(self, args, address, folder):
        self.process = subprocess.Popen([*args, "call"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=folder,
                                        env={**os.environ, "SLUICE_SERVER": address})

    def call(self, request=None, timeout=60, **job):
        """Begins a call; see clients/driver.py for what else may be said of it."""
        request = base64.b64encode((request or chat_request()).SerializeToString()).decode()
        self.process.stdin.write(json.dumps({"request": request, "timeout": timeout, **job}) + "\n")
        self.process.stdin.flush()

    def next(self):
        """The next thing that it tells."""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the program ended: " + self.process.stderr.read())
        return json.loads(line)

    def result(self):
        """What it tells at last of a call."""
        while True:
            line = self.next()
            if "response" in line:
                return line

    def runs(self):
        return self.process.poll() is None

    def end(self):
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def stop(self):
        if self.runs():
            self.process.kill()
        self.process.communicate()
        return 0


class Installed(IntegrationTest):
    def serve(self, upstream, *args):
        self.addCleanup(upstream.stop)
        retry = "retry: {max_attempts: 3, backoff: {fixed: {delay: 1ms}}}"
        policy = documents(upstream_yaml("alpha", upstream.url), route_yaml(["alpha"], extra=retry))
        self.server = self.data_plane(policy, None, *args)
        return upstream

    def each(self, claim):
        """The claim, of every client; it ends well."""
        for name, args in programs().items():
            with self.subTest(client=name):
                driven = Driven(args, self.server.address, self.folder)
                try:
                    claim(driven)
                    status, out, err = driven.end()
                    self.assertEqual((status, out), (0, ""), err)
                finally:
                    driven.stop()
