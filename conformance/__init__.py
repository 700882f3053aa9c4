"""The conformance suite: holds implementations of gradient training against the reference in `refimpl`."""

from conformance.case import case
from conformance.identification import identify
from conformance.subjects import NoDevice, NotOffered, OptimizerRun, Subject

__all__ = ["NoDevice", "NotOffered", "OptimizerRun", "Subject", "case", "identify"]
