"""Running error analysis: float64 arrays that carry a bound on every correct evaluation in a target's format.

`value` is the float64 evaluation of a formula. `bound` is such that any evaluation of the same formula in the target's
arithmetic, and the exact result as well, lies within `value` +- `bound` (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., sections 2.2 and 3.3). Two bounds claim less:

- NaN: there is no bound, as rounding may leave the domain (a denominator that may be zero, a root of what may be
  negative). A finite result is required all the same where the exact one is; a subject that has none declares it.
- infinite: the target may have left its range on the way, or divided by a number that it flushed, and may hold anything
  now. `value` is then an infinity where the target certainly holds one or a number beyond the range, and NaN elsewhere.
"""

from refimpl.arithmetic.running_error.array import RunningError, in_one_target, is_power_of_two, rounded
from refimpl.arithmetic.running_error.comparisons import ThreeValued
from refimpl.arithmetic.running_error.elementwise import divide
from refimpl.arithmetic.running_error.sums import relative_error_of_sum

__all__ = [
    "RunningError",
    "ThreeValued",
    "divide",
    "in_one_target",
    "is_power_of_two",
    "relative_error_of_sum",
    "rounded",
]
