"""Rows E1 to E3: fallbacks."""

import grpc
from harness import (IntegrationTest, chat_request, ctl, documents, gateway_pb2, numbered, route_yaml, stream,
                     upstream_yaml, user)

NO_BREAKER = "circuit_breaker: {mode: DISABLED}"
RETRY = "retry: {max_attempts: 2, backoff: {fixed: {delay: 2ms}}, budget: {max_tokens: 1000, retry_percent: 100}}"


class RowsE(IntegrationTest):
    def start(self, *policies, route=""):
        self.alpha, self.beta = self.upstreams("alpha", "beta")
        return self.gateway(upstream_yaml("alpha", self.alpha.url, extra=NO_BREAKER),
                            upstream_yaml("beta", self.beta.url, extra=NO_BREAKER),
                            route_yaml(["alpha"], extra=f"{RETRY}\n{route}".strip()), *policies)

    def failing(self, stub, fault="status:503", **request):
        return stream(stub, chat_request(f"[[alpha {fault}]] hello", **request))

    def test_row_e1_another_route_answers_when_all_failed(self):
        stub = self.start(route_yaml(["beta"], name="spare"), route="fallback: {route: spare}")
        answer = self.ok(self.failing(stub), numbered("beta"))
        self.assertEqual([attempt.upstream for attempt in answer.end.attempts], ["alpha", "alpha", "beta"])
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_FALLBACK)
        self.assertEqual(answer.end.error.error_class, "overload")
        self.reaches("sluice_fallbacks_total", 1, route="chat")
        # It fails as well: one error, and all that was tried.
        answer = stream(stub, chat_request("[[alpha status:503]] [[beta status:503]] hello"))
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        self.assertGreaterEqual(len(answer.attempts()), 3)
        self.assertEqual({attempt.upstream for attempt in answer.attempts()}, {"alpha", "beta"})

    def test_row_e1_it_knows_the_cause(self):
        stub = self.start(route="fallback: {static_answer: {text: 'Sorry: {model} is away ({cause}).'}}\n"
                          "timeouts: {first_content: 1s}")
        for fault, cause in (("status:503", "overload"), ("status:500", "server_error"), ("reset:0", "reset"),
                             ("silence", "timeout")):
            with self.subTest(fault=fault):
                answer = self.ok(self.failing(stub, fault), f"Sorry: chat is away ({cause}).")
                self.assertEqual(answer.end.error.error_class, cause)
        self.alpha.script(down=True)
        self.ok(self.failing(stub), "Sorry: chat is away (connect).")
        self.alpha.script(down=False)
        # A caller's own error is its own.
        self.assertEqual(self.failing(stub, "status:400").code, grpc.StatusCode.INVALID_ARGUMENT)
        self.reaches("sluice_fallbacks_total", 1, route="chat", cause="overload")
        self.reaches("sluice_fallbacks_total", 5, route="chat")

    def test_row_e1_only_the_causes_that_it_names(self):
        stub = self.start("kind: Fallback\nname: overloaded\ncauses: [OVERLOAD]\nstatic_answer: {text: busy}",
                          route="fallback: overloaded")
        self.ok(self.failing(stub, "status:503"), "busy")
        self.assertEqual(self.failing(stub, "status:500").code, grpc.StatusCode.UNAVAILABLE)
        self.reaches("sluice_fallbacks_total", 1, route="chat")

    def test_row_e2_the_one_named_default_is_for_the_rest(self):
        stub = self.start("kind: Fallback\nname: default\nstatic_answer: {text: of last resort}",
                          route_yaml(["alpha"], name="own", extra=f"{RETRY}\nfallback: {{static_answer: {{text: my own}}}}"))
        answer = self.ok(self.failing(stub), "of last resort")
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_FALLBACK)
        self.ok(self.failing(stub, model="own"), "my own")
        # Taken back by a push, the error shows again.
        self.operator("delete", "fallback/default")
        self.assertEqual(self.failing(stub).code, grpc.StatusCode.UNAVAILABLE)
        self.reaches("sluice_fallbacks_total", 1, route="chat")
        self.reaches("sluice_fallbacks_total", 1, route="own")

    def test_row_e3_the_answer_is_well_formed_and_says_what_it_is(self):
        stub = self.start(route="fallback: {static_answer: {text: 'We will be back.'}}")
        answer = self.ok(self.failing(stub), "We will be back.")
        kinds = [event.WhichOneof("kind") for event in answer.events]
        self.assertEqual(kinds[0], "started")
        self.assertEqual(kinds[-1], "end")
        self.assertIn("choice_end", kinds)
        (end,) = [event.choice_end for event in answer.events if event.HasField("choice_end")]
        self.assertEqual(end.finish_reason, gateway_pb2.FINISH_REASON_STOP)
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_FALLBACK)
        self.assertTrue(answer.end.error.reason)
        self.assertEqual([attempt.outcome for attempt in answer.end.attempts], ["failed", "failed"])
        # The same in one piece, and for two answers.
        whole = stub.Chat(chat_request("[[alpha status:503]] hello", n=2), timeout=10)
        self.assertEqual([[part.text for part in choice.message.parts] for choice in whole.choices],
                         [["We will be back."]] * 2)
        self.assertEqual(whole.end.outcome, gateway_pb2.OUTCOME_FALLBACK)
        self.reaches("sluice_calls_total", 2, outcome="fallback")

    def test_row_e3_fallbacks_that_lead_nowhere_are_refused(self):
        self.start()
        status, out, err = ctl(self.control, "apply", "-f", "-", stdin=documents(
            route_yaml(["alpha"], name="one", extra="fallback: {route: two}"),
            route_yaml(["alpha"], name="two", extra="fallback: {route: one}")))
        self.assertEqual(status, 5, out + err)
        self.assertRegex(out + err, r"route/(one|two): fallback")
        self.assertEqual(self.server.metric("sluice_config_revision"), 1)
