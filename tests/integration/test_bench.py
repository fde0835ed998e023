"""The benchmark runs, and its figures have the names that those who compare them read. No time is asserted."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from harness import ROOT

RUN = os.path.join(ROOT, "tests", "bench", "run")
ALWAYS = {"chunks_per_s", "calls_per_s", "ttft_ms_p50", "ttft_ms_p99", "chunk_ms_p50", "chunk_ms_p99", "kib_per_stream",
          "subject_cores", "load_cores", "upstream_cores", "runs", "void_runs"}


class Bench(unittest.TestCase):
    def bench(self, *words, status=(0,)):
        """What is printed, and the figures."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "figures.json")
            done = subprocess.run([sys.executable, RUN, "--runs", "1", "--seconds", "0.3", "--json", path, *words],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
            self.assertIn(done.returncode, status, done.stdout)
            with open(path) as file:
                return done.stdout, json.load(file)

    def test_one_load_gives_every_figure_by_load_and_subject(self):
        printed, figures = self.bench("--load", "call_1", "--subject", "sluice")
        self.assertEqual(list(figures), ["call_1"])
        self.assertEqual(list(figures["call_1"]), ["sluice"])
        of_sluice = figures["call_1"]["sluice"]
        self.assertLessEqual(ALWAYS | {"cpu_us_per_chunk", "cpu_us_per_call", "cpu_us_per_call_min", "cpu_us_per_call_max"},
                             set(of_sluice))
        self.assertTrue(all(isinstance(value, (int, float)) for value in of_sluice.values()), of_sluice)
        self.assertGreater(of_sluice["cpu_us_per_call"], 0)
        self.assertIn("call_1", printed)

    def test_beside_a_direct_call_the_added_time_is_told(self):
        _, figures = self.bench("--load", "call_1", "--subject", "sluice", "--subject", "direct")
        call = figures["call_1"]
        self.assertAlmostEqual(call["sluice"]["added_ttft_ms_p50"],
                               call["sluice"]["ttft_ms_p50"] - call["direct"]["ttft_ms_p50"], places=6)

    def test_tls_on_both_sides(self):
        _, figures = self.bench("--load", "tls", "--subject", "sluice", status=(0, 1))
        # A machine that is busy with other tests may not keep the pace.
        self.assertRegex(figures["tls"]["sluice"].get("error", "the pace was not kept"), "^the pace was not kept")

    def test_failures_of_the_upstream_are_hidden_by_a_gateway_and_seen_without_one(self):
        _, figures = self.bench("--load", "failing_10", "--subject", "sluice", "--subject", "direct")
        self.assertNotIn("error", figures["failing_10"]["sluice"])
        self.assertAlmostEqual(figures["failing_10"]["direct"]["failed_share"], 0.1, delta=0.02)

    def test_cancels_are_timed_to_the_upstream(self):
        _, figures = self.bench("--load", "cancel", "--subject", "sluice")
        of_sluice = figures["cancel"]["sluice"]
        self.assertLess(0, of_sluice["cancel_ms_p50"])
        self.assertLessEqual(of_sluice["cancel_ms_p50"], of_sluice["cancel_ms_p99"])

    def test_a_run_with_errors_is_void(self):
        # Of 16 callers at a time one is served.
        printed, figures = self.bench("--load", "call_1", "--subject", "sluice", "--", "--max-concurrent-calls", "1", status=(1,))
        self.assertIn("void", printed)
        self.assertIn("error", figures["call_1"]["sluice"])
        self.assertNotIn("cpu_us_per_call", figures["call_1"]["sluice"])


if __name__ == "__main__":
    unittest.main()
