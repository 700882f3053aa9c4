"""What every rule is declared with: defaults, ranges up to their ends, and the numbers among its conventions."""

import dataclasses
import math

import pytest

import refimpl
from refimpl.activations import Elementwise
from refimpl.spec import Spec

ANY, POSITIVE, NONNEGATIVE, BELOW_ONE, SHARE = "(-inf, inf)", "(0, inf)", "[0, inf)", "[0, 1)", "[0, 1]"
COUNT = "1, 2, ..."


def optimizer(learning_rate, weight_decay=0.0, **more):
    return {"learning_rate": (learning_rate, NONNEGATIVE), "weight_decay": (weight_decay, NONNEGATIVE)} | more


def moments(epsilon=1e-8, beta2=0.999):
    return {"beta1": (0.9, BELOW_ONE), "beta2": (beta2, BELOW_ONE), "epsilon": (epsilon, NONNEGATIVE)}


# Rule -> field -> default and range, as the docstrings and the papers have them. Conventions stand below.
DECLARED = {
    refimpl.CELU: {"alpha": (1.0, POSITIVE)},
    refimpl.ELU: {"alpha": (1.0, NONNEGATIVE)},
    refimpl.HardShrink: {"threshold": (0.5, NONNEGATIVE)},
    refimpl.SoftShrink: {"threshold": (0.5, NONNEGATIVE)},
    refimpl.LeakyReLU: {"slope": (0.01, SHARE)},
    refimpl.LogSoftmax: {"axis": (-1, "-64, -63, ...")},
    refimpl.Softmax: {"axis": (-1, "-64, -63, ...")},
    refimpl.AdaptiveClipping: {
        "clipping": (0.01, NONNEGATIVE),
        "epsilon": (1e-3, NONNEGATIVE),
        "smallest_divisor": (0.0, NONNEGATIVE),
    },
    refimpl.ClipByGlobalNorm: {"max_norm": (1.0, NONNEGATIVE), "epsilon": (0.0, NONNEGATIVE)},
    refimpl.ClipByNorm: {"max_norm": (1.0, NONNEGATIVE), "epsilon": (0.0, NONNEGATIVE)},
    refimpl.ClipByValue: {"limit": (1.0, POSITIVE)},
    refimpl.WeightClipping: {"limit": (0.01, POSITIVE)},
    refimpl.DeltaOrthogonal: {"gain": (1.0, POSITIVE)},
    refimpl.Dirac: {"gain": (1.0, POSITIVE), "groups": (1, COUNT)},
    refimpl.Orthogonal: {"gain": (1.0, POSITIVE)},
    refimpl.Normal: {"mean": (0.0, ANY), "standard_deviation": (0.05, POSITIVE)},
    refimpl.TruncatedNormal: {
        "mean": (0.0, ANY),
        "standard_deviation": (0.05, POSITIVE),
        "lower": (-2.0, ANY),
        "upper": (2.0, ANY),
    },
    refimpl.Uniform: {"low": (-0.05, ANY), "high": (0.05, ANY)},
    refimpl.Sparse: {"sparsity": (0.9, SHARE), "standard_deviation": (0.01, POSITIVE)},
    refimpl.VarianceScaling: {"scale": (1.0, POSITIVE), "groups": (1, COUNT)},
    refimpl.BatchNormalization: {"epsilon": (1e-5, NONNEGATIVE)},
    refimpl.BatchNormalizationInference: {"epsilon": (1e-5, NONNEGATIVE)},
    refimpl.RunningStatistics: {"momentum": (0.9, SHARE)},
    refimpl.Residual: {"scale": (1.0, ANY)},
    refimpl.BinaryCrossEntropyWithLogits: {"positive_weights": (None, NONNEGATIVE)},
    refimpl.NegativeLogLikelihood: {"class_weights": (None, NONNEGATIVE)},
    refimpl.SoftmaxCrossEntropy: {"class_weights": (None, NONNEGATIVE), "label_smoothing": (0.0, SHARE)},
    refimpl.Huber: {"delta": (1.0, POSITIVE)},
    refimpl.SmoothL1: {"beta": (1.0, NONNEGATIVE)},
    refimpl.AdaBelief: optimizer(1e-3, **moments(1e-16), epsilon_root=(1e-16, NONNEGATIVE)),
    refimpl.Adadelta: optimizer(1.0, decay=(0.9, BELOW_ONE), epsilon=(1e-6, NONNEGATIVE)),
    refimpl.Adagrad: optimizer(
        1e-2,
        learning_rate_decay=(0.0, NONNEGATIVE),
        epsilon=(1e-10, NONNEGATIVE),
        initial_accumulator=(0.0, NONNEGATIVE),
    ),
    refimpl.AMSGrad: optimizer(1e-3, **moments()),
    refimpl.Adam: optimizer(1e-3, **moments()),
    refimpl.AdamW: optimizer(1e-3, weight_decay=1e-2, **moments()),
    refimpl.Adamax: optimizer(2e-3, **moments()),
    refimpl.LAMB: optimizer(1e-3, **moments(1e-6)),
    refimpl.LARS: optimizer(
        1e-2, momentum=(0.9, BELOW_ONE), trust_coefficient=(1e-3, NONNEGATIVE), epsilon=(0.0, NONNEGATIVE)
    ),
    refimpl.Lion: optimizer(1e-4, beta1=(0.9, BELOW_ONE), beta2=(0.99, BELOW_ONE)),
    refimpl.NAdam: optimizer(2e-3, **moments(), momentum_decay=(4e-3, NONNEGATIVE)),
    refimpl.RAdam: optimizer(1e-3, **moments()),
    refimpl.RMSprop: optimizer(1e-2, decay=(0.99, BELOW_ONE), epsilon=(1e-8, NONNEGATIVE), momentum=(0.0, BELOW_ONE)),
    refimpl.Rprop: optimizer(
        1e-2,
        growth=(1.2, "(1, inf)"),
        shrinkage=(0.5, "(0, 1)"),
        smallest_step=(1e-6, NONNEGATIVE),
        largest_step=(50.0, POSITIVE),
    ),
    refimpl.SGD: optimizer(1e-2, momentum=(0.0, BELOW_ONE), dampening=(0.0, SHARE)),
    refimpl.SignDescent: optimizer(1e-3, momentum=(0.0, BELOW_ONE)),
    refimpl.Yogi: optimizer(1e-2, **moments(1e-3), initial_accumulator=(1e-6, NONNEGATIVE)),
    refimpl.GradientAccumulation: {"every": (2, COUNT)},
    refimpl.ParameterAverage: {"decay": (0.999, BELOW_ONE)},
    refimpl.L1: {"strength": (0.01, NONNEGATIVE)},
    refimpl.L2: {"strength": (0.01, NONNEGATIVE)},
    refimpl.WarmUp: {"steps": (100, COUNT), "start": (0.0, NONNEGATIVE)},
    refimpl.Cosine: {"peak": (0.1, POSITIVE), "floor": (0.0, NONNEGATIVE), "steps": (1000, COUNT)},
    refimpl.CosineRestarts: {
        "peak": (0.1, POSITIVE),
        "floor": (0.0, NONNEGATIVE),
        "period": (1000, COUNT),
        "growth": (1, COUNT),
        "factor": (1.0, POSITIVE),
    },
    refimpl.Exponential: {"initial": (0.1, NONNEGATIVE), "decay": (0.96, POSITIVE), "decay_steps": (1, COUNT)},
    refimpl.InverseTime: {"initial": (0.1, NONNEGATIVE), "decay": (1.0, NONNEGATIVE), "decay_steps": (1, COUNT)},
    refimpl.PiecewiseConstant: {"initial": (0.1, NONNEGATIVE), "factors": ((0.1, 0.1), POSITIVE)},
    refimpl.StepDecay: {"initial": (0.1, NONNEGATIVE), "factor": (0.1, POSITIVE), "every": (30, COUNT)},
    refimpl.OneCycle: {
        "peak": (0.1, POSITIVE),
        "steps": (1000, "2, 3, ..."),
        "rise": (0.3, "(0, 1)"),
        "fallen": (0.6, "(0, 1)"),
        "start_divisor": (25.0, POSITIVE),
        "end_divisor": (1e4, POSITIVE),
    },
    refimpl.Constant: {"learning_rate": (1e-3, NONNEGATIVE)},
    refimpl.Linear: {"start": (0.1, NONNEGATIVE), "end": (0.0, NONNEGATIVE), "steps": (1000, COUNT)},
    refimpl.Polynomial: {
        "initial": (0.1, NONNEGATIVE),
        "end": (0.0, NONNEGATIVE),
        "steps": (1000, COUNT),
        "power": (2.0, POSITIVE),
    },
}

