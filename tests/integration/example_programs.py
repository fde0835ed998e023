"""What the programs of client/examples must do, the same in each language. A test
module makes a class of each language from it."""

import base64
import json
import os
import re
import subprocess

import grpc
from example_upstreams import HangingUpstream, ScriptedGateway, answered_events, answered_message
from harness import (BUILD, ROOT, IntegrationTest, chat_request, details_of, documents, pool_yaml, run, wait_for)
from insisting_upstream import InsistingUpstream, Refusal, chunk, wrong

EXAMPLES = os.path.join(ROOT, "client", "examples")
# Where tests/support/build-examples puts what it builds.
BUILT = os.path.join(BUILD, "examples")
QUESTION = "Warum ist der Himmel blau? 空 🌈"
ANSWER = ["Weil Luft ", "kürzeres Licht ", "stärker streut: 青 🌈"]
ONCE = "retry: {max_attempts: 1}\nqueue: {max_length: 0}"

# What an upstream says when it fails; some lengths lie around the bounds of a
# status' message.
ERROR_TEXTS = {
    "short": "out of tokens",
    "umlauts": "Zu groß für dieses Modell: höchstens 4096 Wörter",
    "japanese": "リクエストが長すぎます。" * 8,
    "emoji": "🔥 too hot 🌡️ " * 12,
    "bytes 500": "a long story " * 38,
    "bytes 900": "a longer story " * 60,
    "percent signs": "100 % of 200 %41 " * 20,
    "quotes and controls": "say \"no\" \\ then\r\n\tstop\x7f now",
    "umlauts 900": "größer " * 112,
    "emoji 2000": "🔥" * 500,
}


