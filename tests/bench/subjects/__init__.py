"""What tests/bench/run measures: one module here for each subject.

A module is found by its being here. It has:

  NAME = "nginx"            in the table, in the JSON, after --subject; the default is the module's own name
  PROTOCOL = "http"         or "grpc": what callers speak to it (default: http)
  PATH = "/v1/chat/completions"   of a chat completion, for http (default: that)
  HEADERS = {}              further headers of a request, or a function that returns them, given the Upstream
  MODEL = "%s"              the model that callers ask for, where a gateway wants more than its bare name, like
                            "openai/%s" (default: "%s")
  HIDES_FAILURES = True     it retries, so that in failing_10 every call ends well; an error voids the run. Where
                            False (the default), failing calls are counted and shown

  missing() -> str | None   why it cannot be measured on this machine, and what installs it; None: it can
  cannot(load) -> str | None   optional: why it cannot carry that load (harness.loads.Load); None: it can. See too_many_files
  start(folder, upstream, options) -> context manager
                            of the running subject, with
                              .port  on 127.0.0.1, that answers calls by now
                              .pids  all processes that count as the subject, read when the load begins
                            harness.processes.Started is one

`folder` is temporary, of this start alone; configuration and logs go there. `upstream` is an Upstream, `options` are
Options. A module binds to loopback only, takes its ports from harness.processes.free_port, and leaves nothing running.
It configures what an operator would for streams: no buffering, connections kept, no access log that others lack.
"""

import dataclasses
import importlib
import pkgutil
import resource
import types


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Files in PEM. The certificate is good for localhost and 127.0.0.1."""
    ca: str
    certificate: str
    key: str


@dataclasses.dataclass(frozen=True)
class Upstream:
    """An OpenAI-compatible upstream: POST /v1/chat/completions, answered as streams. `ports` are two doors of one program:
    what fails at one goes well when it is sent again, to either. Without retries the first is enough."""
    ports: tuple
    pids: tuple
    ca_file: str = ""  # not empty: it speaks TLS, with a certificate of this authority

    @property
    def port(self):
        return self.ports[0]

    @property
    def scheme(self):
        return "https" if self.ca_file else "http"

    def url(self, which=0, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.ports[which]}"


@dataclasses.dataclass(frozen=True)
class Options:
    """What the load asks of a subject."""
    # Serve callers with this certificate; the upstream speaks TLS as well.
    tls: Certificates | None = None
    # One call of ten is answered 503 at its first attempt, and well at its second: retry once or more, at once, upon 503, to
    # either of upstream.ports. No door is to be taken out of use for it.
    failing: bool = False
    # Open at a time, for limits that have to be set beforehand.
    streams: int = 0
    # After -- on the command line, for sluice-server.
    sluice_args: tuple = ()


DEFAULTS = {"PROTOCOL": "http", "PATH": "/v1/chat/completions", "HEADERS": {}, "MODEL": "%s", "HIDES_FAILURES": False,
            "missing": lambda: None, "cannot": lambda load: None}


def find():
    """{name: module}, what is shipped first."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if not isinstance(module, types.ModuleType) or not hasattr(module, "start"):
            continue  # what several subjects share
        for name, value in {"NAME": info.name, **DEFAULTS}.items():
            if not hasattr(module, name):
                setattr(module, name, value)
        found[module.NAME] = module
    first = ("nginx", "sluice")
    return dict(sorted(found.items(), key=lambda item: (item[0] not in first, item[0] == "direct", item[0])))


def too_many_files(load, processes=1, per_stream=2):
    """For cannot(): a relay holds two sockets a stream, in that many processes."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = load.streams * per_stream // processes + 500
    if limit == resource.RLIM_INFINITY or needed <= limit:
        return None
    return f"{load.streams} streams need some {needed} open files in a process; it may have {limit}"