NUMBERED_CONVENTIONS = {
    (refimpl.Softplus, "threshold"): [None, 20.0],
    (refimpl.HardTanh, "derivative_at_limits"): [1.0, 0.0, 0.5],
    (refimpl.ReLU, "derivative_at_zero"): [0.0, 0.5, 1.0],
    (refimpl.Hinge, "derivative_at_margin"): [0.5, 1.0, 0.0],
    (refimpl.RAdam, "threshold"): [4.0, 5.0],
    (refimpl.OneCycle, "phases"): [2, 3],
    (refimpl.L1, "derivative_at_zero"): [0.0, 1.0],
}

SWITCHED_ON = {"bias", "half"}

FIELDS = [(rule, name) for rule, declared in DECLARED.items() for name in declared]
PUBLIC = [getattr(refimpl, name) for name in refimpl.__all__]
RULES = [rule for rule in PUBLIC if isinstance(rule, type) and issubclass(rule, Spec)]


def of_field(rule, name):
    return next(field for field in dataclasses.fields(rule) if field.name == name)


def edges(interval):
    """The numbers at both ends of a range: those that it just holds, and those that it just does not."""
    if interval.endswith("..."):
        least = int(interval.partition(",")[0])
        return [least, 2**53], [least - 1, 2**53 + 1]
    inside, outside = [], []
    for end, closed, inward in zip(
        map(float, interval[1:-1].split(", ")), (interval[0] == "[", interval[-1] == "]"), (math.inf, -math.inf),
        strict=True,
    ):  # fmt: skip
        inside.append(end if closed else math.nextafter(end, inward))
        outside.append(math.nextafter(end, -inward) if closed else end)
    return inside, outside


