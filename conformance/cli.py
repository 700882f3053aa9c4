"""The command `conformance`: run the suite, list its cases, identify conventions, judge the claims, merge reports."""

from __future__ import annotations

import argparse
import ast
import math
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from conformance.claims import find
from conformance.claims.display import show_claim
from conformance.claims.selection import WITHOUT_CLAIMS
from conformance.conventions import families, pages
from conformance.conventions.display import show_conventions
from conformance.judging import divergences
from conformance.judging.verdict import FAILS
from conformance.report import record, terminal
from conformance.report.files import write_json
from conformance.running import known_divergences
from conformance.running.case import CASES, found
from conformance.running.runner import installed, relative, run
from conformance.running.trace import run_case
from conformance.strategies.draws import EXAMPLES, SIZE
from conformance.subjects import DEFAULT, SHIPPED, load

REPORT = Path("build/report/report.json")
CLAIMS = Path("build/claims")
DIVERGENCES = Path("build/divergences/report.json")
FAULTS = Path("build/faults")
DOCS = Path("docs")


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the exit status: 0 conforms, 1 something fails, 2 misuse or an incomplete run."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # where custom subjects are, as for `python -m conformance`
    options = _parser().parse_args(arguments)
    try:
        return options.action(options)
    except ValueError as problem:
        print(f"conformance: {problem}", file=sys.stderr)
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        print(f"conformance: {where}{problem.strerror or problem}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conformance", description="Check an implementation of gradient training against the reference."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("run", help="run the cases and write the report")
    command.add_argument(
        "--subject",
        action="append",
        default=[],
        help=f"{', '.join(SHIPPED)}, or your own package.module:Class; repeatable (default: {', '.join(DEFAULT)})",
    )
    command.add_argument("--case", action="append", default=[], help="only cases with this text in their id")
    command.add_argument("--no-claims", action="store_true", help="leave out the cases that `conformance claims` runs")
    command.add_argument("--variant", action="append", default=[], help="only these variants (foreach, jit, ...)")
    command.add_argument("--dtype", action="append", default=[], help="only these formats (float32, float64)")
    command.add_argument(
        "--device",
        default="present",
        help="present: all devices (default); accelerator: all except cpu; or the name of one",
    )
    command.add_argument(
        "--examples", type=int, default=EXAMPLES, help="Hypothesis examples per case (default %(default)s)"
    )
    command.add_argument(
        "--size", type=int, default=SIZE, help="multiply the elements of drawn arrays by this (default %(default)s)"
    )
    command.add_argument("--seed", type=int, help="draw other examples than those of every run")
    command.add_argument("--cases", type=Path, action="append", default=[], help="more files or folders with cases")
    command.add_argument("--workers", default="auto", help="processes (default: one per core); 0 runs in this one")
    command.add_argument("--report", type=Path, default=REPORT, help=f"file of the report (default {REPORT})")
    command.set_defaults(action=_run)

    command = commands.add_parser("list", help="list the cases and what each states")
    command.add_argument("text", nargs="*", help="only cases with this text in their id")
    command.add_argument("--cases", type=Path, action="append", default=[], help="more files or folders with cases")
    command.set_defaults(action=_list)

    command = commands.add_parser("subjects", help="list the subjects, installed or not")
    command.set_defaults(action=_subjects)

    command = commands.add_parser(
        "conventions", help="list the choices that correct libraries make differently, and who makes which"
    )
    command.add_argument("text", nargs="*", help="only rules with this text in their name, their family's or a field's")
    command.add_argument("--docs", action="store_true", help=f"write {DOCS}/conventions.md and {DOCS}/porting.md")
    command.set_defaults(action=_conventions)

    command = commands.add_parser(
        "divergences", help="list the known defects of the libraries, and whether they still occur"
    )
    command.set_defaults(action=_divergences)
    shown = command.add_subparsers(metavar="show").add_parser("show", help="run the code that shows one of them")
    shown.add_argument("id", help="id of the entry, as in the list")
    shown.set_defaults(action=_show_divergence)

    command = commands.add_parser("claims", help="judge common claims about gradients, with pictures")
    command.add_argument("--subject", action="append", default=[], help="as in run")
    command.add_argument("--workers", default="auto", help="processes (default: one per core); 0 runs in this one")
    command.add_argument("--into", type=Path, default=CLAIMS, help=f"folder of page and report (default {CLAIMS})")
    command.set_defaults(action=_claims)
    shown = command.add_subparsers(metavar="show").add_parser(
        "show", help="show one claim, and every number of its witness"
    )
    shown.add_argument("id", help="id of the claim, as in the table")
    shown.set_defaults(action=_show_claim)

    command = commands.add_parser("identify", help="find out which conventions of a rule a function follows")
    command.add_argument("function", help="package.module:function; help(conformance.identify) describes its arguments")
    command.add_argument("--rule", required=True, help="the rule that it follows: adam, clipbynorm, cosine, ...")
    command.add_argument(
        "--fixed", action="append", default=[], metavar="NAME=VALUE",
        help="the value of a known convention, or of a hyperparameter that is built into the function; repeatable",
    )  # fmt: skip
    command.set_defaults(action=_identify)

    command = commands.add_parser("faults", help="seed faults in the reference, and show which case catches each")
    command.add_argument("--fault", action="append", default=[], help="only faults with this text in their id")
    command.add_argument(
        "--compare", action="store_true", help=f"compare with other methods, and write {DOCS}/power.md (takes minutes)"
    )
    command.add_argument("--workers", type=int, help="processes (default: one per core)")
    command.add_argument("--into", type=Path, default=FAULTS, help=f"folder of the report (default {FAULTS})")
    command.set_defaults(action=_faults)

    command = commands.add_parser("merge", help="merge complete reports into one")
    command.add_argument("reports", type=Path, nargs="+")
    command.add_argument("--into", type=Path, default=REPORT)
    command.set_defaults(action=_merge)
    return parser


def _subjects_of(options: argparse.Namespace) -> list[str]:
    """The subjects that the options name, all of which must be installed, or else the default ones."""
    named = [name for text in options.subject for name in text.split(",")]
    for name in named:
        load(name)
    _, absent = installed(named)
    if absent:
        raise ValueError("; ".join(f"{name}: {reason}" for name, reason in absent.items()))
    return named or list(DEFAULT)


def _run(options: argparse.Namespace) -> int:
    subjects = _subjects_of(options)
    for name, least in (("examples", 1), ("size", 1), ("seed", 0)):
        number = getattr(options, name)
        if number is not None and number < least:
            raise ValueError(f"--{name} must be at least {least}, got {number}")
    if options.workers != "auto" and not options.workers.isdecimal():
        raise ValueError(f"--workers must be auto, or an integer of at least 0, got {options.workers}")
    classes = [load(name) for name in subjects]
    known = {
        "dtype": {dtype for subject in classes for dtype in subject.dtypes},
        "variant": {variant for subject in classes for variants in subject.variants.values() for variant in variants},
    }
    for name, values in known.items():
        if unknown := [value for value in getattr(options, name) if value not in values]:
            allowed = ", ".join(sorted(values))
            raise ValueError(f"--{name} must be one of {allowed}, with these subjects, got {', '.join(unknown)}")
    missing = [path for path in options.cases if not path.exists()]
    if missing:
        raise ValueError(f"--cases: no such file or folder: {', '.join(map(str, missing))}")
    if options.report.is_dir():
        raise ValueError(f"--report must name a file, and {options.report} is a folder")
    options.report.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(options.report.parent, os.W_OK):
        raise ValueError(f"--report must name a file in a folder that can be written, got {options.report}")
    chosen = [f"--device={options.device}", f"--examples={options.examples}", f"--size={options.size}"]
    for name in ("case", "variant", "dtype"):
        chosen += [f"--{name}={value}" for value in getattr(options, name)]
    if options.no_claims:
        chosen += WITHOUT_CLAIMS
    return run(
        subjects,
        options=chosen,
        report_path=options.report.absolute(),
        cases=[path.absolute() for path in options.cases],
        workers=options.workers,
        seed=options.seed,
    )


def _list(options: argparse.Namespace) -> int:
    console, cases = Console(), list(found([CASES, *options.cases]))
    for text in options.text:
        if not any(text in name for name, _ in cases):
            raise ValueError(f"no case has {text!r} in its id: `conformance list` shows all ids, without parameters")
    for name, described in cases:
        if options.text and not any(text in name for text in options.text):
            continue
        console.print(f"[bold]{name}[/]  [dim]{described.kind}, {described.capability}[/]", highlight=False)
        console.print(f"  {described.statement}", markup=False, highlight=False)
        console.print(f"  catches {described.catches}", style="dim", markup=False, highlight=False)
        console.print(f"  source: {described.source}", style="dim", markup=False, highlight=False)
    return 0


def _subjects(options: argparse.Namespace) -> int:
    console = Console()
    versions, missing = installed(list(SHIPPED))
    for name in SHIPPED:
        status = versions[name] if name in versions else f"[dim]{escape(missing[name])}[/]"
        devices = f"  on {', '.join(load(name).devices())}" if name in versions else ""
        console.print(f"[bold]{name}[/]  {status}{devices}", highlight=False)
    return 0


def _conventions(options: argparse.Namespace) -> int:
    if not options.docs:
        show_conventions(Console(), families(options.text))
        return 0
    if options.text:
        raise ValueError("--docs writes pages of all rules: leave out the text")
    for path in pages.write(DOCS.absolute()):
        Console().print(f"written: {relative(path)}", highlight=False)
    return 0


def _divergences(options: argparse.Namespace) -> int:
    versions, missing = installed(list(SHIPPED))
    failed = False
    for name in SHIPPED:
        for entry in divergences.of(name):
            problem = ""
            if name in versions and isinstance(entry, divergences.Defect):
                _, problem = known_divergences.reproduced(load(name), entry)
            known_divergences.show_divergence(Console(), entry, problem, missing.get(name, ""))
            failed |= bool(problem)
    return 1 if failed else 0


def _show_divergence(options: argparse.Namespace) -> int:
    name, entry = divergences.find(options.id, SHIPPED)
    _, missing = installed([name])
    if missing:
        raise ValueError(f"{name}: {missing[name]}")
    if isinstance(entry, divergences.Divergence):
        chosen = known_divergences.options(entry)
        return run([name], options=chosen, report_path=DIVERGENCES.absolute(), cases=[], workers="0")
    reproduction, problem = known_divergences.reproduced(load(name), entry)
    known_divergences.show_divergence(Console(), entry, problem)
    known_divergences.show_reproduction(Console(), reproduction)
    return 1 if problem else 0


def _claims(options: argparse.Namespace) -> int:
    from conformance.claims import judge  # with its pictures, which other commands need not wait for

    return judge.judge(_subjects_of(options), options.into.absolute(), options.workers, Console())


def _show_claim(options: argparse.Namespace) -> int:
    claim = find(options.id)
    show_claim(Console(), claim, run_case(claim.cases[0]))
    return 0


def _identify(options: argparse.Namespace) -> int:
    from conformance.identification import function_named, identify, rule_named  # which other commands do without
    from conformance.identification.display import show_identification

    fields = [_field(text) for text in options.fixed]
    fixed = dict(fields)
    if len(fixed) < len(fields):
        raise ValueError(f"--fixed must name each field once, got {', '.join(options.fixed)}")
    found = identify(function_named(options.function), rule_named(options.rule), **fixed)
    show_identification(Console(), found)
    return 0 if found.consistent else 1


def _field(text: str) -> tuple[str, Any]:
    """Name and value of NAME=VALUE: a number, inf, True, None or a tuple, as Python writes it, or else a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--fixed must be NAME=VALUE, such as weight_decay=0.0, got {text!r}")
    try:
        return name, math.inf if value == "inf" else ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _faults(options: argparse.Namespace) -> int:
    if options.compare:
        return _compare(options)
    from conformance.faults.run import faults

    return faults(options.fault, options.into.absolute(), options.workers, Console())


def _compare(options: argparse.Namespace) -> int:
    if options.fault:
        raise ValueError("--compare judges all faults: leave out --fault")
    try:
        from conformance.faults.compare import compare
    except ImportError as problem:
        raise ValueError(f"--compare needs refimpl[torch,jax,report] installed: {problem}") from problem
    return compare(options.into.absolute(), DOCS.absolute(), options.workers, Console())


def _merge(options: argparse.Namespace) -> int:
    report = record.merge([record.read(path) for path in options.reports])
    write_json(options.into.absolute(), report)
    terminal.show(Console(), report)
    return 1 if report["totals"][FAILS] else 0
