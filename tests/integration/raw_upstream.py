"""An upstream that answers with given bytes, whatever they are."""
import contextlib
import json
import socket
import threading


class RawUpstream:
    """Answers each request for /NAME/… with answers[NAME]; hangs up where nothing
    else ends the answer."""

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
        with connection, connection.makefile("rb") as requests:
            while self._answer(connection, requests):
                pass

    def _answer(self, connection, requests):
        """One request. False: the connection ends, as the answer's end or the client's wish."""
        line = requests.readline()
        if not line:
            return False
        length = 0
        for field in iter(requests.readline, b"\r\n"):
            name, _, value = field.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        requests.read(length)
        answer = self.answers[line.split(b" ")[1].decode().split("/")[1]]
        with contextlib.suppress(OSError):
            connection.sendall(answer)
            return b"Content-Length" in answer or b"chunked" in answer
        return False


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
