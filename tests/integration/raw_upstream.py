"""An upstream that answers with given bytes, whatever they are."""
import json
import socket
import threading


class RawUpstream:
    """Answers a request for /NAME/… with answers[NAME], then hangs up."""

    def __init__(self, answers):
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/{name}/v1"

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as request:
            path = request.readline().split(b" ")[1].decode()
            length = 0
            for line in iter(request.readline, b"\r\n"):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            request.read(length)
            connection.sendall(self.answers[path.split("/")[1]])


def head(*lines, status="200 OK"):
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()


def chunked(body):
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def sse(text):
    """A whole answer as a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [json.dumps({"id": "1", "model": "m", "choices": [c]}) for c in (choice, end)] + ["[DONE]"]
    return "".join(f"data: {event}\n\n" for event in events).encode()
