"""One run of one load on one subject, and what several runs say."""

import json
import statistics
import subprocess
import tempfile

from harness.processes import Started, free_port, program
from subjects import Options, Upstream


def headers_of(subject, upstream):
    headers = subject.HEADERS(upstream) if callable(subject.HEADERS) else subject.HEADERS
    return [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]


def call_words(subject, upstream, args):
    """How bench_load is to call it."""
    words = ["--model", subject.MODEL]
    if subject.PROTOCOL == "grpc":
        return [*words, "--grpc", "--connections", str(args.connections)]
    return [*words, "--path", subject.PATH, *headers_of(subject, upstream)]


def measure(load, subject, args):
    """The figures of one run; "error" is among them if it is void."""
    options = Options(streams=load.streams, sluice_args=tuple(args.sluice_args))
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, \
            Started([program("bench", "bench_upstream"), "--port", str(port)], folder, port) as process:
        upstream = Upstream(ports=(port,), pids=tuple(process.pids))
        with subject.start(folder, upstream, options) as running:
            command = [program("bench", "bench_load"), "--port", str(running.port), *load.words(args.seconds),
                       *call_words(subject, upstream, args), "--upstream", *map(str, upstream.pids),
                       "--subject", *map(str, running.pids)]
            return read(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))


def read(done):
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"error": (done.stderr or done.stdout or f"exit status {done.returncode}").strip()}


def median_of(runs, main):
    """Medians of the runs that are not void, and the spread of the main figures."""
    good = [run for run in runs if "error" not in run]
    if not good:
        return runs[0]
    result = {key: statistics.median(run[key] for run in good) for key in good[0]}
    for key in main:
        if key in result:
            result[key + "_min"] = min(run[key] for run in good)
            result[key + "_max"] = max(run[key] for run in good)
    result["runs"] = len(good)
    result["void_runs"] = len(runs) - len(good)
    return result


def add_ratios(subjects):
    base = subjects.get("nginx", {})
    for figures in subjects.values():
        for metric in ("cpu_us_per_chunk", "cpu_us_per_call"):
            if base.get(metric) and metric in figures:
                figures[metric.replace("cpu_us", "cpu_ratio")] = figures[metric] / base[metric]
