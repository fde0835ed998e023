"""nginx relaying the bytes of the answer: what all others are compared with. It understands nothing of them."""

import os
import shutil
import time

from harness.processes import Started, fail, free_port
from subjects import too_many_files

NAME = "nginx"
HIDES_FAILURES = True

# What an operator would write for streams: no buffering, connections kept.
CONFIG = """\
daemon off;
worker_processes auto;
pid nginx.pid;
error_log nginx.log warn;
worker_rlimit_nofile 20000;
%(user)s
events { worker_connections %(connections)d; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_buffer_size 1m;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream llm { %(servers)s keepalive 1000; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:%(port)d backlog=4096 %(listen)s;
    %(certificate)s
    location / {
      proxy_pass %(scheme)s://llm;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
      %(proxy)s
    }
  }
}
"""

# More than this: a worker needs more connections, and a fair share of them.
MANY = 4000
RETRY = "proxy_next_upstream error timeout http_503 non_idempotent; proxy_next_upstream_tries 3;"


def executable():
    path = shutil.which("nginx") or "/usr/sbin/nginx"
    return path if os.access(path, os.X_OK) else None


def missing():
    return None if executable() else "nginx is not installed: deploy/install-packages --bench (Debian's nginx-light)"


def cannot(load):
    return too_many_files(load, processes=os.cpu_count())


def config(port, upstream, options):
    many = options.streams > MANY
    # A door that fails now and then is not to be taken out of use.
    servers = [f"server 127.0.0.1:{door} max_fails=0;" for door in (upstream.ports if options.failing else upstream.ports[:1])]
    certificate = f"ssl_certificate {options.tls.certificate}; ssl_certificate_key {options.tls.key};" if options.tls else ""
    trust = f"proxy_ssl_trusted_certificate {upstream.ca_file}; proxy_ssl_verify on; proxy_ssl_name localhost;"
    return CONFIG % {
        "port": port, "scheme": upstream.scheme, "servers": " ".join(servers), "certificate": certificate,
        "connections": 19000 if many else 9000,
        # The kernel deals connections out; else the first worker to wake takes too many.
        "listen": ("ssl " if options.tls else "") + ("reuseport" if many else ""),
        "proxy": (trust if upstream.ca_file else "") + (RETRY if options.failing else ""),
        # Workers of another user could not use this temporary folder.
        "user": "user root;" if os.geteuid() == 0 else "",
    }


def start(folder, upstream, options):
    port = free_port()
    path = f"{folder}/nginx.conf"
    with open(path, "w") as file:
        file.write(config(port, upstream, options))
    running = Started([executable(), "-p", folder, "-e", f"{folder}/nginx.log", "-c", path], folder, port)
    # The master listens before it has workers, and their time is what is asked.
    deadline = time.monotonic() + 10
    while len(running.pids) <= os.cpu_count():
        if time.monotonic() > deadline:
            running.stop()
            fail("nginx did not start its workers")
        time.sleep(0.01)
    return running
