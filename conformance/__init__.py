"""The conformance suite: holds implementations of gradient training against the reference in `refimpl`."""

from conformance.identification import identify
from conformance.running.case import case
from conformance.subjects import NoDevice, OptimizerRun, Subject, Unsupported

__all__ = ["NoDevice", "OptimizerRun", "Subject", "Unsupported", "case", "identify"]
