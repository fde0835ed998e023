"""What the pages show runs as it stands: their blocks are taken out of them, and run on
the ports that they name, in a network of the test's own."""

import ctypes
import fcntl
import os
import re
import socket
import struct
import unittest

from harness import BIN, PEERS, IntegrationTest, Process, documents, pool_yaml, route_yaml, run, wait_for
from installed_clients import node_client, python_client
from snippets import blocks_of

# Every block of the pages, by its first line: what runs it.
RUN_BY = {
    "README.md": {
        "deploy/quickstart   # installs what is missing, builds, and shows the main job on this machine (Debian 12)":
            "Quickstart, and CI",
        " caller ──gRPC stream──▶ sluice-server (data plane) ──HTTP/SSE──▶ LLM upstreams": "a picture",
        "sluice-controlplane &                                   # policies in ./sluice.db; sluicectl finds it at 127.0.0.1:8444":
            "Walk.test_a_newcomer_changes_a_policy_sees_it_in_force_and_rolls_it_back",
        "pip install ./client/python": "test_the_python_program",
        "import sluice": "test_the_python_program",
        "grpcurl -plaintext -d '{\"model\":\"chat\",\"messages\":[{\"role\":\"ROLE_USER\",\"text\":\"hello\"}]}' \\":
            "test_the_grpcurl_command",
        "$ cat policy.yaml": "test_the_policy_story",
        "broken.yaml:14: route/chat: retry.backoff.exponential.max: 50ms is below base (100ms); must be >= base":
            "Cli.test_every_error_of_a_broken_file_is_named_with_its_line",
        "$ sluicectl top": "test_the_operators_commands",
        "kind: Upstream": "test_the_policies",
    },
    "deploy/README.md": {
        "deploy/install-packages": "CI",
        "livenessProbe: {httpGet: {path: /healthz, port: 9464}}":
            "MetricsPort.test_a_data_plane_is_ready_from_its_first_policies_to_its_end",
        "descriptors: 65,536 may be open: 32,085 for callers, 32,085 for upstream connections, 16 for metrics, 1,350 in reserve":
            "Descriptors.test_the_budget_is_one_line_of_the_log_and_adds_up",
        "sluicectl backup sluice-backup.db                # while it runs, from anywhere; checked when it arrives":
            "Backup.test_a_lost_store_comes_back_and_every_data_plane_takes_it_under_traffic",
        "systemctl stop sluice-controlplane":
            "Backup.test_a_lost_store_comes_back_and_every_data_plane_takes_it_under_traffic",
        "$ sluicectl breaker list openai             # STATE COOLING, UNTIL": "test_the_operators_commands",
    },
    "client/python/README.md": {
        "pip install ./client/python": "test_the_python_program",
        "import grpc": "test_the_python_program",
        "import asyncio": "test_the_python_program",
    },
    "client/node/README.md": {
        "npm install --install-links PATH-TO-CLONE/client/node": "test_the_node_program",
        "import { Collector, connect, decodeError } from 'sluice-client';": "test_the_node_program",
    },
}


def first_line(block):
    return block.text.splitlines()[0]


def blocks_run_by(test, page, *languages):
    found = [block for block in blocks_of(page)
             if RUN_BY[page].get(first_line(block)) == test and block.language in languages]
    return found


class EveryBlock(unittest.TestCase):
    def test_is_run(self):
        for page, known in RUN_BY.items():
            blocks = blocks_of(page)
            for block in blocks:
                with self.subTest(block=str(block)):
                    self.assertIn(first_line(block), known, "say in RUN_BY which test runs it")
            self.assertEqual(set(known) - {first_line(block) for block in blocks}, set(), f"not in {page} any more")


def own_network():
    """Only this test and what it starts use its ports; nobody outside is reached."""
    new_user, new_network, set_flags, up = 0x10000000, 0x40000000, 0x8914, 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_network) != 0 and libc.unshare(new_user | new_network) != 0:
        raise unittest.SkipTest("this machine lets nobody have a network of their own (unshare)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", b"lo", up))


def commands_of(console):
    """[(command, what it is shown to print)]"""
    steps = []
    for line in console.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in steps]


def but_for_figures(shown):
    """A pattern of what is shown."""
    return re.sub(r"\d+", r"\\d+", re.escape(shown))


