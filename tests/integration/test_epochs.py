"""A fleet keeps what it runs: control planes that lost their store, two data
planes of one name, those that leave, and those that come at a bad time."""

import os
import signal

import grpc
from harness import (ControlPlane, IntegrationTest, chat_request, control_pb2, ctl, documents, numbered, route_yaml,
                     stream, upstream_yaml, wait_for)

MISMATCH = control_pb2.NODE_STATE_EPOCH_MISMATCH
ACKED = control_pb2.NODE_STATE_ACKED


class Fleet(IntegrationTest):
    def nodes(self, control=None):
        listed = (control or self.control).admin().ListNodes(control_pb2.ListNodesRequest())
        return {node.node_id: node for node in listed.nodes}

    def state_of(self, name, control=None):
        node = self.nodes(control).get(name)
        return node.state if node else None

    def until(self, name, state, control=None, seconds=20):
        wait_for(f"{name} to be {control_pb2.NodeState.Name(state)}",
                 lambda: self.state_of(name, control) == state, seconds)

    def fleet(self, nodes=2, args=()):
        """A control plane with policies and data planes that run them."""
        self.alpha = self.simulator("alpha", "--answer", "numbered")
        self.control = self.control_plane()
        self.applied(self.control, upstream_yaml("alpha", self.alpha.url), route_yaml(["alpha"]))
        for i in range(nodes):
            self.data_plane(None, self.control, "--node-id", f"edge-{i + 1}", *args, state=f"state{i}")
            self.until(f"edge-{i + 1}", ACKED)
        return self.servers

    def serves(self, server):
        self.ok(stream(server.stub(), chat_request()), numbered("alpha"))

    def another_store(self, name="another"):
        """The control plane goes, and one with an empty store comes to its place."""
        address = self.control.address
        self.control.stop()
        os.mkdir(os.path.join(self.folder, name))
        self.control = self.started(ControlPlane(os.path.join(self.folder, name), listen=address))
        return self.control