def test_every_field_with_a_range_is_in_the_table():
    ranged = {
        (rule, field.name)
        for rule in RULES
        if not rule.__abstractmethods__
        for field in dataclasses.fields(rule)
        if field.metadata.keys() & {"limits", "each", "at_least"}
    }
    assert ranged == set(FIELDS)


@pytest.mark.parametrize(("rule", "name"), FIELDS)
def test_a_field_has_its_default_and_its_range_up_to_the_ends(rule, name):
    default, interval = DECLARED[rule][name]
    field = of_field(rule, name)
    assert field.default == default
    inside, outside = edges(interval)
    several = "each" in field.metadata
    for number in inside:
        value = (number,) if several else number
        assert rule.accepted(field, value) == value
    for number in outside:
        with pytest.raises(ValueError, match=rf"{rule.__name__}: {name} must be .*, got "):
            rule.accepted(field, (number,) if several else number)


@pytest.mark.parametrize(("rule", "name"), NUMBERED_CONVENTIONS)
def test_a_convention_that_is_a_number_has_its_values(rule, name):
    values = NUMBERED_CONVENTIONS[rule, name]
    assert list(rule.conventions()[name]) == values
    assert of_field(rule, name).default == values[0]


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if not rule.__abstractmethods__], ids=lambda rule: rule.__name__
)
def test_nothing_can_be_set_on_a_rule(rule):
    spec = object.__new__(rule)  # whatever it is made with
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.other = 1.0


def test_every_convention_with_numbers_is_in_the_table():
    numbered = {
        (rule, name)
        for rule in RULES
        for name, values in rule.conventions().items()
        if not all(isinstance(value, (str, bool)) for value in values)
    }
    assert numbered == set(NUMBERED_CONVENTIONS)


def test_a_switch_is_off_unless_its_rule_says_otherwise():
    switches = {
        (rule, name): list(values)
        for rule in RULES
        for name, values in rule.conventions().items()
        if all(isinstance(value, bool) for value in values)
    }
    assert {name for _, name in switches} >= {"maximize", "nesterov", "centered", "staircase"}
    for (_, name), values in switches.items():
        assert values == ([True, False] if name in SWITCHED_ON else [False, True])


# --- fields that depend on one another ---

TINY = math.nextafter(0.0, 1.0)
ABOVE_ONE = math.nextafter(1.0, 2.0)

