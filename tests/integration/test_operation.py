"""The CLI against a real control plane, bad input, metrics, TLS."""

import json
import os
import shutil
import subprocess
import urllib.request

import grpc
from harness import (BIN, ControlPlane, DataPlane, IntegrationTest, Process, chat_request, ctl, documents,
                     gateway_pb2, route_yaml, run, stream, upstream_yaml, user)

POLICY = documents(upstream_yaml("openai", "http://127.0.0.1:9/v1"), route_yaml(["openai"]),
                   "kind: RetryPolicy\nname: default\nmax_attempts: 3")


class Cli(IntegrationTest):
    def setUp(self):
        super().setUp()
        self.control = self.control_plane()

    def ok(self, *args, stdin=None):
        status, out, err = ctl(self.control, *args, stdin=stdin)
        self.assertEqual(status, 0, out + err)
        return out

    def test_the_life_of_a_policy(self):
        out = self.ok("apply", "-f", self.file("policy.yaml", POLICY))
        self.assertIn("upstream/openai created", out)
        self.assertIn("route/chat created", out)
        self.assertIn("revision 1", out)
        self.assertIn("openai", self.ok("list"))
        document = self.ok("get", "retrypolicy/default", "-o", "yaml")
        self.assertIn("max_attempts: 3", document)
        self.assertEqual(json.loads(self.ok("get", "retrypolicy/default", "-o", "json"))["max_attempts"], 3)
        self.assertIn("revision 2", self.ok("set", "retrypolicy/default", "max_attempts=4", "--reason", "incident"))
        self.assertIn("max_attempts", self.ok("diff", "-f", self.file("policy.yaml", POLICY)))
        self.assertIn("incident", self.ok("history"))
        self.assertIn("revision 3", self.ok("rollback", "--to", "1"))
        self.assertIn("max_attempts: 3", self.ok("get", "retrypolicy/default", "-o", "yaml"))
        self.assertIn("revision 4", self.ok("delete", "retrypolicy/default"))
        status, _, err = ctl(self.control, "get", "retrypolicy/default")
        self.assertEqual(status, 4, err)

    def test_a_revision_that_is_not_kept_is_not_found(self):
        control = self.started(ControlPlane(self.file_folder("other"), "--keep-revisions", "2"))
        for attempts in range(2, 7):
            status, out, err = ctl(control, "apply", "-f", "-", stdin=f"kind: RetryPolicy\nname: default\nmax_attempts: {attempts}\n")
            self.assertEqual(status, 0, out + err)
        for args, words in ((("rollback", "--to", "99"), "revision 99 does not exist"),
                            (("rollback", "--to", "1"), "revision 1 was compacted"),
                            (("diff", "--from", "1"), "revision 1 was compacted")):
            with self.subTest(args=args):
                status, out, err = ctl(control, *args)
                self.assertEqual(status, 4, out + err)
                self.assertIn(words, err)
        self.assertEqual(ctl(control, "rollback", "--to", "4")[0], 0)

    def file_folder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        return path

    def test_a_dry_run_changes_nothing(self):
        self.ok("apply", "--dry-run", "-f", self.file("policy.yaml", POLICY))
        status, _, _ = ctl(self.control, "get", "route/chat")
        self.assertEqual(status, 4)

    def test_what_is_printed_can_be_applied_again_unchanged(self):
        self.ok("apply", "-f", self.file("policy.yaml", POLICY))
        printed = self.ok("list", "-o", "yaml")
        out = self.ok("apply", "-f", "-", stdin=printed)
        self.assertNotIn("updated", out)
        self.assertIn("revision 1", out)

    def test_every_error_of_a_broken_file_is_named_with_its_line(self):
        broken = documents(
            upstream_yaml("openai", "ftp://nowhere"),
            route_yaml(["opnai"], extra="retry: {backoff: {exponential: {base: 100ms, max: 50ms}}}\nhegde: 1"))
        path = self.file("broken.yaml", broken)
        status, out, err = ctl(self.control, "apply", "-f", path)
        self.assertEqual(status, 5)
        for part in ("broken.yaml:", "hegde", "nothing was changed"):
            self.assertIn(part, out + err)
        path = self.file("broken.yaml", broken.replace("hegde: 1", ""))
        status, out, err = ctl(self.control, "apply", "-f", path)
        self.assertEqual(status, 5)
        for part in ("ftp://nowhere", "below base", 'did you mean "openai"', "nothing was changed"):
            self.assertIn(part, out + err)

    def test_deleting_what_is_referred_to_names_who_refers(self):
        self.ok("apply", "-f", self.file("policy.yaml", POLICY))
        status, out, err = ctl(self.control, "delete", "upstream/openai")
        self.assertEqual(status, 6)
        self.assertIn("route/chat", out + err)

    def test_no_control_plane_is_one_clear_line(self):
        status, out, err = ctl("127.0.0.1:1", "status")
        self.assertEqual(status, 3)
        self.assertIn("127.0.0.1:1", err)
        self.assertEqual(err.strip().count("\n"), 0, err)


