"""SMG, Shepherd Model Gateway (Rust), in its mode for OpenAI-compatible upstreams: a thread for each core by default."""

from harness.processes import Started, free_port
from subjects import peers, too_many_files

NAME = "smg"
HIDES_FAILURES = True


def missing():
    return peers.missing("smg")


def cannot(load):
    return too_many_files(load)


def start(folder, upstream, options):
    port = free_port()
    # The second door is for what failed at the first.
    which = range(len(upstream.ports)) if options.failing else (0,)
    host = "localhost" if upstream.ca_file else "127.0.0.1"
    command = [
        peers.path("smg"), "launch", "--host", "127.0.0.1", "--port", str(port),
        "--backend", "openai", "--worker-urls", *(upstream.url(door, host) for door in which),
        # Metrics are on, as they are by default.
        "--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port()),
        # At `info` it writes two lines a call.
        "--log-level", "warn",
        # 4096 by default; what is above gets 429.
        "--max-concurrent-requests", str(max(4096, options.streams + 100)),
        # The upstream answers chats only.
        "--disable-health-check",
    ]
    if options.failing:
        command += ["--retry-initial-backoff-ms", "1", "--disable-circuit-breaker"]
    if options.tls:
        command += ["--tls-cert-path", options.tls.certificate, "--tls-key-path", options.tls.key]
    if upstream.ca_file:
        command += ["--ca-cert-paths", upstream.ca_file]
    running = Started(command, folder, port, seconds=30)
    # It takes calls before its upstreams are registered.
    return peers.prepared(running, lambda it: peers.wait_until_200(it, "/readiness", options.tls))
