"""The examples of the languages that tests/run --long installs and builds
(tests/support/build-examples); each is skipped where its toolchain is missing. C++ as
a part of this build, Python and Node.js are in test_examples.py."""

import os

from example_programs import BUILT, EXAMPLES, ExamplePrograms
from harness import PEERS, IntegrationTest


class BuiltExamples:
    """`language` as tests/support/build-examples names it."""

    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(BUILT, self.language, "ok")):
            self.skipTest(f"the {self.language} examples are not built; tests/support/build-examples {self.language}")

    def built(self, *path):
        return os.path.join(BUILT, self.language, *path)


class AloneCppExamples(ExamplePrograms, BuiltExamples, IntegrationTest):
    """As somebody builds them who has the examples only."""
    language = "cpp"

    def command(self, program):
        return [self.built(program)]


class GoExamples(ExamplePrograms, BuiltExamples, IntegrationTest):
    language = "go"

    def command(self, program):
        return [self.built("bin", program)]


class RustExamples(ExamplePrograms, BuiltExamples, IntegrationTest):
    language = "rust"

    def command(self, program):
        return [self.built("debug", program)]


class JavaExamples(ExamplePrograms, BuiltExamples, IntegrationTest):
    language = "java"

    def command(self, program):
        # They start ten times in a minute: the compiler that optimises does not pay.
        return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", self.built("examples.jar") + ":" +
                self.built("lib", "*"), "dev.sluice.examples." + program.capitalize()]


class ConnectNodeExamples(ExamplePrograms, BuiltExamples, IntegrationTest):
    language = "connect-node"
    untrusted = "INTERNAL"

    def command(self, program):
        return [os.path.join(PEERS, "node"), os.path.join(EXAMPLES, "connect-node", program + ".mjs")]
