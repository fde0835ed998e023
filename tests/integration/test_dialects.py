"""What upstreams are sent, where they differ, and what goes back of an answer."""

import json

import grpc
from harness import (IntegrationTest, chat_request, documents, gateway_pb2, route_yaml, stream, upstream_yaml, user,
                     wait_for)
from insisting_upstream import InsistingUpstream, Refusal, chunk, wrong

ROLES = gateway_pb2.Role


def message_of(events):
    """The answer's message, as a caller collects it."""
    parts = {}
    for event in events:
        part = parts.setdefault(event.part, gateway_pb2.Part())
        kind = event.WhichOneof("kind")
        if kind == "content":
            part.text += event.content.text
        elif kind == "reasoning":
            part.reasoning.text += event.reasoning.text
        elif kind == "tool_call_start":
            part.tool_call.id, part.tool_call.name = event.tool_call_start.id, event.tool_call_start.name
        elif kind == "tool_call_delta":
            part.tool_call.arguments_json += event.tool_call_delta.arguments_json
        elif kind == "part_end":
            part.states.extend(event.part_end.states)
    kept = [parts[index] for index in sorted(parts) if parts[index].WhichOneof("kind") or parts[index].states]
    return gateway_pb2.Message(role=ROLES.ROLE_ASSISTANT, parts=kept)


def results_of(message):
    results = [gateway_pb2.Part(tool_result=gateway_pb2.ToolResult(tool_call_id=part.tool_call.id, text="12"))
               for part in message.parts if part.HasField("tool_call")]
    return gateway_pb2.Message(role=ROLES.ROLE_TOOL, parts=results)


class Insists:
    """The upstream's side of a tool loop: what it issued it wants back."""

    TURNS = 5

    def answer(self, request, headers):
        self.check_headers(headers)
        for tool in request["tools"]:
            self.want(isinstance(tool["function"].get("parameters"), dict), "a tool without parameters")
        messages = request["messages"]
        turns = [message for message in messages if message["role"] == "assistant"]
        for number, turn in enumerate(turns):
            self.check_turn(number, turn)
        ids = [call["id"] for turn in turns for call in turn["tool_calls"]]
        self.want(len(set(ids)) == len(ids), f"ids that are not unique: {ids}")
        results = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        self.want(results == ids, f"results {results} of the calls {ids}")
        for message in messages:
            self.want(isinstance(message["content"], str) or message.get("tool_calls"), "content that is no text")
        return self.last() if len(turns) == self.TURNS else self.turn(len(turns))

    @staticmethod
    def want(holds, otherwise):
        if not holds:
            raise wrong(otherwise)

    def check_headers(self, headers):
        self.want("Authorization" not in headers, "an Authorization header without a credential")
        self.want(headers["User-Agent"].startswith("sluice/"), "no User-Agent")
        self.want(headers["Accept-Encoding"] == "identity", "Accept-Encoding")

    def check_turn(self, number, turn):
        self.want(turn.get("reasoning_content") == f"I need {number}.", f"reasoning of turn {number}: {turn}")
        self.want(turn["content"] == ("Wait." if number == 1 else None), f"content of turn {number}: {turn}")
        self.want(len(turn["tool_calls"]) == (2 if number == 2 else 1), f"calls of turn {number}: {turn}")
        for index, call in enumerate(turn["tool_calls"]):
            self.want(isinstance(json.loads(call["function"]["arguments"]), dict), "arguments that are no object")
            self.want(call["function"]["name"] == "look", "the name of a call")
            self.want(call.get("extra_content") == self.signature(number, index),
                      f"call {index} of turn {number} without its signature: {call}")

    @staticmethod
    def signature(number, index):
        return {"google": {"thought_signature": f"c2ln/{number}+{index}=="}}

    def turn(self, number):
        """Turn 0 has a call without id and arguments, 1 a word before it, 2 two calls."""
        yield chunk({"role": "assistant", "content": None})
        yield chunk({"reasoning_content": "I need "})
        yield chunk({"reasoning_content": f"{number}."})
        if number == 1:
            yield chunk({"content": "Wait."})
        for index in range(2 if number == 2 else 1):
            call = {"index": index, "type": "function", "extra_content": self.signature(number, index),
                    "function": {"name": "look", "arguments": "" if number == 0 else '{"at": '}}
            if number != 0:
                call["id"] = f"call_{number}{index}"
            yield chunk({"tool_calls": [call]})
            if number != 0:
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": f"{number}}}"}}]})
        yield chunk({}, "tool_calls")

    @staticmethod
    def last():
        yield chunk({"role": "assistant", "content": "It is 12."})
        yield chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})


