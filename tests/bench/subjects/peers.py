"""What the peers share: where tests/bench/install-peers has put them, and how one is waited for that is not ready as soon as
its port is open. Not a subject."""

import concurrent.futures
import http.client
import json
import os
import shutil
import ssl
import time

from harness.processes import BUILD, fail

FOLDER = os.path.join(BUILD, "bench", "peers")


def path(name):
    return os.path.join(FOLDER, "bin", name)


def missing(name):
    if os.access(path(name), os.X_OK):
        return None
    return f"{path(name)} is not there: tests/bench/install-peers {FOLDER} {name}"


def debian_program(name):
    """Some of them are in folders that only root has on its PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def connect(port, tls=None):
    if tls is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=120, context=ssl.create_default_context(cafile=tls.ca))


def prepared(running, *steps):
    """What has been started, after each step was called with it. Stopped if one fails: nobody else would."""
    try:
        for step in steps:
            step(running)
    except BaseException:
        running.stop()
        raise
    return running


def wait_until_200(running, url, tls=None, seconds=30):
    """Some take calls before they know their upstream."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection = connect(running.port, tls)
        try:
            connection.request("GET", url)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    fail(f"{running.name} did not answer {url} with 200 within {seconds} s")


def warm_up(running, calls, connections=16, headers=None, tls=None):
    """One-chunk calls before anything is measured: interpreters compile and import as they run, and what that costs is not
    asked. The machine code of the others is there from the start."""
    body = json.dumps({"model": "bench:1:0:m", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    headers = {"Content-Type": "application/json", **(headers or {})}

    def some(count):
        connection = connect(running.port, tls)
        for _ in range(count):
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or b"[DONE]" not in text:
                return f"{answer.status}: {text[:500]!r}"
        connection.close()
        return None

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        wrong = [answer for answer in pool.map(some, [-(-calls // connections)] * connections) if answer]
    if wrong:
        fail(f"{running.name} answered a call before the load with {wrong[0]}")
