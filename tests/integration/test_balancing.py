"""Where calls go: ways of balancing, priorities, health, zones, slow start."""

import time

import grpc
from harness import (Background, IntegrationTest, binomial_bounds, chat_request, numbered, pool_yaml, route_yaml, stream,
                     streams, upstream_yaml, wait_for)

NO_BREAKER = "circuit_breaker: {mode: DISABLED}"


class Balancing(IntegrationTest):
    def pool(self, names, extra="", fields=None, args=(), route="", flags=()):
        """One upstream with an endpoint for each simulator; `fields` of their YAML by name."""
        self.by_name = dict(zip(names, self.upstreams(*names, args=args)))
        endpoints = [self.endpoint(name, (fields or {}).get(name, "")) for name in names]
        return self.gateway(pool_yaml("pool", *endpoints, extra=extra), route_yaml(["pool"], extra=route), args=flags)

    def endpoint(self, name, fields=""):
        return f"name: {name}, url: {self.by_name[name].url}" + (f", {fields}" if fields else "")

    def counts(self):
        return {name: simulator.stats()["requests"] for name, simulator in self.by_name.items()}

    def many(self, stub, calls, at_a_time=20, **kwargs):
        for start in range(0, calls, at_a_time):
            for answer in streams(stub, [chat_request(f"call {start + i}") for i in range(min(at_a_time, calls - start))],
                                  **kwargs):
                self.ok(answer)

    def test_weights_of_endpoints_are_kept(self):
        stub = self.pool(("alpha", "beta"), fields={"alpha": "weight: 3"})
        self.many(stub, 200)
        least, most = binomial_bounds(200, 0.75)
        self.assertTrue(least <= self.counts()["alpha"] <= most, self.counts())
        self.reaches("sluice_attempts_total", 200, upstream="pool")

    def test_the_least_busy_gets_the_next_call(self):
        stub = self.pool(("alpha", "beta"), extra="balance: least_request")
        # What answers slowly has more under way, and so gets less.
        self.by_name["alpha"].script(content_delay_ms=150)
        self.many(stub, 120, at_a_time=12)
        counts = self.counts()
        print("least request:", counts)
        self.assertLess(counts["alpha"], counts["beta"])
        self.assertLess(self.by_name["alpha"].stats()["answers_open_max"], 10)
        self.reaches("sluice_attempts_total", counts["beta"], upstream="pool", endpoint="beta")

    def test_the_quick_one_gets_most(self):
        stub = self.pool(("alpha", "beta"), extra="balance: {peak_ewma: {decay: 2s}}")
        self.by_name["alpha"].script(content_delay_ms=60)
        self.by_name["beta"].script(content_delay_ms=5)
        for i in range(60):
            self.ok(stream(stub, chat_request(f"call {i}")))
        counts = self.counts()
        print("peak EWMA:", counts)
        self.assertGreater(counts["beta"], 3 * counts["alpha"])
        self.reaches("sluice_attempts_total", counts["beta"], upstream="pool", endpoint="beta")

    def test_related_calls_stay_together(self):
        names = ("alpha", "beta", "gamma", "delta")
        stub = self.pool(names, extra=f"balance: ring_hash\n{NO_BREAKER}", route="affinity: {metadata_key: x-session}")
        homes = {}
        for i in range(24):
            session = f"session-{i}"
            served = {self.ok(stream(stub, chat_request(f"call {k}"), metadata=[("x-session", session)])).end.served_by
                      for k in range(4)}
            self.assertEqual(len(served), 1, served)
            homes[session] = served.pop()
        self.assertGreaterEqual(len(set(homes.values())), 3)
        # One goes: only its own sessions move, and they come home again.
        gone = homes["session-0"].split("/")[1]
        self.push(pool_yaml("pool", *[self.endpoint(name, "state: DRAINING" if name == gone else "") for name in names],
                            extra=f"balance: ring_hash\n{NO_BREAKER}"))
        for session, home in homes.items():
            served = self.ok(stream(stub, chat_request(), metadata=[("x-session", session)])).end.served_by
            self.assertEqual(served == home, home != f"pool/{gone}")
        self.push(pool_yaml("pool", *[self.endpoint(name) for name in names], extra=f"balance: ring_hash\n{NO_BREAKER}"))
        for session, home in homes.items():
            self.assertEqual(self.ok(stream(stub, chat_request(), metadata=[("x-session", session)])).end.served_by, home)
        self.reaches("sluice_attempts_total", 24 * 6, upstream="pool", outcome="ok")

    def test_the_same_beginning_of_a_prompt_finds_the_same_cache(self):
        stub = self.pool(("alpha", "beta", "gamma"), extra="balance: ring_hash", route="affinity: {prompt_prefix_bytes: 20}")
        homes = set()
        for prefix in range(12):
            served = {self.ok(stream(stub, chat_request(f"book number {prefix:04} and then {k}"))).end.served_by
                      for k in range(3)}
            self.assertEqual(len(served), 1)
            homes |= served
        self.assertGreaterEqual(len(homes), 2)
        self.reaches("sluice_attempts_total", 36, upstream="pool", outcome="ok")

    def test_the_first_priority_has_all_while_it_is_well_and_spills_when_it_is_not(self):
        names = ("a1", "a2", "a3", "a4", "b1")
        stub = self.pool(names, fields={"b1": "priority: 1"},
                         extra="health_check: {interval: 100ms, unhealthy_after: 1, healthy_after: 1}\n"
                         f"balance: {{panic_percent: 0}}\n{NO_BREAKER}")
        self.many(stub, 40)
        self.assertEqual(self.counts()["b1"], 0)
        # Two of four: health 1.4 · 50 = 70 % of the load stay, 30 % spill.
        for name in ("a1", "a2"):
            self.by_name[name].script(health="status:503")
        self.reaches("sluice_endpoint_state", 2, state="unhealthy", upstream="pool")
        for simulator in self.by_name.values():
            simulator.reset_stats()
        calls = 300
        self.many(stub, calls)
        counts = self.counts()
        least, most = binomial_bounds(calls, 0.3)
        print("spilled:", counts)
        self.assertEqual((counts["a1"], counts["a2"]), (0, 0))
        self.assertTrue(least <= counts["b1"] <= most, counts)
        for name in ("a3", "a4"):
            self.by_name[name].script(health="status:503")
        self.reaches("sluice_endpoint_state", 4, state="unhealthy", upstream="pool")
        self.by_name["b1"].reset_stats()
        self.many(stub, 20)
        self.assertEqual(self.counts()["b1"], 20)

    def test_a_health_check_takes_out_and_brings_back(self):
        stub = self.pool(("alpha", "beta"), extra="health_check: {interval: 500ms, timeout: 500ms, unhealthy_after: 2, "
                         "healthy_after: 2}")
        wait_for("checks", lambda: self.by_name["alpha"].stats()["models_requests"] >= 2)
        for health in ("status:500", "no-headers", "refuse"):
            with self.subTest(health=health):
                self.by_name["alpha"].script(health=health)
                self.reaches("sluice_endpoint_state", 1, state="unhealthy", endpoint="alpha")
                before = self.counts()["alpha"]
                self.many(stub, 10)
                self.assertEqual(self.counts()["alpha"], before)
                self.by_name["alpha"].script(health="ok")
                wait_for("alpha to be well", lambda: not self.server.metric("sluice_endpoint_state", state="unhealthy"))
        self.many(stub, 20)
        self.assertGreater(self.counts()["alpha"], 0)

    def test_when_most_are_ill_all_are_tried(self):
        stub = self.pool(("alpha", "beta", "gamma"), extra="health_check: {interval: 100ms, unhealthy_after: 1}\n"
                         f"balance: {{panic_percent: 50}}\n{NO_BREAKER}")
        for name in ("alpha", "beta"):
            self.by_name[name].script(health="status:503")
        self.reaches("sluice_endpoint_state", 2, state="unhealthy", upstream="pool")
        self.many(stub, 30)
        self.assertTrue(all(count > 0 for count in self.counts().values()), self.counts())

    def test_an_endpoint_that_fails_in_a_row_is_left_out_for_a_while(self):
        stub = self.pool(("alpha", "beta"), extra="outlier_detection: {consecutive_failures: 3, base_ejection: 3s}\n"
                         f"{NO_BREAKER}", route="retry: {backoff: {fixed: {delay: 1ms}}, budget: {max_tokens: 1000}}")
        self.by_name["alpha"].script(faults=["status:500"])
        self.many(stub, 30, at_a_time=1)
        self.assertLessEqual(self.counts()["alpha"], 4)
        self.reaches("sluice_endpoint_ejections_total", 1, upstream="pool", endpoint="alpha")
        self.by_name["alpha"].script(faults=[])
        before = self.counts()["alpha"]
        wait_for("alpha to be back", lambda: (self.ok(stream(stub, chat_request())), self.counts()["alpha"] > before)[1])
        # Never both: one of two is at most half.
        for simulator in self.by_name.values():
            simulator.script(faults=["status:500"])
        for _ in range(12):
            stream(stub, chat_request())
        self.assertLessEqual(self.server.metric("sluice_endpoint_state", state="ejected"), 1)

    def test_the_own_zone_comes_first(self):
        stub = self.pool(("near", "far"), fields={"near": "zone: east", "far": "zone: west"},
                         extra=f"balance: {{prefer_same_zone: true}}\n{NO_BREAKER}", flags=("--zone", "east"))
        self.many(stub, 30)
        self.assertEqual(self.counts(), {"near": 30, "far": 0})
        self.by_name["near"].script(down=True)
        self.ok(stream(stub, chat_request()), numbered("far"))
        self.by_name["near"].script(down=False)
        self.reaches("sluice_failovers_total", 1, route="chat")

    def test_a_new_endpoint_gets_its_share_little_by_little(self):
        extra = "balance: {slow_start: {window: 3s, min_percent: 10}}"
        self.by_name = dict(zip(("alpha", "beta"), self.upstreams("alpha", "beta")))
        stub = self.gateway(pool_yaml("pool", self.endpoint("alpha"), extra=extra), route_yaml(["pool"]))
        self.many(stub, 10)
        time.sleep(3)  # alpha's own window
        self.push(pool_yaml("pool", self.endpoint("alpha"), self.endpoint("beta"), extra=extra))
        for simulator in self.by_name.values():
            simulator.reset_stats()
        self.many(stub, 60, at_a_time=30)
        early = self.counts()
        time.sleep(3)
        for simulator in self.by_name.values():
            simulator.reset_stats()
        self.many(stub, 100, at_a_time=50)
        late = self.counts()
        print("slow start:", early, "then", late)
        self.assertLess(early["beta"], 25)
        least, most = binomial_bounds(100, 0.5)
        self.assertTrue(least <= late["beta"] <= most, late)
        self.reaches("sluice_attempts_total", 1, upstream="pool", endpoint="beta")

    def test_a_limit_on_attempts_turns_calls_to_the_next_endpoint(self):
        alpha, beta = self.upstreams("alpha", "beta", args=("--chunks", "5", "--interval", "40ms"))
        stub = self.gateway(upstream_yaml("alpha", alpha.url, extra="limits: {max_requests: 2}"),
                            upstream_yaml("beta", beta.url), route_yaml(["alpha", "beta"]))
        for answer in streams(stub, [chat_request(f"call {i}") for i in range(8)]):
            self.ok(answer)
        self.assertEqual(alpha.stats()["answers_open_max"], 2)
        self.assertEqual(alpha.stats()["requests"] + beta.stats()["requests"], 8)
        self.reaches("sluice_attempts_total", 6, upstream="beta")

    def test_tokens_in_flight_are_limited(self):
        (alpha,) = self.upstreams("alpha", args=("--chunks", "5", "--interval", "100ms"))
        stub = self.gateway(upstream_yaml("alpha", alpha.url, extra="limits: {max_tokens_in_flight: 1000}"),
                            route_yaml(["alpha"], extra="retry: {max_attempts: 1}"))
        big = chat_request("x" * 2400)  # some 600 tokens
        first = Background(stub, big)
        wait_for("it to run", lambda: alpha.stats()["answers_open"] == 1)
        self.assertEqual(stream(stub, big).code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.ok(stream(stub, chat_request("small")))
        self.ok(first.answer())
        self.ok(stream(stub, big))
        self.reaches("sluice_limited_total", 1)

    def test_an_upstream_that_refuses_much_is_sent_less(self):
        (alpha,) = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", alpha.url, extra=f"throttle: {{k: 1.5, window: 30s}}\n{NO_BREAKER}"),
                            route_yaml(["alpha"], extra="retry: {max_attempts: 1}"))
        alpha.script(faults=["status:503"])
        for i in range(80):
            stream(stub, chat_request(f"call {i}"))
        asked = alpha.stats()["requests"]
        print(f"throttled: {asked} of 80 sent")
        self.assertLess(asked, 60)
        self.reaches("sluice_upstream_throttled_total", 80 - asked, upstream="alpha")
