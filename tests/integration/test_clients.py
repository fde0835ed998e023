"""client/python and client/node, as installed, against a real data plane."""

import base64
import json
import os

from driven_clients import Installed, programs
from google.protobuf import json_format
from harness import ROOT, chat_request, documents, gateway_pb2, route_yaml, run, upstream_yaml
from insisting_upstream import InsistingUpstream, Refusal, chunk, wrong
from proxies import certificate
from stepped_upstream import SteppedUpstream

CASES = os.path.join(ROOT, "tests", "client", "collector_cases.json")


def decoded(text):
    return gateway_pb2.ChatResponse.FromString(base64.b64decode(text))


def without_times(response):
    """What two calls for the same answer have in common."""
    same = gateway_pb2.ChatResponse()
    same.CopyFrom(response)
    same.started.call_id = ""
    for attempt in same.end.attempts:
        for field in ("duration", "time_to_first_token"):
            attempt.ClearField(field)
    same.end.ClearField("total")
    return same


def answers(table):
    """An upstream that gives the answer that the last question names."""
    return InsistingUpstream(lambda request, headers: table[request["messages"][-1]["content"]])


def choice(index, delta, finish=None, **fields):
    return {"id": "1", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish, **fields}]}


def call_piece(index, **function):
    first = {"id": f"call-{index}", "type": "function"} if "name" in function else {}
    return {"index": index, "function": function, **first}