class Dialects(IntegrationTest):
    def upstream(self, answer, extra=""):
        upstream = InsistingUpstream(answer)
        self.addCleanup(upstream.stop)
        server = self.data_plane(documents(upstream_yaml("u", upstream.url, extra=extra), route_yaml(["u"])), None,
                                 "--log-format", "json")
        return upstream, server

    def test_a_tool_loop_of_five_turns_against_an_upstream_that_insists(self):
        _, server = self.upstream(Insists().answer)
        messages = [user("Look around, five times.")]
        for _ in range(Insists.TURNS):
            answer = self.ok(stream(server.stub(), self.loop_request(messages)))
            messages.append(message_of(answer.events))
            messages.append(results_of(messages[-1]))
        self.ok(stream(server.stub(), self.loop_request(messages)), "It is 12.")

    @staticmethod
    def loop_request(messages):
        return gateway_pb2.ChatRequest(model="chat", messages=messages, tools=[gateway_pb2.Tool(name="look")])

    def test_a_history_with_states_goes_back_as_it_came(self):
        """The same upstream, and turns as they are collected."""
        insists = Insists()
        _, server = self.upstream(insists.answer)
        messages = [user("Look around, five times.")]
        for number in range(Insists.TURNS):
            parts = [gateway_pb2.Part(reasoning=gateway_pb2.Reasoning(text=f"I need {number}."))]
            if number == 1:
                parts.append(gateway_pb2.Part(text="Wait."))
            for index in range(2 if number == 2 else 1):
                state = json.dumps({"extra_content": insists.signature(number, index)}).encode()
                parts.append(gateway_pb2.Part(
                    tool_call=gateway_pb2.ToolCall(id=f"call_{number}{index}", name="look"),
                    states=[gateway_pb2.ProviderState(issuer="openai", value=state),
                            gateway_pb2.ProviderState(issuer="anthropic", value=b"another's")]))
            messages.append(gateway_pb2.Message(role=ROLES.ROLE_ASSISTANT, parts=parts))
            messages.append(results_of(messages[-1]))
        # A turn that was cut while the model was thinking.
        messages.append(gateway_pb2.Message(role=ROLES.ROLE_ASSISTANT, parts=[
            gateway_pb2.Part(reasoning=gateway_pb2.Reasoning(text="Hm"))]))
        self.ok(stream(server.stub(), self.loop_request(messages)), "It is 12.")

    def refusing(self, *keys):
        """Refuses each of these at the top of a request, in OpenAI's words."""
        def answer(request, headers):
            for key in keys:
                if key in request:
                    raise wrong(f"Unknown parameter: '{key}'.", key, "unknown_parameter")
            return [chunk({"content": "Hello"}), chunk({}, "stop")]
        return answer

    def limited(self):
        return chat_request(sampling=gateway_pb2.Sampling(max_output_tokens=7))

    def test_a_refused_form_is_repeated_in_another_and_remembered(self):
        upstream, server = self.upstream(self.refusing("stream_options", "max_tokens"))
        answer = self.ok(stream(server.stub(), self.limited()), "Hello")
        self.assertEqual(len(answer.attempts()), 3)
        self.assertEqual(upstream.requests[-1]["max_completion_tokens"], 7)
        again = self.ok(stream(server.stub(), self.limited()), "Hello")
        self.assertEqual(len(again.attempts()), 1)
        self.assertEqual(len(upstream.requests), 4)
        lines = wait_for("the log", lambda: [line for line in server.log_lines() if line.get("message") == "form_learned"])
        self.assertEqual([line["refused"] for line in lines], ["stream_options", "max_tokens"])

    def test_a_dialect_in_the_policy_needs_no_refusal(self):
        upstream, server = self.upstream(
            self.refusing("stream_options", "max_tokens"),
            extra="dialect: {stream_options: false, token_limit: MAX_COMPLETION_TOKENS, content_type: text/json}")
        answer = self.ok(stream(server.stub(), self.limited()), "Hello")
        self.assertEqual(len(answer.attempts()), 1)
        self.assertEqual(upstream.headers[0]["Content-Type"], "text/json")

    def test_what_a_caller_asked_for_is_told_with_its_field(self):
        _, server = self.upstream(self.refusing("seed"))
        answer = stream(server.stub(), chat_request(sampling=gateway_pb2.Sampling(seed=1)))
        self.assertEqual(answer.code, grpc.StatusCode.INVALID_ARGUMENT, answer.error)
        self.assertIn("sampling.seed", str(answer.details()))
        self.assertEqual(len(answer.attempts()), 1)

    def test_a_strict_server_gets_a_history_of_another(self):
        """Mistral's 422 for what another provider wants back."""
        def answer(request, headers):
            for number, message in enumerate(request["messages"]):
                for key in set(message) - {"role", "content", "name", "tool_calls", "tool_call_id"}:
                    raise Refusal(422, {"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted",
                                                    "loc": ["body", "messages", number, "assistant", key]}]})
            return [chunk({"content": "Hello"}), chunk({}, "stop")]

        upstream, server = self.upstream(answer)
        turn = gateway_pb2.Message(role=ROLES.ROLE_ASSISTANT, parts=[
            gateway_pb2.Part(reasoning=gateway_pb2.Reasoning(text="hm")),
            gateway_pb2.Part(text="a", states=[gateway_pb2.ProviderState(issuer="openai", value=b'{"x": 1}')])])
        self.ok(stream(server.stub(), gateway_pb2.ChatRequest(model="chat", messages=[user("q"), turn, user("r")])), "Hello")
        self.assertEqual(upstream.requests[-1]["messages"][1], {"role": "assistant", "content": "a"})
