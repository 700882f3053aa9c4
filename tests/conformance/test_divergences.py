"""Known defects: every entry still reproduces as described, or fails, and so does an entry without a reason."""

import dataclasses

import numpy as np
import pytest

import conformance.judging.divergences
from conformance import Subject, cli
from conformance.judging import divergences
from conformance.judging.comparison import NON_FINITE_WITHOUT_BOUND
from conformance.judging.divergences import Defect, Divergence
from conformance.running import known_divergences
from conformance.running.runner import installed
from conformance.subjects import SHIPPED, load
from conformance.subjects.reproduction import Reproduction
from refimpl.activations import GELU
from refimpl.arithmetic import RunningError

DEFECTS = [(name, defect) for name in SHIPPED for defect in divergences.defects(name)]


def subject_or_skip(name):
    _, missing = installed([name])
    if missing:
        pytest.skip(missing[name])
    return load(name)


@pytest.mark.parametrize(("name", "defect"), DEFECTS, ids=lambda value: getattr(value, "id", None))
def test_the_defect_still_shows_value_for_value(name, defect):
    _, problem = known_divergences.reproduced(subject_or_skip(name), defect)
    assert problem == ""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_is_of_a_case_format_and_variant_or_has_its_reproduction(name):
    assert known_divergences.unmatched(subject_or_skip(name)) == []


def test_the_factor_of_gelu_in_float32_covers_its_worst_input():
    """Which the bound does not. By how much depends on the processor: 10 times on one, 1.6 times on another."""
    subject = subject_or_skip("torch")("autograd", "float32")
    spec, x = subject.spec(GELU), np.full(64, np.float32(-3.4635105))  # as many as the vectorized kernel takes
    found, _ = subject.activation(spec, x, np.ones_like(x))
    certified = spec.forward(RunningError.exact(x, subject.target))
    missed = np.max(np.abs(found - certified.value) / certified.bound)
    factor = divergences.declared("torch", "activations.elementwise[GELU]", "float32", "autograd").factor
    assert 1 < missed <= factor, missed


def test_ids_are_unique_among_all_subjects():
    ids = [entry.id for name in SHIPPED for entry in divergences.of(name)]
    assert len(set(ids)) == len(ids) > 0


