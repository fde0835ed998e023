"""What sluicectl does with its output: full disks, closed streams, pipes that end, forms for scripts."""

import json
import os
import subprocess

from harness import BIN, IntegrationTest, documents, route_yaml, upstream_yaml

POLICY = documents(upstream_yaml("openai", "http://127.0.0.1:1"), route_yaml(["openai"]))


class CliOutput(IntegrationTest):
    def setUp(self):
        super().setUp()
        self.control = self.control_plane()
        self.shell(f"apply -f {self.file('policy.yaml', POLICY)} --no-wait", status=0)

    def shell(self, words, status, after=""):
        """A command line of a shell; what it wrote to stderr and to stdout."""
        command = f'"{BIN}/sluicectl" --server {self.control.address} {words} {after}'
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, f"{words} {after}: {done.stdout}{done.stderr}")
        return done.stderr, done.stdout

    def test_what_could_not_be_written_is_an_error(self):
        for words in ("get", "get route/chat", "get -o json", "get -o name", "status", "history", "describe route/chat",
                      "explain route", "version", "--version", "--help", "get --help", "help", "completion bash",
                      "diff --from 1", "set route/chat retry.max_attempts=2 --dry-run"):
            with self.subTest(words=words):
                err, _ = self.shell(words, 10, "> /dev/full")
                self.assertIn("cannot write the output: No space left on device", err)
                err, _ = self.shell(words, 10, ">&-")
                self.assertIn("cannot write the output: Bad file descriptor", err)

    def test_a_change_whose_report_is_lost_was_made_all_the_same(self):
        self.shell("set route/chat retry.max_attempts=2 --no-wait", 10, "> /dev/full")
        self.assertIn("max_attempts: 2", self.shell("get route/chat", 0)[1])

    def test_a_reader_that_has_enough_ends_it_quietly(self):
        err, out = self.shell("explain route", 0, "| head -1")
        self.assertEqual(err, "")
        self.assertEqual(len(out.splitlines()), 1)
        err, _ = self.shell("status -w --interval 100ms", 0, "| head -1")
        self.assertEqual(err, "")

    def test_all_streams_may_be_closed(self):
        self.shell("get", 10, "<&- >&- 2>&-")
        # Nothing of the connection may end up where the output should.
        err, _ = self.shell("get route/none", 4, "<&- >&-")
        self.assertIn("route/none does not exist", err)

    def test_scripts_get_numbers_words_and_errors_to_read(self):
        _, out = self.shell("history -o json", 0)
        self.assertEqual(json.loads(out)["revisions"][0]["revision"], 1)
        self.assertEqual(json.loads(out)["revisions"][0]["changes"][0]["action"], "CREATED")
        err, out = self.shell("get route/none -o json", 4)
        self.assertEqual(out, "")
        self.assertEqual(json.loads(err)["error"]["code"], "NOT_FOUND")
        self.assertEqual(json.loads(err)["error"]["exit_code"], 4)

    def test_no_control_character_of_others_reaches_the_screen(self):
        self.shell("set route/chat retry.max_attempts=2 --no-wait --reason $'\\e[2Jbye\\a' --author $'\\u202eann'", 0)
        for form in ("table", "wide", "json", "yaml"):
            _, out = self.shell(f"history -o {form}", 0)
            self.assertNotIn("\x1b", out)
            self.assertNotIn("\u202e", out)
            self.assertIn("[2Jbye", out)
