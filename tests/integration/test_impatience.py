"""Callers who leave early: no failure of anybody's, and no cover for who is silent."""

import threading

import grpc
from harness import (IntegrationTest, chat_request, gateway_pb2, numbered, pool_yaml, route_yaml, stream, streams,
                     wait_for)

IMPATIENT = 0.6


class Impatience(IntegrationTest):
    def start(self, first_content="30s", extra="", args=()):
        self.alpha, = self.upstreams("alpha", args=args)
        return self.gateway(
            pool_yaml("alpha", f"name: main, url: {self.alpha.url}", extra=extra),
            route_yaml(["alpha"], extra=f"retry: {{max_attempts: 1}}\ntimeouts: {{first_content: {first_content}}}"))

    def leaves(self, stub, calls, timeout=IMPATIENT):
        answers = streams(stub, [chat_request() for _ in range(calls)], timeout=timeout)
        for answer in answers:
            self.assertEqual(answer.code, grpc.StatusCode.DEADLINE_EXCEEDED, answer.error)
        return answers

    def opened(self):
        return self.server.metric("sluice_breaker_changes_total", upstream="alpha", to="open")

    def served(self, stub):
        """The patient, as if nobody had left."""
        self.ok(stream(stub, chat_request()), numbered("alpha", 20))
        self.assertEqual(self.opened(), 0)
        self.assertEqual(self.server.metric("sluice_attempts_total", outcome="failed"), 0)

    def test_deadlines_after_content_leave_a_healthy_endpoint_to_the_patient(self):
        stub = self.start(args=("--interval", "100ms", "--chunks", "20"))
        for answer in self.leaves(stub, 20):
            self.assertTrue(answer.text.startswith("alpha:0"), answer.text)
            if answer.end is None:
                continue  # the client's own clock was faster
            self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_TRUNCATED)
            self.assertEqual(answer.end.error.reason, "DEADLINE_EXCEEDED")
            self.assertEqual([attempt.outcome for attempt in answer.end.attempts], ["cancelled"])
        self.reaches("sluice_calls_total", 20, outcome="truncated")
        self.assertEqual(self.server.metric("sluice_calls_total", code="ABORTED"), 0)
        self.served(stub)

    def test_deadlines_of_unary_calls_leave_a_healthy_endpoint_to_the_patient(self):
        stub = self.start(args=("--interval", "100ms", "--chunks", "20"))

        def leave():
            with self.assertRaises(grpc.RpcError) as caught:
                stub.Chat(chat_request(), timeout=IMPATIENT)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

        threads = [threading.Thread(target=leave) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.served(stub)

    def test_deadlines_before_content_leave_a_healthy_endpoint_to_the_patient(self):
        stub = self.start(args=("--first-delay", "1500ms", "--chunks", "20"))
        for answer in self.leaves(stub, 20):
            self.assertEqual(answer.text, "")
        self.served(stub)

    def test_cancelled_calls_leave_a_healthy_endpoint_to_the_patient(self):
        stub = self.start(args=("--interval", "100ms", "--chunks", "20"))
        for _ in range(20):
            answer = stream(stub, chat_request(), on_event=lambda call, _: call.cancel())
            self.assertEqual(answer.code, grpc.StatusCode.CANCELLED)
        self.served(stub)

    def test_a_silent_endpoint_is_opened_though_every_caller_leaves(self):
        stub = self.start(first_content="2s", extra="circuit_breaker: {open: 60s}")
        self.alpha.script(faults=["silence"] * 100, once=True)
        for _ in range(6):
            self.leaves(stub, 1, timeout=0.3)
        self.reaches("sluice_breaker_changes_total", 1, upstream="alpha", endpoint="main", to="open")
        self.assertEqual(self.server.metric("sluice_verifying_attempts_total", endpoint="main", outcome="failed",
                                            error_class="timeout"), 1)
        self.assertEqual(self.server.metric("sluice_attempts_verifying"), 0)
        self.assertIn("went on when its caller had left", self.operator("breaker", "explain", "alpha/main"))
        lines = [line for line in self.server.log_lines() if line.get("message") == "verified"]
        self.assertEqual([line["status"] for line in lines], ["failed"])
        wait_for("nothing to be left", self.server.idle)

    def test_it_is_opened_too_where_calls_are_shared(self):
        """Who leaves last ends a call that has an idempotency key."""
        stub = self.start(first_content="2s")
        self.alpha.script(faults=["silence"] * 100, once=True)
        for key in range(6):
            answer = stream(stub, chat_request(), timeout=0.3, metadata=(("idempotency-key", f"key-{key}"),))
            self.assertEqual(answer.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        self.reaches("sluice_breaker_changes_total", 1, upstream="alpha", endpoint="main", to="open")

    def test_a_stop_waits_for_no_verdict(self):
        stub = self.start(first_content="60s")
        self.alpha.script(faults=["silence"] * 100, once=True)
        for _ in range(6):
            self.leaves(stub, 1, timeout=0.2)
        self.reaches("sluice_attempts_verifying", 1)
        self.server.leave()
        self.assertEqual(self.server.stop(seconds=15), 0)
