"""Requests and tokens over time; the gateway's own overload."""

import grpc
from harness import (Background, IntegrationTest, chat_request, gateway_pb2, numbered, route_yaml, seconds, stream,
                     streams, upstream_yaml, user, wait_for)


class Limits(IntegrationTest):
    def limited(self, limit, route="", args=(), targets=("alpha",), gateway_args=()):
        simulators = self.upstreams(*targets, args=args)
        self.alpha = simulators[0]
        return self.gateway(*[upstream_yaml(s.name, s.url) for s in simulators], f"kind: RateLimit\nname: calls\n{limit}",
                            route_yaml(list(targets), extra=f"rate_limits: [calls]\nretry: {{max_attempts: 1}}\n{route}".strip()),
                            args=gateway_args)

    def codes(self, answers):
        return [answer.code.name for answer in answers]

    def test_so_many_requests_and_no_more(self):
        stub = self.limited("requests: 5\nper: 60s")
        answers = [stream(stub, chat_request()) for _ in range(8)]
        self.assertEqual(self.codes(answers), ["OK"] * 5 + ["RESOURCE_EXHAUSTED"] * 3)
        self.assertEqual(self.alpha.stats()["requests"], 5)
        refused = answers[-1]
        self.assertIn("calls", refused.error.details())
        self.assertTrue(8 < seconds(refused.details()["RetryInfo"].retry_delay) <= 12)
        trailers = dict(refused.error.trailing_metadata())
        self.assertIn("grpc-retry-pushback-ms", trailers)
        self.reaches("sluice_limited_total", 3, limit="calls")
        # Raised by a push, it lets calls pass at once.
        self.operator("set", "ratelimit/calls", "requests=1000")
        wait_for("it to pass", lambda: stream(stub, chat_request()).code == grpc.StatusCode.OK)

    def test_each_tenant_has_its_own(self):
        stub = self.limited("requests: 3\nper: 60s\nscope: TENANT")
        for tenant in ("red", "blue"):
            answers = [stream(stub, chat_request(), metadata=[("sluice-tenant", tenant)]) for _ in range(4)]
            self.assertEqual(self.codes(answers), ["OK"] * 3 + ["RESOURCE_EXHAUSTED"])
        self.assertEqual(stream(stub, chat_request()).code, grpc.StatusCode.OK)
        self.reaches("sluice_limited_total", 2, limit="calls")
        self.assertFalse([name for name in self.server.metrics() if "red" in name.split("{")[-1] and "tenant" in name])

    def test_an_upstream_whose_limit_is_used_up_is_passed_over(self):
        stub = self.limited("requests: 4\nper: 60s\nscope: UPSTREAM", targets=("alpha", "beta"))
        answers = [stream(stub, chat_request()) for _ in range(9)]
        self.assertEqual([answer.text for answer in answers[:8]], [numbered("alpha")] * 4 + [numbered("beta")] * 4)
        self.assertEqual(answers[8].code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.reaches("sluice_limited_total", 1, limit="calls")

    def test_tokens_are_estimated_and_settled_by_the_usage(self):
        # An answer is ten tokens, its prompt one; 2,100 tokens are asked for each time.
        stub = self.limited("tokens: 4100\nper: 1h")
        request = chat_request("hello", sampling=gateway_pb2.Sampling(max_output_tokens=2100))
        for _ in range(6):
            self.ok(stream(stub, request))
        # At the same time the estimates themselves do not fit.
        self.alpha.script(content_delay_ms=300)
        self.assertEqual(sorted(self.codes(streams(stub, [request] * 3))), ["OK", "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"])
        long = chat_request("x" * 20000)
        self.assertEqual(stream(stub, long).code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.reaches("sluice_limited_total", 2, limit="calls")

    def test_a_limit_holds_for_embeddings_too(self):
        stub = self.limited("requests: 2\nper: 60s")
        request = gateway_pb2.EmbedRequest(model="chat", inputs=["x"])
        for _ in range(2):
            stub.Embed(request, timeout=5)
        with self.assertRaises(grpc.RpcError) as caught:
            stub.Embed(request, timeout=5)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.reaches("sluice_limited_total", 1, limit="calls")

    def test_the_gateways_own_overload_is_shed_early(self):
        (alpha,) = self.upstreams("alpha", args=("--chunks", "20", "--interval", "200ms"))
        stub = self.gateway(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]), args=("--max-concurrent-calls", "3"))
        running = [Background(stub, chat_request(f"call {i}")) for i in range(3)]
        wait_for("them to run", lambda: alpha.stats()["answers_open"] == 3)
        answer = stream(stub, chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        # Early: it waited for none of them.
        self.assertEqual(alpha.stats()["answers_open"], 3)
        self.assertIn("RetryInfo", answer.details())
        for call in running:
            self.ok(call.answer())
        self.ok(stream(stub, chat_request()))
        self.assertEqual(alpha.stats()["requests"], 4)
        self.reaches("sluice_calls_total", 4, outcome="complete")
