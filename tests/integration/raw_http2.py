"""An HTTP/2 connection byte by byte: what a client's library would hide."""

import os
import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
MAX_FRAME = 16384
ENHANCE_YOUR_CALM = 11


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def ends_stream(self):
        return bool(self.flags & END_STREAM) and self.kind in (DATA, HEADERS)

    @property
    def error_code(self):
        at = {GOAWAY: 4, RST_STREAM: 0}[self.kind]
        return struct.unpack_from(">I", self.payload, at)[0]


def _length(number):
    """HPACK's integers of seven bits and more."""
    if number < 127:
        return bytes([number])
    out, number = b"\x7f", number - 127
    while number >= 128:
        out, number = out + bytes([number % 128 + 128]), number // 128
    return out + bytes([number])


def header_block(headers):
    """Every header as a literal, without Huffman's code."""
    return b"".join(b"\0" + _length(len(name)) + name + _length(len(value)) + value for name, value in headers)


class Connection:
    """`frames`: all that came, oldest first, but for what keeps a connection going."""

    def __init__(self, port, seconds=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.buffer, self.frames, self.next_stream, self.closed = b"", [], 1, False
        self.acks = set()
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS, 0, 0)

    def close(self):
        self.socket.close()

    def send(self, kind, flags, stream, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) +
                            payload)

    def request(self, path, message, metadata=()):
        """A whole unary or server-streaming request; its stream."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        headers = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"test"),
                   (b"te", b"trailers"), (b"content-type", b"application/grpc"), *metadata]
        block = header_block(headers)
        pieces = [block[at:at + MAX_FRAME] for at in range(0, len(block), MAX_FRAME)]
        for index, piece in enumerate(pieces):
            last = END_HEADERS if index + 1 == len(pieces) else 0
            self.send(CONTINUATION if index else HEADERS, last, stream, piece)
        data = message.SerializeToString()
        self.send(DATA, END_STREAM, stream, b"\0" + struct.pack(">I", len(data)) + data)
        return stream

    def read(self):
        """One more frame, or None when the connection ended."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                self.closed = True
                return None
            self.buffer += data
        length = int.from_bytes(self.buffer[:3], "big")
        frame = Frame(self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big") & 0x7fffffff,
                      self.buffer[9:9 + length])
        self.buffer = self.buffer[9 + length:]
        self._react(frame)
        return frame

    def _react(self, frame):
        if frame.kind == PING:
            if frame.flags & ACK:
                self.acks.add(frame.payload)
            else:
                self.send(PING, ACK, 0, frame.payload)
        elif frame.kind == SETTINGS:
            if not frame.flags & ACK:
                self.send(SETTINGS, ACK, 0)
        elif frame.kind != WINDOW_UPDATE:
            self.frames.append(frame)

    def response(self, stream):
        """The frames of a stream up to its end, or the connection's."""
        while not any(f.stream == stream and (f.ends_stream or f.kind == RST_STREAM) for f in self.frames):
            if self.read() is None:
                break
        return [frame for frame in self.frames if frame.stream == stream]

    def ping(self):
        """True: it was answered and the connection is to stay."""
        mark = os.urandom(8)
        self.send(PING, 0, 0, mark)
        while mark not in self.acks and not self.goaway():
            if self.read() is None:
                return False
        return not self.goaway()

    def goaway(self):
        return next((frame for frame in self.frames if frame.kind == GOAWAY), None)

    def wait_for_goaway(self):
        while not self.goaway() and self.read() is not None:
            pass
        return self.goaway()
