"""That the guard finds what it is for: tests/cost/run --guard-test."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")


class GuardTest(unittest.TestCase):
    """Against figures of its own, so that it does not matter whether the
    committed ones are near."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sluice-cost-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        status, out = cls.run_engine("--update")
        if status != 0:
            raise AssertionError(out)

    @classmethod
    def run_engine(cls, *args):
        done = subprocess.run([sys.executable, RUN, "--only", "engine", "--folder", cls.folder, "--figures",
                               os.path.join(cls.folder, "figures.json"), *args], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_the_same_again_passes(self):
        status, out = self.run_engine()
        self.assertEqual(status, 0, out)
        self.assertIsNone(re.search("GREW|fell", out), out)

    def test_cost_of_a_chunk_is_found_and_not_put_down_to_the_call(self):
        status, out = self.run_engine("--", "--chunk-loops", "150", "--chunk-allocations", "1")
        self.assertEqual(status, 1, out)
        for figure in ("engine.chunk", "engine.merged_chunk", "engine.chunk.allocations"):
            self.assertIn(f"\n{figure} GREW: ", out)
        self.assertNotIn("engine.prompt_kib GREW", out)
        self.assertNotIn("\nengine.call GREW", out)
        # Where to look is shown too.
        self.assertIn("sluice::cost::Plane::Run", out)
        self.assertIn("callgrind_annotate --inclusive=yes", out)

    def test_cost_of_a_call_is_found_and_not_put_down_to_the_chunk(self):
        status, out = self.run_engine("--", "--call-loops", "5000")
        self.assertEqual(status, 1, out)
        self.assertIn("\nengine.call GREW: ", out)
        self.assertNotIn("\nengine.chunk GREW", out)
