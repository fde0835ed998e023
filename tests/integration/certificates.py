"""Certificates of a test's own, and what a server shows to who connects."""

import os
import socket
import ssl
import subprocess
import threading


class Certificates:
    """Files in a folder: NAME.pem and NAME.key, each its own authority."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name):
        """(key, certificate) for 127.0.0.1 and localhost, made anew."""
        key, cert = self.path(name + ".key"), self.path(name + ".pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-keyout", key, "-out", cert, "-subj", f"/CN={name}", "-addext",
                        "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True, capture_output=True)
        return key, cert

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def put(self, name, made):
        """The certificate and key that were made, key first, in the place of others."""
        self.write(name + ".key", self.read(made + ".key"))
        self.write(name + ".pem", self.read(made + ".pem"))

    def der(self, name):
        return ssl.PEM_cert_to_DER_cert(self.read(name + ".pem"))


def shown(port, client=None):
    """The certificate that a new connection gets. `client`: (certificate, key) to show in turn."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if client:
        context.load_cert_chain(*client)
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as stream:
        # A client that is refused learns so with the server's first bytes.
        stream.settimeout(10)
        assert stream.selected_alpn_protocol() == "h2", "no h2"
        assert stream.recv(1), "closed without a word"
        return stream.getpeercert(True)


class Handshakes:
    """New connections one after the other, on threads, until it is left."""

    def __init__(self, port, threads=2, client=None):
        self.done, self.failed = 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port, client)) for _ in range(threads)]

    def _run(self, port, client):
        while not self._stop.is_set():
            try:
                shown(port, client)
                self.done += 1
            except (OSError, AssertionError) as error:
                self.failed.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