def test_a_skipped_first_step_of_a_fused_optimizer_is_the_only_thing_that_spoils_it(monkeypatch):
    """The same two steps with nothing skipped give finite parameters: memory that is NaN alone breaks nothing."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from conformance.subjects.torch.defects import _fresh_memory_is_nan

    parameter = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.25, momentum=0.5, fused=True)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)
    with _fresh_memory_is_nan():
        assert torch.isnan(torch.empty(3)).all()
        for _ in range(2):
            parameter.grad = torch.tensor([2.0, -1.0])
            optimizer.grad_scale, optimizer.found_inf = torch.ones(()), torch.tensor(0.0)
            optimizer.step()
    assert parameter.tolist() == [1 - 0.25 * 2 * 2.5, 1 + 0.25 * 2.5]
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory


# --- a reproduction that no longer is one ---

WRONG, RIGHT = np.array([np.nan, 2.0]), np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("found", "wrong", "problem"),
    [
        (WRONG, WRONG, ""),
        (WRONG.astype(np.float32), WRONG, ""),
        (RIGHT, WRONG, "no longer reproduces: the library gives [1. 2.], not [nan  2.]; right is [1. 2.]"),
        (np.array([np.nan, np.nextafter(2.0, 3.0)]), WRONG, "no longer reproduces"),
        (np.array([[np.nan, 2.0]]), WRONG, "no longer reproduces"),
        (RIGHT, RIGHT, "no defect"),
        (WRONG.astype(np.float32), RIGHT + 1e-12, "no defect"),
    ],
)
def test_anything_but_the_wrong_values_bit_for_bit_is_a_problem(found, wrong, problem):
    told = Reproduction(found, wrong, RIGHT).problem()
    assert told.startswith(problem) and bool(told) == bool(problem)


def test_a_nan_that_is_right_is_no_defect():
    assert Reproduction(WRONG, WRONG, WRONG.copy()).problem().startswith("no defect")


DEFECT = Defect("one", "NaN", "1", "reason", "link", "2026-11-21", "lib 1.0")
DIVERGENCE = Divergence(
    "two", "optimizers.program[NAdam]", ("float64",), NON_FINITE_WITHOUT_BOUND, "reason", "link", "2026-11-21",
    "lib 1.0", variants=("plain",),
)  # fmt: skip


class Library(Subject):
    """A subject with the defects of these tests."""

    name = "library"
    dtypes = ("float64",)
    variants = {"optimizer": ("plain", "fast")}
    found = WRONG

    @classmethod
    def version(cls):
        return "lib 1.0+local"

    @classmethod
    def reproductions(cls):
        return {"one": lambda: Reproduction(cls.found, WRONG, RIGHT)}


def entries(monkeypatch, *given):
    """The entries of the library, wherever they are read."""
    of_kind = {kind: tuple(e for e in given if isinstance(e, kind)) for kind in (Divergence, Defect)}
    for module in (conformance.judging.divergences, known_divergences):
        monkeypatch.setattr(module, "load", {"library": of_kind[Divergence]}.get)
        monkeypatch.setattr(module, "defects", {"library": of_kind[Defect]}.get)


def test_a_defect_in_another_version_than_it_is_known_of_is_told():
    assert known_divergences.reproduced(Library, DEFECT)[1] == ""
    older = dataclasses.replace(DEFECT, versions="lib 0.9")
    assert "known in lib 0.9 and also occurs in lib 1.0+local" in known_divergences.reproduced(Library, older)[1]


@pytest.mark.parametrize(
    ("versions", "version", "known"),
    [
        ("a 1.0", "a 1.0", True),
        ("a 1.0", "a 1.0+cpu", True),
        ("a 1.0", "a 1.0.1", False),
        ("a 1.0", "b 1.0", False),
        ("a 1.0", "", False),
        ("a 1.0, a 1.1", "a 1.0", True),
        ("a 1.0, a 1.1", "a 1.1", True),
        ("a 1.0, b 2.0", "b 2.0, a 1.0", True),
        ("a 1.0, b 2.0", "b 2.1, a 1.0", False),
        ("b 2.0", "b 2.0, a 1.0", True),
    ],
)
def test_an_entry_is_known_of_the_versions_it_names_and_no_others(versions, version, known):
    assert divergences.known_of(dataclasses.replace(DEFECT, versions=versions), version) is known


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (DIVERGENCE, None),
        (dataclasses.replace(DIVERGENCE, case="optimizers.programme[NAdam]"), "no case 'optimizers.programme[NAdam]'"),
        (dataclasses.replace(DIVERGENCE, case="optimizers.program[Adan]"), "no case 'optimizers.program[Adan]'"),
        (dataclasses.replace(DIVERGENCE, case="optimizers.program"), "no case 'optimizers.program'"),
        (dataclasses.replace(DIVERGENCE, dtypes=("float32",)), "no format 'float32' for it, only float64"),
        (dataclasses.replace(DIVERGENCE, variants=("fused",)), "no variant 'fused' for it, only plain, fast"),
    ],
)
def test_an_entry_of_no_case_format_or_variant_is_found(monkeypatch, entry, problem):
    entries(monkeypatch, entry, DEFECT)
    found = known_divergences.unmatched(Library)
    assert len(found) == (problem is not None)
    assert all("divergence two: " in told and problem in told for told in found)


def test_an_entry_without_reproduction_and_a_reproduction_without_entry_are_found(monkeypatch):
    entries(monkeypatch, dataclasses.replace(DEFECT, id="three"))
    assert known_divergences.unmatched(Library) == [
        "defect three: library has no reproduction of it", "library reproduces one, which has no entry",
    ]  # fmt: skip


# --- the files ---


@pytest.fixture
def file(monkeypatch, tmp_path):
    """Writes the entries of a subject called somebody's."""

    def write(text):
        monkeypatch.setattr(conformance.judging.divergences, "__file__", str(tmp_path / "__init__.py"))
        (tmp_path / "somebodys.toml").write_text(text, encoding="utf-8")
        for read in (divergences.load, divergences.defects):
            read.cache_clear()
        return divergences.of("somebodys")

    yield write
    for read in (divergences.load, divergences.defects):
        read.cache_clear()


ENTRY = dataclasses.asdict(DEFECT)


def table(**values):
    return "[[defect]]\n" + "".join(f'{name} = "{value}"\n' for name, value in values.items())


