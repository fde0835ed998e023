"""What a caller's connection bears, and what a refusal is on the wire."""

import time

import grpc
from harness import (IntegrationTest, chat_request, details_of, documents, gateway_pb2, gateway_pb2_grpc, route_yaml,
                     stream, upstream_yaml, wait_for, Background)
from raw_http2 import DATA, ENHANCE_YOUR_CALM, HEADERS, Connection

STREAM_CHAT = "/sluice.v1.Gateway/StreamChat"
CHAT = "/sluice.v1.Gateway/Chat"


class Connections(IntegrationTest):
    def serve(self, *args):
        alpha, = self.upstreams("alpha")
        self.server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])), None, *args)
        wait_for("health", self.serving)
        return self.connection()

    def serving(self):
        return stream(self.server.stub(), chat_request()).error is None

    def connection(self):
        connection = Connection(self.server.port)
        self.addCleanup(connection.close)
        return connection

    def test_a_refusal_has_no_initial_metadata_on_the_wire(self):
        connection = self.serve()
        for path in (STREAM_CHAT, CHAT):
            with self.subTest(path=path):
                refusal, = connection.response(connection.request(path, chat_request(model="nowhere")))
                self.assertEqual(refusal.kind, HEADERS)
                self.assertTrue(refusal.ends_stream)
                self.assertIn(b"sluice-call-id", refusal.payload)
                answer = connection.response(connection.request(path, chat_request()))
                self.assertEqual([answer[0].kind, answer[1].kind, answer[-1].kind], [HEADERS, DATA, HEADERS])
                self.assertFalse(answer[0].ends_stream)
                self.assertIn(b"sluice-call-id", answer[0].payload)
                self.assertNotIn(b"sluice-call-id", answer[-1].payload)

    def test_idle_pings_as_clients_send_them_draw_no_goaway(self):
        connection = self.serve("--min-ping-interval", "40ms")
        for _ in range(12):
            self.assertTrue(connection.ping(), connection.goaway())
            # Counted from the answer on, so the server never sees less.
            time.sleep(0.08)
        answer = connection.response(connection.request(CHAT, chat_request()))
        self.assertEqual([answer[0].kind, answer[-1].kind], [HEADERS, HEADERS])
        self.assertFalse(answer[0].ends_stream)
        self.assertTrue(connection.ping())

    def test_pings_before_their_time_are_told_off_after_the_strikes_that_are_stated(self):
        connection = self.serve()
        # By default one in 5 s, and two strikes.
        for _ in range(3):
            self.assertTrue(connection.ping())
        connection.ping()
        goaway = connection.wait_for_goaway()
        self.assertEqual(goaway.error_code, ENHANCE_YOUR_CALM)
        self.assertIn(b"too_many_pings", goaway.payload)
        self.assertTrue(self.connection().ping())

    def test_data_forgives_the_strikes(self):
        connection = self.serve()
        for _ in range(4):
            self.assertTrue(connection.ping())
            self.assertTrue(connection.ping())
            connection.response(connection.request(CHAT, chat_request()))
        self.assertIsNone(connection.goaway())

    def test_metadata_over_the_bound_disturbs_no_neighbour_of_its_connection(self):
        self.serve("--max-metadata-bytes", "8192")
        channel = grpc.insecure_channel(self.server.address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        stub = gateway_pb2_grpc.GatewayStub(channel)
        first = []
        neighbour = Background(stub, chat_request("[[alpha slow:50]]"), on_event=lambda _, event: first.append(event))
        wait_for("its first event", lambda: first)
        refused = stream(stub, chat_request(), metadata=(("x-large", "v" * 20000),))
        self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED, refused.error)
        info = details_of(refused.error)["ErrorInfo"]
        self.assertEqual(info.reason, "METADATA_TOO_LARGE")
        self.assertEqual(info.metadata["option"], "--max-metadata-bytes")
        self.assertEqual(info.metadata["bound"], "8192")
        self.ok(neighbour.answer())

    def test_metadata_over_grpcs_bound_costs_its_connection_and_no_other(self):
        connection = self.serve("--max-metadata-bytes", "8192")
        other = self.connection()
        stream_id = connection.request(CHAT, chat_request(), [(b"x-large", b"v" * 40000)])
        frames = connection.response(stream_id)
        self.assertTrue(connection.closed or connection.goaway() or frames, "nothing came of it")
        self.assertFalse(any(frame.kind == DATA for frame in frames))
        self.assertTrue(other.ping())
        self.assertEqual(len(other.response(other.request(CHAT, chat_request(model="nowhere")))), 1)
