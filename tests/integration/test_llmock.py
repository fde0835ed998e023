"""llmock as the only upstream: a server that we did not write, that breaks on
purpose and judges its client (GET /_llmock/verdict)."""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request

import grpc
from harness import (IntegrationTest, PEERS, chat_request, details_of, documents, gateway_pb2, route_yaml, seconds, stream,
                     upstream_yaml, wait_for)

CALLERS = 4  # at a time
# 429 and 503 come with Retry-After: 1, so a hundred calls take some twenty seconds.
ERRORS = {429: 0.10, 500: 0.08, 503: 0.08}
UNARY_CALLS = 200
STREAM_FAULTS = {"truncate": 0.10, "disconnect": 0.10, "malformed": 0.05}
STREAMS = 200
NO_BREAKER = "circuit_breaker: {mode: DISABLED}"


class Outcome:
    """One unary call, as its caller saw it."""

    def __init__(self, prompt):
        self.prompt = prompt
        self.response = None
        self.error = None
        self.elapsed = 0.0

    @property
    def attempts(self):
        if self.response is not None:
            return len(self.response.end.attempts)
        return len(details_of(self.error).get("AttemptList", gateway_pb2.AttemptList()).attempts)

    @property
    def by_budget(self):
        return "the retry budget" in self.error.details()

    def __str__(self):
        return f"{self.prompt}: {self.error.code().name} after {self.elapsed:.1f} s: {self.error.details()}"


