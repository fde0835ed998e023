"""Generates the stubs from the protos while the package is built."""
import importlib.resources
import os
import pathlib
import shutil
import sysconfig

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
GATEWAY = "sluice/v1/gateway.proto"
# A source distribution carries the proto; in a clone it is where all clients take it from.
PROTOS = HERE / "proto" if (HERE / "proto").exists() else HERE.parent.parent / "proto"


def plugin(name):
    """protoc finds its plugins by PATH, where a virtual environment that is not active is not."""
    found = shutil.which(name, path=os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"])))
    if not found:
        raise SystemExit(f"{name} is missing: pip install mypy-protobuf")
    return f"--plugin={name}={found}"


def generate(out):
    from grpc_tools import protoc  # which a source distribution is made without

    built_in = importlib.resources.files("grpc_tools") / "_proto"
    status = protoc.main(["protoc", f"-I{PROTOS}", f"-I{built_in}", plugin("protoc-gen-mypy"),
                          plugin("protoc-gen-mypy_grpc"), f"--python_out={out}", f"--grpc_python_out={out}",
                          f"--mypy_out=quiet:{out}", f"--mypy_grpc_out=quiet:{out}", GATEWAY])
    if status != 0:
        raise SystemExit(f"protoc failed for {PROTOS / GATEWAY}")


class BuildPy(build_py):
    def run(self):
        super().run()
        generate(HERE / "src" if self.editable_mode else self.build_lib)


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        copy = pathlib.Path(base_dir) / "proto" / GATEWAY
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROTOS / GATEWAY, copy)


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})
