"""The conformance suite: it checks implementations of gradient training against the reference in `refimpl`.

`cli` is the command. `subjects` are the implementations, `cases` what must hold of them, `strategies` their inputs.
`running` runs cases, `judging` compares and decides, `trajectories` follows whole runs, `known_values` has what cases
of known values share, `profiles` the accuracy of elementary functions, and `report` writes and shows the result. The
features on top are `claims`, `conventions`, `faults` and `identification`.
"""

from conformance.identification import identify
from conformance.running.case import case
from conformance.subjects import NoDevice, OptimizerRun, Subject, Unsupported

__all__ = ["NoDevice", "OptimizerRun", "Subject", "Unsupported", "case", "identify"]
