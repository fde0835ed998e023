"""How a data plane goes: what balancers and callers see from SIGTERM on."""

import json
import os
import signal
import socket
import threading

import grpc
from harness import (BUILD, IntegrationTest, chat_request, documents, gateway_pb2_grpc, run, route_yaml, stream,
                     upstream_yaml, wait_for, Background)

GRPCURL = os.path.join(BUILD, "tools", "bin", "grpcurl")
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


class Drain(IntegrationTest):
    def serve(self, *args, state="state"):
        server = self.data_plane(self.policy(), None, *args, state=state)
        wait_for("health", lambda: self.health(server) == "SERVING")
        return server

    def policy(self):
        if not self.simulators:
            self.upstreams("alpha", args=("--chunks", "3"))
        return documents(upstream_yaml("alpha", self.simulators[0].url), route_yaml(["alpha"]))

    def health(self, server):
        status, out, err = run(GRPCURL, "-plaintext", server.address, "grpc.health.v1.Health/Check")
        self.assertEqual(status, 0, err)
        return json.loads(out)["status"]

    def said(self, server, words):
        wait_for(words, lambda: words in server.stderr())

    def closed(self, server):
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return False
        except ConnectionRefusedError:
            return True

    def ended(self, server):
        self.assertEqual(server.fails(), 0, server.stderr()[-2000:])

    def test_in_the_grace_health_says_no_and_calls_and_connections_are_served(self):
        server = self.serve("--drain-grace", "10m")
        stub = server.stub()
        self.ok(stream(stub, chat_request()))
        running = Background(stub, chat_request("[[alpha slow:300]]"))
        server.process.send_signal(signal.SIGTERM)
        wait_for("NOT_SERVING", lambda: self.health(server) == "NOT_SERVING")
        self.ok(stream(stub, chat_request()), "alpha:0 alpha:1 alpha:2")
        self.ok(stream(server.stub(), chat_request()), "alpha:0 alpha:1 alpha:2")
        self.ok(running.answer())
        # A second signal skips the rest of it.
        server.leave()
        server.process.send_signal(signal.SIGTERM)
        self.ended(server)
        self.assertTrue(self.closed(server))

    def test_a_grace_that_is_over_ends_the_port(self):
        server = self.serve("--drain-grace", "300ms")
        server.process.send_signal(signal.SIGTERM)
        self.ended(server)
        self.assertTrue(self.closed(server))

    def test_a_third_signal_ends_at_once(self):
        server = self.serve("--drain-grace", "10m", "--drain-timeout", "10m")
        answer = Background(server.stub(), chat_request("[[alpha stall:1]]"))
        self.reaches("sluice_open_streams", 1, server=server)
        server.process.send_signal(signal.SIGTERM)
        self.said(server, "stopping in 10m")
        server.process.send_signal(signal.SIGTERM)
        self.said(server, "running calls may end")
        server.process.send_signal(signal.SIGTERM)
        self.ended(server)
        self.assertIn("without waiting for running calls", server.stderr())
        self.assertEqual(answer.answer().code, grpc.StatusCode.UNAVAILABLE)

    def test_without_grace_a_second_signal_ends_at_once(self):
        server = self.serve("--drain-timeout", "10m")
        answer = Background(server.stub(), chat_request("[[alpha stall:1]]"))
        self.reaches("sluice_open_streams", 1, server=server)
        server.process.send_signal(signal.SIGTERM)
        self.said(server, "running calls may end")
        server.process.send_signal(signal.SIGTERM)
        self.ended(server)
        self.assertEqual(answer.answer().code, grpc.StatusCode.UNAVAILABLE)

    def test_reading_policies_again_ends_no_grace(self):
        server = self.serve("--drain-grace", "10m")
        server.process.send_signal(signal.SIGTERM)
        self.said(server, "stopping in 10m")
        server.process.send_signal(signal.SIGHUP)
        self.ok(stream(server.stub(), chat_request()))
        self.assertIsNone(server.process.poll())
        server.leave()
        server.process.send_signal(signal.SIGTERM)
        self.ended(server)

    def test_round_robin_without_health_checks_loses_no_call(self):
        stays = self.serve(state="stays")
        for turn in range(3):
            goes = self.serve("--drain-grace", "500ms", state=f"goes-{turn}")
            self.round_robin(stays, goes)

    def round_robin(self, stays, goes):
        target = f"ipv4:127.0.0.1:{stays.port},127.0.0.1:{goes.port}"
        over, failed, served = threading.Event(), [], [0]

        def call():
            with grpc.insecure_channel(target, options=[("grpc.service_config", ROUND_ROBIN),
                                                        ("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = gateway_pb2_grpc.GatewayStub(channel)
                while not over.is_set():
                    answer = stream(stub, chat_request())
                    served[0] += 1
                    if answer.error or answer.end is None:
                        failed.append(answer.error)

        callers = [threading.Thread(target=call) for _ in range(6)]
        for caller in callers:
            caller.start()
        wait_for("calls", lambda: served[0] > 100, 30)
        goes.process.send_signal(signal.SIGTERM)
        self.ended(goes)
        after = served[0]
        wait_for("calls at the other alone", lambda: served[0] > after + 100, 30)
        over.set()
        for caller in callers:
            caller.join()
        self.assertEqual(failed, [])
