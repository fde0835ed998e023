"""Of compare.py and callgrind.py: tests/cost/run --self-test."""

import os
import tempfile
import unittest

import callgrind
import compare

COMMITTED = {"engine.chunk": {"figure": 8000, "percent": 2}, "engine.chunk.allocations": {"figure": 0, "absolute": 0.1}}
PATHS = {"engine.chunk": "build/cost/engine.4"}


def judged(**counted):
    named = {"engine.chunk" if name == "chunk" else "engine.chunk.allocations": value
             for name, value in counted.items()}
    return compare.judge(COMMITTED, named)


class CompareTest(unittest.TestCase):
    def test_within_the_margin_nothing_is_said(self):
        verdicts = judged(chunk=8160, allocations=0.1)
        self.assertFalse(any(verdict.grown or verdict.fell for verdict in verdicts))
        self.assertEqual(compare.report(verdicts, PATHS), "")

    def test_what_grew_is_told_with_how_much_and_where_to_look(self):
        verdicts = judged(chunk=8800)
        self.assertTrue(verdicts[0].grown)
        text = compare.report(verdicts, PATHS)
        self.assertIn("engine.chunk GREW: 8,800 instructions a chunk (engine), where 8,000 are committed: +10.0%, "
                      "margin ± 2 %", text)
        self.assertIn("callgrind_annotate --inclusive=yes build/cost/engine.4", text)
        self.assertRegex(compare.table(verdicts), r"engine\.chunk +8,800 +8,000 +\+10\.0% +± 2 %  GREW")

    def test_what_fell_is_no_failure_but_is_to_be_kept(self):
        verdicts = judged(chunk=7000)
        self.assertFalse(verdicts[0].grown)
        self.assertIn("engine.chunk fell: 7,000", compare.report(verdicts, PATHS))
        self.assertIn("--update", compare.report(verdicts, PATHS))

    def test_one_allocation_a_chunk_is_found(self):
        verdicts = judged(allocations=1.0)
        self.assertIn("1.00 allocations a chunk (engine), where 0.00 are committed: +1.00", compare.report(verdicts, PATHS))

    def test_a_figure_that_is_not_committed_fails(self):
        verdicts = compare.judge({}, {"engine.chunk": 1})
        self.assertTrue(verdicts[0].grown)
        self.assertIn("is not in tests/cost/figures.json", compare.report(verdicts, PATHS))

    def test_an_update_keeps_margins_and_what_was_not_counted(self):
        old = {**COMMITTED, "server.call": {"figure": 5, "percent": 7}}
        new = compare.updated(old, {"engine.chunk": 7000.4, "server.call.ours": 3.3})
        self.assertEqual(new["engine.chunk"], {"figure": 7000, "percent": 2})
        self.assertEqual(new["server.call"], old["server.call"])
        self.assertEqual(new["server.call.ours"], {"figure": 3, "percent": 3})

    def test_what_is_saved_is_loaded(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "figures.json")
            compare.save(path, COMMITTED)
            self.assertEqual(compare.load(path), COMMITTED)


# main calls f twice (which allocates each time) and g; g is in a library, and calls itself once.
PROFILE = """\
version: 1
positions: line
events: Ir
summary: 1000

ob=(1) /bin/program
fl=(1) ???
fn=(1) main
0 100
cfn=(2) ns::f(std::vector<int, std::allocator<int> >)
calls=2 0
0 450
cob=(2) /lib/lib.so.1
cfn=(3) g
calls=1 0
0 250

fn=(2)
0 50
cob=(3) /lib/libc.so.6
cfi=(2) malloc.c
cfn=(4) malloc
calls=2 10
0 400

ob=(2)
fn=(3)
0 150
cfn=(5) g'2
calls=1 0
0 100

fn=(5)
0 100

ob=(3)
fl=(2)
fn=(4)
0 400
"""


class CallgrindTest(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix=".1") as file:
            file.write(PROFILE)
            file.flush()
            self.profile = callgrind.read(file.name)

    def test_every_instruction_belongs_to_one_function_and_object(self):
        self.assertEqual(self.profile.total, 800)
        self.assertEqual(dict(self.profile.objects()), {"program": 150, "lib.so.1": 250, "libc.so.6": 400})
        self.assertEqual(self.profile.of_object("program"), 150)

    def test_calls_are_counted(self):
        self.assertEqual(self.profile.calls_of(callgrind.ALLOCATIONS), 2)

    def test_inclusive_cost_counts_a_recursion_once(self):
        self.assertEqual(self.profile.inclusive[("program", "main")], 800)
        self.assertEqual(self.profile.inclusive[("lib.so.1", "g")], 250)

    def test_what_two_parts_share_goes_out(self):
        twice = self.profile.times(2)
        self.assertEqual(twice.less(self.profile).total, self.profile.total)
        self.assertEqual(twice.less(self.profile).calls_of(["malloc"]), 2)

    def test_lists_name_functions_shortly(self):
        lines = callgrind.top(self.profile, "own", 1)
        self.assertIn("malloc  [libc.so.6]", lines[0])
        self.assertEqual(callgrind.shortened("sluice::(anonymous namespace)::A<b<c>>::Run(int)"), "sluice::A::Run")

    def test_parts_come_in_their_order(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("engine.10", "engine.2", "engine", "engine-policy.yaml", "server.1"):
                open(os.path.join(folder, name), "w").close()
            base = os.path.join(folder, "engine")
            self.assertEqual(callgrind.parts(base), [base + ".2", base + ".10"])
