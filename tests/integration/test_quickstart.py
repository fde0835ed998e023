"""The README's first command tells a true story."""

import os
import re
import unittest

from harness import ROOT, run


class Quickstart(unittest.TestCase):
    def test_the_story_is_told_to_its_end(self):
        status, out, err = run(os.path.join(ROOT, "deploy", "quickstart"), "--no-build", seconds=150,
                               env={"OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""})
        self.assertEqual(status, 0, out + err)
        self.assertIn("route/chat created", out)
        self.assertRegex(out, r"acked by 1/1 data plane")
        self.assertIn("alpha/primary", out)
        # Once alpha's breaker is open, nobody has to find out again.
        self.assertRegex(out, r"beta/primary · [12] attempts?")
        self.assertRegex(out, r"alpha/primary +edge-1 +(OPEN|CLOSED|HALF_OPEN)")
        whole, cut = map(int, re.search(r"(\d+) calls whole; (\d+) had shown", out).groups())
        self.assertEqual(whole + cut, 20)
        self.assertGreater(whole, cut)
        self.assertRegex(out, r"sluice_attempts_total\{.*upstream=\"beta\"")
        self.assertIn("everything is stopped again", out)
