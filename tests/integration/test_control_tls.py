"""TLS in both directions between the control plane, sluicectl and data planes."""

import os
import subprocess

from harness import IntegrationTest, ctl, documents, route_yaml, upstream_yaml, wait_for

POLICY = documents(upstream_yaml("openai", "http://127.0.0.1:9/v1"), route_yaml(["openai"]))


class ControlPlaneTls(IntegrationTest):
    def certificate(self, name):
        key, cert = os.path.join(self.folder, name + ".key"), os.path.join(self.folder, name + ".pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
                        "-out", cert, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)
        return key, cert

    def test_only_a_client_with_a_trusted_certificate_is_served(self):
        key, cert = self.certificate("control")
        client_key, client_cert = self.certificate("client")
        other_key, other_cert = self.certificate("other")
        control = self.control_plane("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", client_cert)
        shown = ("--ca", cert, "--cert", client_cert, "--key", client_key)
        status, out, err = ctl(control, *shown, "apply", "-f", "-", stdin=POLICY)
        self.assertEqual(status, 0, out + err)
        for wrong in (("--ca", cert), ("--ca", cert, "--cert", other_cert, "--key", other_key),
                      ("--ca", other_cert, "--cert", client_cert, "--key", client_key), ()):
            status, out, err = ctl(control, "--timeout", "2s", *wrong, "list")
            self.assertEqual(status, 3, f"{wrong}: {out}{err}")
            self.assertEqual(err.strip().count("\n"), 0, err)

        flags = ("--control-plane-ca", cert, "--control-plane-cert", client_cert, "--control-plane-key", client_key)
        server = self.data_plane(None, control, *flags, "--node-id", "edge-1")
        wait_for("the policies", lambda: server.metric("sluice_config_revision") == 1)
        stranger = self.data_plane(None, control, "--control-plane-ca", cert, "--node-id", "edge-2", state="other")
        wait_for("a try", lambda: "control plane" in stranger.stderr())
        self.assertEqual(stranger.metric("sluice_config_revision"), 0)
        _, out, _ = ctl(control, *shown, "status")
        self.assertIn("edge-1", out)
        self.assertNotIn("edge-2", out)
