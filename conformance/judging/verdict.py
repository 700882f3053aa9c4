"""Verdicts: what the comparisons of one case amount to, and why."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.judging.comparison import Tally
from conformance.judging.divergences import Divergence, known_of
from conformance.subjects import NoDevice, Unsupported

CONFORMS, DIVERGES, FAILS, UNSUPPORTED, NO_DEVICE = "conforms", "diverges", "fails", "unsupported", "no_device"
ALMOST_ALL = 0.9  # of the compared elements; a few are always smaller than the terms they are the difference of
VERDICTS = (CONFORMS, DIVERGES, FAILS, UNSUPPORTED, NO_DEVICE)


@dataclass(frozen=True)
class Verdict:
    """One of VERDICTS and the reason, empty where a case simply conforms."""

    name: str
    reason: str = ""


def judge(
    raised: BaseException | None, tally: Tally, divergence: Divergence | None = None, version: str = ""
) -> Verdict:
    """The verdict on one case from what it raised, what it compared and the divergence declared for it.

    version: that of the subject, which a divergence must be known of.
    """
    if isinstance(raised, Unsupported):
        return Verdict(UNSUPPORTED, str(raised))
    if isinstance(raised, NoDevice):
        return Verdict(NO_DEVICE, str(raised))
    if raised is not None:
        return Verdict(FAILS, f"{type(raised).__name__}: {raised}")
    why = vacuous(tally)
    if why:
        return Verdict(FAILS, f"vacuous: {why}")
    if divergence is None:
        return Verdict(CONFORMS)
    if tally.diverging == 0:
        return Verdict(
            FAILS, f"divergence {divergence.id} no longer reproduces: the subject conforms. Remove the entry"
        )
    if not known_of(divergence, version):
        known = f"divergence {divergence.id} is known in {divergence.versions} and also occurs in {version}"
        return Verdict(FAILS, f"{known}. If it is the same defect, add the version to the entry")
    return Verdict(DIVERGES, divergence.reason)


def vacuous(tally: Tally) -> str:
    """Why a case that raised nothing proves nothing either; empty where it proves something."""
    if tally.comparisons == 0:
        return "the case compared nothing"
    if tally.discarded > ALMOST_ALL * (tally.draws + tally.discarded):
        return f"the case discarded {tally.discarded} draws and used only {tally.draws}"
    if tally.masked > tally.comparisons:
        return f"the case masked {tally.masked} elements and compared only {tally.comparisons}"
    if tally.loose > ALMOST_ALL * tally.comparisons:
        return f"the bound exceeds the value itself in {tally.loose} of {tally.comparisons} elements"
    return ""
