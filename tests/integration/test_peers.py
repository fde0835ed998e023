"""Callers and upstreams that we did not write."""

import json
import os
import subprocess
import unittest
import urllib.request

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from harness import (IntegrationTest, PEERS, ROOT, chat_request, documents, gateway_pb2, route_yaml, run, stream,
                     upstream_yaml, user, wait_for)

ANSWER = ("The sky is blue because air scatters short waves more than long ones. Ünïcödé, 日本語 and 🌈 "
          "arrive whole, \"quotes\" and \\backslashes\\ too.\n\nSecond paragraph.")
FIXTURES = {"fixtures": [
    {"match": {"userMessage": "Why is the sky blue?"}, "response": {"content": ANSWER}},
    {"match": {"userMessage": "weather"}, "response": {"toolCalls": [
        {"name": "get_weather", "arguments": {"city": "Zürich", "unit": "celsius"}}]}},
]}


class AimockUpstream(IntegrationTest):
    """@copilotkit/aimock as the OpenAI upstream: real input that we did not write."""

    def setUp(self):
        super().setUp()
        fixtures = self.file("fixtures.json", json.dumps(FIXTURES))
        port = self.free_port()
        mock = subprocess.Popen([os.path.join(PEERS, "aimock"), "-p", str(port), "-f", fixtures, "-c", "7",
                                 "--log-level", "warn"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(mock.wait)
        self.addCleanup(mock.kill)
        self.url = f"http://127.0.0.1:{port}/v1"
        wait_for("aimock", lambda: self.reachable(port), 20)
        self.server = self.data_plane(documents(upstream_yaml("mock", self.url), route_yaml(["mock"])))

    @staticmethod
    def free_port():
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    @staticmethod
    def reachable(port):
        import socket
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def direct(self, question):
        """The answer without Sluice, as the concatenated deltas."""
        body = json.dumps({"model": "chat", "stream": True, "messages": [{"role": "user", "content": question}]})
        request = urllib.request.Request(self.url + "/chat/completions", body.encode(),
                                         {"content-type": "application/json"})
        deltas = []
        with urllib.request.urlopen(request, timeout=10) as response:
            for line in response:
                if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
                    for choice in json.loads(line[6:])["choices"]:
                        deltas.append(choice["delta"])
        return deltas

    def test_row_a2_text_equals_a_direct_request(self):
        direct = "".join(delta.get("content") or "" for delta in self.direct("Why is the sky blue?"))
        answer = stream(self.server.stub(), chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
        self.assertEqual(answer.text, direct)
        self.assertEqual(answer.text, ANSWER)
        self.assertEqual(answer.end.outcome, gateway_pb2.OUTCOME_COMPLETE)
        self.assertEqual(answer.after_end, 0)

    def test_unary_chat_gives_the_same_text(self):
        response = self.server.stub().Chat(chat_request(), timeout=10)
        self.assertEqual("".join(part.text for part in response.choices[0].message.parts), ANSWER)
        self.assertEqual(response.choices[0].finish_reason, gateway_pb2.FINISH_REASON_STOP)

    def test_tool_call_equals_a_direct_request(self):
        direct = "".join(call.get("function", {}).get("arguments", "")
                         for delta in self.direct("weather") for call in delta.get("tool_calls", []))
        tool = gateway_pb2.Tool(name="get_weather", parameters_json='{"type":"object","properties":{}}')
        answer = stream(self.server.stub(), chat_request("weather", tools=[tool]))
        self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
        starts = [event.tool_call_start for event in answer.events if event.HasField("tool_call_start")]
        self.assertEqual([start.name for start in starts], ["get_weather"])
        self.assertTrue(starts[0].id)
        arguments = "".join(event.tool_call_delta.arguments_json for event in answer.events
                            if event.HasField("tool_call_delta"))
        self.assertEqual(arguments, direct)
        ends = [event.choice_end.finish_reason for event in answer.events if event.HasField("choice_end")]
        self.assertEqual(ends, [gateway_pb2.FINISH_REASON_TOOL_CALLS])


class Grpcurl(IntegrationTest):
    """A generic gRPC client finds its way by reflection alone."""

    def setUp(self):
        super().setUp()
        alpha = self.simulator("alpha", "--chunks", "5")
        self.server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))
        self.control = self.control_plane()

    def grpcurl(self, *args):
        status, out, err = run(os.path.join(PEERS, "grpcurl"), "-plaintext", *args)
        self.assertEqual(status, 0, err)
        return out

    def test_lists_and_describes_both_services(self):
        services = self.grpcurl(self.server.address, "list")
        self.assertIn("sluice.v1.Gateway", services)
        self.assertIn("grpc.health.v1.Health", services)
        services = self.grpcurl(self.control.address, "list")
        self.assertIn("sluice.v1.Admin", services)
        self.assertIn("sluice.v1.Push", services)
        described = self.grpcurl(self.server.address, "describe", "sluice.v1.Gateway.StreamChat")
        self.assertIn("stream .sluice.v1.StreamChatResponse", described)

    def test_streams_a_chat_by_reflection(self):
        out = self.grpcurl("-d", '{"model":"chat","messages":[{"role":"ROLE_USER","text":"hello"}]}',
                           self.server.address, "sluice.v1.Gateway/StreamChat")
        self.assertIn("OUTCOME_COMPLETE", out)
        self.assertRegex(out, r'"served_?[bB]y": "alpha/')

    def test_health_of_both_services(self):
        for process in (self.server, self.control):
            out = self.grpcurl("-import-path", "/usr/share/grpc-proto", "-proto", "grpc/health/v1/health.proto",
                               process.address, "grpc.health.v1.Health/Check")
            self.assertIn("SERVING", out)


REFLECTION = "grpc/reflection/v1/reflection.proto"


def reflection_messages(folder):
    """The messages of reflection v1, from Debian's proto; v1alpha's have the same bytes."""
    out = os.path.join(folder, "reflection.pb")
    status, _, err = run("protoc", "-I", "/usr/share/grpc-proto", "-o", out, REFLECTION)
    assert status == 0, err
    with open(out, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for each in files.file:
        pool.Add(each)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(f"grpc.reflection.v1.ServerReflection{name}"))
            for name in ("Request", "Response")]


