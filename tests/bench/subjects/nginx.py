"""nginx relaying the bytes of the answer: what all others are compared with. It understands nothing of them."""

import os
import shutil

from harness.processes import Started, free_port

NAME = "nginx"

# What an operator would write for streams: no buffering, connections kept.
CONFIG = """\
daemon off;
worker_processes auto;
pid nginx.pid;
error_log nginx.log warn;
worker_rlimit_nofile 20000;
%(user)s
events { worker_connections 9000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_buffer_size 1m;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream llm { server 127.0.0.1:%(upstream)d; keepalive 1000; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location / {
      proxy_pass http://llm;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
"""


def executable():
    path = shutil.which("nginx") or "/usr/sbin/nginx"
    return path if os.access(path, os.X_OK) else None


def missing():
    return None if executable() else "nginx is not installed: deploy/install-packages --bench (Debian's nginx-light)"


def start(folder, upstream, options):
    port = free_port()
    config = f"{folder}/nginx.conf"
    with open(config, "w") as file:
        # Workers of another user could not use this temporary folder.
        user = "user root;" if os.geteuid() == 0 else ""
        file.write(CONFIG % {"upstream": upstream.port, "port": port, "user": user})
    return Started([executable(), "-p", folder, "-e", f"{folder}/nginx.log", "-c", config], folder, port)
