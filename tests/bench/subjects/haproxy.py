"""HAProxy relaying HTTP. Like nginx it understands nothing of an answer, but it counts, checks and retries."""

from harness.processes import Started, free_port
from subjects import peers, too_many_files

NAME = "haproxy"
HIDES_FAILURES = True

CONFIG = """\
global
  # nbthread is the number of cores by default. No `log` line: no log.
  # Twice the streams and room: the limit on open files follows from it.
  maxconn %(maxconn)d
  ca-base /
defaults
  mode http
  # Without it small writes wait for more: what streams must not.
  option http-no-delay
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  # Connections to the upstream are kept, and shared by all callers.
  option http-keep-alive
  http-reuse always
%(retry)s
frontend callers
  bind 127.0.0.1:%(port)d backlog 4096%(bind)s
  default_backend llm
backend llm
%(servers)s
"""

# Upon 503, three times at most, at once, and at another server if there is one. What is sent again must be there whole.
RETRY = """\
  option http-buffer-request
  retries 3
  retry-on 503
  option redispatch 1
"""


def missing():
    return None if peers.debian_program("haproxy") else "haproxy is not installed: deploy/install-packages --bench"


def cannot(load):
    return too_many_files(load)


def pem(folder, tls):
    """It wants certificate and key in one file."""
    path = f"{folder}/haproxy.pem"
    with open(path, "w") as out:
        for part in (tls.certificate, tls.key):
            with open(part) as file:
                out.write(file.read())
    return path


def servers(upstream, options):
    # The second door is for what failed at the first.
    ports = upstream.ports if options.failing else upstream.ports[:1]
    tls = f" ssl verify required ca-file {upstream.ca_file} sni str(localhost) verifyhost localhost" if upstream.ca_file else ""
    return "\n".join(f"  server s{port} 127.0.0.1:{port}{tls}" for port in ports)


def start(folder, upstream, options):
    port = free_port()
    config = f"{folder}/haproxy.cfg"
    with open(config, "w") as file:
        file.write(CONFIG % {
            "maxconn": max(2000, options.streams + 500), "port": port, "servers": servers(upstream, options),
            "bind": f" ssl crt {pem(folder, options.tls)}" if options.tls else "",
            "retry": RETRY if options.failing else "",
        })
    # -db: in the foreground.
    return Started([peers.debian_program("haproxy"), "-db", "-f", config], folder, port)
