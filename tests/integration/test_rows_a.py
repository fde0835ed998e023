"""Rows A1 to A5: the failover of a token stream. Policies are pushed; the
upstreams are simulators; every row also shows in a metric."""

import grpc
from harness import (IntegrationTest, chat_request, gateway_pb2, numbered, pool_yaml, route_yaml, stream, streams,
                     upstream_yaml, wait_for)

TIMEOUTS = "timeouts: {connect: 5s, first_content: 1s, idle: 1s}"
RETRY = "retry: {max_attempts: 3, backoff: {fixed: {delay: 5ms}}, budget: {max_tokens: 1000}}"
# Before any content; 429 comes last, for it puts the endpoint to rest.
UNSEEN = ("refuse", "status:500", "status:502", "status:503", "status:529", "silence", "no-headers", "cut:0", "reset:0",
          "stall:0", "malformed:0", "garbage", "error-event:0", "wrong-type", "status:429:retry-after=1")
NO_BREAKER = "circuit_breaker: {mode: DISABLED}"


class RowsA(IntegrationTest):
    def pair(self, extra="", args=(), route=f"{TIMEOUTS}\n{RETRY}"):
        self.alpha, self.beta = self.upstreams("alpha", "beta", args=args)
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=extra or NO_BREAKER),
                            upstream_yaml("beta", self.beta.url, extra=extra or NO_BREAKER),
                            route_yaml(["alpha", "beta"], extra=route))

    def test_row_a1_the_call_goes_on_at_the_next_unseen(self):
        stub = self.pair()
        for fault in UNSEEN:
            with self.subTest(fault=fault):
                answer = self.ok(stream(stub, chat_request(f"[[alpha {fault}]] hello")), numbered("beta"))
                self.assertEqual([attempt.upstream for attempt in answer.end.attempts], ["alpha", "beta"])
                self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)
        self.reaches("sluice_failovers_total", len(UNSEEN), route="chat")

    def test_row_a1_a_server_that_is_gone_is_passed_over(self):
        stub = self.pair()
        self.alpha.script(down=True)
        answer = self.ok(stream(stub, chat_request()), numbered("beta"))
        self.assertEqual(answer.end.attempts[0].error_class, "connect")
        self.alpha.script(down=False)
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.reaches("sluice_failovers_total", 1, route="chat")

    def test_row_a2_tokens_are_relayed_as_they_come(self):
        stub = self.pair(args=("--chunks", "12", "--interval", "200ms"))
        # An upstream that falls silent: what it has sent is here, or never comes.
        came = []

        def leave_at_the_fifth(call, event):
            came.append(event.content.text)
            if "".join(came) == numbered("alpha", 5) + " ":
                call.cancel()

        self.assertEqual(stream(stub, chat_request("[[alpha stall:5]] hello"), on_event=leave_at_the_fifth).code,
                         grpc.StatusCode.CANCELLED)
        self.assertEqual(self.alpha.stats()["completed"], 0)
        wait_for("all of it to be gone", self.server.idle)
        # The first token's time is measured, and it is not the last one's.
        started = self.server.metric("gen_ai_server_time_to_first_token_seconds_sum")
        lasted = self.server.metric("gen_ai_client_operation_duration_seconds_sum")
        answer = self.ok(stream(stub, chat_request()), numbered("alpha", 12))
        self.reaches("gen_ai_server_time_to_first_token_seconds_count", 2)
        first = self.server.metric("gen_ai_server_time_to_first_token_seconds_sum") - started
        whole = self.reaches("gen_ai_client_operation_duration_seconds_sum", lasted + 2) - lasted
        # Two seconds, less what a busy machine may be late.
        self.assertLess(first, whole - 0.5)
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)

    def test_row_a3_one_winner_whatever_the_timing(self):
        # Content comes around the moment at which the gateway gives up on it.
        stub = self.pair(route=f"timeouts: {{first_content: 500ms, idle: 5s}}\n{RETRY}")
        self.alpha.script(content_delay_ms=300, content_delay_jitter_ms=400)
        calls = 60
        answers = streams(stub, [chat_request(f"call {i}") for i in range(calls)])
        wholes = {numbered("alpha"): 0, numbered("beta"): 0}
        for answer in answers:
            self.ok(answer)
            self.assertIn(answer.text, wholes)
            self.assertTrue(answer.text.startswith(answer.end.served_by.split("/")[0]))
            self.assertEqual(sum(attempt.outcome == "ok" for attempt in answer.end.attempts), 1)
            wholes[answer.text] += 1
        print("alpha and beta won", list(wholes.values()))
        self.assertGreater(min(wholes.values()), 0)
        self.reaches("sluice_attempts_total", calls, outcome="ok")
        self.assertEqual(self.server.metric("sluice_attempts_total", outcome="ok"), calls)

    def test_row_a3_of_two_hedged_attempts_one_is_heard(self):
        self.alpha, self.beta = self.upstreams("alpha", "beta", args=("--chunks", "20"))
        stub = self.gateway(pool_yaml("pool", self.alpha.url, self.beta.url),
                            route_yaml(["pool"], extra="hedge: {delay: 20ms, max_hedge_percent: 100}\n"
                                       "retry: {budget: {retry_percent: 100}}"))
        for simulator in (self.alpha, self.beta):
            simulator.script(content_delay_ms=0, content_delay_jitter_ms=60, interval_ms=1)
        for i in range(40):
            answer = self.ok(stream(stub, chat_request(f"call {i}")))
            self.assertIn(answer.text, (numbered("alpha", 20), numbered("beta", 20)))
        self.reaches("sluice_hedges_total", 1)
        wait_for("the losers to be left", self.server.idle)

    def test_row_a4_a_callers_own_error_comes_back_at_once(self):
        stub = self.pair(extra="circuit_breaker: {min_calls: 5, count_window: 10}")
        for status in (400, 413, 422):
            with self.subTest(status=status):
                answer = stream(stub, chat_request(f"[[alpha status:{status}]] hello"))
                self.assertEqual(answer.code, grpc.StatusCode.INVALID_ARGUMENT, answer.error)
                self.assertEqual([attempt.error_class for attempt in answer.attempts()], ["caller"])
        # However often: nobody else's calls suffer.
        for _ in range(12):
            stream(stub, chat_request("[[alpha status:400]] hello"))
        self.ok(stream(stub, chat_request()), numbered("alpha"))
        self.assertEqual(self.beta.stats()["requests"], 0)
        self.reaches("sluice_calls_total", 15, code="INVALID_ARGUMENT")
        self.assertEqual(self.server.metric("sluice_retries_total"), 0)

    def test_row_a5_one_error_tells_what_happened_at_each(self):
        stub = self.pair()
        answer = stream(stub, chat_request("[[alpha status:503]] [[beta reset:0]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual((answer.text, answer.end), ("", None))
        attempts = answer.attempts()
        self.assertEqual([attempt.upstream for attempt in attempts][:2], ["alpha", "beta"])
        self.assertEqual([attempt.error_class for attempt in attempts][:2], ["overload", "reset"])
        self.assertEqual(attempts[0].http_status, 503)
        text = answer.error.details()
        for part in ('"chat"', "3 attempts", "alpha/", "503", "beta/"):
            self.assertIn(part, text)
        info = answer.details()["ErrorInfo"]
        self.assertEqual((info.domain, info.reason), ("sluice", "ATTEMPTS_EXHAUSTED"))
        self.reaches("sluice_calls_total", 1, code="UNAVAILABLE")
