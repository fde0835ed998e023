"""Portkey's gateway (Node.js): one process, as its Dockerfile starts it; it has no workers. Which upstream, and what to do
when that fails, comes with each call in headers."""

import json

from harness.processes import Started, free_port
from subjects import peers, too_many_files

NAME = "portkey"
HIDES_FAILURES = True

# It has no setting for the address that it binds, and would take all of the machine's; nor for how long it keeps a caller's
# idle connection: 5 s in Node.js, and thousands that are opened one after the other, with a call on each, take longer.
LOOPBACK = """\
import net from "node:net";
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, host, ...rest) {
  this.keepAliveTimeout = 600000;
  return listen.call(this, port, host ?? "127.0.0.1", ...rest);
};
"""

# Of the last start: what is asked of it comes with the calls.
_options = None


def headers(upstream):
    urls = [upstream.url(which) + "/v1" for which in range(len(upstream.ports))]
    if not _options.failing:
        # A config would do as well, and costs 7 % of a call.
        return {"x-portkey-provider": "openai", "x-portkey-custom-host": urls[0]}
    # Its retries wait for a second; its fallback goes on at once.
    targets = [{"provider": "openai", "api_key": "bench", "custom_host": url} for url in (urls * 4)[:4]]
    return {"x-portkey-config": json.dumps({"strategy": {"mode": "fallback", "on_status_codes": [503]}, "targets": targets})}


def HEADERS(upstream):
    """As one: bench_load takes no second --header."""
    (name, value), *more = headers(upstream).items()
    return {name: "\r\n".join([value, *(f"{other}: {text}" for other, text in more)])}


def missing():
    return peers.missing("portkey")


def cannot(load):
    if getattr(load, "tls", False):
        return "its server speaks plain HTTP only"
    return too_many_files(load)


def start(folder, upstream, options):
    global _options
    _options = options
    port = free_port()
    loopback = f"{folder}/loopback.mjs"
    with open(loopback, "w") as file:
        file.write(LOOPBACK)
    # Headless: without the page that shows calls, and without what feeds it.
    running = Started([peers.path("portkey"), f"--port={port}", "--headless"], folder, port,
                      env={"NODE_ENV": "production", "NODE_OPTIONS": f"--import={loopback}"}, seconds=30)
    return peers.prepared(running, lambda it: peers.warm_up(it, 2000, connections=64, headers=headers(upstream)))
