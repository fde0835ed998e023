"""client/python and client/node as a user installs them: in a folder of their own, from
the tree, once for each state of the sources. Offline: tests/support/install-peers has
fetched what they depend on."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess

from harness import BUILD, ROOT

TOOLS = os.path.join(BUILD, "tools")
WHEELS = os.path.join(TOOLS, "client-wheels")
NODE_APP = os.path.join(TOOLS, "client-node")  # a program's folder with the dependencies


def _run(*args, cwd, env=None):
    done = subprocess.run(args, cwd=cwd, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(args)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def _sources(*folders):
    """A hash of what is in the tree."""
    state = hashlib.sha256()
    for folder in folders:
        for path, _, names in sorted(os.walk(os.path.join(ROOT, folder))):
            if not any(each in path for each in ("/build", "node_modules", "egg-info", "/dist")):
                for name in sorted(names):
                    with open(os.path.join(path, name), "rb") as file:
                        state.update(f"{path}/{name}".encode() + file.read())
    return state.hexdigest()


def _read(path):
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()


@contextlib.contextmanager
def _once(name, *folders):
    """Gives the folder to install in, or to use where it is there; one test at a time."""
    folder = os.path.join(BUILD, "tests", name)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = os.path.join(folder, "installed")
        there = _read(stamp) == _sources("proto", *folders)
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        yield folder, there
        # Only now, for npm's prepare writes beside the sources.
        with open(stamp, "w") as out:
            out.write(_sources("proto", *folders))


def pip_install(python, *what):
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--find-links", WHEELS,
         *what, cwd=ROOT)


def venv(folder):
    _run("/usr/bin/python3", "-m", "venv", folder, cwd=ROOT)
    return os.path.join(folder, "bin", "python")


def python_client():
    """The Python that has the package, and mypy."""
    with _once("python-client", "client/python") as (folder, there):
        python = os.path.join(folder, "bin", "python")
        if not there:
            pip_install(venv(folder), "./client/python", "mypy", "types-grpcio", "types-protobuf")
    return python


def node_app(folder):
    """A program's folder with what the package depends on, and nothing of ours."""
    shutil.copytree(NODE_APP, folder, symlinks=True, dirs_exist_ok=True)


def npm_install(folder, *what):
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--offline", *what, cwd=folder)


def node_client():
    """The folder of a program that has the package installed."""
    with _once("node-client", "client/node") as (folder, there):
        if not there:
            node_app(folder)
            npm_install(folder, "--install-links", os.path.join(ROOT, "client", "node"))
    return folder


def npm_pack(folder):
    """client/node as a tarball in `folder`, made from a copy so that the tree stays as it is."""
    clone = os.path.join(folder, "clone")
    for name in ("client/node", "proto"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(clone, name),
                        ignore=shutil.ignore_patterns("node_modules", "gateway.d.ts", "*.tgz"))
    shutil.rmtree(os.path.join(clone, "client/node/proto"), ignore_errors=True)
    out = _run("npm", "pack", "--json", "--pack-destination", folder, cwd=os.path.join(clone, "client/node"))
    shutil.rmtree(clone)
    packed = json.loads(out[out.index("["):])
    return os.path.join(folder, packed[0]["filename"])
