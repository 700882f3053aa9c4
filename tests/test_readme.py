"""The README's code runs, and its subject and case conform."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from conformance.subjects import Subject, load

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python(?: file=(\S+))?\n(.*?)^```", TEXT, re.M | re.S)
RUNS = re.findall(r"^conformance run (.+)$", TEXT, re.M)
MATRIX = re.findall(r"^(\S+) +(\d\.\d\d) ✓ +(\d\.\d\d) ✓ +([\d,]+)$", TEXT, re.M)
SMALL = ("--workers", "0", "--examples", "1", "--dtype", "float32")


def run(arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "conformance", "run", *SMALL, *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(README.parent)])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_oracle_examples_run_in_order(capsys):
    namespace = {}
    for file, code in BLOCKS:
        if not file:
            exec(code, namespace)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 9
    assert printed[1] == "('first_moment', 'second_moment')"
    assert "'epsilon_placement'" in printed[2] and "PyTorch" in printed[2]
    assert printed[8].startswith("descent conforms to SGD(")


def test_each_command_of_the_readme_finds_that_subject_and_case_conform(tmp_path):
    for file, code in BLOCKS:
        if file:
            (tmp_path / file).write_text(code, encoding="utf-8")
    assert [arguments for arguments in RUNS if "--subject my_sgd:MySGD" in arguments] == RUNS
    assert [arguments for arguments in RUNS if "--cases my_cases.py" in arguments] == RUNS[1:] != []
    conforming = set()
    for arguments in RUNS:
        ended = run(arguments.split(), tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        report = json.loads((tmp_path / "build/report/report.json").read_text(encoding="utf-8"))
        assert report["totals"]["comparisons"] > 0
        conforming |= {result["case"] for result in report["results"] if result["verdict"] == "conforms"}
    assert {case for case, *_ in MATRIX} <= conforming and len(MATRIX) == 4


def declared_in_the_text():
    """The declarations that the text shows in one line, by their names."""
    shown = re.findall(r"`(\w+ = [({].*?[)}])`", TEXT)
    return dict(line.split(" = ", 1) for line in shown)


def test_every_declaration_that_the_text_shows_is_accepted_and_used(tmp_path, monkeypatch):
    code = dict(BLOCKS)["my_sgd.py"]
    monkeypatch.syspath_prepend(tmp_path)
    assert set(declared_in_the_text()) == {"scalars", "profiles", "dtypes"}
    for name, value in declared_in_the_text().items():
        (tmp_path / f"with_{name}.py").write_text(f"{code}\n\nMySGD.{name} = {value}\n", encoding="utf-8")
        subject = load(f"with_{name}:MySGD")
        assert getattr(subject, name) != getattr(Subject, name)
    target = load("with_scalars:MySGD")("numpy", "float32").target
    assert target.scalars.name == "float32"
    target = load("with_profiles:MySGD")("numpy", "float32").target
    assert target.functions["float64"]["power"] == 1.0
    assert load("with_dtypes:MySGD").dtypes == ("float64",)


def test_subject_of_the_readme_with_a_wrong_sign_fails(tmp_path):
    code = dict(BLOCKS)["my_sgd.py"]
    (tmp_path / "my_sgd.py").write_text(code.replace("w - scalar(rate) * v", "w + scalar(rate) * v"), encoding="utf-8")
    ended = run(["--subject", "my_sgd:MySGD", "--case", "program"], tmp_path)
    assert ended.returncode == 1
    assert "--subject my_sgd:MySGD" in ended.stdout and "error_over_bound" in ended.stdout