class Llmock(IntegrationTest):
    def mock(self, *flags, seed):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        log = open(os.path.join(self.folder, "llmock.log"), "w")
        self.addCleanup(log.close)
        # It answers with the prompt, so that what is whole can be told.
        mock = subprocess.Popen([os.path.join(PEERS, "llmock"), "serve", "--port", str(port), "--log-level", "warning",
                                 "--response-style", "echo", *flags], stdout=log, stderr=log,
                                env={**os.environ, "LLMOCK_SEED": str(seed)})
        self.addCleanup(mock.wait)
        self.addCleanup(mock.kill)
        wait_for("llmock", self.reachable, 60)

    def reachable(self):
        try:
            return self.ask("/health")["status"] == "ok"
        except OSError:
            return False

    def ask(self, path):
        with urllib.request.urlopen(self.base + path, timeout=10) as response:
            return json.loads(response.read())

    def attempts_by_prompt(self):
        """What llmock served, in order: {prompt: its records}."""
        served = {}
        for record in self.ask("/_llmock/requests")["requests"]:
            served.setdefault(record["body"]["messages"][-1]["content"], []).append(record)
        return served

    @staticmethod
    def whole(prompt):
        return f"Hello! You said: {prompt}"

    def serve(self, route):
        self.server = self.data_plane(documents(upstream_yaml("llmock", f"{self.base}/v1", extra=self.extra),
                                                route_yaml(["llmock"], extra=route)))
        return self.server.stub()

    extra = ""

    def all_at_work(self, calls, work):
        """work(index) for each call, CALLERS at a time."""
        following = iter(range(calls))
        lock = threading.Lock()
        failures = []

        def caller():
            while True:
                with lock:
                    index = next(following, None)
                if index is None:
                    return
                try:
                    work(index)
                except Exception as error:  # told on the test's own thread
                    failures.append(error)

        callers = [threading.Thread(target=caller) for _ in range(CALLERS)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        self.assertEqual(failures, [])


class LlmockUnary(Llmock):
    def run_calls(self, route, seed):
        self.mock(*[f"--error-rate={status}={rate}" for status, rate in ERRORS.items()], seed=seed)
        stub = self.serve(route)
        outcomes = [Outcome(f"unary call {index}") for index in range(UNARY_CALLS)]

        def call(index):
            outcome = outcomes[index]
            began = time.monotonic()
            try:
                outcome.response = stub.Chat(chat_request(outcome.prompt), timeout=120)
            except grpc.RpcError as error:
                outcome.error = error
            outcome.elapsed = time.monotonic() - began

        self.all_at_work(UNARY_CALLS, call)
        return outcomes

    def check(self, outcomes, max_attempts, max_wait):
        """Whoever was told well has the whole answer; whoever was not had no
        attempt left, by number or budget, or no time that it could have waited."""
        served = self.attempts_by_prompt()
        for outcome in outcomes:
            records = served.get(outcome.prompt, [])
            self.assertEqual(outcome.attempts, len(records), outcome.prompt)
            if outcome.response is not None:
                self.assertEqual(outcome.response.choices[0].message.parts[0].text, self.whole(outcome.prompt))
                self.assertEqual(records[-1]["status"], 200)
                continue
            self.assertTrue(all(record["status"] in ERRORS for record in records), outcome)
            if outcome.attempts == max_attempts or outcome.by_budget:
                continue
            # Refused. It waited at most as long as the call took, so a time that
            # fits with that fits in any case.
            details = details_of(outcome.error)
            self.assertIn("RetryInfo", details, outcome)
            self.assertGreater(outcome.elapsed + seconds(details["RetryInfo"].retry_delay), max_wait, outcome)
        self.assertEqual([finding for finding in self.ask("/_llmock/verdict")["findings"] if finding["severity"] == "error"], [])
        wait_for("all of it to be gone", self.server.idle)

    def test_with_attempts_and_patience_unary_calls_complete(self):
        outcomes = self.run_calls("retry: {max_attempts: 5, budget: {max_tokens: 1000, token_ratio: 1, retry_percent: 100}}\n"
                                  "queue: {max_wait: 30s}", seed=14)
        complete = sum(outcome.response is not None for outcome in outcomes)
        print(f"{complete} of {UNARY_CALLS} complete")
        self.check(outcomes, 5, 30)
        self.assertGreaterEqual(complete / UNARY_CALLS, 0.99)

    def test_by_default_nobody_is_refused_who_could_have_waited(self):
        outcomes = self.run_calls("", seed=2)
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        bound = 1 - sum(ERRORS.values()) ** 3
        print(f"{1 - len(failed) / UNARY_CALLS:.1%} of {UNARY_CALLS} complete; three attempts give {bound:.1%}; the budget "
              f"ended {sum(outcome.by_budget for outcome in failed)}")
        self.check(outcomes, 3, 5)


class LlmockStreams(Llmock):
    # What is cut here is no reason to leave the only endpoint alone.
    extra = NO_BREAKER
    RETRY = ("retry: {max_attempts: 8, backoff: {fixed: {delay: 10ms}}, "
             "budget: {max_tokens: 1000, retry_percent: 100, min_retries: 100}}")

    def run_streams(self, route, seed, **options):
        self.mock(*[f"--stream-fault={kind}={rate}" for kind, rate in STREAM_FAULTS.items()], seed=seed)
        stub = self.serve(f"{self.RETRY}\n{route}".strip())
        answers = {}

        def call(index):
            prompt = f"stream {index} of which each word is a chunk"
            request = chat_request(prompt, stream_options=gateway_pb2.StreamOptions(**options))
            answers[prompt] = stream(stub, request, timeout=60)

        self.all_at_work(STREAMS, call)
        return answers

    def check(self, answers):
        """No stream is told whole that was cut, nor the other way round; how many
        were cut after content."""
        served = self.attempts_by_prompt()
        cut = 0
        for prompt, answer in answers.items():
            last = served[prompt][-1]
            self.assertEqual(len(answer.attempts()), len(served[prompt]), prompt)
            if answer.code == grpc.StatusCode.OK:
                self.assertIsNone(last["fault"], prompt)
                self.assertEqual(answer.text, self.whole(prompt))
                self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)
                continue
            cut += 1
            self.assertEqual(answer.code, grpc.StatusCode.ABORTED, answer.error)
            self.assertEqual(answer.details()["ErrorInfo"].reason, "STREAM_TRUNCATED")
            self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_TRUNCATED)
            self.assertTrue(self.after_content(last), last)
            self.assertTrue(self.whole(prompt).startswith(answer.text) and answer.text != self.whole(prompt), answer.text)
        wait_for("all of it to be gone", self.server.idle)
        faults = sum(record["fault"] is not None for records in served.values() for record in records)
        print(f"{faults} faults in {STREAMS} streams, {cut} told as cut after content")
        self.assertGreater(faults, STREAMS * sum(STREAM_FAULTS.values()) / 2)
        return cut

    @staticmethod
    def after_content(record):
        # "stream:KIND@CHUNK"; the first chunk is the role's.
        return record["fault"] is not None and int(record["fault"].rpartition("@")[2]) >= 2

    def verdict_errors(self):
        """The requests that llmock finds mistreated, by their number."""
        errors = [finding for finding in self.ask("/_llmock/verdict")["findings"] if finding["severity"] == "error"]
        self.assertLessEqual({finding["code"] for finding in errors}, {"truncated_stream_accepted"}, errors)
        return {seq for finding in errors for seq in finding["requests"]}

    def test_no_stream_is_told_whole_that_was_cut(self):
        answers = self.run_streams("", seed=3)
        self.assertGreater(self.check(answers), 0)
        # What llmock takes for accepted was told as cut: it cannot know.
        told = {records[-1]["seq"] for prompt, records in self.attempts_by_prompt().items()
                if answers[prompt].code == grpc.StatusCode.ABORTED}
        self.assertLessEqual(self.verdict_errors(), told)

    def test_with_restarts_every_stream_is_whole(self):
        answers = self.run_streams("after_cut: RESTART\nmax_restarts: 8", seed=4, allow_restart=True)
        self.assertEqual(self.check(answers), 0)
        self.assertEqual(self.verdict_errors(), set())
        self.assertGreater(sum(len(answer.continuations()) for answer in answers.values()), 0)

