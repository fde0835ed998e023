"""The coalescing window, from the policy to the caller: fewer messages, the same
answer."""

import time

import grpc
from harness import (IntegrationTest, chat_request, details_of, gateway_pb2, numbered, route_yaml, stream, upstream_yaml)

CHUNKS = 30
WHOLE = numbered("alpha", CHUNKS)
# A chunk every 20 ms: one message each, as far as this machine keeps time; with
# 100 ms one for each five, and the first.
APART, TOGETHER = 20, 10


class Coalescing(IntegrationTest):
    def serve(self, window):
        (self.alpha,) = self.upstreams("alpha", args=("--chunks", str(CHUNKS), "--interval", "20ms"))
        self.policy = lambda window: (upstream_yaml("alpha", self.alpha.url),
                                      route_yaml(["alpha"], extra=f"stream: {{coalesce: {window}}}"))
        return self.gateway(*self.policy(window))

    def ask(self, stub, window=None, text=WHOLE, **fields):
        request = chat_request("hello")
        if window is not None:
            request.stream_options.coalesce.FromMilliseconds(window)
        return self.ok(stream(stub, request, **fields), text)

    def test_the_route_decides_and_can_be_changed_live(self):
        stub = self.serve("0s")
        self.assertGreaterEqual(self.ask(stub).messages, APART)
        self.push(*self.policy("100ms"))
        self.assertLessEqual(self.ask(stub).messages, TOGETHER)
        self.assertIn("coalesce: 100ms", self.operator("get", "route/chat", "-o", "yaml"))
        self.operator("set", "route/chat", "stream.coalesce=300ms")
        self.assertLessEqual(self.ask(stub).messages, 5)

    def test_the_caller_overrides_the_route(self):
        stub = self.serve("100ms")
        self.assertLessEqual(self.ask(stub).messages, TOGETHER)
        self.assertGreaterEqual(self.ask(stub, window=0).messages, APART)
        self.assertLessEqual(self.ask(stub, window=1000).messages, 3)

    def test_the_first_token_does_not_wait(self):
        stub = self.serve("1s")
        arrivals = []
        begin = time.monotonic()
        answer = self.ask(stub, on_event=lambda _, event: arrivals.append((time.monotonic() - begin, event)))
        self.assertLess(arrivals[0][0], 0.3)
        self.assertTrue(arrivals[0][1].HasField("started"))
        self.assertEqual(arrivals[1][1].content.text, "alpha:0 ")
        # 600 ms of chunks; the end waits for no window.
        self.assertLess(arrivals[-1][0], 0.95)
        self.assertEqual(answer.messages, 2)

    def test_beyond_a_second_is_refused_by_name(self):
        stub = self.serve("0s")
        request = chat_request("hello")
        request.stream_options.coalesce.FromMilliseconds(1001)
        for call in (lambda: list(stub.StreamChat(request, timeout=10)), lambda: stub.Chat(request, timeout=10)):
            with self.assertRaises(grpc.RpcError) as refused:
                call()
            self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn("stream_options.coalesce: 1.001s is out of range; must be from 0s to 1s",
                          refused.exception.details())
            self.assertEqual(details_of(refused.exception)["BadRequest"].field_violations[0].field,
                             "stream_options.coalesce")
        out = self.operator("set", "route/chat", "stream.coalesce=1001ms", status=5)
        self.assertIn("stream.coalesce: 1.001s is out of range; 0s to 1s is accepted", out)

    def test_a_cut_within_the_window_shows_all_that_came(self):
        stub = self.serve("1s")
        answer = stream(stub, chat_request("[[alpha cut:12]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.ABORTED)
        self.assertEqual(answer.text, numbered("alpha", 12) + " ")
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_TRUNCATED)
        self.assertEqual(answer.messages, 2)
