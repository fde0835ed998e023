"""sluice-server as shipped: metrics, log at its default level, breaker, limits, deadlines, queues."""

from harness.processes import Started, free_port, program

NAME = "sluice"
PROTOCOL = "grpc"

POLICY = """\
kind: Upstream
name: bench
format: OPENAI
endpoints: [{url: "%(url)s/v1"}]
---
kind: Route
name: bench
match: {model: "*"}
targets: [{upstream: bench}]
"""


def start(folder, upstream, options):
    policy = f"{folder}/policy.yaml"
    with open(policy, "w") as file:
        file.write(POLICY % {"url": upstream.url()})
    port = free_port()
    return Started([program("bin", "sluice-server"), "--listen", f"127.0.0.1:{port}",
                    "--metrics-listen", f"127.0.0.1:{free_port()}", "--policy-file", policy, "--state-dir", "",
                    "--drain-timeout", "1s", *options.sluice_args], folder, port)
