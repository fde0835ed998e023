"""Policies on their way to the data planes, and what holds when that breaks."""

import os
import re
import signal
import threading
import time

import grpc
from harness import (DataPlane, IntegrationTest, chat_request, control_pb2, ctl, documents, route_yaml, stream,
                     upstream_yaml, wait_for)


class Push(IntegrationTest):
    def fleet(self, *alpha_args, nodes=1, env=None):
        alpha = self.simulator("alpha", "--answer", "numbered", *alpha_args)
        control = self.control_plane()
        self.applied(control, upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        servers = [self.data_plane(None, control, "--node-id", f"edge-{i + 1}", env=env, state=f"state{i}")
                   for i in range(nodes)]
        for server in servers:
            wait_for("the first revision", lambda s=server: s.metric("sluice_config_revision") >= 1)
        return alpha, control, servers

    def nodes(self, control):
        return {node.node_id: node for node in control.admin().ListNodes(control_pb2.ListNodesRequest()).nodes}

    def test_an_applied_policy_is_in_force_at_every_node(self):
        alpha, control, servers = self.fleet(nodes=2)
        out = self.applied(control, route_yaml(["alpha"], name="second"))
        self.assertRegex(out, r"route/second created")
        self.assertRegex(out, r"revision 2 .* acked by 2/2 data planes? in \d+(\.\d+)? ?ms")
        for server in servers:
            answer = stream(server.stub(), chat_request(model="second"))
            self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)

    def test_a_change_is_in_force_when_it_is_told_so(self):
        _, control, (server,) = self.fleet()
        elapsed = []
        for attempts in range(2, 10):
            status, out, err = ctl(control, "set", "route/chat", f"retry.max_attempts={attempts}")
            self.assertEqual(status, 0, out + err)
            elapsed.append(float(re.search(r"in (\d+(?:\.\d+)?) ?ms", out).group(1)))
            self.assertIn(f"revision {int(server.metric('sluice_config_revision'))}", out)
        print("apply to in force, ms:", sorted(elapsed))
        self.assertEqual(server.metric("sluice_config_revision"), 9)
        self.assertGreaterEqual(control.metric("sluice_controlplane_push_latency_seconds_count"), 8)

    def test_retry_policy_changes_for_running_data_planes(self):
        alpha, control, (server,) = self.fleet()
        for attempts in (1, 4):
            status, out, err = ctl(control, "set", "route/chat", f"retry.max_attempts={attempts}")
            self.assertEqual(status, 0, out + err)
            answer = stream(server.stub(), chat_request("[[alpha status:503]] hello"))
            self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(len(answer.attempts()), attempts)

    def test_a_call_keeps_the_policy_it_started_with(self):
        alpha, control, (server,) = self.fleet("--chunks", "40", "--interval", "25ms")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(stream(server.stub(), chat_request())))
        thread.start()
        wait_for("the call to run", lambda: alpha.stats()["requests"] == 1)
        status, out, err = ctl(control, "delete", "route/chat")
        self.assertEqual(status, 0, out + err)
        self.assertEqual(stream(server.stub(), chat_request()).code, grpc.StatusCode.NOT_FOUND)
        thread.join()
        self.assertEqual(answers[0].code, grpc.StatusCode.OK, answers[0].error)

    def test_a_refused_policy_leaves_the_old_one_and_says_why_and_where(self):
        alpha, control, (server,) = self.fleet()
        status, out, err = ctl(control, "apply", "-f", "-", stdin=documents(
            upstream_yaml("keyed", alpha.url, extra="credential: env:SLUICE_TEST_ABSENT_API_KEY"),
            route_yaml(["keyed"])))
        self.assertEqual(status, 7, out + err)
        self.assertIn("edge-1", out + err)
        self.assertIn("upstream/keyed", out + err)
        self.assertIn("SLUICE_TEST_ABSENT_API_KEY", out + err)
        node = self.nodes(control)["edge-1"]
        self.assertEqual(node.state, control_pb2.NODE_STATE_NACKED)
        self.assertEqual(node.acked_revision, 1)
        status, out, _ = ctl(control, "status")
        self.assertIn("NACKED", out)
        self.assertIn("SLUICE_TEST_ABSENT_API_KEY", out)
        self.assertEqual(stream(server.stub(), chat_request()).code, grpc.StatusCode.OK)
        # Mended, it is accepted again.
        status, out, err = ctl(control, "rollback", "--to", "1")
        self.assertEqual(status, 0, out + err)
        self.assertEqual(self.nodes(control)["edge-1"].state, control_pb2.NODE_STATE_ACKED)

    def test_a_secret_that_came_late_is_taken_up_at_sighup(self):
        alpha, control = self.simulator("alpha"), self.control_plane()
        secret = os.path.join(self.folder, "key")
        server = self.data_plane(None, control, "--node-id", "edge-1", "--allow-credentials", f"file:{secret}")
        wait_for("the node", lambda: "edge-1" in self.nodes(control))
        status, out, err = ctl(control, "apply", "-f", "-", stdin=documents(
            upstream_yaml("alpha", alpha.url, extra=f"credential: file:{secret}"), route_yaml(["alpha"])))
        self.assertEqual(status, 7, out + err)
        self.file("key", "sk-late")
        server.process.send_signal(signal.SIGHUP)
        wait_for("the ack", lambda: self.nodes(control)["edge-1"].state == control_pb2.NODE_STATE_ACKED)
        self.assertEqual(stream(server.stub(), chat_request()).code, grpc.StatusCode.OK)

    def test_killing_the_control_plane_disturbs_no_call_and_loses_no_write(self):
        alpha, control, (server,) = self.fleet("--chunks", "20", "--interval", "20ms")
        stop = threading.Event()
        failures, calls = [], []

        def caller():
            stub = server.stub()
            while not stop.is_set():
                answer = stream(stub, chat_request())
                calls.append(answer)
                if answer.code != grpc.StatusCode.OK:
                    failures.append(answer.error)

        callers = [threading.Thread(target=caller) for _ in range(8)]
        for thread in callers:
            thread.start()
        acknowledged = 0
        for attempts in range(2, 7):
            status, out, err = ctl(control, "set", "--no-wait", "route/chat", f"retry.max_attempts={attempts}")
            self.assertEqual(status, 0, out + err)
            acknowledged = int(re.search(r"revision (\d+)", out).group(1))
        control.process.send_signal(signal.SIGKILL)
        control.process.wait()
        time.sleep(0.5)
        again = self.control_plane(listen=control.address)
        self.assertGreaterEqual(again.metric("sluice_controlplane_revision"), acknowledged)
        wait_for("the data plane to come back",
                 lambda: self.nodes(again).get("edge-1") and
                 self.nodes(again)["edge-1"].state == control_pb2.NODE_STATE_ACKED, 20)
        status, out, err = ctl(again, "set", "route/chat", "retry.max_attempts=9")
        self.assertEqual(status, 0, out + err)
        stop.set()
        for thread in callers:
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(len(calls), 8)

    def test_a_data_plane_boots_from_its_last_known_good(self):
        alpha, control, (server,) = self.fleet()
        address = control.address
        control.kill()
        server.stop()
        server = self.data_plane(None, address, "--node-id", "edge-1", state="state0")
        answer = stream(server.stub(), chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
        self.assertEqual(server.metric("sluice_config_source", source="last_known_good"), 1)

    def test_without_any_configuration_the_answer_says_so(self):
        server = self.data_plane(None, "127.0.0.1:1")
        answer = stream(server.stub(), chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(answer.details()["ErrorInfo"].reason, "NO_CONFIGURATION")

    def test_removals_reach_a_node_that_was_away(self):
        alpha, control, (server,) = self.fleet()
        self.applied(control, route_yaml(["alpha"], name="gone"))
        server.stop()
        status, out, err = ctl(control, "delete", "route/gone", "--no-wait")
        self.assertEqual(status, 0, out + err)
        server = self.data_plane(None, control, "--node-id", "edge-1", state="state0")
        wait_for("the newest revision", lambda: server.metric("sluice_config_revision") == 3)
        self.assertEqual(stream(server.stub(), chat_request(model="gone")).code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(stream(server.stub(), chat_request()).code, grpc.StatusCode.OK)
