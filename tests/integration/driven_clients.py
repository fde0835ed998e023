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
    """One program that does as it is told; `next()` is what it told."""

    def __init__(self, args, address, job, folder):
        self.process = subprocess.Popen([*args, "call"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=folder,
                                        env={**os.environ, "SLUICE_SERVER": address})
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def next(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the program ended: " + self.process.stderr.read())
        return json.loads(line)

    def result(self):
        """What it told at last of one call."""
        while True:
            line = self.next()
            if "response" in line:
                return line

    def end(self):
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


class Installed(IntegrationTest):
    def serve(self, upstream, *args, extra=""):
        self.addCleanup(upstream.stop)
        retry = "retry: {max_attempts: 3, backoff: {fixed: {delay: 1ms}}}"
        self.server = self.data_plane(
            documents(upstream_yaml("alpha", upstream.url, extra=extra), route_yaml(["alpha"], extra=retry)), None, *args)
        return upstream

    def call(self, args, request=None, timeout=30, **job):
        request = request or chat_request()
        driven = Driven(args, self.server.address,
                        {"request": base64.b64encode(request.SerializeToString()).decode(), "timeout": timeout, **job},
                        self.folder)

        def stop():
            driven.process.kill()
            driven.process.communicate()

        self.addCleanup(stop)
        return driven

    def ends_well(self, driven):
        status, out, err = driven.end()
        self.assertEqual(status, 0, out + err)

    def each(self, claim):
        """The claim, of every client."""
        for name, args in programs().items():
            with self.subTest(client=name):
                claim(args)
