"""What callers can say and are told: each field of the API as it reaches an
upstream, and what comes back, through the real server."""

import base64
import json

import grpc
from harness import (IntegrationTest, chat_request, details_of, documents, gateway_pb2, route_yaml, stream,
                     upstream_yaml, user)
from insisting_upstream import InsistingUpstream, chunk, wrong
from raw_upstream import RawUpstream, chunked, head

Message, Part, Media = gateway_pb2.Message, gateway_pb2.Part, gateway_pb2.Media
ROLES = gateway_pb2.Role
SOUND = bytes(range(256)) * 700  # 179,200 bytes: more than two messages of a stream


def spoken(sound=SOUND, name="audio_1"):
    """OpenAI's chunks of a spoken answer, its base64 cut where it comes."""
    text = base64.b64encode(sound).decode()
    yield chunk({"role": "assistant", "content": None, "audio": {"id": name, "transcript": "Good"}})
    yield chunk({"audio": {"transcript": " day"}})
    for at in range(0, len(text), 100_001):
        yield chunk({"audio": {"data": text[at:at + 100_001]}})
    yield chunk({"audio": {"expires_at": 1900000000}})
    yield chunk({}, "stop")


def said(text):
    return [chunk({"content": text}), chunk({}, "stop")]


def collected(events):
    """The message of the first choice, as a caller collects it."""
    message = Message(role=ROLES.ROLE_ASSISTANT)
    for event in events:
        kind = event.WhichOneof("kind")
        if kind == "continuation" and event.continuation.mode == gateway_pb2.CONTINUATION_MODE_RESTART:
            message = Message(role=ROLES.ROLE_ASSISTANT)
        if kind not in ("content", "media", "citation", "part_end"):
            continue
        while len(message.parts) <= event.part:
            message.parts.add()
        part = message.parts[event.part]
        if kind == "content":
            part.text += event.content.text
        elif kind == "media":
            part.media.mime_type = event.media.mime_type or part.media.mime_type
            part.media.data += event.media.data
            part.media.transcript += event.media.transcript
        elif kind == "citation":
            part.citations.append(event.citation)
        else:
            part.states.extend(event.part_end.states)
    texts = [part.text for part in message.parts if part.WhichOneof("kind") == "text"]
    message.text = texts[0] if len(texts) == 1 else ""
    return message


