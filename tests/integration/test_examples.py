"""The programs that callers are shown do what they say."""

import os
import shutil

from harness import BUILD, PEERS, ROOT, IntegrationTest, documents, route_yaml, run, upstream_yaml

EXAMPLES = os.path.join(ROOT, "client", "examples")


class Examples(IntegrationTest):
    def setUp(self):
        super().setUp()
        alpha = self.simulator("alpha", "--answer", "numbered", "--chunks", "3")
        self.server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))

    def streams(self, *args, **env):
        status, out, err = run(*args, "Why is the sky blue?", env={"SLUICE_SERVER": self.server.address, **env})
        self.assertEqual(status, 0, out + err)
        self.assertIn("alpha:0 alpha:1 alpha:2", out)
        self.assertIn("served by alpha/", out)

    def test_cpp(self):
        self.streams(os.path.join(BUILD, "tests", "example-chat-cpp"))

    def test_python(self):
        self.streams("/usr/bin/python3", os.path.join(EXAMPLES, "python", "chat.py"),
                     PYTHONPATH=os.path.join(BUILD, "tests", "python"))

    def test_node(self):
        # Node.js looks for packages beside the program.
        program = shutil.copy(os.path.join(EXAMPLES, "node", "chat.mjs"), self.folder)
        os.symlink(os.path.join(BUILD, "tools", "npm", "node_modules"), os.path.join(self.folder, "node_modules"))
        self.streams(os.path.join(PEERS, "node"), program, SLUICE_PROTO=os.path.join(ROOT, "proto"))
