"""How tests/bench/run measures. processes: starting and stopping; loads: what is asked; measure: one run, and what several
of them say; report: the table and the JSON. What is measured is in ../subjects."""
