"""What breaks behind a call, and what its caller sees."""

import os
import random
import threading
import time

import grpc
from harness import (IntegrationTest, chat_request, documents, gateway_pb2, route_yaml, stream, upstream_yaml,
                     wait_for)

# Every way in which the simulator can fail. `after_content`: a caller may have
# seen a beginning, so that the call may end truncated.
FAULTS = {
    "refuse": False,
    "status:500": False,
    "status:503": False,
    "status:429": False,
    "silence": False,
    "no-headers": False,
    "cut:0": False,
    "cut:3": True,
    "reset:0": False,
    "reset:4": True,
    "stall:0": False,
    "stall:2": True,
    "trickle": None,  # slow, but whole
    "malformed:0": False,
    "malformed:2": True,
    "slow:20": None,
    "garbage": False,
    "error-event:0": False,
    "error-event:3": True,
    "wrong-type": False,
}
TIMEOUTS = "timeouts: {connect: 5s, first_content: 1s, idle: 1s}"
RETRY = "retry: {max_attempts: 3, backoff: {fixed: {delay: 5ms}}}"


def numbered(name, chunks):
    """The whole answer of a simulator in numbered mode."""
    return " ".join(f"{name}:{i}" for i in range(chunks))


class Failover(IntegrationTest):
    CHUNKS = 12

    def pair(self, *alpha_args):
        mode = ("--answer", "numbered", "--chunks", str(self.CHUNKS))
        alpha = self.simulator("alpha", *mode, *alpha_args)
        beta = self.simulator("beta", *mode)
        # Every fault is to reach alpha: a breaker would spare it most of them.
        watched = "circuit_breaker: {mode: OBSERVE_ONLY}"
        server = self.data_plane(documents(
            upstream_yaml("alpha", alpha.url, extra=watched), upstream_yaml("beta", beta.url),
            route_yaml(["alpha", "beta"], extra=f"{TIMEOUTS}\n{RETRY}")))
        return alpha, beta, server

    def check_whole_or_clear(self, answer, after_content=True):
        """Whole, in order, from one upstream; or a beginning of one and a clear status."""
        wholes = [numbered(name, self.CHUNKS) for name in ("alpha", "beta")]
        self.assertEqual(answer.after_end, 0)
        if answer.code == grpc.StatusCode.OK:
            self.assertIn(answer.text, wholes)
            self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)
            self.assertTrue(answer.text.startswith(answer.end.served_by.split("/")[0]))
        else:
            self.assertTrue(any(whole.startswith(answer.text) for whole in wholes), answer.text)
            if answer.text:
                self.assertTrue(after_content)
                self.assertEqual(answer.code, grpc.StatusCode.ABORTED, answer.error)
                self.assertEqual(answer.details()["ErrorInfo"].reason, "STREAM_TRUNCATED")
                self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_TRUNCATED)
        self.assertLessEqual(len(answer.attempts()), 3)

    def test_row_a1_every_fault_before_content_is_healed_unseen(self):
        alpha, beta, server = self.pair()
        stub = server.stub()
        for fault, after_content in FAULTS.items():
            with self.subTest(fault=fault):
                before = alpha.stats()["requests"] + beta.stats()["requests"]
                answer = stream(stub, chat_request(f"[[alpha {fault}]] hello"))
                self.check_whole_or_clear(answer, bool(after_content))
                if after_content is False:
                    self.assertEqual(answer.text, numbered("beta", self.CHUNKS), answer.error)
                    self.assertEqual(len(answer.attempts()), 2)
                elif after_content is None:
                    self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
                received = alpha.stats()["requests"] + beta.stats()["requests"] - before
                self.assertEqual(received, len(answer.attempts()))
                wait_for("alpha to rest", lambda: self.uncool(server, alpha))

    def uncool(self, server, alpha):
        """429 puts an endpoint to rest; the next fault must reach it again."""
        answer = stream(server.stub(), chat_request("probe"))
        return answer.end is not None and answer.end.served_by.startswith("alpha/")

    def test_row_a3_a_cut_after_content_ends_in_a_clear_status(self):
        _, _, server = self.pair()
        for fault in ("cut:3", "reset:3", "stall:3", "malformed:3", "error-event:3"):
            with self.subTest(fault=fault):
                answer = stream(server.stub(), chat_request(f"[[alpha {fault}]] hello"))
                self.assertEqual(answer.code, grpc.StatusCode.ABORTED, answer.error)
                self.assertEqual(answer.text, numbered("alpha", 3) + " ")
                self.assertEqual(answer.details()["ErrorInfo"].reason, "STREAM_TRUNCATED")
                self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_TRUNCATED)

    def test_row_a4_a_callers_own_error_is_returned_at_once(self):
        alpha, beta, server = self.pair()
        answer = stream(server.stub(), chat_request("[[alpha status:400]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.INVALID_ARGUMENT, answer.error)
        self.assertEqual(beta.stats()["requests"], 0)
        self.assertEqual(alpha.stats()["requests"], 1)

    def test_row_a5_when_all_fail_one_error_tells_what_happened_at_each(self):
        _, _, server = self.pair()
        answer = stream(server.stub(), chat_request("[[alpha status:503]] [[beta cut:0]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(answer.text, "")
        details = answer.details()
        self.assertEqual([attempt.upstream for attempt in answer.attempts()][:2], ["alpha", "beta"])
        self.assertEqual(len(answer.attempts()), 3)
        self.assertIn("alpha/", answer.error.details())
        self.assertIn("503", answer.error.details())
        self.assertIn("beta/", answer.error.details())
        self.assertEqual(details["ErrorInfo"].domain, "sluice")

    def test_retry_after_is_kept_and_told(self):
        alpha, beta, server = self.pair()
        answer = stream(server.stub(), chat_request(
            "[[alpha status:429:retry-after=17]] [[beta status:429:retry-after=15]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED, answer.error)
        seconds = answer.details()["RetryInfo"].retry_delay.seconds
        self.assertIn(seconds, (14, 15))
        # Both rest now: nobody is asked again before their time.
        asked = alpha.stats()["requests"] + beta.stats()["requests"]
        again = stream(server.stub(), chat_request("hello"))
        self.assertEqual(again.code, grpc.StatusCode.RESOURCE_EXHAUSTED, again.error)
        self.assertEqual(alpha.stats()["requests"] + beta.stats()["requests"], asked)

    def test_a_thousand_calls_over_a_pair_of_which_one_fails_in_every_way(self):
        seed = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 31)))
        print(f"seed {seed} (SLUICE_SEED)")
        chance = random.Random(seed)
        alpha, beta, server = self.pair("--interval", "1ms")
        faults = [fault for fault in FAULTS if not fault.startswith("status:429")] + [None] * 5
        plans = [chance.choice(faults) for _ in range(1000)]
        answers = [None] * len(plans)
        following = iter(range(len(plans)))
        lock = threading.Lock()

        def caller():
            stub = server.stub()
            while True:
                with lock:
                    index = next(following, None)
                if index is None:
                    return
                fault = plans[index]
                prompt = f"[[alpha {fault}]] call {index}" if fault else f"call {index}"
                answers[index] = stream(stub, chat_request(prompt))

        callers = [threading.Thread(target=caller) for _ in range(16)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()

        attempts = complete = 0
        for fault, answer in zip(plans, answers):
            with self.subTest(fault=fault):
                self.check_whole_or_clear(answer, bool(fault and FAULTS[fault]))
                if not (fault and FAULTS[fault]):
                    self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
            attempts += len(answer.attempts())
            complete += answer.code == grpc.StatusCode.OK
        print(f"{complete} of 1000 complete, {attempts} attempts")
        received = alpha.stats()["requests"] + beta.stats()["requests"]
        self.assertEqual(received, attempts)
        self.assertEqual(server.metric("sluice_attempts_total"), attempts)
        wait_for("all of it to be gone", server.idle)


class LifeOfACall(IntegrationTest):
    def one(self, *args, extra=""):
        alpha = self.simulator("alpha", "--answer", "numbered", *args)
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"], extra=extra)))
        return alpha, server

    def test_row_a2_chunks_are_passed_on_as_they_arrive(self):
        _, server = self.one("--chunks", "10", "--interval", "300ms")
        arrivals = []
        stream(server.stub(), chat_request(),
               on_event=lambda _, event: event.HasField("content") and arrivals.append(time.monotonic()))
        # Nine apart, and not less than a busy machine lets come together.
        self.assertGreaterEqual(len(arrivals), 3)
        self.assertGreater(arrivals[-1] - arrivals[0], 0.7)

    def test_row_d4_a_callers_cancel_closes_the_upstream_at_once(self):
        alpha, server = self.one("--chunks", "1000", "--interval", "20ms")

        def cancel_at_content(call, event):
            if event.HasField("content"):
                call.cancel()

        answer = stream(server.stub(), chat_request(), on_event=cancel_at_content)
        self.assertEqual(answer.code, grpc.StatusCode.CANCELLED)
        wait_for("the upstream to see it", lambda: alpha.stats()["cancelled"] == 1)
        wait_for("all of it to be gone", server.idle)

    def test_row_d4_no_attempt_outlives_the_callers_deadline(self):
        alpha, server = self.one("--chunks", "1000", "--interval", "20ms")
        answer = stream(server.stub(), chat_request(), timeout=0.5)
        self.assertIn(answer.code, (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED))
        wait_for("the upstream to see it", lambda: alpha.stats()["cancelled"] == 1)
        wait_for("all of it to be gone", server.idle)

    def test_a_deadline_before_content_is_deadline_exceeded(self):
        _, server = self.one("--first-delay", "5s", extra="")
        answer = stream(server.stub(), chat_request(), timeout=0.3)
        self.assertEqual(answer.code, grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_row_c2_connect_and_read_timeouts_are_apart(self):
        alpha, server = self.one("--first-delay", "2s",
                                 extra="retry: {max_attempts: 1}\ntimeouts: {connect: 1s, first_content: 200ms}")
        answer = stream(server.stub(), chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE, answer.error)
        self.assertEqual(answer.attempts()[0].error_class, "timeout")
        self.assertIn("first content", answer.attempts()[0].error_message)

    def test_a_caller_that_does_not_read_stops_the_upstream(self):
        # 64 MiB of answer, of which the caller reads one message and rests.
        alpha, server = self.one("--chunks", "16384", "--chunk-bytes", "4096")
        channel = grpc.insecure_channel(server.address, options=[("grpc.max_receive_message_length", -1)])
        from harness import gateway_pb2_grpc
        before = server.resident_kib()
        call = gateway_pb2_grpc.GatewayStub(channel).StreamChat(chat_request(), timeout=60)
        next(call)
        time.sleep(2)
        sent = alpha.stats()["bytes_sent"]
        self.assertLess(sent, 32 << 20)
        self.assertLess(server.resident_kib() - before, 24 << 10)
        total = sum(len(event.content.text) for response in call for event in response.events
                    if event.HasField("content"))
        self.assertGreater(total, 60 << 20)
        wait_for("all of it to be gone", server.idle)

    def test_a_drain_that_runs_out_ends_streams_in_a_clear_status(self):
        # UNAVAILABLE, which gRPC says of what it cancels, would have wrappers replay what was shown.
        alpha, server = self.one("--chunks", "1000", "--interval", "20ms")
        answers = []

        def call():
            answers.append(stream(server.stub(), chat_request()))

        callers = [threading.Thread(target=call) for _ in range(5)]
        for caller in callers:
            caller.start()
        wait_for("the calls to run", lambda: alpha.stats()["answers_open"] == 5)
        time.sleep(0.2)
        self.assertEqual(server.stop(), 0)  # its drain timeout is 1 s
        for caller in callers:
            caller.join()
        self.assertEqual({answer.code for answer in answers}, {grpc.StatusCode.ABORTED})
        self.assertEqual({answer.end.outcome for answer in answers}, {gateway_pb2.OUTCOME_TRUNCATED})
        wait_for("the upstream to be left", lambda: alpha.stats()["connections_open"] == 0)

    def test_a_unary_chat_is_retried_unseen_after_content(self):
        alpha, beta = (self.simulator(name, "--answer", "numbered", "--chunks", "6") for name in ("alpha", "beta"))
        server = self.data_plane(documents(
            upstream_yaml("alpha", alpha.url), upstream_yaml("beta", beta.url),
            route_yaml(["alpha", "beta"], extra=f"{TIMEOUTS}\n{RETRY}")))
        for fault in ("cut:3", "reset:3", "stall:3", "malformed:3", "error-event:3"):
            with self.subTest(fault=fault):
                answer = server.stub().Chat(chat_request(f"[[alpha {fault}]] hello"), timeout=20)
                self.assertEqual([part.text for part in answer.choices[0].message.parts], [numbered("beta", 6)])
                self.assertEqual(len(answer.end.attempts), 2)

    def test_a_model_unknown_at_one_endpoint_is_sought_at_the_next(self):
        alpha, beta = (self.simulator(name, "--answer", "numbered", "--chunks", "6") for name in ("alpha", "beta"))
        server = self.data_plane(documents(upstream_yaml("both", alpha.url, beta.url), route_yaml(["both"])))
        answer = stream(server.stub(), chat_request("[[alpha status:404]] hello"))
        self.assertEqual(answer.text, numbered("beta", 6), answer.error)
        answer = stream(server.stub(), chat_request("[[alpha status:404]] [[beta status:404]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(len(answer.attempts()), 2)
