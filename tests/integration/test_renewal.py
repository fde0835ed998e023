"""What is renewed on disk is taken without a restart: certificates of both
services, authorities, secrets. What is broken leaves the old and is told."""

import contextlib
import os
import signal

import grpc
from certificates import Certificates, Handshakes, shown
from harness import (BIN, Background, IntegrationTest, chat_request, control_pb2, control_pb2_grpc, ctl, documents,
                     gateway_pb2_grpc, route_yaml, run, stream, upstream_yaml, wait_for)
from insisting_upstream import InsistingUpstream, Refusal, chunk

SOON = ("--reload-interval", "100ms")
# Nothing is taken by time.
NEVER = ("--reload-interval", "24h")
POLICY = documents(upstream_yaml("openai", "http://127.0.0.1:9/v1"), route_yaml(["openai"]))


class Renewal(IntegrationTest):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.folder)

    def listener(self, name="server"):
        key, cert = self.certificates.make(name)
        return "--tls-cert", cert, "--tls-key", key

    def takes(self, service, name, client=None):
        """Waits until new connections get that certificate."""
        def there():
            with contextlib.suppress(OSError, AssertionError):
                return shown(service.port, client) == self.certificates.der(name)

        wait_for(f"the certificate {name}", there, 20)

    def said(self, service, words):
        wait_for(words, lambda: words in service.stderr())

    def failures(self, service, what):
        return service.metric("sluice_reload_failures_total", what=what)