class Epochs(Fleet):
    def a_fleet_and_a_nearly_empty_store(self):
        servers = self.fleet()
        self.another_store()
        for name in ("edge-1", "edge-2"):
            self.until(name, MISMATCH)
        # Nobody runs it: to wait for would be in vain.
        status, out, err = ctl(self.control, "apply", "--no-wait", "-f", "-", stdin=documents(
            upstream_yaml("beta", self.alpha.url), route_yaml(["beta"], name="other")))
        self.assertEqual(status, 0, out + err)
        return servers

    def test_a_nearly_empty_store_replaces_nothing_unsaid(self):
        servers = self.a_fleet_and_a_nearly_empty_store()
        for name in ("edge-1", "edge-2"):
            node = self.nodes()[name]
            self.assertEqual(node.state, MISMATCH)
            self.assertIn("runs revision 1 of another store", node.last_error)
            self.assertIn("--adopt", node.last_error)
        for server in servers:
            self.serves(server)
        waited = self.control.admin().AwaitRevision(control_pb2.AwaitRevisionRequest(revision=1))
        self.assertEqual((waited.acked, waited.pending, waited.mismatched), (0, 0, 2))
        # Kill switches work all the same.
        command = control_pb2.CommandRequest()
        command.command.trip_breaker.target = "alpha"
        answers = self.control.admin().Command(command).answers
        self.assertEqual([answer.answer.code for answer in answers], [0, 0])
        self.assertEqual(stream(servers[0].stub(), chat_request()).code, grpc.StatusCode.UNAVAILABLE)
        # Also what they boot with when they start again meanwhile.
        servers[0].stop()
        again = self.data_plane(None, self.control, "--node-id", "edge-1", state="state0")
        self.until("edge-1", MISMATCH)
        self.serves(again)
        self.assertIn("data plane edge-1 runs revision 1 of another store", self.control.stderr())

    def test_adopt_goes_on_from_what_the_fleet_runs(self):
        servers = self.a_fleet_and_a_nearly_empty_store()
        adopted = self.control.admin().Adopt(control_pb2.AdoptRequest(author="ann", reason="the store was lost"))
        self.assertEqual(adopted.revision, 2)
        self.assertEqual(adopted.adopted_revision, 1)
        self.assertEqual(list(adopted.node_ids), ["edge-1", "edge-2"])
        for name in ("edge-1", "edge-2"):
            self.until(name, ACKED)
        stored = self.control.admin().List(control_pb2.ListRequest()).resources
        self.assertEqual(sorted(resource.meta.name for resource in stored), ["alpha", "chat"])
        for server in servers:
            self.serves(server)
        self.assertIn("acked by 2/2", self.applied(self.control, route_yaml(["alpha"], name="second")))

    def test_replacing_is_said_and_shown_before(self):
        servers = self.a_fleet_and_a_nearly_empty_store()
        shown = self.control.admin().ReplaceEpochs(control_pb2.ReplaceEpochsRequest(validate_only=True))
        self.assertEqual(len(shown.losses), 1)
        self.assertEqual(list(shown.losses[0].node_ids), ["edge-1", "edge-2"])
        deleted = [change.resource.name for change in shown.losses[0].changes
                   if change.action == control_pb2.CHANGE_ACTION_DELETED]
        self.assertEqual(deleted, ["chat", "alpha"])
        self.serves(servers[0])
        self.control.admin().ReplaceEpochs(control_pb2.ReplaceEpochsRequest())
        for name in ("edge-1", "edge-2"):
            self.until(name, ACKED)
        self.assertEqual(stream(servers[0].stub(), chat_request()).code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(stream(servers[0].stub(), chat_request(model="other")).code, grpc.StatusCode.OK)
        # It stays said, for those that come later and over a restart.
        address = self.control.address
        self.control.stop()
        self.control = self.started(ControlPlane(os.path.join(self.folder, "another"), listen=address))
        for name in ("edge-1", "edge-2"):
            self.until(name, ACKED)

    def test_a_store_that_was_put_back_does_not_take_revisions_away(self):
        self.fleet(nodes=1)
        address = self.control.address
        self.control.stop()
        with open(self.control.store, "rb") as store:
            copy = store.read()
        self.control = self.control_plane(listen=address)
        self.until("edge-1", ACKED)
        self.assertIn("acked by 1/1", self.applied(self.control, route_yaml(["alpha"], name="later")))
        self.control.stop()
        for ending in ("-wal", "-shm"):
            if os.path.exists(self.control.store + ending):
                os.remove(self.control.store + ending)
        with open(self.control.store, "wb") as store:
            store.write(copy)
        self.control = self.control_plane(listen=address)
        self.until("edge-1", MISMATCH)
        self.assertIn("runs revision 2, which this store lost", self.nodes()["edge-1"].last_error)
        self.ok(stream(self.servers[0].stub(), chat_request(model="later")))
        adopted = self.control.admin().Adopt(control_pb2.AdoptRequest())
        self.assertEqual(adopted.adopted_revision, 2)
        self.until("edge-1", ACKED)
        self.ok(stream(self.servers[0].stub(), chat_request(model="later")))
        self.assertIn("acked by 1/1", self.applied(self.control, route_yaml(["alpha"], name="latest")))


class Comings(Fleet):
    def test_the_second_data_plane_of_a_name_is_refused_and_serves_from_its_file(self):
        self.fleet(nodes=1)
        policy = documents(upstream_yaml("alpha", self.alpha.url), route_yaml(["alpha"]))
        second = self.data_plane(policy, self.control, "--node-id", "edge-1", state="second")
        wait_for("the refusal", lambda: 'node id "edge-1" is in use by the data plane at' in second.stderr())
        self.assertIn("--node-id", second.stderr())
        self.serves(second)
        node = wait_for("the rival", lambda: self.nodes()["edge-1"].rival_peer and self.nodes()["edge-1"])
        self.assertEqual(node.state, ACKED)
        self.assertNotEqual(node.rival_peer, node.peer)
        self.assertIn('two data planes are called "edge-1"', self.control.stderr())
        # The first one was not disturbed, and when it goes the second gets in.
        self.assertIn("acked by 1/1", self.applied(self.control, route_yaml(["alpha"], name="more")))
        self.assertEqual(self.servers[0].stderr().count("connected to the control plane"), 1)
        self.servers[0].stop()
        wait_for("the second to be taken", lambda: second.metric("sluice_config_revision") == 2, 60)
        self.until("edge-1", ACKED)
        self.assertNotEqual(self.nodes()["edge-1"].peer, node.peer)

    def test_who_is_killed_and_started_again_gets_in(self):
        first = self.fleet(nodes=1)[0]
        first.kill()
        self.data_plane(None, self.control, "--node-id", "edge-1", state="state0")
        self.until("edge-1", ACKED)

    def test_who_leaves_in_peace_is_gone_and_not_lost(self):
        first, second = self.fleet()
        first.stop()
        second.process.send_signal(signal.SIGKILL)
        second.process.wait()
        self.until("edge-1", control_pb2.NODE_STATE_GONE)
        self.until("edge-2", control_pb2.NODE_STATE_LOST)
        waited = self.control.admin().AwaitRevision(control_pb2.AwaitRevisionRequest(revision=1))
        self.assertEqual(waited.lost, 1)
        self.assertEqual([node.node_id for node in waited.nodes], ["edge-2"])
        for state, count in (("gone", 1), ("lost", 1), ("acked", 0)):
            self.assertEqual(self.control.metric("sluice_controlplane_subscribers", state=state), count, state)
        self.control.admin().ForgetNode(control_pb2.ForgetNodeRequest(node_id="edge-2"))
        self.assertEqual(list(self.nodes()), ["edge-1"])
        for line in ("data plane edge-1 left in peace", "data plane edge-2 lost"):
            self.assertIn(line, self.control.stderr())

    def test_who_left_is_forgotten_soon(self):
        self.alpha = self.simulator("alpha")
        self.control = self.control_plane("--forget-gone-after", "1s")
        server = self.data_plane(None, self.control, "--node-id", "edge-1")
        self.until("edge-1", ACKED)
        server.stop()
        wait_for("edge-1 to be forgotten", lambda: not self.nodes())

    def test_who_joins_while_the_newest_is_refused_gets_what_is_in_force(self):
        self.fleet(nodes=1)
        status, out, err = ctl(self.control, "apply", "-f", "-", stdin=upstream_yaml(
            "keyed", self.alpha.url, extra="credential: env:SLUICE_TEST_ABSENT_API_KEY"))
        self.assertEqual(status, 7, out + err)
        joiner = self.data_plane(None, self.control, "--node-id", "joiner", state="joiner")
        wait_for("revision 1", lambda: joiner.metric("sluice_config_revision") == 1)
        self.serves(joiner)
        node = self.nodes()["joiner"]
        self.assertEqual((node.state, node.acked_revision), (control_pb2.NODE_STATE_NACKED, 1))
        self.assertIn("SLUICE_TEST_ABSENT_API_KEY", node.last_error)
        self.assertIn("data plane joiner refused revision 2", self.control.stderr())
        # Also after a control plane's restart, when only the nodes know it.
        address = self.control.address
        self.control.stop()
        self.control = self.control_plane(listen=address)
        self.until("edge-1", control_pb2.NODE_STATE_NACKED)
        later = self.data_plane(None, self.control, "--node-id", "later", state="later")
        wait_for("revision 1", lambda: later.metric("sluice_config_revision") == 1)
        self.serves(later)
        status, out, err = ctl(self.control, "rollback", "--to", "1")
        self.assertEqual(status, 0, out + err)
        self.assertIn("acked by 3/3", out)
