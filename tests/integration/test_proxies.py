"""Calls through the proxies that deploy/proxies shows how to set up."""

import os
import threading

import grpc
from harness import (Background, IntegrationTest, chat_request, documents, gateway_pb2, gateway_pb2_grpc, pool_yaml,
                     route_yaml, stream, wait_for)
from insisting_upstream import InsistingUpstream, chunk
from proxies import Envoy, Haproxy, Nginx
from stepped_upstream import SteppedUpstream

PATIENT = "timeouts: {first_content: 10m, idle: 10m}"


# How clients read a stream that was reset.
CUT = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE)


class Claims(IntegrationTest):
    """What holds through every proxy; `proxy` is the class of the one in the way."""

    proxy = None
    silence_words = absence_words = ""  # of the proxy's own errors

    def setUp(self):
        super().setUp()
        # Before an upstream runs, which a skipped test would leave behind.
        self.proxy.executable()

    def behind(self, upstream, *args, changes=None):
        """Two data planes of one upstream behind the proxy; the caller's stub."""
        if not hasattr(upstream, "stats"):
            self.addCleanup(upstream.stop)
        policy = documents(pool_yaml("alpha", upstream.url), route_yaml(["alpha"], extra=PATIENT))
        for name in ("edge-1", "edge-2"):
            self.data_plane(policy, None, "--node-id", name, *args, state=name)
        return self.through(self.servers, changes)

    def through(self, servers, changes=None):
        self.way = self.started(self.proxy(self.folder, servers, changes))
        with open(self.way.cert, "rb") as file:
            trust = grpc.ssl_channel_credentials(file.read())
        self.channel = grpc.secure_channel(self.way.address, trust)
        self.addCleanup(self.channel.close)
        return gateway_pb2_grpc.GatewayStub(self.channel)

    def calls_of(self, server):
        return server.metric("gen_ai_client_operation_duration_seconds_count")

    def streams_piece_by_piece(self):
        upstream = SteppedUpstream()
        stub = self.behind(upstream)
        call = stub.StreamChat(chat_request(), timeout=60)
        turn = upstream.turn()
        # Each is sent only when the one before it has come through.
        for piece in ("first ", "second ", "third"):
            turn.say(piece)
            text = "".join(event.content.text for event in next(call).events)
            self.assertEqual(text, piece)
        turn.finish()
        rest = [event for response in call for event in response.events]
        self.assertEqual(rest[-1].end.outcome, gateway_pb2.OUTCOME_COMPLETE)
        self.assertIn("sluice-call-id", dict(call.initial_metadata()))

    def large_requests_pass(self):
        image = os.urandom(3 << 20)
        upstream = InsistingUpstream(lambda request, headers: [chunk({"content": "seen"}), chunk({}, "stop")])
        stub = self.behind(upstream)
        self.ok(stream(stub, self._big(image, 6), timeout=60), "seen")
        [got] = upstream.requests
        urls = [part["image_url"]["url"] for part in got["messages"][0]["content"][1:]]
        self.assertEqual(len(urls), 6)
        self.assertGreater(min(map(len, urls)), len(image))
        # Too large for the data plane, and for nginx too.
        for count in (12, 15):
            answer = stream(stub, self._big(image, count), timeout=60)
            self.assertEqual(answer.code, grpc.StatusCode.RESOURCE_EXHAUSTED, answer.error)
        self.ok(stream(stub, chat_request(), timeout=60), "seen")

    def silence_is_bounded_by_what_the_file_says(self):
        upstream = SteppedUpstream()
        short = self.proxy.silence.replace("1h", "1s").replace("3600s", "1s")
        stub = self.behind(upstream, changes={self.proxy.silence: short})
        answer = Background(stub, chat_request(), timeout=60)
        turn = upstream.turn()
        # With its own setting cut to a second, the proxy ends the call: so it is this setting that holds.
        self.assertTrue(turn.gone.wait(60))
        answer = answer.answer()
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE, answer.error)
        self.assertEqual(answer.details(), {})
        self.assertIn(self.silence_words, answer.error.details())


    def calls_take_turns(self):
        alpha = self.simulator("alpha", "--answer", "numbered")
        stub = self.behind(alpha)
        for _ in range(10):
            self.ok(stream(stub, chat_request()))
        # On one connection of the caller's: each call is placed by itself.
        counts = sorted(self.calls_of(server) for server in self.servers)
        self.assertEqual(sum(counts), 10)
        self.assertGreaterEqual(counts[0], 3, counts)

    def _big(self, image, count):
        parts = [gateway_pb2.Part(media=gateway_pb2.Media(mime_type="image/png", data=image)) for _ in range(count)]
        return gateway_pb2.ChatRequest(model="chat", messages=[
            gateway_pb2.Message(role=gateway_pb2.ROLE_USER, parts=[gateway_pb2.Part(text="What is this?"), *parts])])

    def cancels_reach_the_upstream(self):
        upstream = SteppedUpstream()
        stub = self.behind(upstream)
        for words in ((), ("first ",)):
            with self.subTest(words=words):
                call = stub.StreamChat(chat_request(), timeout=60)
                turn = upstream.turn()
                turn.say(*words)
                if words:
                    next(call)
                call.cancel()
                self.assertTrue(turn.gone.wait(60))

    def old_connections_end_after_their_calls(self):
        upstream = SteppedUpstream()
        stub = self.behind(upstream, changes=self.proxy.soon_old)
        states = []
        self.channel.subscribe(states.append)
        long_call = Background(stub, chat_request(), timeout=60)
        long_turn = upstream.turn()
        long_turn.say("first ")
        # The proxy says goodbye to the connection: later calls take a new one.
        while states.count(grpc.ChannelConnectivity.READY) < 2:
            call = Background(stub, chat_request(), timeout=60)
            upstream.turn().finish("short")
            self.ok(call.answer(), "short")
        long_turn.finish("last")
        self.ok(long_call.answer(), "first last")

    def the_data_planes_errors_come_through(self):
        alpha = self.simulator("alpha", "--fault", "status:503")
        stub = self.behind(alpha)
        answer = stream(stub, chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(answer.details()["ErrorInfo"].reason, "ATTEMPTS_EXHAUSTED")
        self.assertTrue(answer.attempts())

    def without_data_planes_it_is_unavailable(self):
        alpha = self.simulator("alpha", "--answer", "numbered")
        stub = self.behind(alpha)
        self.ok(stream(stub, chat_request()))
        for server in self.servers:
            server.stop()
        answer = stream(stub, chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE, answer.error)
        self.assertEqual(answer.details(), {})
        self.assertIn(self.absence_words, answer.error.details())

    def a_data_plane_that_dies_makes_no_whole_answer(self):
        upstream = SteppedUpstream()
        stub = self.behind(upstream)
        for words, codes in (((), (grpc.StatusCode.UNAVAILABLE,)), (("first ",), CUT)):
            seen = threading.Event()
            answer = Background(stub, chat_request(), timeout=60, on_event=lambda call, event, seen=seen: seen.set())
            turn = upstream.turn()
            turn.say(*words)
            if words:
                self.assertTrue(seen.wait(60))
            [busy] = [server for server in self.servers if server.process.poll() is None
                      and server.metric("sluice_open_calls")]
            busy.kill()
            answer = answer.answer()
            self.assertIn(answer.code, codes, answer.error)
            self.assertEqual((answer.text, answer.end, answer.details()), ("".join(words), None, {}))

    def who_is_not_serving_gets_no_calls(self):
        alpha = self.simulator("alpha", "--answer", "numbered")
        policy = documents(pool_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        # Without a configuration health says NOT_SERVING, and calls are refused.
        self.data_plane(None, "127.0.0.1:1", "--node-id", "edge-1", state="edge-1")
        self.data_plane(policy, None, "--node-id", "edge-2", state="edge-2")
        stub = self.through(self.servers)

        def ten_in_a_row():
            return all(stream(stub, chat_request()).code == grpc.StatusCode.OK for _ in range(10))

        wait_for("calls go to the other alone", ten_in_a_row, 30)
        self.assertTrue(ten_in_a_row())

    def a_drain_loses_no_call(self):
        alpha = self.simulator("alpha", "--answer", "numbered", "--chunks", "5", "--interval", "5ms")
        stub = self.behind(alpha, "--drain-grace", "2s", changes=self.proxy.quick_checks)
        answers, enough = [], threading.Event()

        def call():
            while not enough.is_set():
                answers.append(stream(stub, chat_request()))

        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        first, second = self.servers
        wait_for("calls on both", lambda: min(map(self.calls_of, self.servers)) >= 5)
        first.stop()
        served = self.calls_of(second)
        wait_for("calls on the other", lambda: self.calls_of(second) >= served + 20, 30)
        enough.set()
        for caller in callers:
            caller.join()
        for answer in answers:
            self.ok(answer)


class NginxProxy(Claims):
    proxy = Nginx
    silence_words = absence_words = "nginx: no data plane answers"

    def test_streams_piece_by_piece(self):
        self.streams_piece_by_piece()

    def test_large_requests_pass(self):
        self.large_requests_pass()

    def test_silence_is_bounded_by_what_the_file_says(self):
        self.silence_is_bounded_by_what_the_file_says()

    def test_calls_take_turns(self):
        self.calls_take_turns()

    def test_cancels_reach_the_upstream(self):
        self.cancels_reach_the_upstream()

    def test_the_data_planes_errors_come_through(self):
        self.the_data_planes_errors_come_through()

    def test_without_data_planes_it_is_unavailable(self):
        self.without_data_planes_it_is_unavailable()

    def test_a_data_plane_that_dies_makes_no_whole_answer(self):
        self.a_data_plane_that_dies_makes_no_whole_answer()

    def test_old_connections_end_after_their_calls(self):
        self.old_connections_end_after_their_calls()

    def test_a_drain_loses_no_call(self):
        self.a_drain_loses_no_call()


class HaproxyProxy(Claims):
    proxy = Haproxy
    silence_words, absence_words = "haproxy: the data plane was silent", "haproxy: no data plane answers"

    def test_streams_piece_by_piece(self):
        self.streams_piece_by_piece()

    def test_large_requests_pass(self):
        self.large_requests_pass()

    def test_silence_is_bounded_by_what_the_file_says(self):
        self.silence_is_bounded_by_what_the_file_says()

    def test_calls_take_turns(self):
        self.calls_take_turns()

    def test_cancels_reach_the_upstream(self):
        self.cancels_reach_the_upstream()

    def test_the_data_planes_errors_come_through(self):
        self.the_data_planes_errors_come_through()

    def test_without_data_planes_it_is_unavailable(self):
        self.without_data_planes_it_is_unavailable()

    def test_who_is_not_serving_gets_no_calls(self):
        self.who_is_not_serving_gets_no_calls()

    def test_a_data_plane_that_dies_makes_no_whole_answer(self):
        self.a_data_plane_that_dies_makes_no_whole_answer()

    def test_a_drain_loses_no_call(self):
        self.a_drain_loses_no_call()


class EnvoyProxy(Claims):
    proxy = Envoy

    def test_streams_piece_by_piece(self):
        self.streams_piece_by_piece()

    def test_large_requests_pass(self):
        self.large_requests_pass()

    def test_silence_is_bounded_by_what_the_file_says(self):
        self.silence_is_bounded_by_what_the_file_says()

    def test_calls_take_turns(self):
        self.calls_take_turns()

    def test_cancels_reach_the_upstream(self):
        self.cancels_reach_the_upstream()

    def test_the_data_planes_errors_come_through(self):
        self.the_data_planes_errors_come_through()

    def test_without_data_planes_it_is_unavailable(self):
        self.without_data_planes_it_is_unavailable()

    def test_who_is_not_serving_gets_no_calls(self):
        self.who_is_not_serving_gets_no_calls()

    def test_a_data_plane_that_dies_makes_no_whole_answer(self):
        self.a_data_plane_that_dies_makes_no_whole_answer()

    def test_old_connections_end_after_their_calls(self):
        self.old_connections_end_after_their_calls()

    def test_a_drain_loses_no_call(self):
        self.a_drain_loses_no_call()
