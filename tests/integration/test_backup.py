"""The control plane's store is backed up, lost, and comes back."""

import glob
import hashlib
import os
import sqlite3
import stat
import threading

import grpc
from harness import (BIN, IntegrationTest, Process, chat_request, control_pb2, ctl, documents, policy_pb2, route_yaml,
                     run, stream, upstream_yaml, wait_for)


def take_backup(control, path):
    """As a tool does: to the end, checked, then kept."""
    digest, size, header, trailer = hashlib.sha256(), 0, None, None
    with open(path + ".part", "wb") as out:
        for response in control.admin().Backup(control_pb2.BackupRequest(), timeout=30):
            kind = response.WhichOneof("kind")
            if kind == "header":
                header = response.header
            elif kind == "data":
                out.write(response.data)
                digest.update(response.data)
                size += len(response.data)
            else:
                trailer = response.trailer
    assert size == header.size_bytes == trailer.size_bytes and digest.digest() == trailer.sha256
    os.rename(path + ".part", path)
    return header


class Traffic:
    """Callers that never stop; `end()` gives what failed."""

    def __init__(self, servers, callers=2):
        self.stopping, self.failures, self.calls = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self._run, args=(server,))
                        for server in servers for _ in range(callers)]
        for thread in self.threads:
            thread.start()

    def _run(self, server):
        stub = server.stub()
        while not self.stopping.is_set():
            answer = stream(stub, chat_request())
            self.calls += 1
            if answer.code != grpc.StatusCode.OK:
                self.failures.append(answer.error)

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self.failures