class ListenerRenewal(Renewal):
    def setUp(self):
        super().setUp()
        self.upstreams("alpha", args=("--chunks", "5"))

    def serve(self, *args):
        self.policy = documents(upstream_yaml("alpha", self.simulators[0].url), route_yaml(["alpha"]))
        return self.data_plane(self.policy, None, *args)

    def stub(self, server, authorities, client=None):
        key = self.certificates.read(client + ".key").encode() if client else None
        cert = self.certificates.read(client + ".pem").encode() if client else None
        channel = grpc.secure_channel(server.address, grpc.ssl_channel_credentials(
            self.certificates.read(authorities + ".pem").encode(), key, cert))
        server.channels.append(channel)
        return gateway_pb2_grpc.GatewayStub(channel)

    def test_a_hundred_renewals_fail_no_handshake_and_no_stream(self):
        server = self.serve(*self.listener(), *SOON)
        for name in ("even", "odd"):
            self.certificates.make(name)
        early = self.stub(server, "server")
        self.ok(stream(early, chat_request()))
        running = Background(early, chat_request("[[alpha slow:5000]]"))
        with Handshakes(server.port) as handshakes:
            for i in range(100):
                name = ("even", "odd")[i % 2]
                self.certificates.put("server", name)
                server.process.send_signal(signal.SIGHUP)
                self.takes(server, name)
        self.assertEqual(handshakes.failed, [])
        self.assertGreater(handshakes.done, 100)
        self.ok(running.answer())
        self.ok(stream(early, chat_request()))
        self.ok(stream(self.stub(server, "odd"), chat_request()))
        self.assertEqual(self.failures(server, "listener"), 0)

    def test_by_itself_and_the_expiry_is_a_metric(self):
        server = self.serve(*self.listener(), *SOON)
        before = server.metric("sluice_reload_success_timestamp_seconds", what="listener")
        self.certificates.make("next")
        self.certificates.put("server", "next")
        self.takes(server, "next")
        self.assertGreater(server.metric("sluice_reload_success_timestamp_seconds", what="listener"), before)
        left = server.metric("sluice_tls_certificate_expiry_timestamp_seconds", what="listener") - before
        self.assertAlmostEqual(left, 2 * 86400, delta=600)
        self.said(server, f"--tls-cert {self.certificates.path('server.pem')}: renewed: CN=next, serial ")

    def test_a_broken_file_keeps_the_old_and_is_told_once(self):
        server = self.serve(*self.listener(), *SOON)
        old = self.certificates.der("server")
        self.certificates.make("next")
        self.certificates.write("server.key", self.certificates.read("next.key"))
        told = f"--tls-key {self.certificates.path('server.key')}: is not the key of the first certificate of --tls-cert"
        self.said(server, told)
        wait_for("the metric", lambda: self.failures(server, "listener") == 1)
        self.assertEqual(shown(server.port), old)
        self.assertEqual(server.stderr().count(told), 1)
        self.certificates.write("server.pem", self.certificates.read("next.pem"))
        self.takes(server, "next")
        self.assertEqual(self.failures(server, "listener"), 1)

    def test_who_callers_may_be_changes_too(self):
        key, cert = self.certificates.make("server")
        for name in ("old", "new"):
            self.certificates.make(name)
        authorities = self.certificates.write("callers.pem", self.certificates.read("old.pem"))
        server = self.serve("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", authorities, *NEVER)
        self.ok(stream(self.stub(server, "server", "old"), chat_request()))
        self.assertEqual(stream(self.stub(server, "server", "new"), chat_request()).code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(stream(self.stub(server, "server"), chat_request()).code, grpc.StatusCode.UNAVAILABLE)
        self.certificates.write("callers.pem", self.certificates.read("new.pem"))
        server.process.send_signal(signal.SIGHUP)
        self.said(server, "renewed: CN=server")
        self.ok(stream(self.stub(server, "server", "new"), chat_request()))
        self.assertEqual(stream(self.stub(server, "server", "old"), chat_request()).code, grpc.StatusCode.UNAVAILABLE)

    def test_a_start_with_broken_files_says_what_is_wrong(self):
        key, cert = self.certificates.make("server")
        empty = self.certificates.write("empty.pem", "")
        policy = self.file("p.yaml", POLICY)
        for program, extra in (("sluice-server", ("--policy-file", policy)),
                               ("sluice-controlplane", ("--create", "--store", os.path.join(self.folder, "s.db")))):
            for flags, words in ((("--tls-cert", cert, "--tls-key", cert), f"--tls-key {cert}: holds no private key"),
                                 (("--tls-cert", key, "--tls-key", key), f"--tls-cert {key}: holds no certificate"),
                                 (("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", empty),
                                  f"--tls-client-ca {empty}: is empty"),
                                 (("--tls-cert", cert + "x", "--tls-key", key), f"--tls-cert {cert}x: cannot be read")):
                with self.subTest(program=program, flags=flags):
                    status, out, err = run(os.path.join(BIN, program), "--listen", "127.0.0.1:0", "--metrics-listen",
                                           "127.0.0.1:0", *extra, *flags)
                    self.assertEqual((status, out), (1, ""), err)
                    complaints = [line for line in err.splitlines() if line.startswith(program)]
                    self.assertEqual(len(complaints), 1, err)
                    self.assertIn(words, complaints[0])


class ControlPlaneRenewal(Renewal):
    def edge(self, control, *flags, name="edge-1"):
        return self.data_plane(None, control, "--control-plane-ca", self.certificates.path("trusted.pem"),
                               "--control-plane-cert", self.certificates.path("edge.pem"),
                               "--control-plane-key", self.certificates.path("edge.key"), "--node-id", name, *flags,
                               state=name)

    def start(self, *flags):
        """A control plane that knows clients of "old", and what sluicectl shows it."""
        key, cert = self.certificates.make("control")
        for name in ("old", "new"):
            self.certificates.make(name)
        self.certificates.put("edge", "old")
        self.certificates.write("trusted.pem", self.certificates.read("control.pem"))
        self.certificates.write("clients.pem", self.certificates.read("old.pem"))
        self.tls = ("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", self.certificates.path("clients.pem"))
        return self.control_plane(*self.tls, *flags)

    def list(self, control, client):
        key, cert = self.certificates.path(client + ".key"), self.certificates.path(client + ".pem")
        return ctl(control, "--timeout", "3s", "--ca", self.certificates.path("trusted.pem"), "--cert", cert,
                   "--key", key, "list")[0]

    def client(self, name):
        return self.certificates.path(name + ".pem"), self.certificates.path(name + ".key")

    def test_sighup_reloads_and_ends_nothing(self):
        control = self.start(*NEVER)
        server = self.edge(control)
        wait_for("the node", lambda: server.metric("sluice_config_connected") == 1)
        self.certificates.make("next")
        self.certificates.put("control", "next")
        self.certificates.write("trusted.pem", self.certificates.read("next.pem"))
        self.certificates.write("clients.pem", self.certificates.read("new.pem"))
        control.process.send_signal(signal.SIGHUP)
        self.said(control, "SIGHUP: reading certificates and authorities again")
        self.takes(control, "next", self.client("new"))
        self.assertEqual((self.list(control, "new"), self.list(control, "old")), (0, 3))
        # The stream that is there goes on, with what it was begun with.
        self.assertEqual(server.metric("sluice_config_connected"), 1)
        self.assertEqual(server.metric("sluice_config_connects_total"), 1)
        self.assertIsNone(control.process.poll())

    def test_new_certificates_fail_no_handshake_and_broken_authorities_keep_the_old(self):
        control = self.start(*SOON)
        self.certificates.make("even")
        self.certificates.make("odd")
        with Handshakes(control.port, client=self.client("old")) as handshakes:
            for i in range(10):
                name = ("even", "odd")[i % 2]
                self.certificates.put("control", name)
                self.takes(control, name, self.client("old"))
        self.assertEqual(handshakes.failed, [])
        self.certificates.write("clients.pem", "")
        self.said(control, f"--tls-client-ca {self.certificates.path('clients.pem')}: is empty")
        wait_for("the metric", lambda: self.failures(control, "listener") == 1)
        self.certificates.write("trusted.pem", self.certificates.read("odd.pem"))
        self.assertEqual(self.list(control, "old"), 0)

    def test_a_data_plane_shows_its_renewed_certificate_at_its_next_connection(self):
        control = self.start()
        server = self.edge(control)
        wait_for("the node", lambda: server.metric("sluice_config_connected") == 1)
        self.certificates.write("clients.pem", self.certificates.read("new.pem"))
        self.certificates.put("edge", "new")
        control.kill()
        again = self.control_plane(*self.tls, listen=control.address)
        wait_for("the node", lambda: server.metric("sluice_config_connects_total") == 2, 30)
        self.assertEqual(server.metric("sluice_reload_failures_total", what="control_plane"), 0)
        # What does not fit leaves what fitted.
        self.certificates.write("edge.key", self.certificates.read("old.key"))
        again.kill()
        self.control_plane(*self.tls, listen=control.address)
        wait_for("the node", lambda: server.metric("sluice_config_connects_total") == 3, 30)
        self.assertIn(f"--control-plane-key {self.certificates.path('edge.key')}: is not the key", server.stderr())
        self.assertEqual(server.metric("sluice_reload_failures_total", what="control_plane"), 1)


class UpstreamRenewal(Renewal):
    def test_other_authorities_count_from_the_next_call_on(self):
        key, cert = self.certificates.make("alpha")
        self.certificates.make("other")
        alpha = self.simulator("alpha", "--tls-cert", cert, "--tls-key", key)
        authorities = self.certificates.write("ca.pem", self.certificates.read("alpha.pem"))
        server = self.data_plane(documents(
            upstream_yaml("alpha", f"https://127.0.0.1:{alpha.port}/v1", extra=f"tls: {{ca_file: {authorities}}}"),
            route_yaml(["alpha"], extra="retry: {max_attempts: 1}")), None, *SOON)
        stub = server.stub()
        self.ok(stream(stub, chat_request()))
        # Neither the idle connection nor its session is used again.
        self.certificates.write("ca.pem", self.certificates.read("other.pem"))
        self.said(server, "renewed: tls.ca_file")
        wait_for("a refusal", lambda: stream(stub, chat_request()).code == grpc.StatusCode.UNAVAILABLE)
        self.assertIn("is not trusted", stream(stub, chat_request()).error.details())
        # A broken file leaves what was there, and is told.
        self.certificates.write("ca.pem", self.certificates.read("alpha.pem"))
        wait_for("an answer", lambda: stream(stub, chat_request()).code == grpc.StatusCode.OK, 20)
        self.certificates.write("ca.pem", "half of a certif")
        self.said(server, f"tls.ca_file {authorities}: holds no certificate")
        wait_for("the metric", lambda: self.failures(server, "upstream_ca") == 1)
        self.ok(stream(stub, chat_request()))

    def keyed(self, *flags):
        """A data plane whose upstream takes the keys of `self.good`."""
        self.good = {"sk-one"}
        self.asked = []

        def answer(request, headers):
            self.asked.append(headers["Authorization"].removeprefix("Bearer "))
            if self.asked[-1] not in self.good:
                raise Refusal(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
            return [chunk({"content": "hello"}), chunk({}, finish="stop")]

        upstream = InsistingUpstream(answer)
        self.addCleanup(upstream.stop)
        secret = self.file("key", "sk-one\n")
        server = self.data_plane(
            documents(upstream_yaml("alpha", upstream.url, extra=f"credential: file:{secret}"), route_yaml(["alpha"])),
            None, "--allow-credentials", f"file:{secret}", *flags)
        self.ok(stream(server.stub(), chat_request()))
        return server

    def test_a_renewed_secret_is_used_without_a_word(self):
        server = self.keyed(*SOON)
        self.good.add("sk-two")
        self.file("key", "\ufeff sk-two \r\n")
        self.said(server, "renewed: file:")
        wait_for("the new key", lambda: self.ok(stream(server.stub(), chat_request())) and self.asked[-1] == "sk-two")
        # One that is not there leaves the old.
        os.remove(os.path.join(self.folder, "key"))
        self.said(server, "No such file or directory; the secret that was read before is kept")
        wait_for("the metric", lambda: self.failures(server, "credentials") == 1)
        self.ok(stream(server.stub(), chat_request()))

    def test_a_refused_secret_is_read_anew_at_once(self):
        server = self.keyed(*NEVER)
        stub = server.stub()
        self.file("key", "sk-two\n")
        self.ok(stream(stub, chat_request()))
        self.assertEqual(self.asked[-1], "sk-one")
        self.good = {"sk-two"}
        self.assertEqual(stream(stub, chat_request()).code, grpc.StatusCode.UNAVAILABLE)
        self.said(server, "renewed: file:")
        self.ok(stream(stub, chat_request()))
        # Also when it came only after the refusal.
        self.good = {"sk-three"}
        self.assertEqual(stream(stub, chat_request()).code, grpc.StatusCode.UNAVAILABLE)
        self.file("key", "sk-three\n")
        wait_for("an answer", lambda: stream(stub, chat_request()).code == grpc.StatusCode.OK)

    def test_a_secret_that_came_late_ends_a_refusal_by_itself(self):
        alpha, control = self.simulator("alpha"), self.control_plane()
        secret = os.path.join(self.folder, "late")
        server = self.data_plane(None, control, "--node-id", "edge-1", "--allow-credentials", f"file:{secret}", *SOON)
        wait_for("the node", lambda: server.metric("sluice_config_connected") == 1)
        status, out, err = ctl(control, "apply", "-f", "-", stdin=documents(
            upstream_yaml("alpha", alpha.url, extra=f"credential: file:{secret}"), route_yaml(["alpha"])))
        self.assertEqual(status, 7, out + err)
        self.file("late", "sk-late")
        admin = control_pb2_grpc.AdminStub(grpc.insecure_channel(control.address))
        wait_for("the ack", lambda: admin.ListNodes(control_pb2.ListNodesRequest()).nodes[0].state ==
                 control_pb2.NODE_STATE_ACKED)
        self.ok(stream(server.stub(), chat_request()))


class Flags(Renewal):
    def test_what_cannot_be_meant_is_told_at_start(self):
        policy = self.file("p.yaml", POLICY)
        long = "h" * 64
        for flags, words in (
                (("--allow-credentials", "API_KEY"), '--allow-credentials: "API_KEY" can match no credential'),
                (("--allow-hosts", "https://api.openai.com"), '--allow-hosts: "https://api.openai.com" can match no host'),
                (("--drain-grace", "1m1m"), '--drain-grace: "1m1m": has a unit twice'),
                (("--shed-at-lag", "-1s"), '--shed-at-lag: "-1s": a duration cannot be negative'),
                (("--drain-timeout", "5"), '--drain-timeout: "5": unit missing'),
                (("--idempotency-ttl", "1ms"), '--idempotency-ttl: "1ms" is not a duration from 1s to 168h'),
                (("--reload-interval", "10ms"), '--reload-interval: "10ms" is not a duration from 100ms to 24h'),
                (("--tls-client-ca", "x"), "--tls-client-ca: needs --tls-cert and --tls-key"),
                (("--control-plane", "127.0.0.1:1", "--node-id", long), f'--node-id: "{long}" is not 1 to 63 characters')):
            with self.subTest(flags=flags):
                status, out, err = run(os.path.join(BIN, "sluice-server"), "--policy-file", policy, *flags)
                self.assertEqual((status, out), (2, ""), err)
                self.assertEqual(err.count("\n"), 1, err)
                self.assertIn(words, err)

    def test_a_star_is_told_to_cover_no_file(self):
        server = self.data_plane(POLICY, None, "--allow-credentials", "*")
        self.assertIn('--allow-credentials: "*" matches variables (env:) only', server.stderr())

    def test_the_url_of_an_operation_is_told_by_the_cli_and_both_services(self):
        wrong = documents(upstream_yaml("openai", "http://127.0.0.1:9/v1/chat/completions"), route_yaml(["openai"]))
        words = 'ends with /chat/completions, which every call puts behind the url by itself; write the base: ' \
                '"http://127.0.0.1:9/v1"'
        control = self.control_plane()
        status, out, err = ctl(control, "apply", "-f", "-", stdin=wrong)
        self.assertEqual(status, 5, out + err)
        self.assertIn(words, out + err)
        status, out, err = run(os.path.join(BIN, "sluice-server"), "--listen", "127.0.0.1:0", "--metrics-listen",
                               "127.0.0.1:0", "--policy-file", self.file("wrong.yaml", wrong))
        self.assertEqual(status, 1, out + err)
        self.assertIn(words, err)