class Reflection(IntegrationTest):
    """Clients ask for v1 first and for v1alpha where that is missing: both say the same."""

    def setUp(self):
        super().setUp()
        self.request, self.response = reflection_messages(self.folder)
        alpha = self.simulator("alpha")
        self.planes = [self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))),
                       self.control_plane()]

    def ask(self, address, version, *requests):
        with grpc.insecure_channel(address) as channel:
            call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                         request_serializer=self.request.SerializeToString,
                                         response_deserializer=self.response.FromString)
            return list(call(iter(requests), timeout=10))

    def test_v1_describes_what_v1alpha_describes(self):
        extension = {"containing_type": "google.protobuf.FieldOptions", "extension_number": 50200}
        asked = [self.request(file_by_filename="sluice/v1/policy.proto"),
                 self.request(file_containing_symbol="sluice.v1.Gateway.StreamChat"),
                 self.request(file_containing_extension=extension),
                 self.request(all_extension_numbers_of_type="google.protobuf.FieldOptions")]
        for plane in self.planes:
            # A stream each: gRPC's own leaves out what it sent before on one.
            new, old = ([self.ask(plane.address, version, each)[0] for each in asked] for version in ("v1", "v1alpha"))
            self.assertEqual([sorted(each.file_descriptor_response.file_descriptor_proto) for each in new],
                             [sorted(each.file_descriptor_response.file_descriptor_proto) for each in old])
            self.assertGreater(len(new[0].file_descriptor_response.file_descriptor_proto), 2)
            self.assertEqual([each.all_extension_numbers_response for each in new],
                             [each.all_extension_numbers_response for each in old])
            self.assertEqual([each.original_request for each in new], asked)

    def test_both_list_the_same_services(self):
        for plane, name in zip(self.planes, ("sluice.v1.Gateway", "sluice.v1.Admin")):
            new, old = (sorted(each.name for each in self.ask(plane.address, version, self.request(list_services="*"))[0]
                               .list_services_response.service) for version in ("v1", "v1alpha"))
            self.assertEqual(new, old)
            self.assertIn(name, new)
            self.assertIn("grpc.health.v1.Health", new)

    def test_what_is_not_known_is_said_and_the_stream_goes_on(self):
        for plane in self.planes:
            answers = self.ask(plane.address, "v1", self.request(file_by_filename="nothing.proto"), self.request(),
                               self.request(list_services="*"))
            self.assertEqual([each.error_response.error_code for each in answers],
                             [grpc.StatusCode.NOT_FOUND.value[0], grpc.StatusCode.INVALID_ARGUMENT.value[0], 0])
            self.assertIn("nothing.proto", answers[0].error_response.error_message)


