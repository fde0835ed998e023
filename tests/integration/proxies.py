"""The proxies of deploy/proxies, run as they are written there but for addresses, paths
and what a test says: on free ports, in a folder of their own, as whoever runs the test."""

import os
import shutil
import signal
import socket
import subprocess
import unittest

from harness import BUILD, ROOT, run, wait_for


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder):
    """For localhost; (certificate, key)."""
    cert, key = os.path.join(folder, "proxy.crt"), os.path.join(folder, "proxy.key")
    status, out, err = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                           "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                           "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    assert status == 0, out + err
    return cert, key


class Proxy:
    """`changes`: text of the configuration -> what stands there instead."""

    page = ""  # of deploy/proxies
    program = ""
    quick_checks = {}  # so that a test need not wait for its health checks

    def __init__(self, folder, servers, changes=None):
        self.folder = os.path.join(folder, self.page)
        os.mkdir(self.folder)
        self.port = free_port()
        self.cert, self.key = certificate(self.folder)
        with open(os.path.join(ROOT, "deploy", "proxies", self.page)) as file:
            text = file.read()
        addresses = {f"10.0.0.{11 + index}:8443": server.address for index, server in enumerate(servers)}
        for old, new in {**self.moved(), **self.servers(addresses), **(changes or {})}.items():
            assert old in text, f"{self.page} has no {old!r}"
            text = text.replace(old, new)
        config = os.path.join(self.folder, "config" + os.path.splitext(self.page)[1])
        with open(config, "w") as out:
            out.write(text)
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(self.command(config), cwd=self.folder, stdout=self.log, stderr=self.log)
        try:
            wait_for(f"{self.page} to listen", self.listens, 30)
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.page} did not come up:\n{self.said()}") from None

    @classmethod
    def executable(cls):
        found = shutil.which(cls.program) or os.path.join("/usr/sbin", cls.program)
        if not os.access(found, os.X_OK):
            raise unittest.SkipTest(f"no {cls.program}: deploy/install-packages --tests")
        return found

    def moved(self):
        return {}

    def servers(self, addresses):
        return addresses

    def command(self, config):
        raise NotImplementedError

    @property
    def address(self):
        return f"localhost:{self.port}"

    def listens(self):
        assert self.process.poll() is None, "it ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def said(self):
        with open(self.log.name) as log:
            return log.read()[-3000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return 0


class Nginx(Proxy):
    page, program = "nginx.conf", "nginx"
    silence = "grpc_read_timeout 1h;"
    soon_old = {"keepalive_time 1h;": "keepalive_time 1s;"}

    def moved(self):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{kind}_temp_path {self.folder};" for kind in kinds)
        return {"listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
                "/etc/nginx/sluice.crt": self.cert, "/etc/nginx/sluice.key": self.key,
                "worker_processes auto;": "worker_processes 2;", "worker_rlimit_nofile 65536;": "",
                "http {": f"http {{ access_log off; {folders}"}

    def command(self, config):
        own = f"daemon off; pid {self.folder}/pid; error_log stderr warn;"
        # As root it would turn to another user, who may not read the folder.
        if os.geteuid() == 0:
            own += " user root;"
        return [self.executable(), "-p", self.folder, "-c", config, "-g", own]


class Haproxy(Proxy):
    page, program = "haproxy.cfg", "haproxy"
    silence = "timeout server 1h"
    quick_checks = {"inter 2s": "inter 200ms"}

    def moved(self):
        pem = os.path.join(self.folder, "both.pem")
        with open(pem, "w") as out:
            for path in (self.cert, self.key):
                with open(path) as file:
                    out.write(file.read())
        return {"bind :443": f"bind 127.0.0.1:{self.port}", "/etc/haproxy/sluice.pem": pem,
                "maxconn 16384": "maxconn 500"}

    def command(self, config):
        return [self.executable(), "-db", "-f", config]


class Envoy(Proxy):
    page, program = "envoy.yaml", "envoy"
    silence = "stream_idle_timeout: 3600s"
    soon_old = {"max_connection_duration: 3600s # then": "max_connection_duration: 1s # then"}
    quick_checks = {"interval: 2s": "interval: 0.2s"}

    @classmethod
    def executable(cls):
        found = os.path.join(BUILD, "tools", "envoy", "bin", "envoy")
        if not os.access(found, os.X_OK):
            raise unittest.SkipTest("no Envoy: tests/run --long installs it")
        return found

    def moved(self):
        return {"address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {self.port}", "/etc/envoy/sluice.crt": self.cert,
                "/etc/envoy/sluice.key": self.key}

    def servers(self, addresses):
        found = {}
        for shown, address in addresses.items():
            (host, port), (shown_host, shown_port) = address.split(":"), shown.split(":")
            found[f"address: {shown_host}, port_value: {shown_port}"] = f"address: {host}, port_value: {port}"
        return found

    def command(self, config):
        return [self.executable(), "-c", config, "--use-dynamic-base-id", "--log-level", "warning",
                "--concurrency", "2"]
