"""Operations that have a formula in every arithmetic, and a rule of their own in some."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.types import Array

_Operands = ParamSpec("_Operands")
_Rule = TypeVar("_Rule", bound=Callable[..., Array])


class Operation(Generic[_Operands]):
    """A formula, used as a decorator, and the rules of the arithmetics that evaluate it in another way.

    The running-error arithmetic has a rule where the formula alone would not bound what libraries compute. Formula and
    bound then stand together:

        @Operation
        def quotient(numerator, denominator):
            return numerator / denominator

        @quotient.rule_for(RunningError)
        def _quotient(numerator, denominator):
            return divide(numerator, denominator, reciprocals=1)

    The first operand that is a duck array decides on the arithmetic. A rule is called with duck arrays only: other
    operands become constants of that arithmetic. Without a rule the formula is evaluated.
    """

    def __init__(self, formula: Callable[_Operands, Array]) -> None:
        self.formula = formula
        functools.update_wrapper(self, formula)

    def rule_for(self, arithmetic: type[DuckArray]) -> Callable[[_Rule], _Rule]:
        """A decorator: the function evaluates this operation on arrays of that class."""

        def declare(rule: _Rule) -> _Rule:
            arithmetic.functions[self] = rule
            return rule

        return declare

    def __call__(self, *operands: _Operands.args, **options: _Operands.kwargs) -> Array:
        duck_array = next((x for x in operands if isinstance(x, DuckArray)), None)
        rule = None if duck_array is None else duck_array.functions.get(self)
        if duck_array is None or rule is None:
            return self.formula(*operands, **options)
        with np.errstate(all="ignore"):
            return rule(*(x if isinstance(x, DuckArray) else duck_array.constant(x) for x in operands))