class Backup(IntegrationTest):
    def fleet(self, nodes=2):
        alpha = self.simulator("alpha", "--answer", "numbered", "--chunks", "10", "--interval", "10ms")
        self.control = self.control_plane()
        self.applied(self.control, upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        self.nodes = [self.data_plane(None, self.control, "--node-id", f"edge-{i + 1}", state=f"state{i}")
                      for i in range(nodes)]
        wait_for("the first revision", lambda: self.acked(1) == nodes)
        return self.control

    def acked(self, revision):
        """How many data planes run that revision, the newest."""
        answer = self.control.admin().ListNodes(control_pb2.ListNodesRequest())
        return sum(node.state == control_pb2.NODE_STATE_ACKED and node.acked_revision == revision
                   for node in answer.nodes)

    def lose(self):
        self.control.kill()
        for path in glob.glob(self.control.store + "*"):
            os.remove(path)

    def restore(self, source, *args, status=0):
        got, out, err = run(os.path.join(BIN, "sluice-controlplane"), "restore", "--from", source, "--store",
                            self.control.store, *args)
        self.assertEqual(got, status, out + err)
        self.assertEqual((out + err).count("\n"), 1, out + err)
        return out + err

    def start_refused(self, *flags):
        process = Process([os.path.join(BIN, "sluice-controlplane"), "--listen", "127.0.0.1:0", "--metrics-listen",
                           "127.0.0.1:0", *flags], ready=False)
        self.assertEqual(process.fails(), 1)
        self.assertEqual(process.stderr().count("\n"), 1, process.stderr())
        return process.stderr()

    def test_a_lost_store_comes_back_and_every_data_plane_takes_it_under_traffic(self):
        control = self.fleet()
        backup = os.path.join(self.folder, "backup.db")
        lost = control.admin().GetInfo(control_pb2.GetInfoRequest())
        self.assertEqual(ctl(control, "backup", backup)[:2], (0, f"{backup}: epoch {lost.epoch}, revision 1, "
                                                              f"{os.path.getsize(backup) / 1024:.1f} KiB, checked\n"))
        self.applied(control, route_yaml(["alpha"], name="later"))
        self.applied(control, route_yaml(["alpha"], name="latest"))
        traffic = Traffic(self.nodes)
        self.addCleanup(traffic.end)
        self.lose()
        self.assertIn("does not exist; --create makes a new one", self.start_refused("--store", control.store))
        told = self.restore(backup)
        self.assertIn("revision 1 with 2 resources of epoch " + lost.epoch, told)
        self.control = self.control_plane(listen=control.address)
        wait_for("the data planes to take what was restored", lambda: self.acked(1) == 2, 60)
        for node in self.nodes:
            self.assertEqual(stream(node.stub(), chat_request(model="later")).code, grpc.StatusCode.NOT_FOUND)
        info = self.control.admin().GetInfo(control_pb2.GetInfoRequest())
        self.assertEqual((info.parent_epoch, info.parent_revision), (lost.epoch, 1))
        self.assertIn(lost.epoch, info.replaces_epochs)
        self.assertNotEqual(info.epoch, lost.epoch)
        # And it goes on from there.
        self.assertIn("acked by 2/2", self.applied(self.control, route_yaml(["alpha"], name="anew")))
        self.assertEqual(traffic.end(), [])
        self.assertGreater(traffic.calls, 0)

    def test_a_file_that_is_removed_under_the_control_plane_is_told_and_can_be_rescued(self):
        control = self.fleet(nodes=1)
        self.applied(control, route_yaml(["alpha"], name="second"))
        os.remove(control.store)
        status, out, err = ctl(control, "delete", "route/second")
        self.assertNotEqual(status, 0)
        self.assertIn("was removed or replaced under this control plane", out + err)
        backup = os.path.join(self.folder, "backup.db")
        self.assertEqual(take_backup(control, backup).revision, 2)
        control.stop()
        self.restore(backup)
        self.control = self.control_plane(listen=control.address)
        wait_for("the data plane", lambda: self.acked(2) == 1, 60)

    def test_a_damaged_store_is_replaced_and_kept(self):
        control = self.fleet(nodes=1)
        backup = os.path.join(self.folder, "backup.db")
        take_backup(control, backup)
        control.kill()
        with open(control.store, "w") as out:
            out.write("not a store any more")
        self.assertIn("is damaged or not a store", self.start_refused("--store", control.store))
        self.assertIn("is there already; --force", self.restore(backup, status=1))
        kept = self.restore(backup, "--force").rpartition(" kept as ")[2].strip()
        with open(kept) as file:
            self.assertEqual(file.read(), "not a store any more")
        self.control = self.control_plane(listen=control.address)
        wait_for("the data plane", lambda: self.acked(1) == 1, 60)

    def test_restore_is_refused_beside_a_running_control_plane(self):
        control = self.fleet(nodes=0)
        backup = os.path.join(self.folder, "backup.db")
        take_backup(control, backup)
        self.assertIn("is in use by another process; stop it first", self.restore(backup, "--force", status=1))
        self.assertIn("revision 2", ctl(control, "set", "--no-wait", "route/chat", "retry.max_attempts=2")[1])

    def test_sqlite_s_own_backup_works_beside_the_running_control_plane(self):
        control = self.fleet(nodes=0)
        copy = os.path.join(self.folder, "copy.db")
        with sqlite3.connect(control.store) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close(), target.close()
        self.assertIn("revision 2", ctl(control, "set", "--no-wait", "route/chat", "retry.max_attempts=2")[1])
        self.lose()
        self.assertIn("revision 1 with 2 resources", self.restore(copy))

    def test_what_is_no_store_is_not_started_on(self):
        path = os.path.join(self.folder, "some.db")
        for make, message in ((lambda: None, "does not exist"),
                              (lambda: self.file("some.db", ""), "is an empty file, not a store"),
                              (lambda: self.file("some.db", "kind: Route\n" * 500), "is damaged or not a store")):
            make()
            told = self.start_refused("--store", path)
            self.assertIn(path + " " + message, told)
            self.assertIn("'sluice-controlplane restore'", told)

    def test_all_files_of_the_store_are_its_owner_s_alone(self):
        control = self.fleet(nodes=0)
        take_backup(control, os.path.join(self.folder, "backup.db"))
        files = glob.glob(control.store + "*")
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)

    def test_changes_refusals_and_backups_are_lines_of_the_log(self):
        control = self.fleet(nodes=0)
        ctl(control, "set", "--no-wait", "route/chat", "retry.max_attempts=2", "--reason", "provider incident")
        ctl(control, "set", "--no-wait", "route/chat", "retry.max_attempts=0")
        take_backup(control, os.path.join(self.folder, "backup.db"))
        log = control.stderr()
        self.assertRegex(log, r"revision 1 .*: upstream/alpha created; route/chat created")
        self.assertRegex(log, r"revision 2 .*\(provider incident\): route/chat retry.max_attempts: .* -> 2")
        self.assertRegex(log, r"Set .*refused: INVALID_ARGUMENT: .*route/chat")
        self.assertRegex(log, r"backup of revision 2 done: \d+ bytes in ")

    def test_a_dry_run_asks_the_data_planes_for_what_only_they_know(self):
        control = self.fleet(nodes=1)
        self.assertEqual(ctl(control, "apply", "-f", "-", stdin=documents(route_yaml(["alpha"])))[0], 0)
        request = control_pb2.ApplyRequest(validate_only=True, ask_nodes=True)
        request.resources.add(meta=policy_pb2.Meta(name="keyed"), upstream=policy_pb2.Upstream(
            format=policy_pb2.WIRE_FORMAT_OPENAI, credential="env:SLUICE_TEST_ABSENT_API_KEY",
            endpoints=[policy_pb2.Endpoint(url="https://api.openai.com/v1")]))
        (finding,) = control.admin().Apply(request).nodes
        self.assertEqual((finding.node_id, finding.code), ("edge-1", 0))
        self.assertEqual(finding.violations[0].code, "CREDENTIAL")
        self.assertIn("SLUICE_TEST_ABSENT_API_KEY", finding.violations[0].message)
        # It was asked, not told: calls go on as before, and so does the next change.
        self.assertEqual(self.ok(stream(self.nodes[0].stub(), chat_request())).code, grpc.StatusCode.OK)
        self.assertIn("acked by 1/1", self.applied(control, route_yaml(["alpha"], name="second")))
