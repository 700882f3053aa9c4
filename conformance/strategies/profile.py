"""How Hypothesis runs the cases: how many examples, the same ones each time or others, and no shrinking of its own."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = 6  # of Hypothesis per case; one holds hundreds of lanes


def load_profile(examples: int = EXAMPLES, derandomize: bool = True) -> None:
    """Sets Hypothesis up for the whole process."""
    settings.register_profile(
        "conformance",
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=derandomize,
        # Failures are reduced to a lane and its steps by the cases themselves: see conformance.trajectory.
        phases=(Phase.explicit, Phase.generate),
        # Draws may be large and slow, but a case that throws most of them away fails.
        suppress_health_check=[check for check in HealthCheck if check is not HealthCheck.filter_too_much],
        print_blob=False,
    )
    settings.load_profile("conformance")