class ExamplePrograms:
    """`command(program)` gives what runs it in the language; `environment` what it needs."""

    environment = {}
    # What a client says of a certificate that it does not trust.
    untrusted = "UNAVAILABLE"

    def program(self, name, *args, server=None, **env):
        """Runs a program to its end; (status, stdout, stderr)."""
        address = (server or self.server).address
        # Java reads arguments as the locale says.
        return run(*self.command(name), *args, env={
            "SLUICE_SERVER": address, "LC_ALL": "C.UTF-8", **self.environment, **env})

    def prints(self, expected, name, *args, **env):
        status, out, err = self.program(name, *args, **env)
        self.assertEqual((status, out), (0, expected), err)

    def fails(self, expected, name, *args, **env):
        status, out, err = self.program(name, *args, **env)
        self.assertEqual(status, 1, out + err)
        # gRPC's C++ may have logged something before, and Java's TLS tells a story.
        self.assertRegex(err, rf"(?m)^{expected}")
        return out

    def upstream(self, answer, route="", match="{model: chat}", args=()):
        """A gateway before an upstream that answers so."""
        upstream = InsistingUpstream(answer)
        self.addCleanup(upstream.stop)
        self.serve(upstream.url, route, match, args)
        return upstream

    def serve(self, url, route="", match="{model: chat}", args=(), endpoints=1):
        names = [f"name: e{number}, priority: {number}, url: {url.removesuffix('/v1')}/e{number}/v1"
                 for number in range(endpoints)]
        policy = "\n".join(["kind: Route", "name: chat", f"match: {match}", "targets: [{upstream: alpha}]", route])
        self.server = self.data_plane(documents(pool_yaml("alpha", *names), policy), None, *args)

    def end(self, text, attempts=1):
        return f"end: complete, served by alpha/e0, {attempts} attempts, {len(text)} characters\n"

    @staticmethod
    def says(*texts):
        return [*(chunk({"content": text}) for text in texts), chunk({}, "stop")]

    def asked(self, request, question=QUESTION):
        if [message["content"] for message in request["messages"]] != [question]:
            raise wrong(f"not what was asked: {request['messages']}")

    def answers(self, request, headers):
        self.asked(request)
        return self.says(*ANSWER)

    def test_stream(self):
        self.upstream(self.answers)
        text = "".join(ANSWER)
        self.prints(f"{text}\n{self.end(text)}", "stream", QUESTION)
        self.fails("INVALID_ARGUMENT: ", "stream", "Another question")

    def test_stream_begins_anew_after_a_cut(self):
        gateway = ScriptedGateway()
        self.addCleanup(gateway.stop)
        gateway.script([{"content": {"text": "first"}}, {"continuation": {"mode": "CONTINUATION_MODE_RESTART"}},
                        {"content": {"text": "second"}}, {"end": {"outcome": "OUTCOME_FALLBACK", "served_by": "alpha/e0",
                                                                  "error": {"message": "alpha is out"}}}])
        self.prints("first\n--- cut; the answer begins anew ---\nsecond\n"
                    "end: fallback, served by alpha/e0, 0 attempts, 6 characters\n"
                    "a fallback, because: alpha is out\n", "stream", server=gateway)
        gateway.script([{"content": {"text": "first"}}])
        out = self.fails("error: no end record: the answer is incomplete", "stream", server=gateway)
        self.assertEqual(out, "first")

    def test_tools(self):
        states = [{"google": {"thought_signature": "c2lnbmVk"}}, {"google": {"thought_signature": "YWdhaW4="}}]
        arguments = ['{"city":"Paris"}', '{"city":"Atlantis"}']

        def call(index, arguments_json, **start):
            return {"tool_calls": [{"index": index, **start, "function": {"arguments": arguments_json, **(
                {"name": "get_weather"} if start else {})}}]}

        def answer(request, headers):
            tool = request["tools"][0]["function"]
            if tool["name"] != "get_weather" or tool["parameters"]["required"] != ["city"]:
                raise wrong(f"not the tool: {tool}")
            if len(request["messages"]) == 1:
                self.asked(request)
                # The arguments of two calls in turns.
                return [chunk({"content": "Let me look."}),
                        *(chunk(call(i, arguments[i][:4], id=f"call-{i}", type="function", extra_content=states[i]))
                          for i in (0, 1)),
                        *(chunk(call(i, arguments[i][4:])) for i in (0, 1)), chunk({}, "tool_calls")]
            _, asked, *results = request["messages"]
            if asked["content"] != "Let me look." or [
                    (each["id"], each["function"], each.get("extra_content")) for each in asked["tool_calls"]] != [
                    (f"call-{i}", {"name": "get_weather", "arguments": arguments[i]}, states[i]) for i in (0, 1)]:
                raise wrong(f"not what was answered: {asked}")
            said = [(each["role"], each["tool_call_id"], each["content"]) for each in results]
            if said != [("tool", "call-0", '{"celsius":21}'), ("tool", "call-1", "Error: no such city")]:
                raise wrong(f"not the results: {results}")
            return self.says("21 degrees ", "in Paris.")

        self.upstream(answer)
        self.prints(f'tool get_weather {arguments[0]} -> {{"celsius":21}}\n'
                    f"tool get_weather {arguments[1]} -> error: no such city\n"
                    f"21 degrees in Paris.\n{self.end('21 degrees in Paris.')}", "tools", QUESTION)

    def test_tools_without_end_are_given_up(self):
        def answer(request, headers):
            return [chunk({"tool_calls": [{"index": 0, "id": f"call-{len(request['messages'])}", "type": "function",
                                           "function": {"name": "make_coffee", "arguments": "{}"}}]}),
                    chunk({}, "tool_calls")]

        self.upstream(answer)
        out = self.fails("error: no answer after 5 rounds of tools", "tools")
        self.assertEqual(out, "tool make_coffee {} -> error: no such tool\n" * 5)

    def test_image(self):
        image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12
        path = os.path.join(self.folder, "picture.png")
        with open(path, "wb") as file:
            file.write(image)

        def answer(request, headers):
            text, picture = request["messages"][0]["content"]
            kind, _, data = picture["image_url"]["url"].partition(";base64,")
            if text["text"] != QUESTION or kind != "data:image/png" or base64.b64decode(data) != image:
                raise wrong("not the image")
            return self.says("A rainbow.")

        self.upstream(answer)
        self.prints(f"A rainbow.\n{self.end('A rainbow.')}", "image", path, QUESTION)
        self.fails("error: ", "image", path + ".not-there")

    def test_structured(self):
        answers = {"good": self.says('{"city": "Köln", ', '"celsius": 21}'),
                   "refused": [chunk({"refusal": "I do not say."}), chunk({}, "stop")],
                   "cut": [chunk({"content": '{"city": "Kö'}), chunk({}, "length")]}

        def answer(request, headers):
            form = request["response_format"]
            if form["type"] != "json_schema" or form["json_schema"]["schema"]["required"] != ["city", "celsius"]:
                raise wrong(f"not the form: {form}")
            return answers[request["messages"][0]["content"]]

        self.upstream(answer)
        self.prints("city: Köln\ncelsius: 21\n" + self.end('{"city": "Köln", "celsius": 21}'), "structured", "good")
        self.fails("error: the model refused: I do not say.", "structured", "refused")
        self.fails("error: not whole: FINISH_REASON_LENGTH", "structured", "cut")

    def test_cancel(self):
        # The third call is answered only when the upstream has lost the first two.
        upstream = HangingUpstream("one", then="still here", after=2)
        self.addCleanup(upstream.stop)
        self.serve(upstream.url)
        self.prints('cancelled after "one": CANCELLED\nleft the loop after "one"\n'
                    f"still here\n{self.end('still here')}", "cancel")
        self.assertEqual(upstream.left, 2)

    def test_deadline(self):
        for said in ("", "one"):
            upstream = HangingUpstream(said)
            self.addCleanup(upstream.stop)
            self.serve(upstream.url)
            # A busy machine may not get as far as the upstream in the first of these.
            for bound in ("0.5", "2", "8", "32"):
                out = self.fails("DEADLINE_EXCEEDED: ", "deadline", bound)
                if upstream.came and out == said:
                    break
            self.assertEqual(out, said)
            wait_for("the upstream's end", lambda: upstream.left == upstream.came)
        self.upstream(self.answers)
        text = "".join(ANSWER)
        self.prints(f"{text}\n{self.end(text)}", "deadline", "30", QUESTION)

    def test_tls(self):
        self.certificate("other")
        self.certificate("ca")
        self.certificate("server", "-CA", self.pem("ca"), "-CAkey", self.pem("ca-key"), "-addext",
                         "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1")
        self.upstream(self.answers, args=("--tls-cert", self.pem("server"), "--tls-key", self.pem("server-key")))
        text = "".join(ANSWER)
        self.prints(f"{text}\n{self.end(text)}", "tls", QUESTION, SLUICE_CA=self.pem("ca"))
        self.fails(f"{self.untrusted}: ", "tls", QUESTION, SLUICE_CA=self.pem("other"))

    def pem(self, name):
        return os.path.join(self.folder, name + ".pem")

    def certificate(self, name, *options):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-keyout", self.pem(name + "-key"), "-out", self.pem(name), *options],
                       check=True, capture_output=True)

    def test_metadata(self):
        upstream = self.upstream(self.answers, match="{model: chat, tenant: Team}")
        text = "".join(ANSWER)
        ids = []
        for _ in range(2):
            status, out, err = self.program("metadata", "order-1", QUESTION, SLUICE_TENANT="Team")
            self.assertEqual(status, 0, out + err)
            self.assertRegex(out, rf"\A{text}\ncall id: [\w-]+\n{self.end(text)}\Z")
            ids.append(out.splitlines()[1])
        # One key, one answer.
        self.assertEqual(len(upstream.requests), 1)
        out = self.fails("NOT_FOUND: ", "metadata", "order-2", QUESTION)
        self.assertRegex(out, r"\A\ncall id: [\w-]+\n\Z")

    def test_errors(self):
        def answer(request, headers):
            text = ERROR_TEXTS[request["messages"][0]["content"]]
            raise Refusal(503, {"error": {"message": text, "type": "server_error"}})

        self.upstream(answer, route=ONCE)
        for name, text in ERROR_TEXTS.items():
            with self.subTest(name):
                self.decodes(name, text.split()[0][:8])

    def test_errors_of_many_attempts(self):
        def answer(request, headers):
            raise Refusal(503, {"error": {"message": "日本語のエラー " * 12, "type": "server_error"}})

        upstream = InsistingUpstream(answer)
        self.addCleanup(upstream.stop)
        self.serve(upstream.url, "retry: {max_attempts: 10, backoff: {fixed: {delay: 1ms}}}\nqueue: {max_length: 0}",
                   endpoints=10)
        lines = self.decodes("why", "日本語")
        self.assertGreater(len([line for line in lines if line.startswith("attempt ")]), 1)

    def test_errors_say_when_to_try_again(self):
        def answer(request, headers):
            raise Refusal(429, {"error": {"message": "Please try again in 20s.", "type": "rate_limit"}})

        self.upstream(answer, route=ONCE)
        status, out, err = self.program("errors", "why")
        self.assertEqual((status, err), (1, ""), out)
        self.assertRegex(out, r"\Astatus: RESOURCE_EXHAUSTED\n")
        told = int(re.search(r"^retry after: (\d+) ms$", out, re.MULTILINE).group(1))
        self.assertTrue(15000 < told <= 20000, told)

    def test_errors_where_no_gateway_is(self):
        self.upstream(self.answers)
        self.server.stop()
        status, out, err = self.program("errors", "why")
        self.assertEqual((status, err), (1, ""))
        self.assertRegex(out, r"\Astatus: UNAVAILABLE\nmessage: [^\n]+\n\Z")

    def decodes(self, question, within):
        """The program shows what an independent stub decodes of the same failure."""
        status, out, err = self.program("errors", question)
        self.assertEqual((status, err), (1, ""), out)
        lines = out.splitlines()
        with self.assertRaises(grpc.RpcError) as failed:
            self.server.stub().Chat(chat_request(question), timeout=30)
        error, details = failed.exception, details_of(failed.exception)
        tried = details["AttemptList"]
        expected = [f"status: {error.code().name}", f"message: {error.details()}", f"details: {error.details()}",
                    f"reason: {details['ErrorInfo'].reason}",
                    *(f"attempt {each.upstream}/{each.endpoint}: {each.outcome}, {each.error_class}, "
                      f"HTTP {each.http_status}, {each.error_message}" for each in tried.attempts),
                    f"attempts omitted: {tried.omitted}"]
        self.assertIn(within, error.details())
        self.assertEqual([line for line in lines if not line.startswith("retry after: ")], expected)
        return lines

    def test_collect(self):
        gateway = ScriptedGateway()
        self.addCleanup(gateway.stop)
        gateway.script(answered_events())
        gateway.script([{"content": {"text": "understood"}},
                        {"end": {"outcome": "OUTCOME_COMPLETE", "served_by": "alpha/e0", "attempts": [{}]}}])
        self.prints("choice 0: tool_calls\n"
                    "  reasoning Ich überlege. (0 citations, 1 states)\n"
                    "  text It says 晴れ 🌈. (2 citations, 0 states)\n"
                    '  tool_call get_weather {"city":"Paris"} (0 citations, 1 states)\n'
                    '  tool_call get_weather {"city":"Oslo"} (0 citations, 0 states)\n'
                    "  media audio/wav, 4 bytes, la la (0 citations, 0 states)\n"
                    "  states alone (0 citations, 1 states)\n"
                    "choice 1: refusal\n"
                    "  refusal I will not. (0 citations, 0 states)\n"
                    "usage: 12 in, 7 out\n"
                    f"understood\n{self.end('understood')}", "collect", QUESTION, server=gateway)
        first, second = gateway.requests
        self.assertEqual((first.n, first.stream_options.allow_restart), (2, True))
        self.assertFalse(second.HasField("n"))
        self.assertEqual([message.text for message in second.messages], [QUESTION, "", "Go on."])
        self.assertEqual(second.messages[1], answered_message())