class BadInput(IntegrationTest):
    """Each names the thing, the value and what would be right."""

    def server_fails(self, status, *parts, args, env=None):
        process = Process([os.path.join(BIN, "sluice-server"), "--listen", "127.0.0.1:0", "--metrics-listen",
                           "127.0.0.1:0", "--state-dir", self.folder, *args], ready=False, env=env)
        self.assertEqual(process.fails(), status, process.stderr())
        for part in parts:
            self.assertIn(part, process.stderr())
        return process.stderr()

    def test_neither_control_plane_nor_policy_file(self):
        self.server_fails(2, "--control-plane", "--policy-file", args=[])

    def test_settings_of_connections_and_of_the_end(self):
        for flag, value, right in (("--drain-grace", "soon", '"10s"'), ("--drain-grace", "-1s", "0s"),
                                   ("--min-ping-interval", "0s", "1ms"), ("--max-ping-strikes", "-1", "--max-ping-strikes")):
            with self.subTest(flag=flag, value=value):
                self.server_fails(2, flag, value, right, args=["--policy-file", "p.yaml", f"{flag}={value}"])

    def test_unknown_field_in_a_policy_file(self):
        path = self.file("p.yaml", documents(upstream_yaml("a", "http://127.0.0.1:9"), route_yaml(["a"], extra="timeout: 3s")))
        self.server_fails(1, "p.yaml:", "timeout", "timeouts", args=["--policy-file", path])

    def test_bad_url_in_a_policy_file(self):
        path = self.file("p.yaml", documents(upstream_yaml("a", "localhost-9"), route_yaml(["a"])))
        self.server_fails(1, "p.yaml:", "endpoints[0].url", "localhost-9", "http", args=["--policy-file", path])

    def test_missing_environment_variable_of_a_credential(self):
        path = self.file("p.yaml", documents(
            upstream_yaml("a", "http://127.0.0.1:9", extra="credential: env:NOT_HERE_API_KEY"), route_yaml(["a"])))
        self.server_fails(1, "upstream/a", "NOT_HERE_API_KEY", "not set", args=["--policy-file", path])

    def test_port_in_use(self):
        path = self.file("p.yaml", POLICY)
        first = self.data_plane(POLICY)
        process = Process([os.path.join(BIN, "sluice-server"), "--listen", first.address, "--metrics-listen",
                           "127.0.0.1:0", "--policy-file", path], ready=False)
        self.assertEqual(process.fails(), 1)
        self.assertIn(first.address, process.stderr())
        control = self.control_plane()
        process = Process([os.path.join(BIN, "sluice-controlplane"), "--listen", control.address, "--metrics-listen",
                           "127.0.0.1:0", "--create", "--store", os.path.join(self.folder, "other.db")], ready=False)
        self.assertEqual(process.fails(), 1)
        self.assertIn(control.address, process.stderr())

    def test_requests(self):
        server = self.data_plane(POLICY, None, "--max-request-bytes", "100000")
        cases = [
            (gateway_pb2.ChatRequest(messages=[user("x")]), grpc.StatusCode.INVALID_ARGUMENT, "model"),
            (gateway_pb2.ChatRequest(model="chat"), grpc.StatusCode.INVALID_ARGUMENT, "messages"),
            (chat_request(model="chatt"), grpc.StatusCode.NOT_FOUND, "chatt"),
            (chat_request("x" * 120000), grpc.StatusCode.RESOURCE_EXHAUSTED, "100000"),
            (gateway_pb2.ChatRequest(model="chat", messages=[gateway_pb2.Message(
                role=gateway_pb2.ROLE_USER, text="a", parts=[gateway_pb2.Part(text="b")])]),
             grpc.StatusCode.INVALID_ARGUMENT, "messages[0]"),
            (chat_request(extras_json={"openai": "{nonsense"}), grpc.StatusCode.INVALID_ARGUMENT, "extras_json"),
        ]
        for request, code, part in cases:
            with self.subTest(part=part):
                answer = stream(server.stub(), request)
                self.assertEqual(answer.code, code, answer.error)
                self.assertIn(part, answer.error.details())


