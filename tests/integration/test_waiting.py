"""Waiting for times that are known, as every route does that does not say otherwise."""

import grpc
from harness import Background, IntegrationTest, chat_request, numbered, route_yaml, seconds, stream, streams, upstream_yaml


class Waiting(IntegrationTest):
    def one(self, route="", args=()):
        (self.alpha,) = self.upstreams("alpha", args=args)
        return self.gateway(upstream_yaml("alpha", self.alpha.url), route_yaml(["alpha"], extra=route))

    def test_one_rate_limit_among_many_calls_fails_none(self):
        stub = self.one()
        self.alpha.script(faults=["status:429:retry-after=2"], once=True)
        answers = streams(stub, [chat_request(f"call {i}") for i in range(150)])
        for answer in answers:
            self.ok(answer, numbered("alpha"))
        self.assertEqual(self.alpha.stats()["requests"], 151)
        limited = [answer for answer in answers if len(answer.end.attempts) == 2]
        self.assertEqual(len(limited), 1)
        self.assertEqual(limited[0].end.attempts[0].error_class, "rate_limited")
        self.assertGreater(seconds(limited[0].end.queued), 1)
        self.reaches("sluice_queue_wait_seconds_count", 1, route="chat", result="admitted")

    def test_what_takes_too_long_is_refused_at_once_with_the_time(self):
        stub = self.one(route="queue: {max_wait: 3s}")
        self.alpha.script(faults=["status:429:retry-after=60"], once=True)
        for _ in range(3):
            answer = stream(stub, chat_request())
            self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertTrue(30 < seconds(answer.details()["RetryInfo"].retry_delay) <= 60)
            self.assertIn("longer than the 3s that the call may wait", answer.error.details())
        self.assertEqual(self.alpha.stats()["requests"], 1)
        self.assertEqual(self.server.metric("sluice_queued_total", route="chat"), 0)

    def test_a_length_of_zero_turns_it_off(self):
        stub = self.one(route="queue: {max_length: 0}")
        self.alpha.script(faults=["status:429:retry-after=20"], once=True)
        answer = stream(stub, chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(len(answer.attempts()), 1)
        self.assertEqual(self.server.metric("sluice_queued_total", route="chat"), 0)

    def test_a_limit_is_not_waited_for_unless_the_policy_says_so(self):
        (self.alpha,) = self.upstreams("alpha", args=("--chunks", "20", "--interval", "100ms"))
        stub = self.gateway(upstream_yaml("alpha", self.alpha.url, extra="limits: {max_requests: 1}"), route_yaml(["alpha"]))
        running = Background(stub, chat_request())
        self.reaches("sluice_open_calls", 1)
        self.reaches("sluice_upstream_in_flight", 1)
        self.assertEqual(stream(stub, chat_request()).code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.ok(running.answer())

    def test_a_rate_limit_without_a_time_is_told_with_one(self):
        stub = self.one(route="retry: {max_attempts: 1, backoff: {fixed: {delay: 20s}}}")
        self.alpha.script(faults=["status:429"], once=True)
        for _ in range(2):
            answer = stream(stub, chat_request())
            self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertTrue(10 < seconds(answer.details()["RetryInfo"].retry_delay) <= 20, answer.error)
        self.assertEqual(self.alpha.stats()["requests"], 1)
