"""Adam in closed form, where the gradients are so simple that each step is known.

`bias_correction` has constant gradients, `longest_steps` the gradients that make steps as long as they can be,
`single_gradients` those that come once, `convergence` those that repeat. `epsilon`, `weight_decay` and `rectification`
(of RAdam) have what each of them does to a step. `correction` is common to all.
"""

from decimal import Decimal


def correction(decay: float, steps: int) -> Decimal:
    """The bias correction 1 - decay**steps in 28 digits: the sum of a moving average's weights after so many steps."""
    return 1 - Decimal(decay) ** steps