class Metrics(IntegrationTest):
    def test_promtool_finds_nothing_to_say(self):
        alpha = self.simulator("alpha")
        control = self.control_plane()
        self.applied(control, upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        server = self.data_plane(None, control)
        from harness import wait_for
        wait_for("a revision", lambda: server.metric("sluice_config_revision") == 1)
        stub = server.stub()
        for fault in ("", "[[alpha status:503]] "):
            stream(stub, chat_request(fault + "hello"))
        self.assertIsNotNone(shutil.which("promtool"))
        for process in (server, control):
            with urllib.request.urlopen(f"http://127.0.0.1:{process.metrics_port}/metrics") as response:
                text = response.read().decode()
            status, out, err = run("promtool", "check", "metrics", stdin=text)
            self.assertEqual((status, out + err), (0, ""))
        self.assertEqual(server.metric("gen_ai_client_operation_duration_seconds_count",
                                       gen_ai_request_model="chat"), 2)
        self.assertGreaterEqual(server.metric("sluice_retries_total"), 1)
        self.assertEqual(server.metric("sluice_open_calls"), 0)

    def test_the_model_label_is_never_the_callers_text(self):
        alpha = self.simulator("alpha")
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url),
                                           "kind: Route\nname: any\nmatch: {model: '*'}\ntargets: [{upstream: alpha}]"))
        stream(server.stub(), chat_request(model="my-secret-model-name"))
        self.assertFalse([name for name in server.metrics() if "my-secret-model-name" in name])


class Secrets(IntegrationTest):
    def test_a_secret_reaches_the_upstream_and_nothing_else(self):
        secret = "sk-test-4711-very-secret"
        alpha = self.simulator("alpha")
        control = self.control_plane()
        self.applied(control, upstream_yaml("alpha", alpha.url, extra="credential: env:SLUICE_TEST_API_KEY"),
                     route_yaml(["alpha"]))
        server = self.data_plane(None, control, env={"SLUICE_TEST_API_KEY": secret})
        from harness import wait_for
        wait_for("a revision", lambda: server.metric("sluice_config_revision") == 1)
        answer = stream(server.stub(), chat_request())
        self.assertEqual(answer.code, grpc.StatusCode.OK, answer.error)
        answer = stream(server.stub(), chat_request("[[alpha status:401]] x"))
        self.assertEqual(answer.code, grpc.StatusCode.UNAVAILABLE)
        self.assertNotIn(secret, server.stderr() + control.stderr() + answer.error.details())
        for folder, _, files in os.walk(self.folder):
            for name in files:
                with open(os.path.join(folder, name), "rb") as content:
                    self.assertNotIn(secret.encode(), content.read(), name)

    def test_a_host_outside_the_allow_list_is_refused(self):
        path = self.file("p.yaml", POLICY)
        process = Process([os.path.join(BIN, "sluice-server"), "--listen", "127.0.0.1:0", "--metrics-listen",
                           "127.0.0.1:0", "--policy-file", path, "--allow-hosts", "api.openai.com"], ready=False)
        self.assertEqual(process.fails(), 1)
        self.assertIn("127.0.0.1", process.stderr())


class UpstreamTls(IntegrationTest):
    """HTTPS to the upstream, with certificate checks."""

    def certificate(self, name, host):
        key, cert = os.path.join(self.folder, name + ".key"), os.path.join(self.folder, name + ".pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
                        "-out", cert, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"],
                       check=True, capture_output=True)
        return key, cert

    def test_only_a_trusted_and_rightly_named_certificate_is_accepted(self):
        key, cert = self.certificate("right", "localhost")
        _, other = self.certificate("other", "localhost")
        wrong_key, wrong_cert = self.certificate("wrong", "elsewhere.example")
        right = self.simulator("right", "--tls-cert", cert, "--tls-key", key)
        wrong = self.simulator("wrong", "--tls-cert", wrong_cert, "--tls-key", wrong_key)
        url = f"https://localhost:{right.port}/v1"
        server = self.data_plane(documents(
            upstream_yaml("trusted", url, extra=f"tls: {{ca_file: {cert}}}"),
            upstream_yaml("untrusted", url, extra=f"tls: {{ca_file: {other}}}"),
            upstream_yaml("misnamed", f"https://localhost:{wrong.port}/v1", extra=f"tls: {{ca_file: {wrong_cert}}}"),
            upstream_yaml("renamed", f"https://localhost:{wrong.port}/v1",
                          extra=f"tls: {{ca_file: {wrong_cert}, server_name: elsewhere.example}}"),
            *[route_yaml([name], name=name) for name in ("trusted", "untrusted", "misnamed", "renamed")]))
        for name, code in (("trusted", grpc.StatusCode.OK), ("untrusted", grpc.StatusCode.UNAVAILABLE),
                           ("misnamed", grpc.StatusCode.UNAVAILABLE), ("renamed", grpc.StatusCode.OK)):
            with self.subTest(name=name):
                answer = stream(server.stub(), chat_request(model=name))
                self.assertEqual(answer.code, code, answer.error)
                if code != grpc.StatusCode.OK:
                    self.assertEqual(answer.attempts()[0].error_class, "connect")
