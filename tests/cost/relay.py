"""Runs sluice-server under callgrind with an upstream and a caller in lock step:
the next chunk is sent when the one before has reached the caller. So no chunk
waits and none are merged, however slowly the machine emulates."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

MODEL = "chat"
CHUNK_BYTES = 274
PATIENCE = 60
# A method that does little and that no part uses: callgrind dumps when it begins.
MARK = "sluice::ListModelsRpc::Begin()"

# (name, calls, chunks). Each size comes again in each round, and medians over the rounds count.
ROUND = [("calls_10", 10, 1), ("calls_40", 40, 1), ("chunks_41", 10, 41)]
ROUNDS = 7


def event(delta, finish_reason="null"):
    head = ('data: {"id":"chatcmpl-9f2d7c1b4e6a8053","object":"chat.completion.chunk","created":1700000000,'
            '"model":"chat-large-2024-08-06","service_tier":"default","system_fingerprint":"fp_')
    tail = '","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n' % (delta, finish_reason)
    return head + "0" * (CHUNK_BYTES - len(head) - len(tail)) + tail


def http_chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data.encode())


BEGIN = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
         http_chunk(event('{"role":"assistant","content":""}')))
CHUNK = http_chunk(event('{"content":" stream"}'))
END = http_chunk(event("{}", '"stop"')) + http_chunk("data: [DONE]\n\n") + b"0\r\n\r\n"


class Upstream:
    """Answers one request at a time, over whatever connection it comes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = []

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def request(self):
        """Waits for a whole request; the connection that it came by."""
        while True:
            ready, _, _ = select.select([self.listener, *self.connections], [], [], PATIENCE)
            if not ready:
                raise TimeoutError("no request came from sluice-server")
            for one in ready:
                if one is self.listener:
                    self.connections.append(one.accept()[0])
                    self.connections[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                elif self._read(one):
                    return one

    def _read(self, connection):
        text = b""
        while True:
            got = connection.recv(1 << 16)
            if not got:
                self.connections.remove(connection)
                return False
            text += got
            head, end, body = text.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if end and len(body) >= int(length.group(1)):
                return True

    def close(self):
        for one in [self.listener, *self.connections]:
            one.close()


class Caller:
    def __init__(self, address, stubs):
        sys.path.insert(0, stubs)
        import grpc
        from sluice.v1 import gateway_pb2, gateway_pb2_grpc
        self.messages = gateway_pb2
        self.channel = grpc.insecure_channel(address)
        self.stub = gateway_pb2_grpc.GatewayStub(self.channel)
        self.question = gateway_pb2.ChatRequest(
            model=MODEL, messages=[gateway_pb2.Message(role=gateway_pb2.ROLE_USER, text="x" * 1024)])

    def call(self, upstream, chunks):
        answer = self.stub.StreamChat(self.question, timeout=PATIENCE)
        connection = upstream.request()
        connection.sendall(BEGIN + CHUNK)
        texts = self._texts(next(answer))
        for _ in range(chunks - 1):
            connection.sendall(CHUNK)
            texts += self._texts(next(answer))
        connection.sendall(END)
        complete = False
        for message in answer:
            texts += self._texts(message)
            complete = any(event.end.outcome == self.messages.OUTCOME_COMPLETE for event in message.events)
        if not complete or texts != chunks:
            raise RuntimeError(f"a call of {chunks} chunks brought {texts}, complete: {complete}")

    @staticmethod
    def _texts(message):
        return sum(event.content.text.count("stream") for event in message.events if event.HasField("content"))

    def mark(self):
        # What the last call left to do is done; nothing is counted while all sleep.
        time.sleep(0.05)
        self.stub.ListModels(self.messages.ListModelsRequest(), timeout=PATIENCE)


class Server:
    def __init__(self, command, environment):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        line = self.process.stdout.readline()
        found = re.search(r"listening on ([\d.:]+)", line)
        if not found:
            self.process.wait()
            raise RuntimeError(f"sluice-server did not come up under callgrind: {line}{self.said()}")
        self.address = found.group(1)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def run(valgrind, server, policy, stubs, environment, folder):
    """Runs all rounds; the parts' names, in the order of callgrind's dumps."""
    upstream = Upstream()
    try:
        path = os.path.join(folder, "server-policy.yaml")
        with open(policy) as source, open(path, "w") as file:
            file.write(source.read().replace("{url}", upstream.url))
        it = Server([*valgrind, "--dump-before=" + MARK, server, "--listen", "127.0.0.1:0", "--metrics-listen",
                     "127.0.0.1:0", "--policy-file", path, "--state-dir", "", "--drain-grace", "0s",
                     "--drain-timeout", "1s", "--loops", "1"],
                    environment)
        try:
            return _rounds(Caller(it.address, stubs), upstream)
        except Exception as error:
            raise RuntimeError(f"{error}\n{it.said()}") from error
        finally:
            it.stop()
    finally:
        upstream.close()


def _rounds(caller, upstream):
    names = []
    for _ in range(5):
        caller.call(upstream, 41)
    for _ in range(ROUNDS):
        for name, calls, chunks in ROUND:
            caller.mark()
            for _ in range(calls):
                caller.call(upstream, chunks)
            names.append(name)
    caller.mark()
    caller.channel.close()
    return names
