"""The README's code runs, and its subject and case conform."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python(?: file=(\S+))?\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


def run(arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "conformance", "run", "--workers", "0", "--examples", "3", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(README.parent)])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_oracle_examples_run_in_order(capsys):
    namespace = {}
    for file, code in BLOCKS:
        if not file:
            exec(code, namespace)
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_subject_and_case_of_the_readme_conform(tmp_path):
    for file, code in BLOCKS:
        if file:
            (tmp_path / file).write_text(code, encoding="utf-8")
    ended = run(["--subject", "my_sgd:MySGD", "--cases", "my_cases.py"], tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "build/report/report.json").exists()


def test_subject_of_the_readme_with_a_wrong_sign_fails(tmp_path):
    code = dict(BLOCKS)["my_sgd.py"]
    (tmp_path / "my_sgd.py").write_text(code.replace("w - scalar(rate) * v", "w + scalar(rate) * v"), encoding="utf-8")
    ended = run(["--subject", "my_sgd:MySGD", "--case", "program"], tmp_path)
    assert ended.returncode == 1
    assert "--subject my_sgd:MySGD" in ended.stdout and "error_over_bound" in ended.stdout
