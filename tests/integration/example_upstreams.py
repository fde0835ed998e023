"""An upstream that does not end its answers, and a gateway that answers by script."""

import contextlib
import http.server
import json
import threading
from concurrent import futures

import grpc
from google.protobuf import json_format
from harness import gateway_pb2, gateway_pb2_grpc
from insisting_upstream import chunk


class HangingUpstream:
    """Begins each answer with `said` and waits until its client has left; `came` and
    `left` count them. With `then`, the requests after the first `after` are answered so,
    once that many have left."""

    def __init__(self, said, then=None, after=0):
        self.came, self.left = 0, 0
        self.changed = threading.Condition()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.close_connection = True
                with upstream.changed:
                    upstream.came += 1
                    if then is not None and upstream.came > after:
                        upstream.changed.wait_for(lambda: upstream.left >= after)
                        return self.begin(chunk({"content": then}), chunk({}, "stop"))
                if said:
                    self.begin(chunk({"content": said}))
                with contextlib.suppress(OSError):
                    self.connection.recv(1)  # Nothing more comes but the end.
                with upstream.changed:
                    upstream.left += 1
                    upstream.changed.notify_all()

            def begin(self, *chunks):
                events = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks)
                done = "data: [DONE]\n\n" if len(chunks) > 1 else ""
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" +
                                 (events + done).encode())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class ScriptedGateway(gateway_pb2_grpc.GatewayServicer):
    """Answers one StreamChat with each script, for what no upstream can be made to
    send; `requests` are those that came."""

    def __init__(self):
        self.scripts, self.requests = [], []
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        gateway_pb2_grpc.add_GatewayServicer_to_server(self, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def script(self, events):
        """Events as protobuf's JSON, or as bytes; each goes in a message of its own."""
        self.scripts.append([gateway_pb2.ChatEvent.FromString(event) if isinstance(event, bytes) else
                             json_format.ParseDict(event, gateway_pb2.ChatEvent()) for event in events])

    def StreamChat(self, request, context):
        self.requests.append(request)
        for event in self.scripts.pop(0):
            yield gateway_pb2.StreamChatResponse(events=[event])

    def stop(self):
        self.server.stop(None).wait()


SIGNED = {"issuer": "openai", "value": "eyJzIjoiMSJ9"}
CITED = [{"url": "https://a.example/晴", "title": "Wetter", "start": 8, "end": 10}, {"fileId": "file-1"}]


def answered_events():
    """One answer with everything in it that a collector has to put together."""
    def at(part, choice=0, **kind):
        return {"choice": choice, "part": part, **kind}

    return [
        # Void once the answer begins anew, the cost too.
        at(0, content={"text": "void"}), at(3, 1, content={"text": "void"}), {"usage": {"inputTokens": 99}},
        {"choiceEnd": {"finishReason": "FINISH_REASON_LENGTH"}},
        {"continuation": {"mode": "CONTINUATION_MODE_RESTART"}},
        {"started": {"callId": "c-1"}},
        at(0, reasoning={"text": "Ich über"}), at(0, reasoning={"text": "lege."}),
        at(0, partEnd={"states": [SIGNED]}),
        {"usage": {"inputTokens": 12, "outputTokens": 3}},
        # Parts side by side, and another choice between them.
        at(1, content={"text": "It says "}),
        at(2, toolCallStart={"id": "call-0", "name": "get_weather"}), at(0, 1, refusal={"text": "I will "}),
        at(3, toolCallStart={"id": "call-1", "name": "get_weather"}),
        at(3, toolCallDelta={"argumentsJson": '{"city":'}), at(2, toolCallDelta={"argumentsJson": '{"city":"Pa'}),
        at(1, citation=CITED[0]), at(1, content={"text": "晴れ 🌈."}), at(1, citation=CITED[1]),
        at(4, media={"mimeType": "audio/wav", "data": "AAH+", "transcript": "la "}),
        at(2, toolCallDelta={"argumentsJson": 'ris"}'}), at(3, toolCallDelta={"argumentsJson": '"Oslo"}'}),
        # A kind of event of a later version: field 99, a message.
        gateway_pb2.ChatEvent(part=1).SerializeToString() + b"\x9a\x06\x02\x0a\x00",
        at(0, 1, refusal={"text": "not."}), at(4, media={"data": "/w==", "transcript": "la"}),
        at(2, partEnd={"states": [SIGNED]}), at(3, partEnd={}), at(1, partEnd={}), at(4, partEnd={}),
        # What a provider wants back, and nothing to show; and a citation of nothing.
        at(5, partEnd={"states": [SIGNED]}), at(6, citation=CITED[1]),
        {"choiceEnd": {"finishReason": "FINISH_REASON_TOOL_CALLS"}},
        {"choice": 1, "choiceEnd": {"finishReason": "FINISH_REASON_REFUSAL"}},
        {"usage": {"inputTokens": 12, "outputTokens": 7}},
        {"end": {"outcome": "OUTCOME_COMPLETE", "servedBy": "alpha/e0"}},
    ]


def answered_message():
    """Its first choice, as the next request must have it."""
    return json_format.ParseDict({"role": "ROLE_ASSISTANT", "parts": [
        {"reasoning": {"text": "Ich überlege."}, "states": [SIGNED]},
        {"text": "It says 晴れ 🌈.", "citations": CITED},
        {"toolCall": {"id": "call-0", "name": "get_weather", "argumentsJson": '{"city":"Paris"}'}, "states": [SIGNED]},
        {"toolCall": {"id": "call-1", "name": "get_weather", "argumentsJson": '{"city":"Oslo"}'}},
        {"media": {"mimeType": "audio/wav", "data": "AAH+/w==", "transcript": "la la"}},
        {"states": [SIGNED]},
    ]}, gateway_pb2.Message())
