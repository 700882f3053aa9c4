"""The command `conformance`, run as its users run it."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def command(*arguments, folder, path=(), **options):
    return subprocess.Popen(
        [sys.executable, "-m", "conformance", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, HERE, ROOT])), "COLUMNS": "200"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options,
    )  # fmt: skip


def ended(*arguments, folder, path=()):
    process = command(*arguments, folder=folder, path=path)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output