class Snippets(IntegrationTest):
    def setUp(self):
        own_network()
        super().setUp()
        self.environment = {"OPENAI_API_KEY": "sk-test", "SLUICE_CONFIG": os.path.join(self.folder, "contexts.yaml"),
                            "PATH": os.pathsep.join((BIN, PEERS, os.environ["PATH"]))}

    def node(self, name, port, metrics_port, *args):
        node = Process([os.path.join(BIN, "sluice-server"), "--listen", f"127.0.0.1:{port}", "--metrics-listen",
                        f"127.0.0.1:{metrics_port}", "--state-dir", os.path.join(self.folder, name), "--node-id", name,
                        "--drain-grace", "0s", "--drain-timeout", "1s", *args], env=self.environment)
        return self.started(node)

    def gateway_with_answers(self):
        alpha = self.simulator("alpha", "--answer", "numbered", "--chunks", "3")
        policy = documents(pool_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        self.node("edge-1", 8443, 9464, "--policy-file", self.file("served.yaml", policy))

    def control_plane_with_nodes(self):
        control = Process([os.path.join(BIN, "sluice-controlplane"), "--create", "--store",
                           os.path.join(self.folder, "sluice.db")])
        self.started(control)
        for index, name in enumerate(("edge-1", "edge-2")):
            self.node(name, 8443 + 10 * index, 9474 + index, "--control-plane", "127.0.0.1:8444")
        wait_for("both data planes", lambda: self.bash("sluicectl status").count("edge-") >= 2)

    def bash(self, command, status=0):
        got, out, err = run("bash", "-euc", command, env=self.environment, cwd=self.folder)
        self.assertEqual(got, status, f"{command}\n{out}{err}")
        return out + err

    def test_the_python_program(self):
        self.gateway_with_answers()
        for page in ("README.md", "client/python/README.md"):
            [install] = blocks_run_by("test_the_python_program", page, "sh")
            self.assertEqual(install.text, "pip install ./client/python\n")  # as installed_clients does it
            for block in blocks_run_by("test_the_python_program", page, "python"):
                with self.subTest(block=str(block)):
                    program = self.file("program.py", block.text)
                    status, out, err = run(python_client(), "-I", program, cwd=self.folder)
                    self.assertEqual((status, err), (0, ""), out)
                    self.assertIn("alpha:0 alpha:1 alpha:2", out)
                    self.assertIn("alpha/", out.replace("alpha:", ""))

    def test_the_node_program(self):
        self.gateway_with_answers()
        [install, program] = blocks_run_by("test_the_node_program", "client/node/README.md", "sh", "js")
        self.assertIn("npm install --install-links PATH-TO-CLONE/client/node", install.text)
        app = os.path.join(self.folder, "app")
        os.makedirs(app)
        os.symlink(os.path.join(node_client(), "node_modules"), os.path.join(app, "node_modules"))
        with open(os.path.join(app, "program.mjs"), "w") as out:
            out.write(program.text)
        status, out, err = run(os.path.join(PEERS, "node"), "program.mjs", cwd=app)
        self.assertEqual((status, err), (0, ""), out)
        self.assertEqual(out.count("alpha:0 alpha:1 alpha:2\nwhole by alpha/"), 2, out)

    def test_the_grpcurl_command(self):
        self.gateway_with_answers()
        [block] = blocks_run_by("test_the_grpcurl_command", "README.md", "sh")
        out = self.bash(block.text)
        self.assertIn("alpha:0", out)
        self.assertIn("OUTCOME_COMPLETE", out)

    def test_the_policy_story(self):
        self.control_plane_with_nodes()
        [block] = blocks_run_by("test_the_policy_story", "README.md", "console")
        for command, shown in commands_of(block.text):
            if command.startswith("cat "):
                self.file(command[4:], shown)
                continue
            out = self.bash(command)
            if shown:
                self.assertRegex(out.strip(), f"^{but_for_figures(shown.strip())}$")
        self.assertIn("max_attempts: 3", self.bash("sluicectl get route/chat -o yaml"))

    def test_the_operators_commands(self):
        self.control_plane_with_nodes()
        endpoint = "name: {0}, url: 'http://127.0.0.1:9/{0}'"
        policy = documents(pool_yaml("openai", *map(endpoint.format, ("primary", "backup"))), route_yaml(["openai"]))
        self.file("policy.yaml", policy)
        self.bash("sluicectl apply -f policy.yaml")
        for page in ("README.md", "deploy/README.md"):
            [block] = blocks_run_by("test_the_operators_commands", page, "console")
            for command, shown in commands_of(block.text):
                with self.subTest(command=command):
                    out = self.bash(command)
                    if shown.startswith("UPSTREAM/"):
                        self.assertEqual(shown.split("\n")[0].split(), out.split("\n")[0].split())

    def test_the_policies(self):
        self.control_plane_with_nodes()
        blocks = [block for page in RUN_BY for block in blocks_run_by("test_the_policies", page, "yaml")]
        self.assertTrue(blocks)
        for block in blocks:
            with self.subTest(block=str(block)):
                self.file("shown.yaml", block.text)
                self.assertIn("created", self.bash("sluicectl apply --dry-run -f shown.yaml"))
