"""A self-signed authority and a certificate for localhost, as long as the program runs."""

import functools
import os
import shutil
import subprocess
import tempfile

from subjects import Certificates

# The temporary folder lives as long as this.
FOLDERS = []


def missing():
    return None if shutil.which("openssl") else "openssl is not installed: deploy/install-packages --tests"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@functools.cache
def make():
    FOLDERS.append(tempfile.TemporaryDirectory(prefix="sluice-bench-tls-"))
    folder = FOLDERS[-1].name
    # P-256, as most providers' certificates are by now.
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl(folder, *new, "-subj", "/CN=sluice bench authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, *new, "-subj", "/CN=localhost", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key",
            "-out", "server.pem", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE")
    return Certificates(*(os.path.join(folder, name) for name in ("ca.pem", "server.pem", "server.key")))
