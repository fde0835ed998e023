"""A log that nobody reads, or that cannot be written, stops nothing; what the
lines look like."""

import contextlib
import fcntl
import json
import os
import re
import subprocess
import threading
import time
import unittest.mock
from datetime import datetime, timezone

from harness import (BIN, IntegrationTest, Process, chat_request, documents, numbered, route_yaml, stream,
                     upstream_yaml, wait_for)


class FullPipe:
    """A pipe into which nothing more goes, until `read` is called."""

    def __init__(self, test):
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETFL, os.O_NONBLOCK)
        self.filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self.filled += os.write(self.writer, b"x" * 4096)
        fcntl.fcntl(self.writer, fcntl.F_SETFL, 0)
        self.text = ""
        test.addCleanup(self.close)

    def read(self):
        """From now on, on a thread of its own; `text` is what came after the filling."""
        def run():
            with open(self.reader, "rb", buffering=0, closefd=False) as reader:
                left = self.filled
                while data := reader.read(65536):
                    self.text += data[left:].decode(errors="replace")
                    left = max(0, left - len(data))
        self.thread = threading.Thread(target=run)
        self.thread.start()

    def close(self):
        os.close(self.writer)
        if hasattr(self, "thread"):
            self.thread.join()
        os.close(self.reader)


class UnreadLog(IntegrationTest):
    def serves_and_ends(self, stderr):
        """Pushes are taken, commands answered, calls served; SIGTERM ends both."""
        alpha, = self.upstreams("alpha")
        self.control = self.control_plane(stderr=stderr)
        self.applied(self.control, upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        self.server = self.data_plane(None, self.control, "--node-id", "edge-1", "--call-log", "all", stderr=stderr)
        wait_for("the first revision", lambda: self.server.metric("sluice_config_revision") >= 1)
        stub = self.server.stub()
        for i in range(20):
            self.ok(stream(stub, chat_request()), numbered("alpha"))
        for attempts in range(2, 10):
            self.operator("set", "route/chat", f"retry.max_attempts={attempts}")
        self.assertEqual(self.server.metric("sluice_config_revision"), 9)
        self.operator("breaker", "trip", "alpha", "--for", "10m", "--reason", "to see a line of log")
        self.operator("breaker", "reset", "alpha", "--reason", "to see another one")
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        dropped = {sample: count for process in (self.server, self.control)
                   for sample, count in process.metrics().items() if "_log_dropped_total" in sample}
        self.server.leave()
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.control.stop(), 0)
        return dropped

    def test_a_full_pipe(self):
        self.serves_and_ends(FullPipe(self).writer)

    def test_a_full_disk_is_counted(self):
        with open("/dev/full", "w") as full:
            dropped = self.serves_and_ends(full)
        self.assertGreater(dropped['sluice_log_dropped_total{log="program",reason="output"}'], 8)
        self.assertGreaterEqual(dropped['sluice_log_dropped_total{log="calls",reason="output"}'], 40)
        self.assertIn('sluice_controlplane_log_dropped_total{log="program",reason="output"}', dropped)

    def test_a_pipe_whose_reader_has_gone(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        dropped = self.serves_and_ends(writer)
        self.assertGreater(dropped['sluice_log_dropped_total{log="program",reason="output"}'], 8)

    def test_when_it_is_read_again_it_tells_what_was_dropped(self):
        alpha, = self.upstreams("alpha", args=("--chunks", "1"))
        pipe = FullPipe(self)
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])), None,
                                 "--call-log", "all", "--call-log-buffer", "16384", stderr=pipe.writer)
        stub = server.stub()

        def dropping():
            self.ok(stream(stub, chat_request()))
            return server.metric("sluice_log_dropped_total", log="calls", reason="buffer")

        wait_for("lines that find no room", dropping, 30)
        pipe.read()
        wait_for("the notice", lambda: re.search(r"Z warning call_log_dropped lines=[1-9]", pipe.text))
        # The program's lines have room of their own.
        self.assertIn("is in force", pipe.text)
        self.assertEqual(server.metric("sluice_log_dropped_total", log="program"), 0)
        server.leave()
        server.stop()
        for line in pipe.text[:pipe.text.rindex("\n")].splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warning|error) \S")

    def test_what_cannot_start_ends_though_nobody_hears_why(self):
        full = FullPipe(self).writer
        for args in (["sluice-server", "--policy-file", "/nowhere", "--state-dir", ""],
                     ["sluice-controlplane", "--store", "/nowhere/sluice.db"]):
            process = subprocess.Popen([os.path.join(BIN, args[0]), "--listen", "127.0.0.1:0", "--metrics-listen",
                                        "127.0.0.1:0", *args[1:]], stdout=full, stderr=full)
            self.assertEqual(process.wait(20), 1, args)


class LogLines(IntegrationTest):
    # With no whole hour, and far from UTC.
    ZONE = {"TZ": "Asia/Kolkata"}

    def lines(self, *args):
        """What both services log, from their start to their end."""
        zone = unittest.mock.patch.dict(os.environ, self.ZONE)
        zone.start()
        self.addCleanup(zone.stop)
        alpha, = self.upstreams("alpha")
        control = self.control_plane(*args)
        self.applied(control, upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        server = self.data_plane(None, control, "--call-log", "all", *args)
        wait_for("the first revision", lambda: server.metric("sluice_config_revision") >= 1)
        self.ok(stream(server.stub(), chat_request()))
        server.leave()
        server.stop()
        control.stop()
        return server.stderr().splitlines(), control.stderr().splitlines()

    def now_in_utc(self, text):
        self.assertRegex(text, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        told = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        # In another zone it would be hours.
        self.assertLess(abs(time.time() - told.timestamp()), 1800)

    def test_text_is_in_utc_in_both(self):
        for lines in self.lines():
            self.assertTrue(lines)
            for line in lines:
                when, level, message = line.split(" ", 2)
                self.now_in_utc(when)
                self.assertIn(level, ("info", "warning", "error"))
                self.assertTrue(message)

    def test_json_is_in_utc_in_both(self):
        for lines in self.lines("--log-format", "json"):
            self.assertTrue(lines)
            for line in lines:
                fields = json.loads(line)
                self.now_in_utc(fields["time"])
                self.assertIn(fields["level"], ("info", "warning", "error"))
                self.assertTrue(fields["message"])

    def test_who_listens_for_others_without_tls_is_warned_in_one_line(self):
        policy = self.file("policy.yaml", documents(upstream_yaml("alpha", "http://127.0.0.1:9/v1"),
                                                    route_yaml(["alpha"])))
        programs = (["sluice-server", "--policy-file", policy, "--state-dir", "", "--drain-grace", "0s"],
                    ["sluice-controlplane", "--create", "--store", os.path.join(self.folder, "sluice.db")])
        for listen, warned in (("127.0.0.1:0", False), ("localhost:0", False), ("0.0.0.0:0", True)):
            for program, *args in programs:
                process = Process([os.path.join(BIN, program), "--listen", listen, "--metrics-listen", "127.0.0.1:0",
                                   *args])
                self.assertEqual(process.stop(), 0)
                warnings = [line for line in process.stderr().splitlines() if " warning --listen " in line]
                self.assertEqual(len(warnings), int(warned), (listen, process.stderr()))
                if warned:
                    self.assertIn(f"--listen {listen}: ", warnings[0])
                    self.assertIn("without TLS", warnings[0])

