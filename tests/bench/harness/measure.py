"""One run of one load on one subject, and what several runs say."""

import contextlib
import json
import statistics
import subprocess
import tempfile

from harness import certificates
from harness.processes import Failure, Started, free_port, program
from subjects import Options, Upstream

# For what comes before and after the load: a call on every connection, the end of what runs.
PATIENCE_S = 60
# Of these the least and the greatest of all runs are kept as well.
SPREAD = ("cpu_us_per_chunk", "cpu_us_per_call", "subject_cores", "ttft_ms_p50", "ttft_ms_p99", "chunk_ms_p99",
          "cancel_ms_p99", "kib_per_stream")


@contextlib.contextmanager
def started_upstream(load, folder):
    ports = (free_port(), free_port())
    words = [program("bench", "bench_upstream"), *(word for port in ports for word in ("--port", str(port)))]
    tls = certificates.make() if load.tls else None
    if tls:
        words += ["--tls-cert", tls.certificate, "--tls-key", tls.key]
    if load.cancel_after:
        words += ["--closed-file", closed_file(folder)]
    with Started(words, folder, ports[0]) as process:
        yield Upstream(ports=ports, pids=tuple(process.pids), ca_file=tls.ca if tls else "")


def closed_file(folder):
    return f"{folder}/closed.txt"


def call_words(load, subject, upstream, args):
    """How bench_load is to call it."""
    words = ["--model", subject.MODEL]
    if load.tls:
        words += ["--ca-file", certificates.make().ca]
    if load.fail_every and not subject.HIDES_FAILURES:
        words += ["--count-failures"]
    if subject.PROTOCOL == "grpc":
        return [*words, "--grpc", "--connections", str(args.connections)]
    headers = subject.HEADERS(upstream) if callable(subject.HEADERS) else subject.HEADERS
    return [*words, "--path", subject.PATH,
            *(word for name, value in headers.items() for word in ("--header", f"{name}: {value}"))]


def measure(load, subject, args):
    """The figures of one run; "error" is among them if it is void."""
    options = Options(tls=certificates.make() if load.tls else None, failing=load.fail_every > 0, streams=load.streams,
                      sluice_args=tuple(args.sluice_args))
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, started_upstream(load, folder) as upstream, \
                subject.start(folder, upstream, options) as running:
            words = [program("bench", "bench_load"), "--port", str(running.port), *load.words(args.seconds),
                     *call_words(load, subject, upstream, args)]
            if load.cancel_after:
                words += ["--closed-file", closed_file(folder)]
            words += ["--upstream", *map(str, upstream.pids), "--subject", *map(str, running.pids)]
            return read(subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       timeout=load.ramp + load.settle + args.seconds + PATIENCE_S))
    except subprocess.TimeoutExpired:
        return {"error": "calls without an end"}
    except Failure as failure:
        return {"error": failure.line}


def read(done):
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"error": (done.stderr or done.stdout or f"exit status {done.returncode}").strip()}


def median_of(runs):
    """Medians of the runs that are not void, and the spread of the main figures. The first error, if any run was void."""
    good = [run for run in runs if "error" not in run]
    result = {key: statistics.median(run[key] for run in good) for key in (good[0] if good else ())
              if all(key in run for run in good)}
    for key in [key for key in SPREAD if key in result]:
        result[key + "_min"] = min(run[key] for run in good)
        result[key + "_max"] = max(run[key] for run in good)
    errors = [run["error"] for run in runs if "error" in run]
    if good:
        result |= {"runs": len(good), "void_runs": len(errors)}
    return result | ({"error": errors[0]} if errors else {})


def compare(by_subject):
    """Adds what one subject's figures are beside another's, of one load."""
    nginx, direct = by_subject.get("nginx", {}), by_subject.get("direct", {})
    for figures in by_subject.values():
        for metric in ("cpu_us_per_chunk", "cpu_us_per_call"):
            if nginx.get(metric) and metric in figures:
                figures[metric.replace("cpu_us", "cpu_ratio")] = figures[metric] / nginx[metric]
        for metric in ("ttft_ms_p50", "ttft_ms_p99"):
            if metric in direct and metric in figures:
                figures["added_" + metric] = figures[metric] - direct[metric]


def add_flatness(results):
    """What a chunk costs with 15,000 streams, beside what it costs with 500 at the same chunks a second."""
    few, many = results.get("open_500", {}), results.get("open_15000", {})
    for name in few.keys() & many.keys():
        if few[name].get("cpu_us_per_chunk") and "cpu_us_per_chunk" in many[name]:
            many[name]["cpu_ratio_to_open_500"] = many[name]["cpu_us_per_chunk"] / few[name]["cpu_us_per_chunk"]
