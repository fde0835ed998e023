"""sluice-server with everything on that a call has to pass: metrics, log at its default level, breakers, limits, deadlines, health checks."""

from harness.processes import Started, free_port, program

NAME = "sluice"
PROTOCOL = "grpc"
HIDES_FAILURES = True

# Nothing of it is in the way: its bounds lie above every load.
POLICY = """\
kind: RateLimit
name: tenants
requests: 1000000000
tokens: 1000000000000
per: 1m
scope: TENANT
---
kind: RateLimit
name: provider
requests: 1000000000
tokens: 1000000000000
per: 1m
scope: UPSTREAM
---
kind: Upstream
name: bench
format: OPENAI
outlier_detection: {}
overall_circuit_breaker: {}
health_check: {interval: 1s}
limits: {max_requests: 100000, max_tokens_in_flight: 1000000000000}
%(settings)sendpoints: [%(endpoints)s]
---
kind: Route
name: bench
match: {model: "*"}
targets: [{upstream: bench}]
rate_limits: [tenants, provider]
"""

# Its own bounds, which larger loads have to raise.
MOST_CONNECTIONS = 10000
MOST_CALLS = 10000


def policy(upstream, options):
    settings = ""
    if upstream.ca_file:
        settings += f"tls: {{ca_file: {upstream.ca_file}}}\n"
    if options.streams > MOST_CONNECTIONS:
        settings += f"pool: {{max_open: {options.streams}}}\n"
    # A call that failed goes on to the endpoint that it has not tried.
    doors = range(len(upstream.ports)) if options.failing else [0]
    endpoints = ", ".join(f'{{url: "{upstream.url(door)}/v1"}}' for door in doors)
    return POLICY % {"settings": settings, "endpoints": endpoints}


def start(folder, upstream, options):
    path = f"{folder}/policy.yaml"
    with open(path, "w") as file:
        file.write(policy(upstream, options))
    port = free_port()
    words = ["--listen", f"127.0.0.1:{port}", "--metrics-listen", f"127.0.0.1:{free_port()}", "--policy-file", path,
             "--state-dir", "", "--drain-grace", "0s", "--drain-timeout", "1s"]
    if options.tls:
        words += ["--tls-cert", options.tls.certificate, "--tls-key", options.tls.key]
    if options.streams > MOST_CALLS:
        words += ["--max-concurrent-calls", str(options.streams)]
    return Started([program("bin", "sluice-server"), *words, *options.sluice_args], folder, port)
