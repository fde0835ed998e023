"""Rows C1 to C7: embeddings, timeouts, classes of errors, logs, breaker,
safety of repetition."""

import socket
import time

import grpc
from harness import (BROKEN_OFF, IntegrationTest, chat_request, details_of, gateway_pb2, numbered, pool_yaml, route_yaml,
                     seconds, stream, streams, upstream_yaml, wait_for)

NO_BREAKER = "circuit_breaker: {mode: DISABLED}"
WIDE = "budget: {max_tokens: 1000, retry_percent: 100, min_retries: 1000}"
KEYS = {"TEST_KEY_ONE_API_KEY": "K1", "TEST_KEY_TWO_API_KEY": "K2"}
BOTH_KEYS = "credentials: ['env:TEST_KEY_ONE_API_KEY', 'env:TEST_KEY_TWO_API_KEY']"


def vector(text, dimensions=8):
    """As the simulator makes them."""
    total = sum(text.encode())
    return [((total + len(text.encode()) * (i + 1)) % 1000) / 1000 for i in range(dimensions)]


class Full:
    """A port that accepts nothing: its queue is full, so that connecting takes
    for ever."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", self.port))
            self.waiting.append(waiting)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self):
        for each in (*self.waiting, self.listener):
            each.close()


class RowsC(IntegrationTest):
    def pair(self, extra=NO_BREAKER, route="", env=None, args=()):
        self.alpha, self.beta = self.upstreams("alpha", "beta", args=args)
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=extra),
                            upstream_yaml("beta", self.beta.url, extra=NO_BREAKER),
                            route_yaml(["alpha", "beta"], extra=route), env=env)

    def embed(self, stub, *texts, **fields):
        return stub.Embed(gateway_pb2.EmbedRequest(model="chat", inputs=texts, **fields), timeout=20)

    def test_row_c1_embeddings_have_the_same_policies(self):
        stub = self.pair(route=f"timeouts: {{unary_total: 300ms}}\n"
                         f"retry: {{max_attempts: 3, backoff: {{fixed: {{delay: 5ms}}}}, {WIDE}}}")
        texts = ["the sky", "Ünïcödé 日本語", "the sky"]
        answer = self.embed(stub, *texts)
        for text, embedding in zip(texts, answer.embeddings, strict=True):
            for got, want in zip(embedding.values, vector(text), strict=True):
                self.assertAlmostEqual(got, want, 5)
        self.assertEqual(answer.usage.input_tokens, 6)
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)
        self.assertEqual([len(e.values) for e in self.embed(stub, "x", dimensions=3).embeddings], [3])
        for fault in ("status:503", "reset:0", "malformed:0", "silence", "cut:1", "wrong-type"):
            with self.subTest(fault=fault):
                answer = self.embed(stub, f"[[alpha {fault}]] hello")
                self.assertEqual([attempt.upstream for attempt in answer.end.attempts], ["alpha", "beta"])
                self.assertEqual(len(answer.embeddings), 1)
        with self.assertRaises(grpc.RpcError) as caught:
            self.embed(stub, "[[alpha status:503]] [[beta status:503]] hello")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(len(details_of(caught.exception)["AttemptList"].attempts), 3)
        with self.assertRaises(grpc.RpcError) as caught:
            self.embed(stub, "[[alpha status:400]] hello")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.reaches("sluice_failovers_total", 7, route="chat")
        self.reaches("gen_ai_client_operation_duration_seconds_count", 10, gen_ai_operation_name="embeddings")

    def test_row_c1_bad_requests_for_embeddings_name_the_field(self):
        stub = self.pair()
        cases = [(gateway_pb2.EmbedRequest(inputs=["x"]), grpc.StatusCode.INVALID_ARGUMENT, "model"),
                 (gateway_pb2.EmbedRequest(model="chat"), grpc.StatusCode.INVALID_ARGUMENT, "inputs"),
                 (gateway_pb2.EmbedRequest(model="chat", inputs=["x"], dimensions=0), grpc.StatusCode.INVALID_ARGUMENT,
                  "dimensions"),
                 (gateway_pb2.EmbedRequest(model="nobody", inputs=["x"]), grpc.StatusCode.NOT_FOUND, "nobody")]
        for request, code, part in cases:
            with self.subTest(part=part), self.assertRaises(grpc.RpcError) as caught:
                stub.Embed(request, timeout=5)
            self.assertEqual(caught.exception.code(), code)
            self.assertIn(part, caught.exception.details())
        self.assertEqual(self.alpha.stats()["requests"], 0)

    def test_row_c2_connect_and_read_timeouts_are_apart_and_adjustable(self):
        (alpha,) = self.upstreams("alpha")
        full = Full()
        self.addCleanup(full.close)
        alpha.script(content_delay_ms=400)
        stub = self.gateway(upstream_yaml("full", full.url, extra=NO_BREAKER),
                            upstream_yaml("alpha", alpha.url, extra=NO_BREAKER),
                            route_yaml(["full"], name="full", extra="retry: {max_attempts: 1}\n"
                                       "timeouts: {connect: 150ms, first_content: 10s}"),
                            route_yaml(["alpha"], extra="retry: {max_attempts: 1}\n"
                                       "timeouts: {connect: 10s, first_content: 150ms}"))
        for model, words in (("full", "connect"), ("chat", "first content")):
            began = time.monotonic()
            answer = stream(stub, chat_request(model=model))
            self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE, answer.error)
            (attempt,) = answer.attempts()
            # Connecting is no reading: which of the two it was is told.
            self.assertIn(words, attempt.error_message)
            self.assertLess(time.monotonic() - began, 9)  # the other's is ten seconds
        self.operator("set", "route/chat", "timeouts.first_content=2s")
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.operator("set", "route/full", "timeouts.connect=600ms")
        began = time.monotonic()
        stream(stub, chat_request(model="full"))
        self.assertGreater(time.monotonic() - began, 0.5)
        self.reaches("sluice_attempts_total", 1, upstream="alpha", error_class="timeout")
        self.elsewhere = 2

    def test_row_c3_a_default_that_can_be_used(self):
        # The RetryPolicy named "default" is in force wherever a route names none.
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra=NO_BREAKER), route_yaml(["alpha"], extra=""),
                            "kind: RetryPolicy\nname: default\nmax_attempts: 3\n"
                            "backoff: {exponential: {base: 100ms, multiplier: 2, jitter: NONE}}")
        answer = stream(stub, chat_request("[[alpha status:503]] hello"))
        self.assertEqual([round(seconds(attempt.backoff) * 1000) for attempt in answer.attempts()], [0, 100, 200])
        times = [request["at_ms"] for request in self.alpha.requests()]
        self.assertGreaterEqual(times[1] - times[0], 99)
        self.assertGreaterEqual(times[2] - times[1], 199)
        self.reaches("sluice_retries_total", 2, route="chat")

    def test_row_c3_nothing_written_is_also_a_policy(self):
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url), route_yaml(["alpha"], extra=""))
        attempts = stream(stub, chat_request("[[alpha status:503]] hello")).attempts()
        self.assertEqual(len(attempts), 3)
        # The documented one: exponential from 500 ms, full jitter.
        for attempt, most in zip(attempts[1:], (0.5, 1.0)):
            self.assertLessEqual(seconds(attempt.backoff), most)
        self.reaches("sluice_retries_total", 2, route="chat")

    def test_row_c4_each_class_is_treated_its_own_way(self):
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra=NO_BREAKER),
                            route_yaml(["alpha"], extra=f"retry: {{max_attempts: 2, backoff: {{fixed: {{delay: 2ms}}}}, {WIDE}}}\n"
                                       "timeouts: {first_content: 1s}"))
        cases = [  # fault, class, attempts here, what the caller sees
            ("status:500", "server_error", 2, grpc.StatusCode.UNAVAILABLE),
            ("status:503", "overload", 2, grpc.StatusCode.UNAVAILABLE),
            ("silence", "timeout", 2, grpc.StatusCode.UNAVAILABLE),
            ("reset:0", "reset", 2, grpc.StatusCode.UNAVAILABLE),
            ("malformed:0", "protocol", 2, grpc.StatusCode.UNAVAILABLE),
            ("status:400", "caller", 1, grpc.StatusCode.INVALID_ARGUMENT),
            ("context-length", "caller", 1, grpc.StatusCode.INVALID_ARGUMENT),
            ("status:404", "not_found", 1, grpc.StatusCode.NOT_FOUND),
            ("status:401", "auth", 1, grpc.StatusCode.UNAVAILABLE),
            ("quota", "quota", 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ]
        for fault, error_class, count, code in cases:
            with self.subTest(fault=fault):
                answer = stream(stub, chat_request(f"[[alpha {fault}]] hello"))
                self.assertEqual(answer.code, code, answer.error)
                self.assertEqual([attempt.error_class for attempt in answer.attempts()], [error_class] * count)
                self.reaches("sluice_attempts_total", count, error_class=error_class)

    def credentials(self, **script):
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra=f"{BOTH_KEYS}\n{NO_BREAKER}"),
                            route_yaml(["alpha"]), env=KEYS)
        self.alpha.script(**script)
        return stub

    def test_row_c4_credentials_take_turns(self):
        stub = self.credentials()
        for _ in range(20):
            self.ok(stream(stub, chat_request()))
        by_key = self.alpha.stats()["by_key"]
        self.assertEqual(by_key, {"K1": 10, "K2": 10})
        self.reaches("sluice_attempts_total", 20, outcome="ok")

    def check_other_goes_on(self, fault, error_class):
        stub = self.credentials(keys={"K1": fault})
        backoffs = []
        for _ in range(12):
            answer = self.ok(stream(stub, chat_request()), numbered("alpha"))
            backoffs += [seconds(attempt.backoff) for attempt in answer.end.attempts[1:]]
        # Asked once, refused, and left alone; the call moved to the other at once.
        self.assertEqual(self.alpha.stats()["by_key"], {"K1": 1, "K2": 12})
        self.assertEqual(backoffs, [0])
        self.reaches("sluice_attempts_total", 1, error_class=error_class)
        for secret in KEYS.values():
            self.assertNotRegex(self.server.stderr(), rf"\b{secret}\b")

    def test_row_c4_a_rate_limited_credential_rests_and_the_other_goes_on(self):
        self.check_other_goes_on("status:429:retry-after=30", "rate_limited")

    def test_row_c4_a_credential_without_quota_rests_and_the_other_goes_on(self):
        self.check_other_goes_on("quota", "quota")

    def test_row_c4_a_refused_credential_rests_and_the_other_goes_on(self):
        self.check_other_goes_on("status:401", "auth")

    def test_row_c4_when_all_credentials_rest_the_wait_is_told(self):
        # More than a call waits for.
        spellings = {"seconds": ("retry-after=13", 13), "date": ("retry-after=date+13", 13),
                     "millis": ("retry-after-ms=12500", 12.5), "reset": ("reset=12s", 12)}
        simulators = dict(zip(spellings, self.upstreams(*spellings)))
        policies = []
        for name, (pushback, _) in spellings.items():
            simulators[name].script(keys={"K1": "status:429:retry-after=40", "K2": f"status:429:{pushback}"})
            policies += [upstream_yaml(name, simulators[name].url, extra=BOTH_KEYS), route_yaml([name], name=name)]
        stub = self.gateway(*policies, env=KEYS)
        for name, (pushback, most) in spellings.items():
            with self.subTest(pushback=pushback):
                answer = stream(stub, chat_request(model=name))
                self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED, answer.error)
                delay = seconds(answer.details()["RetryInfo"].retry_delay)
                self.assertTrue(most - 2 < delay <= most, delay)
                asked = simulators[name].stats()["requests"]
                self.assertEqual(stream(stub, chat_request(model=name)).code, grpc.StatusCode.RESOURCE_EXHAUSTED)
                self.assertEqual(simulators[name].stats()["requests"], asked)
        self.reaches("sluice_calls_total", 8, code="RESOURCE_EXHAUSTED")

    def test_row_c4_a_prompt_too_long_moves_to_a_larger_context(self):
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        self.alpha.script(context_tokens=5)
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra="context_tokens: 5"),
                            upstream_yaml("beta", self.beta.url, extra="context_tokens: 1000"),
                            route_yaml(["alpha", "beta"]))
        self.ok(stream(stub, chat_request("one two three")), numbered("alpha"))
        self.ok(stream(stub, chat_request("one two three four five six seven")), numbered("beta"))
        self.push(upstream_yaml("beta", self.beta.url, extra="context_tokens: 5"))
        answer = stream(stub, chat_request("one two three four five six seven"))
        self.assertEqual(answer.code, grpc.StatusCode.INVALID_ARGUMENT)
        self.reaches("sluice_failovers_total", 1, route="chat")

    def test_row_c5_a_log_line_of_each_attempt_and_one_of_the_call(self):
        secret = "sk-4711-not-to-be-seen"
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra="credential: env:TEST_KEY_ONE_API_KEY"),
                            upstream_yaml("beta", self.beta.url), route_yaml(["alpha", "beta"]),
                            env={"TEST_KEY_ONE_API_KEY": secret})
        answer = self.ok(stream(stub, chat_request("[[alpha status:503]] my private words"),
                                metadata=[("sluice-tenant", "acme")]), numbered("beta"))
        call_id = next(event.started.call_id for event in answer.events if event.HasField("started"))

        def lines():
            found = [line for line in self.server.log_lines() if line.get("call_id") == call_id]
            return found if any(line["message"] == "call" for line in found) else None

        found = wait_for("the lines", lines)
        attempts = [line for line in found if line["message"] == "attempt"]
        calls = [line for line in found if line["message"] == "call"]
        self.assertEqual((len(attempts), len(calls)), (2, 1))
        self.assertEqual([(line["upstream"], line.get("error_type")) for line in attempts],
                         [("alpha", "overload"), ("beta", None)])
        self.assertEqual((attempts[0]["http_status"], attempts[0]["credential"]), (503, "env:TEST_KEY_ONE_API_KEY"))
        self.assertEqual((calls[0]["route"], calls[0]["tenant"], calls[0]["attempts"]), ("chat", "acme", 2))
        for word in (secret, "private words", "alpha:0", "beta:0"):
            self.assertNotIn(word, self.server.stderr())
        self.reaches("sluice_attempts_total", 2, route="chat")

    def breaker(self, fields, retry="retry: {max_attempts: 1}\nqueue: {max_length: 0}"):
        (self.alpha,) = self.upstreams("alpha")
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=f"circuit_breaker: {{{fields}}}"),
                            route_yaml(["alpha"], extra=retry))

    def test_row_c6_continued_failure_is_no_longer_asked(self):
        stub = self.breaker("count_window: 10, min_calls: 4, open: 400ms, half_open_permits: 2")
        self.alpha.script(faults=["status:500"])
        for _ in range(12):
            self.assertEqual(stream(stub, chat_request()).code, BROKEN_OFF)
        self.assertEqual(self.alpha.stats()["requests"], 4)
        self.reaches("sluice_breaker_state", 1, state="open", upstream="alpha")
        # Well again: after its sleep, probes find out, and close it.
        self.alpha.script(faults=[])
        wait_for("an answer", lambda: stream(stub, chat_request()).code == grpc.StatusCode.OK, 5)
        self.ok(stream(stub, chat_request()))
        self.ok(stream(stub, chat_request()))
        self.reaches("sluice_breaker_state", 1, state="closed", upstream="alpha")
        self.reaches("sluice_breaker_changes_total", 1, **{"from": "half_open", "to": "closed"})

    def test_row_c6_what_is_slow_trips_it_too(self):
        stub = self.breaker("count_window: 10, min_calls: 3, slow_after: 30ms, slow_percent: 100, open: 60s")
        self.alpha.script(content_delay_ms=80)
        for _ in range(3):
            self.ok(stream(stub, chat_request()))
        self.assertEqual(stream(stub, chat_request()).code, BROKEN_OFF)
        self.reaches("sluice_breaker_state", 1, state="open", upstream="alpha")

    def test_row_c7_a_call_repeated_by_its_caller_is_not_run_twice(self):
        stub = self.pair()
        key = [("idempotency-key", "order-1")]
        first = self.ok(stream(stub, chat_request(), metadata=key))
        again = self.ok(stream(stub, chat_request(), metadata=key), first.text)
        self.assertEqual([e.SerializeToString() for e in again.events], [e.SerializeToString() for e in first.events])
        self.assertEqual(self.alpha.stats()["requests"], 1)
        # What failed before it showed anything was not run: a repetition runs it.
        failing = [("idempotency-key", "order-2")]
        request = chat_request("[[alpha status:400]] x")
        for _ in range(2):
            self.assertEqual(stream(stub, request, metadata=failing).code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.alpha.stats()["requests"], 3)
        self.reaches("sluice_idempotency_hits_total", 1, result="replayed")
