"""A second attempt beside a slow one."""

import grpc
from harness import (IntegrationTest, chat_request, gateway_pb2, numbered, pool_yaml, route_yaml, stream, streams, upstream_yaml,
                     wait_for)

FREE = "retry: {budget: {max_tokens: 1000, retry_percent: 100, min_retries: 100}}"


class Hedging(IntegrationTest):
    def pair(self, hedge, retry=FREE):
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        return self.gateway(upstream_yaml("alpha", self.alpha.url), upstream_yaml("beta", self.beta.url),
                            route_yaml(["alpha", "beta"], extra=f"hedge: {{{hedge}}}\n{retry}"))

    def test_the_quick_one_wins_and_the_loser_is_left(self):
        stub = self.pair("delay: 50ms, max_hedge_percent: 100")
        answer = self.ok(stream(stub, chat_request("[[alpha late:5000]] hello")), numbered("beta"))
        self.assertEqual([(attempt.upstream, attempt.outcome, attempt.hedge) for attempt in answer.end.attempts],
                         [("alpha", "abandoned", False), ("beta", "ok", True)])
        wait_for("alpha to be left", lambda: self.alpha.stats()["cancelled"] == 1)
        self.reaches("sluice_hedges_total", 1, route="chat")
        self.reaches("sluice_hedges_won_total", 1, route="chat", upstream="beta")
        # A quick first one needs no second.
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.assertEqual(self.beta.stats()["requests"], 1)

    def test_the_hedge_may_lose(self):
        stub = self.pair("delay: 30ms, max_hedge_percent: 100")
        self.ok(stream(stub, chat_request("[[alpha late:150]] [[beta late:5000]] hello")), numbered("alpha"))
        wait_for("beta to be left", lambda: self.beta.stats()["cancelled"] == 1)
        self.reaches("sluice_hedges_total", 1, route="chat")
        self.assertEqual(self.server.metric("sluice_hedges_won_total"), 0)

    def test_when_the_first_fails_the_hedge_goes_on(self):
        stub = self.pair("delay: 20ms, max_hedge_percent: 100")
        self.alpha.script(faults=["status:503"], once=True, first_delay_ms=1000)
        answer = self.ok(stream(stub, chat_request("[[beta late:2500]] hello")), numbered("beta"))
        # No retry: alpha would answer well.
        self.assertEqual([(attempt.upstream, attempt.outcome, attempt.hedge) for attempt in answer.end.attempts],
                         [("alpha", "failed", False), ("beta", "ok", True)])
        self.assertEqual((self.alpha.stats()["requests"], self.beta.stats()["requests"]), (1, 1))
        wait_for("all of it to be gone", self.server.idle)
        self.reaches("sluice_hedges_total", 1, route="chat")

    def test_no_more_than_their_share(self):
        stub = self.pair("delay: 10ms, max_hedge_percent: 10")
        self.alpha.script(content_delay_ms=40)
        calls = 100
        for start in range(0, calls, 10):
            for answer in streams(stub, [chat_request(f"call {start + i}") for i in range(10)]):
                self.ok(answer)
        hedges = self.server.metric("sluice_hedges_total")
        print(f"{hedges:.0f} hedges in {calls} calls of which each would have had one")
        self.assertTrue(1 <= hedges <= 12, hedges)
        self.assertEqual(self.beta.stats()["requests"], hedges)
        self.reaches("sluice_retries_refused_total", 1, route="chat", reason="hedge_share")

    def test_so_many_a_call(self):
        simulators = self.upstreams("alpha", "beta", "gamma", "delta")
        stub = self.gateway(pool_yaml("pool", *[simulator.url for simulator in simulators]),
                            route_yaml(["pool"], extra=f"hedge: {{delay: 30ms, max_hedge_percent: 100, max_hedges: 2}}\n"
                                       "retry: {max_attempts: 5, budget: {max_tokens: 1000, retry_percent: 100}}"))
        for simulator in simulators:
            simulator.script(content_delay_ms=400)
        answer = self.ok(stream(stub, chat_request()))
        self.assertEqual(len(answer.end.attempts), 3)
        wait_for("the losers to be left", lambda: sum(s.stats()["cancelled"] for s in simulators) == 2)
        self.reaches("sluice_hedges_total", 2, route="chat")

    def test_at_the_measured_p95(self):
        stub = self.pair("p95: {}, max_hedge_percent: 100")
        # Too few measured (20 are needed), nothing hedged.
        self.ok(stream(stub, chat_request("[[alpha late:200]] hello")), numbered("alpha"))
        for answer in streams(stub, [chat_request(f"early call {i}") for i in range(10)]):
            self.ok(answer, numbered("alpha"))
        self.assertEqual(self.server.metric("sluice_hedges_total"), 0)
        # Of those that are measured some are the slowest 5 %, and may be hedged.
        for start in range(0, 60, 10):
            for answer in streams(stub, [chat_request(f"call {start + i}") for i in range(10)]):
                self.ok(answer)
        before = self.server.metric("sluice_hedges_total")
        self.ok(stream(stub, chat_request("[[alpha late:5000]] hello")), numbered("beta"))
        self.reaches("sluice_hedges_total", before + 1, route="chat")

    def test_tokens_of_the_loser_are_accounted_for(self):
        # The loser has told nothing: its prompt is taken for a token each four bytes.
        stub = self.pair("delay: 20ms, max_hedge_percent: 100")
        prompt = "[[alpha late:100]] [[beta late:5000]] one two three"
        answer = stub.Chat(chat_request(prompt), timeout=10)
        tokens = len(prompt) // 4
        self.assertEqual(answer.end.delivered.output_tokens, 10)
        self.assertEqual(answer.end.delivered.input_tokens, answer.usage.input_tokens)
        self.assertFalse(answer.end.delivered.estimated)
        self.assertEqual(answer.end.abandoned, gateway_pb2.Usage(input_tokens=tokens, output_tokens=0, estimated=True))
        self.reaches("sluice_abandoned_tokens_total", tokens, route="chat")
        self.assertEqual(self.server.metric("sluice_abandoned_tokens_total", route="chat"), tokens)
