"""Circuit breakers as operators see and move them."""

import grpc
from harness import (BROKEN_OFF, Background, IntegrationTest, chat_request, ctl, numbered, pool_yaml, route_yaml,
                     seconds, stream, streams, upstream_yaml, wait_for)


class Breakers(IntegrationTest):
    def start(self, extra="circuit_breaker: {count_window: 10, min_calls: 4, open: 60s}", nodes=1):
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        return self.gateway(pool_yaml("alpha", f"name: main, url: {self.alpha.url}", extra=extra),
                            upstream_yaml("beta", self.beta.url),
                            route_yaml(["alpha"], extra="retry: {max_attempts: 1}"),
                            route_yaml(["alpha", "beta"], name="both"))

    def opened(self, stub):
        for _ in range(4):
            stream(stub, chat_request("[[alpha status:503]] hello"))
        self.reaches("sluice_breaker_state", 1, upstream="alpha", state="open")

    def test_row_b8_an_operator_reads_why(self):
        stub = self.start()
        out = self.operator("breaker", "list")
        self.assertRegex(out, r"alpha/main\s.*CLOSED")
        self.opened(stub)
        self.assertRegex(self.operator("breaker", "list"), r"alpha/main\s.*OPEN")
        out = self.operator("breaker", "explain", "alpha/main")
        for part in ("OPEN since", r"4 of 4 .*calls failed", "100", "50", "4 × 503", "probes"):
            self.assertRegex(out, part)
        self.reaches("sluice_breaker_changes_total", 1, upstream="alpha", endpoint="main", to="open")

    def test_row_b8_trip_and_reset_act_at_once(self):
        stub = self.start()
        self.ok(stream(stub, chat_request()))
        self.operator("breaker", "trip", "alpha/main", "--reason", "provider incident")
        answer = stream(stub, chat_request())
        self.assertEqual(answer.code, BROKEN_OFF)
        self.ok(stream(stub, chat_request(model="both")), numbered("beta"))
        self.assertEqual(self.alpha.stats()["requests"], 1)
        self.assertIn("provider incident", self.operator("breaker", "explain", "alpha/main"))
        self.assertEqual(self.server.metric("sluice_breaker_state", upstream="alpha", state="closed"), 0)
        self.operator("breaker", "reset", "alpha/main")
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.reaches("sluice_breaker_state", 1, upstream="alpha", state="closed")

    def test_a_reset_closes_one_that_opened_by_itself(self):
        stub = self.start()
        self.opened(stub)
        self.assertEqual(stream(stub, chat_request()).code, BROKEN_OFF)
        self.operator("breaker", "reset", "alpha/main")
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.assertRegex(self.operator("breaker", "list"), r"alpha/main\s.*CLOSED")

    def test_a_trip_may_last_for_a_while_only(self):
        stub = self.start()
        self.operator("set", "route/chat", "queue={max_length: 0}")
        self.operator("breaker", "trip", "alpha", "--for", "500ms", "--reason", "test")
        self.assertEqual(stream(stub, chat_request()).code, BROKEN_OFF)
        wait_for("it to close", lambda: stream(stub, chat_request()).code == grpc.StatusCode.OK, 5)

    def test_an_open_time_that_is_short_is_waited_for(self):
        stub = self.start()
        self.operator("breaker", "trip", "alpha", "--for", "3s", "--reason", "test")
        for answer in streams(stub, [chat_request(f"call {i}") for i in range(20)]):
            self.ok(answer, numbered("alpha"))
        self.assertEqual(self.alpha.stats()["requests"], 20)
        self.reaches("sluice_queue_wait_seconds_count", 1, route="chat", result="admitted")

    def test_a_reset_ends_the_rest_of_an_endpoint(self):
        stub = self.start(extra="")
        self.alpha.script(faults=["status:429:retry-after=86400"], once=True)
        refused = stream(stub, chat_request())
        self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        # However much it asks for, an hour at most; and nothing else ends that.
        delay = seconds(refused.details()["RetryInfo"].retry_delay)
        self.assertTrue(3000 < delay <= 3600, delay)
        self.assertEqual(stream(stub, chat_request()).code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertRegex(self.operator("breaker", "list"), r"alpha/main\s.*COOLING")
        self.assertRegex(self.operator("breaker", "explain", "alpha/main"), r"COOLING until .* left")
        out = self.operator("breaker", "reset", "alpha/main", "--reason", "it is well")
        self.assertRegex(out, r"alpha/main: rest ended, was until \d\d:\d\d:\d\d \(\d+ (m|h).*left\)")
        self.assertRegex(self.operator("breaker", "list"), r"alpha/main\s.*CLOSED")
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.assertEqual(self.alpha.stats()["requests"], 2)
        wait_for("its line", lambda: "its rest is ended" in self.server.stderr())

    def test_a_reset_of_an_upstream_frees_those_who_wait(self):
        stub = self.start(extra="")
        self.operator("set", "route/chat", "queue={max_wait: 60s}", "timeouts.overall=120s")
        self.alpha.script(faults=["status:429:retry-after=50"], once=True)
        stream(stub, chat_request())
        waiting = [Background(stub, chat_request(f"call {i}"), timeout=100) for i in range(10)]
        self.reaches("sluice_queue_length", 10, route="chat")
        self.operator("breaker", "reset", "alpha")
        for call in waiting:
            answer = self.ok(call.answer(), numbered("alpha"))
            self.assertLess(seconds(answer.end.queued), 50)
        self.assertEqual(self.alpha.stats()["requests"], 11)

    def test_what_there_is_not_is_named(self):
        self.start()
        status, out, err = ctl(self.control, "breaker", "trip", "alpah/main", "--reason", "x")
        self.assertNotEqual(status, 0)
        self.assertRegex(out + err, r'"alpah.*did you mean "alpha')

    def test_the_whole_upstreams_breaker_stops_all_its_endpoints(self):
        self.alpha, self.beta, self.gamma = self.upstreams("alpha", "beta", "gamma")
        stub = self.gateway(pool_yaml("pool", self.alpha.url, self.beta.url, extra="circuit_breaker: {mode: DISABLED}\n"
                                      "overall_circuit_breaker: {count_window: 10, min_calls: 6, open: 60s}"),
                            upstream_yaml("gamma", self.gamma.url),
                            route_yaml(["pool", "gamma"], extra="retry: {backoff: {fixed: {delay: 1ms}}}"))
        for simulator in (self.alpha, self.beta):
            simulator.script(faults=["status:503"])
        for _ in range(8):
            self.ok(stream(stub, chat_request()), numbered("gamma"))
        self.assertEqual(self.alpha.stats()["requests"] + self.beta.stats()["requests"], 6)
        self.reaches("sluice_breaker_state", 1, upstream="pool", endpoint="", state="open")

    def test_modes_by_policy(self):
        stub = self.start(extra="circuit_breaker: {mode: OBSERVE_ONLY, count_window: 10, min_calls: 4}")
        for _ in range(8):
            stream(stub, chat_request("[[alpha status:503]] hello"))
        self.assertEqual(self.alpha.stats()["requests"], 8)  # it would have stopped them, and does not
        self.operator("set", "upstream/alpha", "circuit_breaker.mode=FORCED_OPEN")
        self.assertEqual(stream(stub, chat_request()).code, BROKEN_OFF)
        self.assertEqual(self.alpha.stats()["requests"], 8)
        self.operator("set", "upstream/alpha", "circuit_breaker.mode=DISABLED")
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.reaches("sluice_breaker_state", 1, upstream="alpha", state="disabled")

    def test_new_thresholds_keep_what_was_learned(self):
        stub = self.start()
        self.opened(stub)
        self.operator("set", "upstream/alpha", "circuit_breaker.min_calls=8")
        self.assertEqual(stream(stub, chat_request()).code, BROKEN_OFF)
        self.assertEqual(self.alpha.stats()["requests"], 4)
        self.reaches("sluice_breaker_state", 1, upstream="alpha", state="open")