def test_an_entry_is_read_as_it_is_written(file):
    assert file(table(**ENTRY)) == (DEFECT,)


@pytest.mark.parametrize("name", ENTRY)
def test_an_entry_that_lacks_a_field_is_refused(file, name):
    with pytest.raises(ValueError, match=rf"somebodys.toml: entry .* lacks \['{name}'\]"):
        file(table(**ENTRY | {name: ""}))


@pytest.mark.parametrize("versions", ["1.0", "lib", "lib 1.0,lib 1.1", "lib >= 1.0"])
def test_versions_in_another_form_are_refused(file, versions):
    with pytest.raises(ValueError, match="versions must be libraries with their versions"):
        file(table(**ENTRY | {"versions": versions}))


def test_two_entries_with_one_id_are_refused(file):
    with pytest.raises(ValueError, match=r"more than one entry has the id one"):
        file(table(**ENTRY) + table(**ENTRY))


# --- the commands ---


@pytest.fixture
def library(monkeypatch):
    """The library in place of the shipped ones."""
    entries(monkeypatch, DIVERGENCE, DEFECT)
    monkeypatch.setattr(cli, "SHIPPED", {"library": ""})
    monkeypatch.setattr(cli, "load", {"library": Library}.get)
    monkeypatch.setattr(cli, "installed", lambda names: ({"library": "lib 1.0"}, {}))


def test_the_list_has_every_entry_with_reason_versions_and_how_to_see_it(library, capsys):
    assert cli.main(["divergences"]) == 0
    shown = capsys.readouterr().out
    for entry in (DIVERGENCE, DEFECT):
        assert f"≠ {entry.id}  lib 1.0" in shown and f"conformance divergences show {entry.id}" in shown
    assert "optimizers.program[NAdam]" in shown and "2026-11-21" in shown and "reason" in shown


def test_an_entry_that_no_longer_reproduces_fails_the_list_and_what_shows_it(library, capsys, monkeypatch):
    monkeypatch.setattr(Library, "found", RIGHT)
    assert cli.main(["divergences"]) == 1
    assert cli.main(["divergences", "show", "one"]) == 1
    assert capsys.readouterr().out.count("no longer reproduces: the library gives [1. 2.]") == 2


def test_a_library_that_is_not_installed_is_listed_and_not_judged(library, capsys, monkeypatch):
    monkeypatch.setattr(cli, "installed", lambda names: ({}, {"library": "lib is not installed"}))
    monkeypatch.setattr(Library, "found", RIGHT)
    assert cli.main(["divergences"]) == 0
    assert "lib is not installed" in capsys.readouterr().out
    assert cli.main(["divergences", "show", "one"]) == 2


def test_show_has_the_actual_the_wrong_and_the_right_values(library, capsys):
    assert cli.main(["divergences", "show", "one"]) == 0
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.rstrip().splitlines()[-3:]]
    assert [(name, numbers.strip()) for name, numbers in shown] == [
        ("actual", "[nan  2.]"), ("wrong", "[nan  2.]"), ("right", "[1. 2.]"),
    ]  # fmt: skip


def test_show_runs_the_case_of_a_divergence_on_its_subject_format_and_variants(library, monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "run", lambda subjects, **options: asked.append((subjects, options["options"])) or 0)
    assert cli.main(["divergences", "show", "two"]) == 0
    assert asked == [(["library"], ["--case=optimizers.program[NAdam]", "--dtype=float64", "--variant=plain"])]


def test_an_unknown_id_is_refused_with_those_there_are(library, capsys):
    assert cli.main(["divergences", "show", "three"]) == 2
    assert "no divergence 'three'; there are two, one" in capsys.readouterr().err


def test_a_run_with_an_entry_of_nothing_ends_before_it_begins(monkeypatch, tmp_path, capsys):
    wrong = dataclasses.replace(DIVERGENCE, case="optimizers.programme")
    monkeypatch.setattr(known_divergences, "load", {"refimpl": (wrong,)}.get)
    report = tmp_path / "report.json"
    asked = ["run", "--subject", "refimpl", "--case", "descent", "--workers", "0", "--report", str(report)]
    assert cli.main(asked) == 2
    assert "divergence two: no case 'optimizers.programme'" in capsys.readouterr().out
    assert not report.exists()
