"""The wrong server is named by both programs, and what it costs a person is one line."""

import os

from harness import BIN, IntegrationTest, ctl, run


class Mixups(IntegrationTest):
    def test_the_other_kind_of_server_is_named(self):
        control = self.control_plane()
        server = self.data_plane(None, control)
        status, out, err = ctl(server, "status")
        self.assertEqual((status, out), (3, ""), err)
        self.assertEqual(err, f"sluicectl: {server.address} is a data plane (sluice.v1.Gateway); sluicectl talks to a control "
                              "plane, by default at 8444\n")
        status, out, err = run(os.path.join(BIN, "sluice-chat"), "--server", control.address, "-m", "chat", "hello")
        self.assertEqual((status, out), (3, ""), err)
        self.assertEqual(err, f"sluice-chat: {control.address} is a control plane (sluice.v1.Admin); sluice-chat talks to a data "
                              "plane, by default at 8443\n")

    def test_a_metrics_port_is_no_control_plane(self):
        control = self.control_plane()
        status, out, err = ctl(f"127.0.0.1:{control.metrics_port}", "status")
        self.assertEqual((status, out), (3, ""), err)
        self.assertIn("is a server of HTTP/1, no control plane of Sluice", err)
        self.assertEqual(err.count("\n"), 1, err)