TOGETHER = [
    (refimpl.Uniform, {"low": 1.0, "high": ABOVE_ONE}),
    (refimpl.TruncatedNormal, {"lower": 1.0, "upper": ABOVE_ONE}),
    (refimpl.Polynomial, {"initial": 1.0, "end": 1.0}),
    (refimpl.Polynomial, {"evaluation": "recursive", "end": 0.0}),
    (refimpl.Linear, {"start": 0.0, "end": 1.0}),
    (refimpl.Linear, {"evaluation": "recursive", "start": TINY}),
    (refimpl.WarmUp, {"start": 0.0}),
    (refimpl.WarmUp, {"evaluation": "recursive", "start": TINY}),
    (refimpl.OneCycle, {"phases": 3, "rise": 0.25, "fallen": 0.5}),
    (refimpl.OneCycle, {"phases": 2, "rise": 0.75, "fallen": 0.5}),
    (refimpl.CosineRestarts, {"peak": 1.0, "floor": 1.0}),
    (refimpl.Exponential, {"evaluation": "recursive", "decay_steps": 1}),
    (refimpl.Exponential, {"evaluation": "recursive", "decay_steps": 2, "staircase": True}),
    (refimpl.Exponential, {"decay_steps": 2}),
    (refimpl.NegativeLogLikelihood, {"class_weights": (0.0, TINY, 0.0)}),
    (refimpl.SoftmaxCrossEntropy, {"labels": "index", "largest_logit": "added_back"}),
    (refimpl.SoftmaxCrossEntropy, {"labels": "index", "label_smoothing": TINY}),
    (refimpl.Rprop, {"smallest_step": 1.0, "learning_rate": 1.0, "largest_step": 1.0}),
    (refimpl.Rprop, {"smallest_step": 0.5, "learning_rate": 0.5, "largest_step": 1.0}),
    (refimpl.SGD, {"nesterov": True, "momentum": TINY}),
    (refimpl.SGD, {"momentum": 0.5, "dampening": TINY}),
    (refimpl.AMSGrad, {"maximum": "corrected"}),
]

NOT_TOGETHER = [
    (refimpl.Uniform, {"low": 1.0, "high": 1.0}),
    (refimpl.Uniform, {"low": ABOVE_ONE, "high": 1.0}),
    (refimpl.TruncatedNormal, {"lower": 1.0, "upper": 1.0}),
    (refimpl.TruncatedNormal, {"lower": ABOVE_ONE, "upper": 1.0}),
    (refimpl.Polynomial, {"initial": 1.0, "end": ABOVE_ONE}),
    (refimpl.Polynomial, {"evaluation": "recursive", "end": TINY}),
    (refimpl.Linear, {"evaluation": "recursive", "start": 0.0, "end": 1.0}),
    (refimpl.WarmUp, {"evaluation": "recursive", "start": 0.0}),
    (refimpl.OneCycle, {"phases": 3, "rise": 0.5, "fallen": 0.5}),
    (refimpl.OneCycle, {"phases": 3, "rise": 0.75, "fallen": 0.5}),
    (refimpl.CosineRestarts, {"peak": 1.0, "floor": ABOVE_ONE}),
    (refimpl.Exponential, {"evaluation": "recursive", "decay_steps": 2}),
    (refimpl.NegativeLogLikelihood, {"class_weights": (0.0, 0.0)}),
    (refimpl.SoftmaxCrossEntropy, {"largest_logit": "added_back"}),
    (refimpl.SoftmaxCrossEntropy, {"labels": "index", "largest_logit": "added_back", "label_smoothing": TINY}),
    (refimpl.Rprop, {"smallest_step": ABOVE_ONE, "learning_rate": 1.0, "largest_step": 1.0}),
    (refimpl.Rprop, {"smallest_step": 0.5, "learning_rate": ABOVE_ONE, "largest_step": 1.0}),
    (refimpl.Rprop, {"smallest_step": 0.5, "learning_rate": 0.25, "largest_step": 1.0}),
    (refimpl.SGD, {"nesterov": True}),
    (refimpl.SGD, {"nesterov": True, "momentum": 0.5, "dampening": TINY}),
    (refimpl.AMSGrad, {"maximum": "corrected", "epsilon_placement": "uncorrected"}),
]


@pytest.mark.parametrize(("rule", "fields"), TOGETHER)
def test_fields_that_just_go_together_are_accepted(rule, fields):
    assert {name: getattr(rule(**fields), name) for name in fields} == fields


@pytest.mark.parametrize(("rule", "fields"), NOT_TOGETHER)
def test_fields_that_just_do_not_go_together_are_refused(rule, fields):
    with pytest.raises(ValueError, match=rf"{rule.__name__}: \w+ must be .*, got "):
        rule(**fields)


# --- what a rule must bring along ---


@pytest.mark.parametrize(
    ("kind", "methods"),
    [
        (refimpl.Activation, {"forward", "backward"}),
        (Elementwise, {"_function", "_vjp"}),
        (refimpl.Optimizer, {"update"}),
        (refimpl.Clipping, {"_apply"}),
        (refimpl.Initializer, {"_sample"}),
        (refimpl.Layer, {"forward", "backward"}),
        (refimpl.Loss, {"value", "gradient"}),
        (refimpl.Penalty, {"_value", "_gradient"}),
        (refimpl.Schedule, {"_rate"}),
    ],
)
def test_a_rule_without_its_formulas_cannot_be_made(kind, methods):
    assert kind.__abstractmethods__ == methods
    with pytest.raises(TypeError, match="abstract"):
        kind()
