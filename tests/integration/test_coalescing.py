"""The coalescing window, from the policy to the caller: fewer messages, the same
answer."""

import time

import grpc
from harness import (IntegrationTest, chat_request, details_of, gateway_pb2, numbered, route_yaml, stream, upstream_yaml)

CHUNKS = 30  # one every 20 ms
WHOLE = numbered("alpha", CHUNKS)
APART = 20  # at least so many messages without a window


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

    def ask_together(self, stub, milliseconds, **fields):
        """However slow the machine: the first content and the end come when they
        are there, all else a window apart."""
        began = time.monotonic()
        answer = self.ask(stub, **fields)
        self.assertLessEqual(answer.messages, (time.monotonic() - began) * 1000 / milliseconds + 3)
        return answer

    def ask_apart(self, stub, **fields):
        """A machine that stops for a while lets several chunks come together, so
        one of a few calls: with a window none would."""
        most = max(self.ask(stub, **fields).messages for _ in range(3))
        self.assertGreaterEqual(most, APART)

    def test_the_route_decides_and_can_be_changed_live(self):
        stub = self.serve("0s")
        self.ask_apart(stub)
        self.push(*self.policy("100ms"))
        self.ask_together(stub, 100)
        self.assertIn("coalesce: 100ms", self.operator("get", "route/chat", "-o", "yaml"))
        self.operator("set", "route/chat", "stream.coalesce=300ms")
        self.ask_together(stub, 300)

    def test_the_caller_overrides_the_route(self):
        stub = self.serve("100ms")
        self.ask_together(stub, 100)
        self.ask_apart(stub, window=0)
        self.ask_together(stub, 1000, window=1000)

    def test_the_first_token_does_not_wait(self):
        stub = self.serve("1s")
        events = []
        self.ask_together(stub, 1000, on_event=lambda _, event: events.append(event))
        self.assertTrue(events[0].HasField("started"))
        # Had it waited, others would have come with it.
        self.assertEqual(events[1].content.text, "alpha:0 ")

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
