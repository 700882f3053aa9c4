"""Schedules as formulas of the step, and as programs that go from one rate to the next."""

import math
from functools import reduce
from itertools import pairwise as neighbours
from operator import mul
from types import SimpleNamespace

import numpy as np

from conformance import Subject
from refimpl import schedules


class Schedules(Subject):
    """Each rate from its step alone, in float64 or float32."""

    name = "schedules"
    variants = {"schedule": ("plain", "other")}
    rates = {"float32": "float32"}
    conventions = {
        schedules.Constant: {},
        schedules.Linear: {"evaluation": "closed"},
        schedules.Exponential: {"evaluation": "closed"},
        schedules.StepDecay: {"evaluation": "closed"},
        schedules.InverseTime: {},
        schedules.Polynomial: {"evaluation": "closed"},
        schedules.PiecewiseConstant: {},
        schedules.CosineRestarts: {},
        schedules.OneCycle: {},
        schedules.Sequential: {},
        schedules.Cosine: {"evaluation": "closed"},
        schedules.WarmUp: {"evaluation": "closed"},
    }

    def schedule(self, spec, steps):
        number = np.dtype(self.rates.get(self.dtype, "float64")).type
        return np.array([self.rate(spec, step, number) for step in range(steps)])

    def rate(self, spec, step, number):
        """The rate of a step; `number` is the type of all that is computed."""
        fields = {name: number(x) if isinstance(x, float) else x for name, x in vars(spec).items()}
        name = type(spec).__name__.lower() + "_other" * (self.variant == "other")
        rule = getattr(self, name, None) or getattr(self, type(spec).__name__.lower())
        return number(rule(SimpleNamespace(**fields), step, number))

    def constant(self, s, step, number):
        return s.learning_rate

    def linear(self, s, step, number):
        return s.start + (s.end - s.start) * (number(min(step, s.steps)) / number(s.steps))

    def linear_other(self, s, step, number):
        step = min(step, s.steps)
        return (s.start * number(s.steps - step) + s.end * number(step)) / number(s.steps)

    def exponential(self, s, step, number):
        passed = step // s.decay_steps if s.staircase else number(step) / number(s.decay_steps)
        return s.initial * s.decay ** number(passed)

    def exponential_other(self, s, step, number):
        periods, rest = divmod(step, s.decay_steps)
        decayed = s.decay ** number(periods) * s.initial
        return decayed if s.staircase else decayed * s.decay ** (number(rest) / number(s.decay_steps))

    def stepdecay(self, s, step, number):
        passed = step if s.boundary == "at" else max(step - 1, 0)
        return s.initial * s.factor ** number(passed // s.every)

    def inversetime(self, s, step, number):
        passed = number(step // s.decay_steps) if s.staircase else number(step) / number(s.decay_steps)
        return s.initial / (1 + s.decay * passed)

    def inversetime_other(self, s, step, number):
        passed = s.decay * number(step // s.decay_steps) if s.staircase else s.decay * number(step) / s.decay_steps
        return s.initial * (1 / (passed + 1))

    def cosine(self, s, step, number):
        step = min(step, s.steps) if s.after_end == "holds" else step
        return s.floor + (s.peak - s.floor) * ((1 + np.cos(number(np.pi) * number(step) / number(s.steps))) / 2)

    def cosine_other(self, s, step, number):
        step = min(step, s.steps) if s.after_end == "holds" else step
        raised = np.cos(number(np.pi) * number(step) / number(2 * s.steps)) ** 2
        return (s.peak - s.floor) * raised + s.floor

    def polynomial(self, s, step, number):
        return (s.initial - s.end) * (1 - number(min(step, s.steps)) / number(s.steps)) ** s.power + s.end

    def polynomial_other(self, s, step, number):
        return s.end + (number(s.steps - min(step, s.steps)) / number(s.steps)) ** s.power * (s.initial - s.end)

    def piecewiseconstant(self, s, step, number):
        passed = [b for b in s.boundaries if step >= b + (s.boundary == "after")]
        return reduce(mul, map(number, s.factors[: len(passed)]), s.initial)

    def piecewiseconstant_other(self, s, step, number):
        passed = [b for b in s.boundaries if step >= b + (s.boundary == "after")]
        return s.initial * reduce(mul, map(number, s.factors[: len(passed)]), number(1))

    def cosinerestarts(self, s, step, number):
        length, height = s.period, s.peak - s.floor
        while step >= length:
            step, length, height = step - length, length * s.growth, height * s.factor
        return s.floor + height * ((1 + np.cos(number(np.pi) * number(step) / number(length))) / 2)

    def cosinerestarts_other(self, s, step, number):
        """With the number of the cycle by a logarithm, as PyTorch has it."""
        cycle = step // s.period
        if s.growth > 1:
            cycle = int(math.log(step / s.period * (s.growth - 1) + 1 + 1e-9, s.growth))
        begin = s.period * (cycle if s.growth == 1 else (s.growth**cycle - 1) // (s.growth - 1))
        angle = number(np.pi) * (number(step - begin) / number(s.period * s.growth**cycle))
        return s.floor + (s.peak - s.floor) * s.factor ** number(cycle) * number(0.5) * (1 + np.cos(angle))

    def onecycle(self, s, step, number):
        if s.counting == "first_to_last":
            inner, last = [s.rise * number(s.steps) - 1, s.fallen * number(s.steps) - 2], s.steps - 1
        else:
            inner, last, step = [int(float(x) * s.steps) for x in (s.rise, s.fallen)], s.steps, min(step, s.steps)
        ends = [0, *inner[: s.phases - 1], last]
        first = s.peak / s.start_divisor
        levels = [first, s.peak, *[first][: s.phases - 2], first / s.end_divisor]
        phase = sum(step > end for end in ends[1:-1])
        begin, end = (number(x) for x in ends[phase : phase + 2])
        return self.along(s.shape, levels[phase], levels[phase + 1], number(step) - begin, end - begin, number)

    def along(self, shape, start, stop, done, length, number):
        if self.variant == "other":
            part = np.sin(number(np.pi) * done / (2 * length)) ** 2 if shape == "cosine" else done / length
            return start * (1 - part) + stop * part
        if shape == "linear":
            return (stop - start) * (done / length) + start
        return stop + (start - stop) / 2 * (np.cos(number(np.pi) * (done / length)) + 1)

    def sequential(self, s, step, number):
        begins = (0, *s.boundaries)
        number_of = sum(step >= boundary for boundary in s.boundaries)
        return self.rate(s.schedules[number_of], step - begins[number_of], number)

    def warmup(self, s, step, number):
        if step >= s.steps:
            return self.rate(s.schedule, step - s.steps if s.clock == "after" else step, number)
        end = self.rate(s.schedule, 0, number)
        line = SimpleNamespace(start=s.start, end=end, steps=s.steps)
        return (self.linear_other if self.variant == "other" else self.linear)(line, step, number)


class RecursiveSchedules(Schedules):
    """Each rate from the one before, and declared so; in float64 or float32."""

    name = "recursive-schedules"
    conventions = {
        schedules.Constant: {},
        schedules.Linear: {"evaluation": "recursive"},
        schedules.Exponential: {"evaluation": "recursive"},
        schedules.StepDecay: {"evaluation": "recursive"},
        schedules.Polynomial: {"evaluation": "recursive"},
        schedules.Sequential: {},
        schedules.Cosine: {"evaluation": "recursive"},
        schedules.WarmUp: {"evaluation": "recursive"},
    }

    def linear(self, s, step, number):
        """By PyTorch's factors."""
        rate, change = s.start, s.end - s.start
        for now in range(1, min(step, s.steps) + 1):
            rate = rate * (1 + change / (number(s.steps) * s.start + number(now - 1) * change))
        return rate

    def linear_other(self, s, step, number):
        """In equal steps."""
        rate, change = s.start, (s.end - s.start) / number(s.steps)
        for _ in range(min(step, s.steps)):
            rate = rate + change
        return rate

    def exponential(self, s, step, number):
        return reduce(mul, [s.decay] * (step // s.decay_steps), s.initial)

    def exponential_other(self, s, step, number):
        return s.initial * reduce(mul, [s.decay] * (step // s.decay_steps), number(1))

    def stepdecay(self, s, step, number):
        passed = step if s.boundary == "at" else max(step - 1, 0)
        return reduce(mul, [s.factor] * (passed // s.every), s.initial)

    def polynomial(self, s, step, number):
        if step >= s.steps:
            return number(0)
        left = [1 - number(now) / number(s.steps) for now in range(step + 1)]
        return reduce(mul, [(now / before) ** s.power for before, now in neighbours(left)], s.initial)

    def polynomial_other(self, s, step, number):
        if step >= s.steps:
            return number(0)
        left = [number(s.steps - now) for now in range(step + 1)]
        return reduce(mul, [(now / before) ** s.power for before, now in neighbours(left)], s.initial)

    def cosine(self, s, step, number):
        def raised(count):
            return 1 + np.cos(number(np.pi) * number(count) / number(s.steps))

        rate, end = s.peak, s.steps if s.after_end == "holds" else step
        for now in range(1, min(step, end) + 1):
            if (now - 1 - s.steps) % (2 * s.steps) == 0:
                rate = rate + (s.peak - s.floor) * (1 - np.cos(number(np.pi) / number(s.steps))) / 2
            else:
                rate = raised(now) / raised(now - 1) * (rate - s.floor) + s.floor
        return rate

    cosine_other = cosine
