"""The programs that callers are shown do what they say. The other languages are in
test_languages.py."""

import os
import shutil
import subprocess

from example_programs import EXAMPLES, ExamplePrograms
from harness import BUILD, PEERS, ROOT, IntegrationTest

# Where tests/support/install-peers puts the packages that the examples name.
PACKAGES = os.path.join(BUILD, "tools", "examples")


class CppExamples(ExamplePrograms, IntegrationTest):
    def command(self, program):
        return [os.path.join(BUILD, "client", "examples", "cpp", program)]


class PythonExamples(ExamplePrograms, IntegrationTest):
    def setUp(self):
        super().setUp()
        python = os.path.join(PACKAGES, "python", "bin", "python")
        subprocess.run([python, "-m", "grpc_tools.protoc", "-I", os.path.join(ROOT, "proto"), "--python_out", self.folder,
                        "--grpc_python_out", self.folder, "sluice/v1/gateway.proto"], check=True)
        self.environment = {"PYTHONPATH": self.folder, "PYTHONDONTWRITEBYTECODE": "1"}
        self.python = python

    def command(self, program):
        return [self.python, os.path.join(EXAMPLES, "python", program + ".py")]

    def test_stream_with_the_packages_of_debian(self):
        self.python = "/usr/bin/python3"
        self.environment = {"PYTHONPATH": os.path.join(BUILD, "tests", "python")}
        self.test_stream()


class NodeExamples(ExamplePrograms, IntegrationTest):
    environment = {"SLUICE_PROTO": os.path.join(ROOT, "proto")}

    def setUp(self):
        super().setUp()
        # Node.js looks for packages beside the program.
        self.programs = os.path.join(self.folder, "node")
        shutil.copytree(os.path.join(EXAMPLES, "node"), self.programs, ignore=shutil.ignore_patterns("node_modules"))
        os.symlink(os.path.join(PACKAGES, "node", "node_modules"), os.path.join(self.programs, "node_modules"))

    def command(self, program):
        return [os.path.join(PEERS, "node"), os.path.join(self.programs, program + ".mjs")]