class ProtoStyle(unittest.TestCase):
    def test_buf_lint_is_clean(self):
        status, out, err = run(os.path.join(PEERS, "buf"), "lint", os.path.join(ROOT, "proto"))
        self.assertEqual(status, 0, out + err)


class PythonStub(IntegrationTest):
    """A generated stub of another language, several turns."""

    def test_the_answer_can_be_sent_back_as_history(self):
        alpha = self.simulator("alpha", "--chunks", "5")
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))
        stub = server.stub()
        first = stub.Chat(chat_request("one"), timeout=10)
        request = chat_request("one")
        request.messages.append(first.choices[0].message)
        request.messages.append(user("two"))
        answer = stream(stub, request)
        self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
        self.assertGreater(len(answer.text), 0)

    def test_models_on_offer_are_listed(self):
        alpha = self.simulator("alpha")
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]),
                                           route_yaml(["alpha"], name="other")))
        models = server.stub().ListModels(gateway_pb2.ListModelsRequest(), timeout=5).models
        self.assertEqual(sorted(model.name for model in models), ["chat", "other"])

    def test_models_tell_what_they_can_do_and_what_bounds_them(self):
        alpha = self.simulator("alpha")
        offer = ("offer: {description: 'Answers in short', context_tokens: 128000, max_output_tokens: 4096,\n"
                 "  abilities: {input: [TEXT, IMAGE], output: [TEXT], tools: true, reasoning: false}}\n"
                 "timeouts: {overall: 90s}\nstream: {max_response_bytes: 1000000}\n")
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"], extra=offer)),
                                 None, "--max-request-bytes", "2000000")
        model, = server.stub().ListModels(gateway_pb2.ListModelsRequest(), timeout=5).models
        self.assertEqual(model.description, "Answers in short")
        self.assertEqual(list(model.abilities.input), [gateway_pb2.MODALITY_TEXT, gateway_pb2.MODALITY_IMAGE])
        self.assertEqual((model.abilities.tools, model.abilities.reasoning), (True, False))
        self.assertFalse(model.abilities.HasField("logprobs"))
        limits = model.limits
        self.assertEqual((limits.context_tokens, limits.max_output_tokens), (128000, 4096))
        self.assertEqual((limits.max_request_bytes, limits.max_response_bytes), (2000000, 1000000))
        self.assertEqual(limits.max_duration.seconds, 90)

    def test_embeddings_come_in_the_order_of_their_texts(self):
        alpha = self.simulator("alpha")
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))
        answer = server.stub().Embed(gateway_pb2.EmbedRequest(model="chat", inputs=["one", "two", "one"]), timeout=5)
        first, second, third = (list(embedding.values) for embedding in answer.embeddings)
        self.assertEqual(first, third)
        self.assertNotEqual(first, second)
