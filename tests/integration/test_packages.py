"""client/python and client/node as packages: what is in them, and their types."""

import os
import re
import shutil
import tempfile
import unittest

from harness import PEERS, ROOT, gateway_pb2, run
from installed_clients import node_app, node_client, npm_install, npm_pack, pip_install, python_client, venv
from snippets import blocks_of


class Packages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def test_a_python_source_distribution_needs_nothing_of_the_tree(self):
        clone = os.path.join(self.folder, "clone")
        for name in ("client/python", "proto"):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(clone, name))
        python = venv(os.path.join(self.folder, "venv"))
        build = f"from setuptools.build_meta import build_sdist; print(build_sdist({self.folder!r}))"
        status, out, err = run(python, "-c", build, cwd=os.path.join(clone, "client", "python"))
        self.assertEqual(status, 0, out + err)
        shutil.rmtree(clone)
        pip_install(python, os.path.join(self.folder, out.splitlines()[-1]))
        status, out, err = run(python, "-I", "-c", "import sluice; from sluice.v1 import gateway_pb2_grpc; "
                               "print(sluice.Collector().response() == sluice.collector.ChatResponse())")
        self.assertEqual((status, out), (0, "True\n"), err)

    def test_a_node_tarball_needs_nothing_of_the_tree(self):
        tarball = npm_pack(self.folder)
        app = os.path.join(self.folder, "app")
        node_app(app)
        npm_install(app, tarball)
        program = os.path.join(app, "program.mjs")
        with open(program, "w") as out:
            out.write("import { Collector } from 'sluice-client'; console.log(new Collector().complete);")
        status, out, err = run(os.path.join(PEERS, "node"), program)
        self.assertEqual((status, out), (0, "false\n"), err)

    def test_details_that_cannot_be_read_are_left_out(self):
        """Whoever put them there: code and message stand."""
        python = ("import grpc, sluice\n"
                  "class Broken(grpc.RpcError):\n"
                  "    def code(self): return grpc.StatusCode.UNAVAILABLE\n"
                  "    def details(self): return 'no luck'\n"
                  "    def trailing_metadata(self): return (('grpc-status-details-bin', b'\\xff\\xff'),)\n"
                  "class Bare(Broken):\n"
                  "    def trailing_metadata(self): return None\n"
                  "print(*map(sluice.decode_error, (Broken(), Bare())), sep=', ')")
        status, out, err = run(python_client(), "-I", "-c", python)
        self.assertEqual((status, out), (0, "UNAVAILABLE: no luck, UNAVAILABLE: no luck\n"), err)
        node = ("import { decodeError } from 'sluice-client';\n"
                "const metadata = { get: () => [Buffer.from([255, 255])] };\n"
                "const errors = [{ code: 14, details: 'no luck', metadata }, { code: 14, details: 'no luck' }, new Error('bug')];\n"
                "console.log(errors.map((error) => `${decodeError(error)}`).join(', '));")
        app = os.path.join(self.folder, "app")
        os.makedirs(app)
        os.symlink(os.path.join(node_client(), "node_modules"), os.path.join(app, "node_modules"))
        status, out, err = run(os.path.join(PEERS, "node"), self.file("app/broken.mjs", node))
        self.assertEqual((status, out), (0, "UNAVAILABLE: no luck, UNAVAILABLE: no luck, UNKNOWN: bug\n"), err)

    def test_the_node_types_have_every_message_and_field(self):
        with open(os.path.join(node_client(), "node_modules", "sluice-client", "lib", "gateway.d.ts")) as file:
            text = file.read()
        for name, message in gateway_pb2.DESCRIPTOR.message_types_by_name.items():
            block = re.search(rf"^export (?:interface {name}|type {name} =) \{{\n(.*?)(?:\n\n|\Z)", text, re.M | re.S)
            self.assertIsNotNone(block, name)
            for field in message.fields:
                self.assertRegex(block.group(1), rf"(?m)^  {field.name}\??: ", f"{name}.{field.name}")
        for name, enum in gateway_pb2.DESCRIPTOR.enum_types_by_name.items():
            block = re.search(rf"^export type {name} =\n(.*?';)\n", text, re.M | re.S).group(1)
            self.assertEqual(re.findall(r"^  \| '(\w+)'", block, re.M), list(enum.values_by_name))

    def test_the_python_types_hold(self):
        """Of the package, and of what its README shows; and a wrong name is seen."""
        programs = [self.file(f"snippet{block.line}.py", block.text)
                    for block in blocks_of("client/python/README.md") if block.language == "python"]
        self.assertEqual(len(programs), 2)
        mypy = [python_client(), "-m", "mypy", "--strict", "--cache-dir", os.path.join(self.folder, "cache")]
        status, out, err = run(*mypy, "-p", "sluice")
        self.assertEqual(status, 0, out + err)
        wrong = self.file("wrong.py", "import sluice\nsluice.Collector().response().choises\n")
        status, out, err = run(*mypy, *programs, wrong)
        [complaint, _] = out.splitlines()  # and how many there are
        self.assertRegex(complaint, r"wrong\.py:2: error: .*choises", err)

    def test_the_node_types_hold(self):
        """Of what the README shows; and a wrong name is seen."""
        app = os.path.join(self.folder, "app")
        shutil.copytree(node_client(), app, symlinks=True)
        [shown] = [block.text for block in blocks_of("client/node/README.md") if block.language == "js"]
        typed = shown.replace("const messages =", "const messages: Input<Message>[] =")
        self.assertNotEqual(typed, shown)
        self.file("app/shown.mts", f"import type {{ Input, Message }} from 'sluice-client';\n{typed}")
        self.file("app/wrong.mts", "import { Collector } from 'sluice-client';\nnew Collector().response().choises;")
        tsc = os.path.join(app, "node_modules", "typescript", "bin", "tsc")
        status, out, err = run(os.path.join(PEERS, "node"), tsc, "--noEmit", "--strict", "--target", "es2022",
                               "--module", "nodenext", "shown.mts", "wrong.mts", cwd=app)
        self.assertRegex(out, r"^wrong\.mts\(2,28\): error .*choises", err)
        self.assertEqual(out.count(": error "), 1, out)