ANSWERS = {
    "text with usage": [chunk({"content": "Räy"}), chunk({"content": "leigh 🌈"}), chunk({}, "stop"),
                        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}],
    "two calls in turns, text between": [
        chunk({"tool_calls": [call_piece(0, name="weather", arguments="{\"city\":")]}),
        chunk({"tool_calls": [call_piece(1, name="clock", arguments="")]}), chunk({"content": "Wait."}),
        chunk({"tool_calls": [call_piece(1, arguments="{\"zone\": 9007199254740993}")]}),
        chunk({"tool_calls": [call_piece(0, arguments="\"Bern\"}")]}), chunk({}, "tool_calls")],
    "reasoning with a signature": [
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "c2ln"}]}),
        chunk({"content": "Yes."}), chunk({}, "stop")],
    "two choices": [choice(1, {"content": "Tails"}), choice(0, {"content": "Heads"}), choice(0, {}, "stop"),
                    choice(1, {}, "length")],
    "log probabilities": [
        {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None, "logprobs": {
            "content": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105],
                         "top_logprobs": [{"token": "Ho", "logprob": -1.5, "bytes": [72, 111]}]}]}}]}, chunk({}, "stop")],
    "a refusal": [chunk({"refusal": "I will "}), chunk({"refusal": "not."}), chunk({}, "stop")],
    "sources": [
        chunk({"content": "Rayleigh"}), chunk({"annotations": [{"type": "url_citation", "url_citation": {
            "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 8}}]}),
        chunk({"content": " scattering."}), chunk({}, "stop")],
    "spoken": [
        chunk({"audio": {"id": "audio-1", "transcript": "Be"}}), chunk({"audio": {"data": "AAEC"}}),
        chunk({"audio": {"transcript": "cause.", "data": "AwQ="}}), chunk({}, "stop")],
    "fields of the provider's own": [
        {**chunk({"content": "See"}), "citations": ["https://a.example"], "price": 1.5e-3},
        choice(0, {"content": " there."}, annotations_x=["a"]), choice(0, {}, "stop", annotations_x=["b"])],
}


class Collectors(Installed):
    def test_every_case_of_the_table_is_collected_alike(self):
        with open(CASES) as table:
            cases = json.load(table)
        for name, args in programs().items():
            if name == "python aio":
                continue
            status, out, err = run(*args, "cases", stdin=json.dumps(cases))
            self.assertEqual(status, 0, err)
            told = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(len(told), len(cases))
            for case, got in zip(cases, told):
                with self.subTest(client=name, case=case["name"]):
                    wanted = json_format.ParseDict(case["response"], gateway_pb2.ChatResponse())
                    self.assertEqual(str(decoded(got["response"])), str(wanted))
                    self.assertEqual((got["complete"], got["refused"]), (case["complete"], case.get("refused")))

    def test_what_is_collected_is_what_chat_gives(self):
        self.serve(answers(ANSWERS))

        def claim(driven):
            for name in ANSWERS:
                with self.subTest(answer=name):
                    request = chat_request(name, n=2 if name == "two choices" else None,
                                           logprobs=name == "log probabilities")
                    request.stream_options.include_extras = True
                    driven.call(request, unary=True)
                    unary = decoded(driven.next()["unary"])
                    got = driven.result()
                    self.assertIsNone(got["failure"])
                    self.assertTrue(got["complete"])
                    self.assertTrue(unary.choices[0].message.parts)
                    self.assertEqual(str(without_times(decoded(got["response"]))), str(without_times(unary)))

        self.each(claim)


class Calls(Installed):
    def test_an_answer_goes_back_as_it_came(self):
        signed = [{"type": "reasoning.text", "text": "hm", "signature": "c2ln", "id": "r1"}]
        clock = {**call_piece(0, name="clock", arguments="{\"zone\": 9007199254740993}"),
                 "extra_content": {"google": {"thought_signature": "AAEC"}}}
        first = [chunk({"reasoning_details": signed}), chunk({"content": "Let me see."}), chunk({"tool_calls": [clock]}),
                 chunk({}, "tool_calls")]
        second = [chunk({"content": "Late."}), chunk({}, "stop")]
        upstream = self.serve(answers({"What time is it?": first, "And now?": second}))

        def claim(driven):
            driven.call(chat_request("What time is it?"), next=["And now?"])
            self.assertIsNone(driven.result()["failure"])
            got = driven.result()
            self.assertEqual((got["failure"], got["text"]), (None, "Late."))
            asked, answered, again = upstream.requests[-1]["messages"]
            self.assertEqual([asked["role"], answered["role"], again["role"]], ["user", "assistant", "user"])
            self.assertEqual(answered["content"], "Let me see.")
            self.assertEqual(answered["reasoning_details"], signed)
            [call] = answered["tool_calls"]
            self.assertEqual(call["function"], clock["function"])
            self.assertEqual(call["extra_content"], clock["extra_content"])

        self.each(claim)

    def test_text_arrives_while_the_answer_is_made(self):
        upstream = self.serve(SteppedUpstream())

        def claim(driven):
            driven.call()
            turn = upstream.turn()
            turn.say("first ")
            self.assertEqual(driven.next()["content"], "first ")
            turn.finish("last")
            self.assertEqual(driven.result()["text"], "first last")

        self.each(claim)

    def test_who_leaves_the_loop_or_cancels_ends_the_call(self):
        upstream = self.serve(SteppedUpstream())

        def claim(driven):
            for job in ({"leave_after": 1}, {"cancel_after": 1}):
                with self.subTest(job=job):
                    driven.call(**job)
                    turn = upstream.turn()
                    turn.say("first ")
                    got = driven.result()
                    # The program still runs: what ended is the call, not its process.
                    self.assertTrue(turn.gone.wait(60))
                    self.assertTrue(driven.runs())
                    self.assertEqual((got["text"], got["complete"]), ("first ", False))
                    if got["failure"]:
                        self.assertEqual(got["failure"]["code"], "CANCELLED")

        self.each(claim)

    def test_a_deadline_ends_the_call(self):
        upstream = self.serve(SteppedUpstream())

        def claim(driven):
            for said in ((), ("first ",)):
                with self.subTest(said=said):
                    driven.call(timeout=2)
                    turn = upstream.turn()
                    turn.say(*said)
                    got = driven.result()
                    self.assertEqual(got["failure"]["code"], "DEADLINE_EXCEEDED")
                    self.assertEqual((got["text"], got["complete"]), ("".join(said), False))
                    self.assertTrue(turn.gone.wait(60))

        self.each(claim)

    def test_tls(self):
        cert, key = certificate(self.folder)
        sealed = [chunk({"content": "sealed"}), chunk({}, "stop")]
        self.serve(answers({"Sealed?": sealed}), "--tls-cert", cert, "--tls-key", key)

        def claim(driven):
            driven.call(chat_request("Sealed?"), ca=cert)
            self.assertEqual(driven.result()["text"], "sealed")
            # In the clear it is nobody's gateway.
            driven.call(chat_request("Sealed?"))
            failure = driven.result()["failure"]
            self.assertEqual((failure["code"], failure["from_gateway"]), ("UNAVAILABLE", False))

        self.each(claim)


WORDS = {"ascii": "x" * 5000, "two bytes": "Zürich " * 700, "four bytes": "🌈" * 300, "one off": "x" + "日本" * 300}


class Errors(Installed):
    def test_a_failure_is_decoded_whatever_its_words(self):
        def refuse(request, headers):
            raise Refusal(503, {"error": {"message": WORDS[request["messages"][-1]["content"]]}})

        self.serve(InsistingUpstream(refuse))

        def claim(driven):
            for name, text in WORDS.items():
                with self.subTest(words=name):
                    driven.call(chat_request(name))
                    failure = driven.result()["failure"]
                    self.assertEqual((failure["code"], failure["from_gateway"]), ("UNAVAILABLE", True))
                    self.assertEqual(failure["reason"], "ATTEMPTS_EXHAUSTED")
                    self.assertEqual(failure["line"], f"UNAVAILABLE: {failure['message']}")
                    self.assertIn(text[:20], failure["attempts"][0])
                    self.assertNotIn("\ufffd", failure["message"] + failure["attempts"][0])

        self.each(claim)

    def test_a_time_to_come_back_is_told_in_seconds(self):
        alpha = self.simulator("alpha", "--fault", "status:429:retry-after=300")
        self.server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))

        def claim(driven):
            driven.call()
            failure = driven.result()["failure"]
            self.assertEqual(failure["code"], "RESOURCE_EXHAUSTED")
            self.assertGreater(failure["retry_after"], 200)
            self.assertLessEqual(failure["retry_after"], 300)

        self.each(claim)

    def test_the_callers_own_fault(self):
        def refuse(request, headers):
            raise wrong("temperature: 3 is too much", param="temperature")

        self.serve(InsistingUpstream(refuse))

        def claim(driven):
            driven.call()
            failure = driven.result()["failure"]
            self.assertEqual(failure["code"], "INVALID_ARGUMENT")
            self.assertIn("temperature: 3 is too much", failure["message"])

        self.each(claim)

    def test_nobody_there(self):
        self.serve(answers({}))
        self.server.stop()

        def claim(driven):
            driven.call()
            failure = driven.result()["failure"]
            self.assertEqual((failure["code"], failure["reason"], failure["from_gateway"]), ("UNAVAILABLE", "", False))
            self.assertTrue(failure["message"])

        self.each(claim)
