"""Rows D1 to D14."""

import threading
import time

import grpc
from harness import (BROKEN_OFF, Background, IntegrationTest, binomial_bounds, chat_request, gateway_pb2, numbered, pool_yaml,
                     route_yaml, seconds, stream, streams, upstream_yaml, user, wait_for)

NO_BREAKER = "circuit_breaker: {mode: DISABLED}"
WIDE = "budget: {max_tokens: 1000, retry_percent: 100, min_retries: 1000}"


class RowsD(IntegrationTest):
    def one(self, extra=NO_BREAKER, route="", policies=(), sim_args=(), **gateway):
        (self.alpha,) = self.upstreams("alpha", args=sim_args)
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=extra), route_yaml(["alpha"], extra=route),
                            *policies, **gateway)

    def pair(self, extra=NO_BREAKER, route="", args=(), **gateway):
        self.alpha, self.beta = self.upstreams("alpha", "beta", args=args)
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=extra),
                            upstream_yaml("beta", self.beta.url, extra=extra),
                            route_yaml(["alpha", "beta"], extra=route), **gateway)

    # D1 -------------------------------------------------------------------

    def test_row_d1_every_jitter_stays_where_it_should_and_spreads(self):
        stub = self.one(route=f"retry: {{max_attempts: 10, backoff: {{fixed: {{delay: 1ms}}}}, {WIDE}}}")
        d = 4.0  # ms; multiplier 1 makes every wait a sample of the same
        cases = {"NONE": (d, d), "FULL": (0, d), "EQUAL": (d / 2, d), "PROPORTIONAL": (0.5 * d, 1.5 * d),
                 "DECORRELATED": (d, 3 * d)}
        for jitter, (least, most) in cases.items():
            with self.subTest(jitter=jitter):
                self.operator("set", "route/chat", "retry.backoff={exponential: {base: 4ms, max: 12ms, multiplier: 1, "
                              f"jitter: {jitter}, jitter_factor: 0.5}}}}")
                waits = []
                for _ in range(6):
                    answer = stream(stub, chat_request("[[alpha status:503]] hello"))
                    waits += [seconds(attempt.backoff) * 1000 for attempt in answer.attempts()[1:]]
                self.assertGreaterEqual(len(waits), 30)
                self.assertGreaterEqual(min(waits), least - 0.01)
                self.assertLessEqual(max(waits), most + 0.01)
                if jitter != "NONE":
                    self.assertLess(min(waits), least + (most - least) / 3)
                    self.assertGreater(max(waits), most - (most - least) / 3)
        self.operator("set", "route/chat", "retry.backoff={fixed: {delay: 3ms}}")
        attempts = stream(stub, chat_request("[[alpha status:503]] hello")).attempts()
        self.assertEqual({seconds(attempt.backoff) for attempt in attempts[1:]}, {0.003})
        self.reaches("sluice_retries_total", 9 * 31, route="chat")

    # D2 -------------------------------------------------------------------

    def test_row_d2_attempts_shrink_with_latency_and_stop_with_failure(self):
        stub = self.one(route=f"retry: {{max_attempts: 3, backoff: {{fixed: {{delay: 2ms}}}}, {WIDE}, "
                        "adaptive: {latency_above: 60ms, failure_percent_above: 50, window: 30s}}")

        def attempts():
            return len(stream(stub, chat_request("[[alpha status:503]] hello")).attempts())

        def fill(count, delay):
            self.alpha.script(content_delay_ms=delay)
            for answer in streams(stub, [chat_request() for _ in range(count)]):
                self.ok(answer)

        fill(40, 0)
        self.assertEqual(attempts(), 3)
        fill(20, 120)
        self.assertEqual(attempts(), 2)
        self.alpha.script(content_delay_ms=0)
        # 70 attempts were well; as many bad ones make more than half.
        self.operator("set", "route/chat", "retry.adaptive.failure_percent_above=5")
        wait_for("no retry at all", lambda: attempts() == 1)
        self.reaches("sluice_retries_refused_total", 1, route="chat", reason="adaptive")

    # D3 -------------------------------------------------------------------

    def test_row_d3_short_jitter_is_healed_by_a_retry(self):
        stub = self.one(route=f"retry: {{max_attempts: 3, backoff: {{fixed: {{delay: 5ms}}}}, {WIDE}}}")
        self.alpha.script(faults=["status:503", "ok", "reset:0", "ok", "ok"])
        for _ in range(10):
            self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.reaches("sluice_retry_success_total", 3, route="chat")

    def test_row_d3_an_outage_is_broken_off_probed_and_recovered_from(self):
        breaker = "circuit_breaker: {count_window: 10, min_calls: 3, open: 300ms, half_open_permits: 1}"
        stub = self.pair(extra=breaker)
        self.alpha.script(down=True)
        for _ in range(8):
            self.ok(stream(stub, chat_request()), numbered("beta"))
        self.reaches("sluice_breaker_state", 1, upstream="alpha", state="open")
        # Broken off: the calls do not even try it.
        self.assertEqual(len(self.ok(stream(stub, chat_request())).end.attempts), 1)
        self.alpha.script(down=False)
        wait_for("alpha to answer again", lambda: stream(stub, chat_request()).text == numbered("alpha"), 5)
        self.reaches("sluice_breaker_state", 1, upstream="alpha", state="closed")
        self.ok(stream(stub, chat_request()), numbered("alpha"))

    def test_row_d3_a_dropped_long_connection_begins_anew(self):
        stub = self.pair(route="after_cut: RESTART", args=("--chunks", "30", "--interval", "2ms"))
        self.alpha.script(faults=["reset:20"], once=True)
        request = chat_request(stream_options=gateway_pb2.StreamOptions(allow_restart=True))
        answer = self.ok(stream(stub, request), numbered("beta", 30))
        self.assertEqual([c.served_by.split("/")[0] for c in answer.continuations()], ["beta"])
        self.assertEqual([attempt.error_class for attempt in answer.end.attempts], ["truncated", ""])
        self.reaches("sluice_restarts_total", 1, route="chat")

    # D4 -------------------------------------------------------------------

    def test_row_d4_no_attempt_outlives_the_deadline(self):
        stub = self.pair(route="retry: {max_attempts: 5, backoff: {fixed: {delay: 10ms}}}")
        for simulator in (self.alpha, self.beta):
            simulator.script(faults=["stall:0"])
        answer = stream(stub, chat_request(), timeout=0.4)
        self.assertEqual(answer.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        wait_for("the upstream to see it", lambda: self.alpha.stats()["answers_open"] == 0)
        self.assertEqual(self.beta.stats()["requests"], 0)
        wait_for("all of it to be gone", self.server.idle)
        self.reaches("sluice_calls_total", 1, code="DEADLINE_EXCEEDED")

    def test_row_d4_a_backoff_beyond_the_deadline_is_not_waited(self):
        stub = self.one(route="retry: {max_attempts: 3, backoff: {fixed: {delay: 5s}}}")
        # Had it waited, the deadline would have come first.
        answer = stream(stub, chat_request("[[alpha status:503]] hello"), timeout=4)
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE, answer.error)
        self.reaches("sluice_calls_total", 1, code="UNAVAILABLE")

    def test_row_d4_cancellation_reaches_every_attempt(self):
        stub = self.pair(route="hedge: {delay: 20ms, max_hedge_percent: 100}\nretry: {budget: {retry_percent: 100}}")
        for simulator in (self.alpha, self.beta):
            simulator.script(content_delay_ms=20000)
        call = stub.StreamChat(chat_request(), timeout=30)
        wait_for("both to be asked", lambda: self.alpha.stats()["answers_open"] == 1 and
                 self.beta.stats()["answers_open"] == 1)
        call.cancel()
        wait_for("both to see it", lambda: self.alpha.stats()["cancelled"] == 1 and
                 self.beta.stats()["cancelled"] == 1)
        wait_for("all of it to be gone", self.server.idle)
        self.reaches("sluice_calls_total", 1, code="CANCELLED")

    # D5 -------------------------------------------------------------------

    def test_row_d5_a_running_call_is_joined_from_its_first_event(self):
        stub = self.one(sim_args=("--chunks", "30", "--interval", "20ms"))
        key = [("idempotency-key", "k-1")]
        first = Background(stub, chat_request(), metadata=key)
        wait_for("the call to run", lambda: self.alpha.stats()["pieces_sent"] >= 5)
        second = Background(stub, chat_request(), metadata=key)
        other = Background(stub, chat_request("something else"), metadata=key)
        answers = [first.answer(), second.answer()]
        for answer in answers:
            self.ok(answer, numbered("alpha", 30))
        one, two = ([e.SerializeToString() for e in answer.events if e.HasField("end")] for answer in answers)
        self.assertEqual(one, two)
        self.assertEqual(other.answer().code, grpc.StatusCode.ALREADY_EXISTS)
        self.assertIn("k-1", other.answer().error.details())
        self.assertEqual(self.alpha.stats()["requests"], 1)
        self.reaches("sluice_idempotency_hits_total", 1, result="joined")
        self.reaches("sluice_idempotency_hits_total", 1, result="conflict")

    def test_row_d5_the_caller_that_came_first_may_leave(self):
        stub = self.one(sim_args=("--chunks", "40", "--interval", "20ms"))
        key = [("idempotency-key", "k-1")]
        first = stub.StreamChat(chat_request(), timeout=30, metadata=key)
        wait_for("the call to run", lambda: self.alpha.stats()["pieces_sent"] >= 3)
        second = Background(stub, chat_request(), metadata=key)
        self.reaches("sluice_idempotency_hits_total", 1, result="joined")
        first.cancel()
        self.ok(second.answer(), numbered("alpha", 40))
        self.assertEqual(self.alpha.stats()["requests"], 1)
        # The last one that leaves takes the call with it.
        last = stub.StreamChat(chat_request("another"), timeout=30, metadata=[("idempotency-key", "k-2")])
        wait_for("the call to run", lambda: self.alpha.stats()["answers_open"] == 1)
        last.cancel()
        wait_for("the upstream to be left", lambda: self.alpha.stats()["cancelled"] == 1)
        wait_for("all of it to be gone", self.server.idle)

    def test_row_d5_the_key_is_the_tenants_own_and_unary_calls_have_it_too(self):
        stub = self.one()
        for tenant in ("red", "blue"):
            metadata = [("idempotency-key", "k-1"), ("sluice-tenant", tenant)]
            self.ok(stream(stub, chat_request(), metadata=metadata))
        self.assertEqual(self.alpha.stats()["requests"], 2)
        metadata = [("idempotency-key", "k-2")]
        first = stub.Chat(chat_request(), timeout=10, metadata=metadata)
        again = stub.Chat(chat_request(), timeout=10, metadata=metadata)
        self.assertEqual(first, again)
        embed = gateway_pb2.EmbedRequest(model="chat", inputs=["x"])
        metadata = [("idempotency-key", "k-3")]
        self.assertEqual(stub.Embed(embed, timeout=10, metadata=metadata), stub.Embed(embed, timeout=10, metadata=metadata))
        self.assertEqual(self.alpha.stats()["requests"], 4)
        self.reaches("sluice_idempotency_hits_total", 2, result="replayed")

    # D6 -------------------------------------------------------------------

    def test_row_d6_status_class_and_fault_belong_together(self):
        stub = self.one(route="retry: {max_attempts: 1}\ntimeouts: {first_content: 1s}")
        cases = [
            ("status:500", "server_error", grpc.StatusCode.UNAVAILABLE),
            ("status:529", "overload", grpc.StatusCode.UNAVAILABLE),
            ("status:400", "caller", grpc.StatusCode.INVALID_ARGUMENT),
            ("status:413", "caller", grpc.StatusCode.INVALID_ARGUMENT),
            ("status:422", "caller", grpc.StatusCode.INVALID_ARGUMENT),
            ("content-policy", "refused", grpc.StatusCode.FAILED_PRECONDITION),
            ("status:404", "not_found", grpc.StatusCode.NOT_FOUND),
            ("silence", "timeout", grpc.StatusCode.UNAVAILABLE),
            ("status:429:retry-after-ms=200", "rate_limited", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ]
        for fault, error_class, code in cases:
            with self.subTest(fault=fault):
                answer = stream(stub, chat_request(f"[[alpha {fault}]] hello"))
                self.assertEqual((answer.code, answer.attempts()[0].error_class), (code, error_class), answer.error)
                self.assertEqual(answer.details()["ErrorInfo"].domain, "sluice")
                self.reaches("sluice_attempts_total", 1, error_class=error_class)

    def test_row_d6_the_offending_field_is_named(self):
        stub = self.one()
        bad = gateway_pb2.ChatRequest(model="chat", messages=[user("x")],
                                      sampling=gateway_pb2.Sampling(max_output_tokens=0))
        answer = stream(stub, bad)
        self.assertEqual(answer.code, grpc.StatusCode.INVALID_ARGUMENT)
        (violation,) = answer.details()["BadRequest"].field_violations
        self.assertEqual(violation.field, "sampling.max_output_tokens")
        # Also where it was the upstream that found it.
        body = '{"error": {"message": "too hot", "type": "invalid_request_error", "param": "temperature"}}'
        answer = stream(stub, chat_request(f"[[alpha status:400:body={body}]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.INVALID_ARGUMENT)
        (violation,) = answer.details()["BadRequest"].field_violations
        self.assertIn("temperature", violation.field)
        self.reaches("sluice_calls_total", 1, code="INVALID_ARGUMENT")

    # D7 -------------------------------------------------------------------

    def test_row_d7_connections_have_their_bounds(self):
        stub = self.one(extra="pool: {max_open: 3, max_idle: 1, max_lifetime: 1m}",
                        route="retry: {max_attempts: 1}", sim_args=("--chunks", "3", "--interval", "500ms"),
                        # One loop: connections stay on theirs, and which loop takes a call is chance.
                        args=("--loops", "1"))
        answers = streams(stub, [chat_request() for _ in range(6)])
        codes = sorted(answer.code.name for answer in answers)
        self.assertEqual(self.alpha.stats()["answers_open_max"], 3)
        self.assertGreaterEqual(codes.count("OK"), 3)
        wait_for("one idle connection", lambda: self.alpha.stats()["connections_open"] == 1)
        self.assertEqual(self.server.metric("sluice_upstream_connections", state="idle"), 1)
        accepted = self.alpha.stats()["connections_accepted"]
        self.ok(stream(stub, chat_request()))
        self.assertEqual(self.alpha.stats()["connections_accepted"], accepted)
        # Too old, it is not used again.
        self.operator("set", "upstream/alpha", "pool.max_lifetime=1s")
        self.ok(stream(stub, chat_request()))
        accepted = self.alpha.stats()["connections_accepted"]
        time.sleep(1.2)  # the lifetime itself
        self.ok(stream(stub, chat_request()))
        self.assertEqual(self.alpha.stats()["connections_accepted"], accepted + 1)

    # D8 -------------------------------------------------------------------

    def limited(self, limit, queue="", route="", args=()):
        (self.alpha,) = self.upstreams("alpha", args=args)
        extra = f"rate_limits: [calls]\n{queue}\n{route}".strip()
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra="circuit_breaker: {count_window: 4, min_calls: 2, "
                                          "open: 60s}"),
                            f"kind: RateLimit\nname: calls\n{limit}", route_yaml(["alpha"], extra=extra))

    def test_row_d8_first_the_limit_then_the_breaker(self):
        stub = self.limited("requests: 2\nper: 60s", route="retry: {max_attempts: 1}")
        for _ in range(2):
            stream(stub, chat_request("[[alpha status:500]] hello"))
        self.reaches("sluice_breaker_state", 1, state="open")
        # The limit is used up and the breaker is open: the limit speaks.
        answer = stream(stub, chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertGreater(seconds(answer.details()["RetryInfo"].retry_delay), 5)
        self.reaches("sluice_limited_total", 1, limit="calls")
        # With the limit out of the way, the breaker does.
        self.operator("set", "ratelimit/calls", "requests=1000")
        wait_for("the breaker to speak", lambda: stream(stub, chat_request()).code == BROKEN_OFF)
        self.assertEqual(self.alpha.stats()["requests"], 2)

    def test_row_d8_what_the_limit_refuses_waits_in_a_bounded_queue(self):
        # Four at once, and one more each five seconds.
        stub = self.limited("requests: 4\nper: 20s", queue="queue: {max_length: 3, max_wait: 1m}")
        for answer in streams(stub, [chat_request(f"call {i}") for i in range(4)]):
            self.ok(answer)
        waiting = [stub.StreamChat(chat_request(f"late call {i}"), timeout=60) for i in range(3)]
        wait_for("them to wait", lambda: self.server.metric("sluice_queue_length") == 3)
        refused = stream(stub, chat_request())
        self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("RetryInfo", refused.details())
        # Who waited goes when there is room.
        wait_for("one to go", lambda: self.alpha.stats()["requests"] > 4, 30)
        times = [request["at_ms"] for request in self.alpha.requests()]
        for further, at in enumerate(times[4:], 1):
            self.assertGreater(at - times[0], 5000 * further - 100)
        self.reaches("sluice_queue_wait_seconds_count", 1, route="chat")
        for call in waiting:
            call.cancel()
        wait_for("all of it to be gone", self.server.idle)

    def test_row_d8_a_full_upstream_makes_calls_wait_their_turn(self):
        (self.alpha,) = self.upstreams("alpha", args=("--chunks", "4", "--interval", "30ms"))
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra="limits: {max_requests: 2}"),
                            route_yaml(["alpha"], extra="queue: {max_wait: 10s}"))
        for answer in streams(stub, [chat_request(f"call {i}") for i in range(10)]):
            self.ok(answer, numbered("alpha", 4))
        self.assertEqual(self.alpha.stats()["answers_open_max"], 2)
        self.reaches("sluice_queue_wait_seconds_count", 1, route="chat")
        # Without the queue the same is refused.
        self.push(route_yaml(["alpha"], extra="retry: {max_attempts: 1}"))
        codes = [answer.code.name for answer in streams(stub, [chat_request(f"call {i}") for i in range(6)])]
        self.assertEqual(self.alpha.stats()["answers_open_max"], 2)
        self.assertGreaterEqual(codes.count("RESOURCE_EXHAUSTED"), 1)
        self.reaches("sluice_limited_total", 1, limit="concurrency")

    # D9 -------------------------------------------------------------------

    def test_row_d9_the_rate_over_a_window_opens_it_and_probes_close_it(self):
        stub = self.one(extra="circuit_breaker: {time_window: 30s, min_calls: 10, failure_percent: 50, open: 500ms, "
                        "half_open_permits: 2}", route="retry: {max_attempts: 1}\nqueue: {max_length: 0}")
        for fault in ["ok", "status:503"] * 4 + ["ok"]:
            stream(stub, chat_request(f"[[alpha {fault}]] x"))
        self.ok(stream(stub, chat_request()))  # 4 of 10: 40 %
        self.reaches("sluice_breaker_state", 1, state="closed")
        for _ in range(2):
            stream(stub, chat_request("[[alpha status:503]] x"))
        self.reaches("sluice_breaker_state", 1, state="open")  # 6 of 12: 50 %
        asked = self.alpha.stats()["requests"]
        self.assertEqual(asked, 12)
        text = self.operator("breaker", "explain", "alpha")
        for part in ("6 of 12", "50", "503"):
            self.assertIn(part, text)
        # Asleep: nobody is let through, whoever calls.
        answer = stream(stub, chat_request())
        self.assertEqual((answer.code, self.alpha.stats()["requests"]), (BROKEN_OFF, asked))
        self.assertIn("open", answer.error.details())
        # Then two probes at most, however many call.
        self.alpha.script(content_delay_ms=300)
        wait_for("a probe", lambda: stream(stub, chat_request(), timeout=5).code == grpc.StatusCode.OK, 5)
        wait_for("it to close", lambda: stream(stub, chat_request()).code == grpc.StatusCode.OK and
                 self.server.metric("sluice_breaker_state", state="closed") == 1, 5)
        self.reaches("sluice_breaker_changes_total", 1, **{"from": "half_open", "to": "closed"})

    def test_row_d9_half_open_lets_few_through(self):
        stub = self.one(extra="circuit_breaker: {count_window: 4, min_calls: 2, open: 300ms, half_open_permits: 2}",
                        route="retry: {max_attempts: 1}")
        for _ in range(2):
            stream(stub, chat_request("[[alpha status:503]] x"))
        self.reaches("sluice_breaker_state", 1, state="open")
        self.alpha.script(content_delay_ms=500)
        time.sleep(0.45)  # the sleep window itself, with its jitter
        self.alpha.reset_stats()
        answers = streams(stub, [chat_request(f"call {i}") for i in range(8)])
        self.assertEqual(self.alpha.stats()["requests"], 2)
        self.assertEqual(sorted(answer.code.name for answer in answers), ["OK"] * 2 + [BROKEN_OFF.name] * 6)
        self.reaches("sluice_breaker_state", 1, state="closed")
        # Probes that fail open it for longer.
        for _ in range(4):
            stream(stub, chat_request("[[alpha status:503]] x"))
        self.reaches("sluice_breaker_state", 1, state="open")

    # D10 ------------------------------------------------------------------

    def test_row_d10_a_burst_is_let_out_in_batches(self):
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url), "kind: RateLimit\nname: calls\nrequests: 8\nper: 1s",
                            route_yaml(["alpha"], extra="rate_limits: [calls]\n"
                                       "queue: {max_length: 100, max_wait: 1m, window: 1s}"))
        answers = streams(stub, [chat_request(f"call {i}") for i in range(32)])
        for answer in answers:
            self.ok(answer)
        times = [request["at_ms"] for request in self.alpha.requests()]
        # Eight at once, and eight more a second: one each 125 ms, if they did not go together.
        late = times[8:]
        gaps = [b - a for a, b in zip(late, late[1:])]
        self.assertGreater(max(gaps), 500)
        self.assertLess(sorted(gaps)[len(gaps) // 2], 100)
        self.reaches("sluice_queue_wait_seconds_count", 16, route="chat")

    def test_row_d10_who_cannot_make_it_is_told_at_once(self):
        stub = self.limited("requests: 1\nper: 20s", queue="queue: {max_length: 100, max_wait: 30s}")
        self.ok(stream(stub, chat_request()))
        # Had it waited, the deadline would have come first.
        answer = stream(stub, chat_request(), timeout=5)
        self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertGreater(seconds(answer.details()["RetryInfo"].retry_delay), 10)
        self.reaches("sluice_calls_total", 1, code="RESOURCE_EXHAUSTED")

    def test_row_d10_tenants_take_turns_in_it(self):
        self.alpha = self.simulator("alpha", "--answer", "echo", "--interval", "10ms")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra="limits: {max_requests: 1}"),
                            route_yaml(["alpha"], extra="queue: {max_wait: 20s}"))
        blocker = Background(stub, chat_request("a b c d e f g h i j k l m n o p q r s t u v w x y z"))
        wait_for("the place to be taken", lambda: self.alpha.stats()["answers_open"] == 1)
        order = []

        def call(tenant):
            self.ok(stream(stub, chat_request("one two"), metadata=[("sluice-tenant", tenant)]))
            order.append(tenant)

        loud = [threading.Thread(target=call, args=("loud",)) for _ in range(12)]
        quiet = [threading.Thread(target=call, args=("quiet",)) for _ in range(2)]
        for caller in loud:
            caller.start()
        wait_for("the loud ones to wait", lambda: self.server.metric("sluice_queue_length") == 12)
        for caller in quiet:
            caller.start()
        wait_for("all to wait", lambda: self.server.metric("sluice_queue_length") == 14)
        self.ok(blocker.answer())
        for caller in loud + quiet:
            caller.join()
        # Behind twelve others that came first, and yet among the first.
        self.assertLess(max(i for i, tenant in enumerate(order) if tenant == "quiet"), 7, order)
        self.reaches("sluice_queue_wait_seconds_count", 14, route="chat")

    # D11 ------------------------------------------------------------------

    def test_row_d11_each_attempt_can_be_traced(self):
        stub = self.pair(route="retry: {backoff_before_failover: true, backoff: {fixed: {delay: 25ms}}}")
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = self.ok(stream(stub, chat_request("[[alpha status:503]] hello"),
                                metadata=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")]), numbered("beta"))

        def lines():
            found = [line for line in self.server.log_lines() if line.get("trace_id") == trace and "retry_count" in line]
            return found if len(found) == 2 else None

        first, second = wait_for("the lines", lines)
        self.assertEqual((first["retry_count"], first["error_type"], first["status"], first["http_status"]),
                         (0, "overload", "failed", 503))
        self.assertEqual((second["retry_count"], second.get("error_type"), second["status"]), (1, None, "ok"))
        self.assertAlmostEqual(second["backoff_delay_ms"], 25, delta=0.1)
        self.assertGreater(second["duration_ms"], 0)
        # One trace, and a span of its own for each attempt.
        parents = [s.requests()[0]["headers"].get("traceparent", "") for s in (self.alpha, self.beta)]
        self.assertEqual([parent.split("-")[1] for parent in parents], [trace, trace])
        self.assertEqual(len({"00f067aa0ba902b7", *(parent.split("-")[2] for parent in parents)}), 3)
        self.reaches("sluice_attempts_total", 2, route="chat")
        self.assertEqual(len(answer.end.attempts), 2)

    # D12 ------------------------------------------------------------------

    def test_row_d12_eighty_twenty(self):
        (self.alpha,) = self.upstreams("alpha")
        stub = self.gateway(
            upstream_yaml("alpha", self.alpha.url),
            "kind: Route\nname: chat\nmatch: {model: chat}\ntargets:\n"
            "- {upstream: alpha, model: stable, weight: 80}\n- {upstream: alpha, model: canary, weight: 20}")
        calls = 400
        for start in range(0, calls, 40):
            for answer in streams(stub, [chat_request(f"call {start + i}") for i in range(40)]):
                self.ok(answer)
        canary = self.alpha.stats()["by_model"]["canary"]
        least, most = binomial_bounds(calls, 0.2)
        print(f"{canary} of {calls} at the canary; {least:.0f} to {most:.0f} expected")
        self.assertTrue(least <= canary <= most, canary)
        self.operator("set", "route/chat", "targets[1].weight=0")
        self.alpha.reset_stats()
        for answer in streams(stub, [chat_request(f"call {i}") for i in range(40)]):
            self.ok(answer)
        self.assertEqual(self.alpha.stats()["by_model"], {"stable": 40})
        self.reaches("sluice_attempts_total", calls + 40, upstream="alpha", outcome="ok")

    def test_row_d12_by_metadata(self):
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        stub = self.gateway(
            upstream_yaml("alpha", self.alpha.url), upstream_yaml("beta", self.beta.url), route_yaml(["alpha"]),
            "kind: Route\nname: chat-b\nmatch: {model: chat, metadata: {x-experiment: b}}\ntargets: [{upstream: beta}]")
        for i in range(10):
            metadata = [("x-experiment", "b" if i % 2 else "a")]
            self.ok(stream(stub, chat_request(), metadata=metadata), numbered("beta" if i % 2 else "alpha"))
        self.reaches("sluice_calls_total", 5, route="chat-b")
        self.reaches("sluice_calls_total", 5, route="chat")

    # D13 ------------------------------------------------------------------

    def test_row_d13_a_local_model_serves_while_the_central_one_is_away(self):
        self.alpha, self.local = self.upstreams("alpha", "local")
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra=NO_BREAKER), upstream_yaml("local", self.local.url),
                            route_yaml(["alpha"], extra="retry: {max_attempts: 2, backoff: {fixed: {delay: 2ms}}}\n"
                                       "fallback: {causes: [CONNECT, TIMEOUT], target: {upstream: local, model: small}}"))
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.alpha.script(down=True)
        answer = self.ok(stream(stub, chat_request()), numbered("local"))
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_FALLBACK)
        self.assertEqual(answer.end.error.error_class, "connect")
        self.assertEqual(self.local.stats()["by_model"], {"small": 1})
        self.alpha.script(down=False)
        answer = self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)
        # Another cause is not its business.
        self.assertEqual(stream(stub, chat_request("[[alpha status:500]] x")).code, grpc.StatusCode.UNAVAILABLE)
        self.reaches("sluice_fallbacks_total", 1, route="chat")

    # D14 ------------------------------------------------------------------

    def test_row_d14_what_an_autoscaler_needs_is_exported(self):
        (self.alpha,) = self.upstreams("alpha", args=("--chunks", "5", "--interval", "200ms"))
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra="limits: {max_requests: 2}"),
                            route_yaml(["alpha"], extra="queue: {max_wait: 20s}"))
        calls = [Background(stub, chat_request(f"call {i}")) for i in range(6)]
        wait_for("two to run", lambda: self.alpha.stats()["answers_open"] == 2)
        self.reaches("sluice_queue_length", 4, route="chat")
        self.assertEqual(self.server.metric("sluice_queue_length", route="chat"), 4)
        self.reaches("sluice_queue_oldest_seconds", 0.05, route="chat")
        self.assertEqual(self.server.metric("sluice_open_calls"), 6)
        self.assertEqual(self.server.metric("sluice_upstream_in_flight", upstream="alpha"), 2)
        for call in calls:
            self.ok(call.answer())
        wait_for("the queue to be empty", lambda: self.server.metric("sluice_queue_length") == 0)
        self.assertEqual(self.server.metric("gen_ai_server_time_to_first_token_seconds_count"), 6)
        self.assertGreater(self.server.metric("sluice_queue_wait_seconds_sum"), 0.5)
