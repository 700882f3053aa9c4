"""The orders in which libraries evaluate activations and their derivatives, by name."""
