"""An OpenAI-compatible upstream that insists: it answers by a function of the
test's, and refuses what its function says is wrong."""

import contextlib
import http.server
import json
import threading


class Refusal(Exception):
    """Answered with this status and this JSON."""

    def __init__(self, status, body):
        super().__init__(json.dumps(body))
        self.status, self.body = status, body


def wrong(message, param=None, code=None):
    """As OpenAI refuses."""
    return Refusal(400, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})


def chunk(delta, finish=None, **top):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **top}


class InsistingUpstream:
    """`answer(request, headers)` gives the chunks of a stream or raises a Refusal;
    `requests` are those that came, oldest first."""

    def __init__(self, answer):
        self.requests, self.headers = [], []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                upstream.requests.append(request)
                upstream.headers.append(self.headers)
                try:
                    chunks = answer(request, self.headers)
                except Refusal as refusal:
                    return self.reply(refusal.status, "application/json", json.dumps(refusal.body))
                events = [f"data: {json.dumps(each)}\n\n" for each in chunks]
                self.reply(200, "text/event-stream", "".join(events) + "data: [DONE]\n\n")

            def reply(self, status, content_type, text):
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