class Api(IntegrationTest):
    def upstream(self, answer, extra="", route="retry: {backoff: {fixed: {delay: 10ms}}}"):
        upstream = InsistingUpstream(answer)
        self.addCleanup(upstream.stop)
        self.server = self.data_plane(documents(upstream_yaml("u", upstream.url, extra=extra),
                                                route_yaml(["u"], extra=route)))
        return upstream, self.server.stub()

    def refused(self, stub, request):
        """The fields that an INVALID_ARGUMENT names, and its message."""
        with self.assertRaises(grpc.RpcError) as failed:
            stub.Chat(request, timeout=30)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.INVALID_ARGUMENT, failed.exception)
        bad = details_of(failed.exception)["BadRequest"]
        return [violation.field for violation in bad.field_violations], failed.exception.details()

    # --- what is asked ---

    def test_the_fields_that_providers_share_reach_the_upstream(self):
        upstream, stub = self.upstream(lambda request, headers: said("Hello"))
        self.ok(stream(stub, chat_request(
            user="u-1", metadata={"team": "a"}, service_tier="flex", verbosity="low",
            audio=gateway_pb2.AudioOptions(voice="alloy", format="pcm16"),
            sampling=gateway_pb2.Sampling(logit_bias={50256: -100, 7: 0.5}),
            tools=[gateway_pb2.Tool(provider_json={"openai": '{"type": "web_search"}', "anthropic": "{}"}),
                   gateway_pb2.Tool(provider_json={"anthropic": "{}"}), gateway_pb2.Tool(name="look")])), "Hello")
        sent = upstream.requests[0]
        wanted = {"user": "u-1", "metadata": {"team": "a"}, "service_tier": "flex", "verbosity": "low",
                  "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"},
                  "logit_bias": {"7": 0.5, "50256": -100}}
        self.assertEqual({key: sent[key] for key in wanted}, wanted)
        self.assertEqual([tool["type"] for tool in sent["tools"]], ["web_search", "function"])

    def test_old_callers_go_on_with_extras(self):
        upstream, stub = self.upstream(lambda request, headers: said("Hello"))
        extras = {"openai": '{"user": "u-1", "logit_bias": {"7": 1}}'}
        self.ok(stream(stub, chat_request(extras_json=extras)), "Hello")
        self.assertEqual((upstream.requests[0]["user"], upstream.requests[0]["logit_bias"]), ("u-1", {"7": 1}))
        fields, message = self.refused(stub, chat_request(extras_json=extras, user="u-2"))
        self.assertEqual(fields, ['extras_json["openai"]'])
        self.assertIn('"user" and user are both set', message)

    def test_what_is_wrong_is_refused_by_its_field(self):
        _, stub = self.upstream(lambda request, headers: said("Hello"))
        both = Message(role=ROLES.ROLE_USER, text="a", parts=[Part(text="b")])
        result = Message(role=ROLES.ROLE_TOOL, parts=[Part(tool_result=gateway_pb2.ToolResult(
            tool_call_id="c", parts=[Part(reasoning=gateway_pb2.Reasoning(text="hm"))]))])
        pdf = Part(media=Media(mime_type="application/pdf", url="https://x.example/a.pdf"))
        for request, field, says in [
                (chat_request(user="u" * 513), "user", "513 bytes"),
                (chat_request(metadata={"k" * 65: ""}), f'metadata["{"k" * 61}…"]', "at most 64"),
                (chat_request(sampling=gateway_pb2.Sampling(logit_bias={3: 101})), "sampling.logit_bias[3]", "101"),
                (chat_request(audio=gateway_pb2.AudioOptions(voice="v")), "audio.format", "pcm16"),
                (chat_request(tools=[gateway_pb2.Tool(name="f", provider_json={"openai": "{}"})]), "tools[0].name", "provider_json"),
                (gateway_pb2.ChatRequest(model="chat", messages=[both]), "messages[0].text", "one text part"),
                (gateway_pb2.ChatRequest(model="chat", messages=[user("a"), result]),
                 "messages[1].parts[0].tool_result.parts[0]", "reasoning"),
                (gateway_pb2.ChatRequest(model="chat", messages=[Message(role=ROLES.ROLE_USER, parts=[pdf])]),
                 "messages[0].parts[0].media.url", "use data or file_id")]:
            with self.subTest(field):
                fields, message = self.refused(stub, request)
                self.assertEqual(fields, [field])
                self.assertIn(says, message)

    def test_an_upstreams_refusal_names_the_callers_field(self):
        def answer(request, headers):
            for key in ("verbosity", "logit_bias"):
                if key in request:
                    raise wrong(f"Unknown parameter: '{key}'.", key, "unknown_parameter")
            if "audio" in request:
                raise wrong("Unsupported value: 'audio.format' does not support 'wav' when stream=true.", "audio.format")
            return said("Hello")

        _, stub = self.upstream(answer)
        self.assertEqual(self.refused(stub, chat_request(verbosity="low"))[0], ["verbosity"])
        bias = gateway_pb2.Sampling(logit_bias={1: 1})
        self.assertEqual(self.refused(stub, chat_request(sampling=bias))[0], ["sampling.logit_bias"])
        audio = gateway_pb2.AudioOptions(voice="v", format="wav")
        self.assertEqual(self.refused(stub, chat_request(audio=audio))[0], ["audio"])

    def test_what_tools_gave_reaches_the_upstream(self):
        upstream, stub = self.upstream(lambda request, headers: said("Hello"))
        image = Part(media=Media(mime_type="image/png", data=b"png"))
        calls = [Part(tool_call=gateway_pb2.ToolCall(id=name, name="look")) for name in "abc"]

        def result(name, **fields):
            part = Part(tool_result=gateway_pb2.ToolResult(tool_call_id=name, **fields))
            return Message(role=ROLES.ROLE_TOOL, parts=[part])

        self.ok(stream(stub, gateway_pb2.ChatRequest(model="chat", messages=[
            Message(role=ROLES.ROLE_SYSTEM, parts=[Part(text="Like this:"), image]), user("Look."),
            Message(role=ROLES.ROLE_ASSISTANT, parts=calls), result("a", text="no such city", is_error=True),
            result("b", parts=[Part(text="one"), image, Part(text="two")]), result("c", is_error=True)])), "Hello")
        messages = upstream.requests[0]["messages"]
        self.assertEqual([message["role"] for message in messages],
                         ["system", "user", "assistant", "tool", "tool", "tool", "user"])
        self.assertEqual([part["type"] for part in messages[0]["content"]], ["text", "image_url"])
        self.assertEqual([message["content"] for message in messages[3:6]],
                         ["Error: no such city", "one\ntwo", "Error: the tool failed without saying why."])
        text, media = messages[6]["content"]
        self.assertIn(" b:", text["text"])
        self.assertEqual(media["image_url"]["url"], "data:image/png;base64,cG5n")

    def test_documents_go_in_the_form_of_their_server(self):
        pdf = {"mime_type": "application/pdf", "file_name": "a.pdf"}
        for preset, media, sent in [
                ("GENERIC", Media(**pdf, data=b"x"),
                 {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="}}),
                ("OPENAI", Media(**pdf, file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
                ("OPENROUTER", Media(**pdf, url="https://x.example/a.pdf"),
                 {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x.example/a.pdf"}}),
                ("MISTRAL", Media(**pdf, url="https://x.example/a.pdf"),
                 {"type": "document_url", "document_url": "https://x.example/a.pdf", "document_name": "a.pdf"})]:
            with self.subTest(preset):
                upstream, stub = self.upstream(lambda request, headers: said("Hello"), f"dialect: {{preset: {preset}}}")
                message = Message(role=ROLES.ROLE_USER, parts=[Part(media=media)])
                self.ok(stream(stub, gateway_pb2.ChatRequest(model="chat", messages=[message])), "Hello")
                self.assertEqual(upstream.requests[0]["messages"][0]["content"], [sent])

    # --- what comes back ---

    def test_sound_comes_as_a_part_and_goes_back_by_its_name(self):
        upstream, stub = self.upstream(lambda request, headers: spoken())
        request = chat_request(audio=gateway_pb2.AudioOptions(voice="alloy", format="pcm16"))
        answer = self.ok(stream(stub, request))
        message = collected(answer.events)
        media = message.parts[0].media
        self.assertEqual((media.mime_type, media.transcript), ("audio/pcm", "Good day"))
        self.assertEqual(media.data, SOUND)
        pieces = [len(event.media.data) for event in answer.events if event.HasField("media")]
        self.assertLessEqual(max(pieces), 64 << 10)
        self.assertFalse([event for event in answer.events if event.HasField("extras")])
        whole = stub.Chat(request, timeout=30)
        self.assertEqual(whole.choices[0].message, message)
        request.messages.extend([message, user("Go on")])
        self.ok(stream(stub, request))
        self.assertEqual(upstream.requests[-1]["messages"][1], {"role": "assistant", "audio": {"id": "audio_1"}})

    def test_sound_asked_for_by_extras_comes_and_its_raw_form_where_asked(self):
        _, stub = self.upstream(lambda request, headers: spoken(b"RIFF"))
        request = chat_request(extras_json={"openai": '{"modalities":["text","audio"],"audio":{"voice":"v","format":"wav"}}'})
        self.assertEqual(collected(self.ok(stream(stub, request)).events).parts[0].media.mime_type, "audio/wav")
        request.stream_options.include_extras = True
        events = self.ok(stream(stub, request)).events
        raw = [json.loads(event.extras.json) for event in events if event.HasField("extras")]
        self.assertIn({"choice": {"audio": {"data": "UklGRg=="}}}, raw)

    def test_a_server_that_knows_no_sounds_gets_what_was_said(self):
        def answer(request, headers):
            for number, message in enumerate(request["messages"]):
                if "audio" in message:
                    raise wrong(f"Unknown parameter: 'messages[{number}].audio'.", f"messages[{number}].audio", "unknown_parameter")
            return said("Hello")

        upstream, stub = self.upstream(answer)
        spoke = Part(media=Media(mime_type="audio/pcm", data=b"x", transcript="Good day"), states=[
            gateway_pb2.ProviderState(issuer="openai", value=b'{"audio":{"id":"audio_1"}}')])
        messages = [user("Hi"), Message(role=ROLES.ROLE_ASSISTANT, parts=[spoke]), user("Go on")]
        self.ok(stream(stub, gateway_pb2.ChatRequest(model="chat", messages=messages)), "Hello")
        self.assertEqual(upstream.requests[-1]["messages"][1], {"role": "assistant", "content": "Good day"})

    def test_sources_come_once_with_the_text_that_they_belong_to(self):
        note = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 3}}
        listed = {"citations": ["https://a.example", "https://b.example"]}

        def answer(request, headers):
            yield chunk({"reasoning_content": "hm"}, **listed)
            yield chunk({"content": "One "}, **listed)
            yield chunk({"content": "two", "annotations": [note]}, **listed)
            yield chunk({}, "stop", **listed)

        _, stub = self.upstream(answer)
        message = stub.Chat(chat_request(), timeout=30).choices[0].message
        self.assertEqual(message.text, "One two")
        text = message.parts[1]
        self.assertEqual([(source.url, source.title, source.HasField("start"), source.end) for source in text.citations],
                         [("https://a.example", "", False, 0), ("https://b.example", "", False, 0),
                          ("https://a.example", "A", True, 3)])
        events = self.ok(stream(stub, chat_request())).events
        self.assertEqual([event.citation for event in events if event.HasField("citation")], list(text.citations))
        self.assertEqual({event.part for event in events if event.HasField("citation")}, {1})
        asked = chat_request(stream_options=gateway_pb2.StreamOptions(include_extras=True))
        extras = json.loads(stub.Chat(asked, timeout=30).extras_json["openai"])
        self.assertEqual((extras["citations"], extras["choices"][0]["annotations"]), (listed["citations"], [note]))

    def test_an_answer_is_appended_as_it_came(self):
        upstream, stub = self.upstream(lambda request, headers: said("Hello"))
        message = stub.Chat(chat_request(), timeout=30).choices[0].message
        self.assertEqual((message.text, [part.text for part in message.parts]), ("Hello", ["Hello"]))
        self.ok(stream(stub, gateway_pb2.ChatRequest(model="chat", messages=[user("Hi"), message, user("Go on")])), "Hello")
        self.assertEqual(upstream.requests[-1]["messages"][1], {"role": "assistant", "content": "Hello"})

    def test_a_replay_and_a_window_tell_the_same_sounds_and_sources(self):
        def answer(request, headers):
            yield chunk({"content": "One"}, citations=["https://a.example"])
            yield from spoken()

        upstream, stub = self.upstream(answer)
        plain = collected(self.ok(stream(stub, chat_request())).events)
        self.assertEqual([len(part.citations) for part in plain.parts], [1, 0])
        self.assertEqual(plain.parts[1].media.data, SOUND)
        request = chat_request(stream_options=gateway_pb2.StreamOptions())
        request.stream_options.coalesce.FromMilliseconds(200)
        self.assertEqual(collected(self.ok(stream(stub, request)).events), plain)
        asked = len(upstream.requests)
        for _ in range(2):
            keyed = stream(stub, chat_request(), metadata=[("idempotency-key", "k-1")])
            self.assertEqual(collected(self.ok(keyed).events), plain)
        self.assertEqual(len(upstream.requests), asked + 1)

    def test_a_sound_that_was_cut_is_void_after_a_restart(self):
        cut = "".join(f"data: {json.dumps(each)}\n\n" for each in list(spoken(b"cut"))[:3]).encode()
        whole = "".join(f"data: {json.dumps(each)}\n\n" for each in spoken(b"whole", "audio_2")).encode() + b"data: [DONE]\n\n"
        stream_head = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        # It hangs up where nothing ends the answer.
        raw = RawUpstream({"cut": head("Content-Type: text/event-stream") + cut, "whole": stream_head + chunked(whole)})
        self.addCleanup(raw.close)
        server = self.data_plane(documents(
            upstream_yaml("a", raw.url("cut")), upstream_yaml("b", raw.url("whole")),
            route_yaml(["a", "b"], extra="after_cut: RESTART\nretry: {backoff: {fixed: {delay: 10ms}}}")))
        answer = self.ok(stream(server.stub(), chat_request(
            stream_options=gateway_pb2.StreamOptions(allow_restart=True))))
        self.assertEqual(len(answer.continuations()), 1)
        message = collected(answer.events)
        self.assertEqual(message.parts[0].media.data, b"whole")
        self.assertEqual(json.loads(message.parts[0].states[0].value), {"audio": {"id": "audio_2"}})
        self.assertEqual(server.stub().Chat(chat_request(), timeout=30).choices[0].message, message)

    def test_an_answer_that_is_too_large_with_its_sound_is_refused(self):
        _, stub = self.upstream(lambda request, headers: spoken(), route="stream: {max_response_bytes: 65536}")
        with self.assertRaises(grpc.RpcError) as failed:
            stub.Chat(chat_request(), timeout=30)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(details_of(failed.exception)["ErrorInfo"].reason, "RESPONSE_TOO_LARGE")

    def test_attempts_have_numbers_beside_their_names(self):
        def answer(request, headers):
            raise wrong("No.", "seed")

        _, stub = self.upstream(answer)
        answer = stream(stub, chat_request())
        attempt = answer.attempts()[0]
        self.assertEqual((attempt.outcome, attempt.outcome_code), ("failed", gateway_pb2.ATTEMPT_OUTCOME_FAILED))
        self.assertEqual((attempt.error_class, attempt.error_code), ("caller", gateway_pb2.ERROR_CLASS_CALLER))
