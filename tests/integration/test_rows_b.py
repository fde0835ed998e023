"""Rows B1 to B8: retries."""

import os
import re
import threading
import time

import grpc
from harness import (BROKEN_OFF, ROOT, IntegrationTest, chat_request, documents, gateway_pb2, numbered, pool_yaml, route_yaml, run,
                     seconds, stream, streams, upstream_yaml, wait_for)

NO_BREAKER = "circuit_breaker: {mode: DISABLED}"
# So that no budget speaks where backoffs or counts are the matter.
WIDE = "budget: {max_tokens: 1000, retry_percent: 100, min_retries: 1000}"


class RowsB(IntegrationTest):
    def one(self, retry, extra=NO_BREAKER, args=(), route=""):
        (self.alpha,) = self.upstreams("alpha", args=args)
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=extra),
                            route_yaml(["alpha"], extra=f"retry: {retry}\n{route}".strip()))

    def failing(self, stub, fault="status:503"):
        answer = stream(stub, chat_request(f"[[alpha {fault}]] hello"))
        self.assertNotEqual(answer.code, grpc.StatusCode.OK)
        return answer

    def test_row_b1_waiting_calls_hold_no_thread(self):
        calls = 200
        stub = self.one(f"{{max_attempts: 2, backoff: {{fixed: {{delay: 1500ms}}}}, {WIDE}}}")
        self.ok(stream(stub, chat_request()))  # whatever is made once is made
        self.alpha.script(faults=["status:503"] * calls, once=True)
        threads = self.server.threads()
        open_calls = [stub.StreamChat(chat_request(f"call {i}"), timeout=30) for i in range(calls)]
        wait_for("all to have failed once", lambda: self.alpha.stats()["by_fault"].get("status") == calls)
        began = time.monotonic()
        wait_for("all to wait", lambda: self.server.metric("sluice_upstream_in_flight") == 0 and
                 self.server.metric("sluice_open_calls") == calls)
        # gRPC itself may have started one more; none is anybody's that waits.
        self.assertLessEqual(self.server.threads(), threads + 4)
        texts = ["".join(event.content.text for response in call for event in response.events) for call in open_calls]
        self.assertEqual(set(texts), {numbered("alpha")})
        self.assertLess(time.monotonic() - began, 60)  # together; one after the other it would be five minutes
        self.reaches("sluice_retries_total", calls, route="chat")

    def test_row_b2_strategies_by_name(self):
        stub = self.one(f"{{max_attempts: 4, backoff: {{fixed: {{delay: 40ms}}}}, {WIDE}}}")
        cases = [
            ("{fixed: {delay: 30ms}}", [(30, 30)] * 3),
            ("{exponential: {base: 20ms, max: 50ms, jitter: NONE}}", [(20, 20), (40, 40), (50, 50)]),
            ("{exponential: {base: 20ms, max: 1s, multiplier: 3, jitter: PROPORTIONAL, jitter_factor: 0.5}}",
             [(10, 30), (30, 90), (90, 270)]),
            ("{reactor: {min: 20ms, max: 50ms}}", [(20, 30), (20, 50), (20, 50)]),
            ("{custom: {delays: [5ms, 60ms]}}", [(5, 5), (60, 60), (60, 60)]),
        ]
        for backoff, bounds in cases:
            with self.subTest(backoff=backoff):
                self.operator("set", "route/chat", f"retry.backoff={backoff}")
                self.alpha.reset_stats()
                attempts = self.failing(stub).attempts()
                waits = [seconds(attempt.backoff) * 1000 for attempt in attempts[1:]]
                times = [request["at_ms"] for request in self.alpha.requests()]
                for wait, gap, (least, most) in zip(waits, [b - a for a, b in zip(times, times[1:])], bounds):
                    self.assertGreaterEqual(wait, least - 0.01)
                    self.assertLessEqual(wait, most + 0.01)
                    self.assertGreater(gap, wait - 2)  # really waited, by the upstream's clock
                self.assertEqual(len(waits), 3)
        self.reaches("sluice_retries_total", 3 * len(cases), route="chat")

    def test_row_b3_only_chosen_kinds_and_so_many_times(self):
        fast = "backoff: {fixed: {delay: 2ms}}"
        stub = self.one(f"{{max_attempts: 4, retry_on: [CONNECT, RESET], retry_on_status: [418], {fast}, {WIDE}}}")
        counted = {fault: len(self.failing(stub, fault).attempts())
                   for fault in ("reset:0", "status:503", "status:418", "status:500")}
        self.assertEqual(counted, {"reset:0": 4, "status:503": 1, "status:418": 4, "status:500": 1})
        self.operator("set", "route/chat", "retry.retry_on=[SERVER_ERROR]", "retry.max_attempts=2")
        self.assertEqual(len(self.failing(stub, "status:500").attempts()), 2)
        self.assertEqual(len(self.failing(stub, "reset:0").attempts()), 1)
        self.reaches("sluice_retries_total", 3 + 3 + 1, route="chat")
        self.assertEqual(self.server.metric("sluice_retries_total"), 7)

    def test_row_b3_what_happens_at_exhaustion_is_chosen(self):
        fast = "max_attempts: 2, backoff: {fixed: {delay: 2ms}}"
        stub = self.one(f"{{{fast}, on_exhaustion: ERROR, {WIDE}}}")
        self.assertEqual(self.failing(stub).code, grpc.StatusCode.UNAVAILABLE)
        self.operator("set", "route/chat", "retry.on_exhaustion=FALLBACK", "fallback={static_answer: {text: later}}")
        answer = self.ok(stream(stub, chat_request("[[alpha status:503]] hello")), "later")
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_FALLBACK)
        self.reaches("sluice_fallbacks_total", 1, route="chat")
        # Waits for what it was short of, and starts anew.
        self.operator("set", "route/chat", "retry.on_exhaustion=QUEUE", "queue={max_wait: 5s}")
        self.alpha.script(faults=["status:503"] * 3, once=True)
        answer = self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.assertEqual(len(answer.end.attempts), 4)
        self.reaches("sluice_queue_wait_seconds_count", 1)

    def cut_thrice(self, transient):
        retry = f"{{max_attempts: 2, transient: {transient}, backoff: {{fixed: {{delay: 2ms}}}}, {WIDE}}}"
        stub = self.one(retry, route="after_cut: RESTART\nmax_restarts: 10")
        self.alpha.script(faults=["cut:3", "reset:2", "cut:4"], once=True)
        return stream(stub, chat_request(stream_options=gateway_pb2.StreamOptions(allow_restart=True)))

    def test_row_b4_progress_starts_the_count_anew(self):
        answer = self.ok(self.cut_thrice("true"), numbered("alpha"))
        self.assertEqual(len(answer.end.attempts), 4)
        self.assertEqual([continuation.mode for continuation in answer.continuations()],
                         [gateway_pb2.CONTINUATION_MODE_RESTART] * 3)
        # Whoever goes on is told of once, before its first content.
        kinds = [event.WhichOneof("kind") for event in answer.events if not event.HasField("content")]
        self.assertEqual(kinds[:3], ["started", "continuation", "started"])
        self.reaches("sluice_restarts_total", 3, route="chat")

    def test_row_b4_without_it_all_attempts_count(self):
        answer = self.cut_thrice("false")
        self.assertEqual(answer.code, grpc.StatusCode.ABORTED)
        self.assertEqual(len(answer.end.attempts), 2)
        self.assertEqual(answer.details()["ErrorInfo"].reason, "STREAM_TRUNCATED")
        self.reaches("sluice_calls_total", 1, code="ABORTED")

    def test_row_b4_nothing_begins_anew_unless_the_caller_allows_it(self):
        stub = self.one("{max_attempts: 3}", route="after_cut: RESTART")
        answer = self.failing(stub, "cut:3")
        self.assertEqual((answer.code, len(answer.end.attempts)), (grpc.StatusCode.ABORTED, 1))
        self.assertEqual(self.alpha.stats()["requests"], 1)

    def test_row_b5_a_retry_shows_as_event_log_line_and_metric(self):
        stub = self.one(f"{{max_attempts: 3, backoff: {{fixed: {{delay: 15ms}}}}, {WIDE}}}")
        self.alpha.script(faults=["status:503", "reset:0"], once=True)
        answer = self.ok(stream(stub, chat_request()))
        attempts = [(attempt.outcome, attempt.error_class, seconds(attempt.backoff) * 1000)
                    for attempt in answer.end.attempts]
        self.assertEqual(attempts, [("failed", "overload", 0), ("failed", "reset", 15), ("ok", "", 15)])
        lines = wait_for("the lines", lambda: self.lines_of(answer, 3))
        self.assertEqual([line.get("error_type") for line in lines], ["overload", "reset", None])
        self.assertEqual([line["retry_count"] for line in lines], [0, 1, 2])
        self.reaches("sluice_retries_total", 2, route="chat", upstream="alpha")
        self.reaches("sluice_retry_delay_seconds_count", 2, route="chat")
        self.assertAlmostEqual(self.server.metric("sluice_retry_delay_seconds_sum", route="chat"), 0.03, 5)

    def lines_of(self, answer, count):
        started = next(event.started for event in answer.events if event.HasField("started"))
        lines = [line for line in self.server.log_lines()
                 if line.get("call_id") == started.call_id and "retry_count" in line]
        return lines if len(lines) >= count else None

    def storm_and_quiet(self, quiet_upstream):
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        retry = "retry: {max_attempts: 5, backoff: {fixed: {delay: 1ms}}}"
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=NO_BREAKER),
                            upstream_yaml("beta", self.beta.url, extra=NO_BREAKER),
                            route_yaml(["alpha"], name="storm", extra=retry),
                            route_yaml([quiet_upstream], name="quiet", extra=retry))

    def test_row_b6_a_storm_spends_its_own_budget_only(self):
        stub = self.storm_and_quiet("alpha")
        prompts = [chat_request("[[alpha status:503]] hello", model="storm") for _ in range(60)]
        for answer in streams(stub, prompts):
            self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        # 60 calls of five attempts each would have been 300 requests.
        self.assertLess(self.alpha.stats()["requests"], 120)
        self.reaches("sluice_retries_refused_total", 1, route="storm")
        # The same upstream, but another route: its retries are its own.
        self.alpha.script(faults=["status:503"], once=True)
        self.ok(stream(stub, chat_request(model="quiet")), numbered("alpha"))
        self.reaches("sluice_retries_total", 1, route="quiet")
        self.assertEqual(self.server.metric("sluice_retries_refused_total", route="quiet"), 0)

    def test_row_b6_a_quiet_route_goes_on_as_ever_beside_a_storm(self):
        stub = self.storm_and_quiet("beta")
        stop = threading.Event()

        def storm():
            while not stop.is_set():
                streams(stub, [chat_request("[[alpha status:503]] hello", model="storm") for _ in range(4)])

        callers = [threading.Thread(target=storm) for _ in range(2)]
        for caller in callers:
            caller.start()
        self.reaches("sluice_attempts_total", 40, upstream="alpha")
        # How long they take is tests/bench/storm's to measure; here, that none is
        # refused, waits or is tried twice.
        for _ in range(40):
            answer = self.ok(stream(stub, chat_request(model="quiet")), numbered("beta"))
            self.assertEqual([(attempt.outcome, seconds(attempt.backoff)) for attempt in answer.end.attempts], [("ok", 0)])
        stop.set()
        for caller in callers:
            caller.join()
        self.assertEqual(self.server.metric("sluice_queue_wait_seconds_count", route="quiet"), 0)
        self.assertEqual(self.server.metric("sluice_retries_refused_total", route="quiet"), 0)
        self.reaches("sluice_retries_refused_total", 1, route="storm")

    def test_row_b7_retries_and_their_success_are_counted(self):
        stub = self.one(f"{{max_attempts: 3, backoff: {{fixed: {{delay: 2ms}}}}, {WIDE}}}")
        for _ in range(4):
            self.alpha.script(faults=["status:503"], once=True)
            self.ok(stream(stub, chat_request()))
        self.failing(stub)
        self.ok(stream(stub, chat_request()))
        self.reaches("sluice_retries_total", 4 + 2, route="chat")
        self.reaches("sluice_retried_calls_total", 5, route="chat")
        self.assertEqual(self.server.metric("sluice_retried_calls_total", route="chat"), 5)
        self.assertEqual(self.server.metric("sluice_retry_success_total", route="chat"), 4)

    def test_row_b7_alerts_stand_on_metrics_that_there_are(self):
        folder = os.path.join(ROOT, "deploy", "prometheus")
        rules = [name for name in os.listdir(folder) if name.endswith(("rules.yml", "rules.yaml", "alerts.yml"))]
        self.assertTrue(rules, os.listdir(folder))
        stub = self.one(f"{{max_attempts: 3, backoff: {{fixed: {{delay: 2ms}}}}, {WIDE}}}")
        self.failing(stub)
        self.reaches("sluice_retries_total", 2)
        known = self.metric_names(self.server) | self.metric_names(self.control)
        named = set()
        for name in rules:
            path = os.path.join(folder, name)
            status, out, err = run("promtool", "check", "rules", path)
            self.assertEqual(status, 0, out + err)
            with open(path) as text:
                for expression in re.findall(r"expr:(.*?)(?=\n\s*(?:for|labels|annotations|keep_firing_for|- ):?)",
                                             text.read(), re.S):
                    without_labels = re.sub(r"\{[^}]*\}|\b(by|on|without|group_left|ignoring)\s*\([^)]*\)", "", expression)
                    named |= set(re.findall(r"\b(?:sluice|gen_ai)_[a-z0-9_]+", without_labels))
        self.assertIn("sluice_retries_total", named)
        self.assertEqual({name for name in named if ":" not in name} - known, set())

    @staticmethod
    def metric_names(process):
        import urllib.request
        with urllib.request.urlopen(f"http://127.0.0.1:{process.metrics_port}/metrics", timeout=5) as response:
            text = response.read().decode()
        names = set()
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
            names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        return names

    def test_row_b8_a_breaker_and_a_budget_bound_the_load(self):
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(
            upstream_yaml("alpha", self.alpha.url, extra="circuit_breaker: {count_window: 20, min_calls: 10, open: 60s}"),
            route_yaml(["alpha"], extra="retry: {max_attempts: 3, backoff: {fixed: {delay: 1ms}}, "
                       "budget: {max_tokens: 4, token_ratio: 0.1}}"))
        answers = [self.failing(stub) for _ in range(30)]
        # Ten requests, and the breaker is open; of them the budget allowed few to be retries.
        self.assertEqual(self.alpha.stats()["requests"], 10)
        self.assertEqual(answers[-1].attempts(), [])
        self.assertEqual(answers[-1].code, BROKEN_OFF)
        self.reaches("sluice_breaker_state", 1, state="open")
        self.reaches("sluice_retries_refused_total", 1, route="chat")
        self.assertLessEqual(self.server.metric("sluice_retries_total"), 3)
