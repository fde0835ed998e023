"""A newcomer's walk: exactly the commands that README.md shows, in its order, on the
ports that it names."""

import os
import re
import shlex

import test_snippets
from harness import BIN, ROOT, IntegrationTest, Process, run, wait_for
from snippets import blocks_of

THIS = "Walk.test_a_newcomer_changes_a_policy_sees_it_in_force_and_rolls_it_back"


class Walk(IntegrationTest):
    def setUp(self):
        test_snippets.own_network()
        super().setUp()
        self.environment = {"OPENAI_API_KEY": "sk-test", "PATH": os.pathsep.join((BIN, os.environ["PATH"])),
                            "SLUICE_CONFIG": os.path.join(self.folder, "contexts.yaml")}
        os.symlink(os.path.join(ROOT, "deploy"), os.path.join(self.folder, "deploy"))

    def bash(self, command, status=0):
        got, out, err = run("bash", "-euc", command, env=self.environment, cwd=self.folder)
        self.assertEqual(got, status, f"{command}\n{out}{err}")
        return out + err

    def start(self, command):
        command = f"cd {shlex.quote(self.folder)} && exec {command}"
        return self.started(Process(["bash", "-c", command], env=self.environment))

    def test_a_newcomer_changes_a_policy_sees_it_in_force_and_rolls_it_back(self):
        [block] = test_snippets.blocks_run_by(THIS, "README.md", "sh")
        lines = [line.split("#")[0].strip() for line in block.text.splitlines()]
        self.assertEqual(len(lines), 3, "two services and a policy, in three lines")
        for line in lines[:2]:
            self.assertTrue(line.endswith("&"), line)
            self.start(line.removesuffix("&"))
        wait_for("the data plane", lambda: "acked" in self.bash("sluicectl status"))
        self.assertRegex(self.bash(lines[2]), r"acked by 1/1 data plane in ")

        [story] = test_snippets.blocks_run_by("test_the_policy_story", "README.md", "console")
        shown = [line[2:] for line in story.text.splitlines() if line.startswith("$ sluicectl")]
        change, look, back = [next(line for line in shown if line.split()[1] == word) for word in ("set", "status", "rollback")]
        self.assertLessEqual(len({change, look, back}), 5)
        out = self.bash(change)
        self.assertIn("retry.max_attempts: 3 → 2", out)
        self.assertRegex(out, r"revision 2 · acked by 1/1 data plane in ")
        self.assertRegex(self.bash(look), r"(?m)^\S+ +2 +acked ")
        out = self.bash(back)
        self.assertIn("retry.max_attempts: 2 → 3", out)
        self.assertRegex(self.bash(look), r"(?m)^\S+ +3 +acked ")

    def test_every_command_that_the_readme_names_is_in_the_help(self):
        text = "".join(block.text for block in blocks_of("README.md") if block.language in ("sh", "console"))
        named = set(re.findall(r"(?m)^(?:\$ )?sluicectl ([a-z]+)", text))
        self.assertLess({"apply", "set", "status", "rollback"}, named)
        known = set(re.findall(r"(?m)^  ([a-z]+)  ", self.bash("sluicectl --help")))
        self.assertEqual(named - known, set())

    def test_the_folder_of_examples_is_applied_as_it_is(self):
        self.environment["OPENAI_SECOND_API_KEY"] = "sk-second"
        control = self.start("sluice-controlplane")
        self.start(f"sluice-server --control-plane {control.address}")
        wait_for("the data plane", lambda: "acked" in self.bash("sluicectl status"))
        out = self.bash("sluicectl apply -f deploy/policies")
        self.assertIn("acked by 1/1 data plane in ", out)
        self.assertIn("nothing to change", self.bash("sluicectl apply -f deploy/policies"))
        # Its comments too are there again.
        self.assertIn("# Two endpoints of one provider", self.bash("sluicectl get upstream/openai"))
        self.assertIn("nothing to remark", self.bash("sluicectl analyze --no-nodes"))
