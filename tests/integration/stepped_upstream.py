"""An OpenAI-compatible upstream that a test leads by the hand: each request is a Turn,
which sends what the test says when it says so, and tells when its client has gone."""

import contextlib
import http.server
import json
import queue
import select
import socket
import threading

from insisting_upstream import chunk


class Turn:
    def __init__(self, request, headers):
        self.request, self.headers = request, headers
        self.gone = threading.Event()
        self._steps = queue.Queue()

    def say(self, *texts):
        for text in texts:
            self._steps.put(chunk({"content": text}))

    def finish(self, *texts):
        self.say(*texts)
        self._steps.put(chunk({}, finish="stop"))
        self._steps.put(None)

    def serve(self, connection):
        """The answer's bytes, until the test or the client has enough."""
        watch = threading.Thread(target=self._watch, args=(connection,))
        watch.start()
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            for step in iter(self._steps.get, None):
                connection.sendall(f"data: {json.dumps(step)}\n\n".encode())
            if not self.gone.is_set():
                connection.sendall(b"data: [DONE]\n\n")
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        watch.join()

    def _watch(self, connection):
        """Nothing more comes from a client: what can be read is its end."""
        with contextlib.suppress(OSError, ValueError):
            select.select([connection], [], [])
        self.gone.set()
        self._steps.put(None)


class SteppedUpstream:
    def __init__(self):
        self._turns = queue.Queue()
        self._all = []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                turn = Turn(request, self.headers)
                upstream._all.append(turn)
                upstream._turns.put(turn)
                turn.serve(self.connection)
                self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def turn(self, seconds=60):
        """The next request that comes."""
        return self._turns.get(timeout=seconds)

    def stop(self):
        for turn in self._all:
            turn._steps.put(None)
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
