"""LiteLLM's proxy (Python): uvicorn with a worker for each core, as its documentation advises where one machine is all there is;
no database, no cache, no callbacks."""

import json
import os
import time

from harness.processes import Started, free_port
from subjects import peers, too_many_files

NAME = "litellm"
HIDES_FAILURES = True
WORKERS = os.cpu_count() or 1


def missing():
    return peers.missing("litellm")


def cannot(load):
    return too_many_files(load, processes=WORKERS)


def config(upstream, options):
    """JSON is YAML as well."""
    ports = range(len(upstream.ports)) if options.failing else (0,)
    # What is asked for is passed on: the upstream reads it.
    models = [{"model_name": "*", "litellm_params": {"model": "openai/*", "api_key": "bench",
                                                     "api_base": upstream.url(which) + "/v1"}} for which in ports]
    # As its page on production has them.
    settings = {"model_list": models, "litellm_settings": {"request_timeout": 600, "set_verbose": False}}
    if options.failing:
        # With two deployments of a model it tries again at once. Its cooldown would take them out of use.
        settings["router_settings"] = {"num_retries": 3, "retry_after": 0, "disable_cooldowns": True}
    return json.dumps(settings)


def environment(upstream, options):
    result = {
        "LITELLM_MODE": "PRODUCTION",
        # No line for each call.
        "LITELLM_LOG": "ERROR",
        # Its list of prices as shipped, instead of one from the Internet.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        # No other subject asks callers who they are, and it does not start without a key unless told so.
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        # Connections to the upstream, 1000 and 500 by default: the rest of the streams would wait.
        "AIOHTTP_CONNECTOR_LIMIT": str(max(1000, options.streams)),
        "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": str(max(500, options.streams)),
    }
    # It ends an answer that says the same thing a hundred times in a row, as the chunks of a merged one do.
    result["REPEATED_STREAMING_CHUNK_LIMIT"] = "1000000"
    if upstream.ca_file:
        result["SSL_CERT_FILE"] = upstream.ca_file
    return result


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_workers(running):
    """The port is open before a worker is there, and answers when the first is: the last goes on importing for seconds."""
    deadline = time.monotonic() + 60
    before = cpu_seconds(running.pids)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = cpu_seconds(running.pids)
        if now - before < 0.1:
            return
        before = now


def start(folder, upstream, options):
    port = free_port()
    path = f"{folder}/config.yaml"
    with open(path, "w") as file:
        file.write(config(upstream, options))
    command = [peers.path("litellm"), "--host", "127.0.0.1", "--port", str(port), "--num_workers", str(WORKERS), "--config", path,
               # Of a caller's idle connection: 5 s by default, and thousands that are opened one after the other, with a call
               # on each, take longer.
               "--keepalive_timeout", "600",
               # A worker that does not answer its supervisor for 5 s is ended by default, with all of its streams.
               "--timeout_worker_healthcheck", "60"]
    if options.tls:
        command += ["--ssl_certfile_path", options.tls.certificate, "--ssl_keyfile_path", options.tls.key]
    running = Started(command, folder, port, env=environment(upstream, options), seconds=60)
    return peers.prepared(running, lambda it: peers.warm_up(it, 1, connections=1, tls=options.tls), wait_for_workers,
                          lambda it: peers.warm_up(it, 200, tls=options.tls))
