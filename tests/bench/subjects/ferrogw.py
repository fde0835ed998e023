"""Ferro Labs AI Gateway (Go): one process, a thread for each core by Go's own default."""

import secrets

from harness.processes import Started, free_port
from subjects import peers, too_many_files

NAME = "ferrogw"
HIDES_FAILURES = True

# It binds all of the machine's addresses and cannot be told otherwise: so callers must have a key, as in production.
KEY = "fgw_" + secrets.token_hex(16)
HEADERS = {"Authorization": f"Bearer {KEY}"}

# The provider of all that speak OpenAI's API and take any model's name: what is asked for is passed on, and the upstream
# reads it. The one for OpenAI itself takes only models that it knows. Both share their code for chats.
CONFIG = """\
strategy: {mode: single}
targets:
  - virtual_key: openrouter
"""

RETRY = "    retry: {attempts: 4, on_status_codes: [503], initial_backoff_ms: 1}\n"


def missing():
    return peers.missing("ferrogw")


def cannot(load):
    if getattr(load, "tls", False):
        return "its server speaks plain HTTP only"
    return too_many_files(load)


def start(folder, upstream, options):
    port = free_port()
    config = f"{folder}/config.yaml"
    with open(config, "w") as file:
        file.write(CONFIG + (RETRY if options.failing else ""))
    environment = {
        "GATEWAY_ENV": "production", "GATEWAY_CONFIG": config, "PORT": str(port), "MASTER_KEY": KEY,
        "OPENROUTER_BASE_URL": upstream.url() + "/v1", "OPENROUTER_API_KEY": "bench",
        # 20 calls a second from an address by default.
        "RATE_LIMIT_RPS": "0",
        # No line for each call.
        "LOG_LEVEL": "warn",
        # Its list of models as shipped, instead of one from the Internet.
        "FERRO_MODEL_CATALOG_TIMEOUT": "0",
    }
    running = Started([peers.path("ferrogw"), "serve"], folder, port, env=environment, seconds=30)
    return peers.prepared(running, lambda it: peers.wait_until_200(it, "/readyz"))
