"""Bad input to every part of the oracle: the error, what it names, and that nothing was half done."""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from refimpl import activations, clipping, initializers, losses, optimizers, regularization, schedules
from refimpl.layers import Activated, Dense
from refimpl.network import Network
from refimpl.trees import leaves


class Bad(NamedTuple):
    """A call on fresh `good_inputs()`, the error it must raise, and what the message must name: argument, value and
    what is allowed."""

    what: str
    call: Callable
    error: type[Exception]
    says: tuple[str, ...]


def good_inputs():
    """What the calls below spoil one part of."""
    parameters = {"w": np.arange(6.0).reshape(2, 3) - 1.5, "rest": [np.array([0.5, -2.0]), np.array(3.0)]}
    gradients = {"w": np.full((2, 3), 0.25), "rest": [np.array([1.0, 4.0]), np.array(-0.5)]}
    parameters, state = optimizers.Adam().step(parameters, gradients, optimizers.Adam().init(parameters))
    return {
        "parameters": parameters,
        "gradients": gradients,
        "state": state,
        "layers": [
            {"weight": np.full((2, 3), 0.5), "bias": np.array([0.1, -0.2, 0.3])},
            {},
            {"weight": np.full((3, 1), -0.7)},
        ],
        "x": np.array([[0.3, -1.0], [2.0, 0.7], [0.0, 0.4]]),
        "y": np.array([[0.2], [0.9], [0.5]]),
        "generator": np.random.default_rng(3),
    }


def contents(inputs):
    """Every bit of the inputs, comparable."""
    inputs = inputs | {"generator": str(inputs["generator"].bit_generator.state)}
    return [(path, np.shape(leaf), np.asarray(leaf).tobytes()) for path, leaf in leaves(inputs)]


def changed(tree, path, value):
    """A copy of the tree with another leaf or branch at the path, a tuple of keys; None takes it out."""
    tree = copy.deepcopy(tree)
    *way, last = path
    branch = tree
    for key in way:
        branch = branch[key]
    if value is None:
        del branch[last]
    else:
        branch[last] = value
    return tree


# --- hyperparameters and conventions: (rule, its arguments, error, what is allowed) ----------------------------------

FIELDS = [
    (optimizers.SGD, {"learning_rate": -0.1}, ValueError, "in [0, inf)"),
    (optimizers.SGD, {"learning_rate": math.nan}, ValueError, "a finite number"),
    (optimizers.SGD, {"learning_rate": math.inf}, ValueError, "a finite number"),
    (optimizers.SGD, {"learning_rate": 1j}, TypeError, "a finite number"),
    (optimizers.SGD, {"learning_rate": "0.1"}, TypeError, "a finite number"),
    (optimizers.SGD, {"learning_rate": True}, TypeError, "a finite number"),
    (optimizers.SGD, {"learning_rate": None}, TypeError, "a finite number"),
    (optimizers.SGD, {"learning_rate": 10**400}, ValueError, "a finite number"),
    (optimizers.SGD, {"learning_rate": [0.1, 0.01]}, TypeError, "a finite number"),
    (optimizers.SGD, {"learning_rate": schedules.Constant(0.1)}, TypeError, "a finite number"),
    (optimizers.SGD, {"momentum": 1.0}, ValueError, "in [0, 1)"),
    (optimizers.SGD, {"momentum": -0.5}, ValueError, "in [0, 1)"),
    (optimizers.SGD, {"dampening": 1.5}, ValueError, "in [0, 1]"),
    (optimizers.SGD, {"weight_decay": -1e-3}, ValueError, "in [0, inf)"),
    (optimizers.SGD, {"rate": "middle"}, ValueError, "one of 'outside', 'inside'"),
    (optimizers.SGD, {"first_velocity": None}, ValueError, "one of 'gradient', 'dampened'"),
    (optimizers.SGD, {"momentum": 0.9, "nesterov": 1}, ValueError, "one of False, True"),
    (optimizers.SGD, {"nesterov": True}, ValueError, "False unless momentum > 0 and dampening = 0"),
    (optimizers.SGD, {"momentum": 0.9, "dampening": 0.1, "nesterov": True}, ValueError, "False unless momentum > 0"),
    (optimizers.Adagrad, {"epsilon": -1e-10}, ValueError, "in [0, inf)"),
    (optimizers.Adagrad, {"initial_accumulator": -0.1}, ValueError, "in [0, inf)"),
    (optimizers.Adagrad, {"learning_rate_decay": -0.1}, ValueError, "in [0, inf)"),
    (optimizers.Adagrad, {"epsilon_placement": "uncorrected"}, ValueError, "'inside_where_positive'"),
    (optimizers.RMSprop, {"decay": 1.0}, ValueError, "in [0, 1)"),
    (optimizers.RMSprop, {"momentum": math.nan}, ValueError, "in [0, 1)"),
    (optimizers.RMSprop, {"centered": "yes"}, ValueError, "one of False, True"),
    (optimizers.RMSprop, {"epsilon": np.array([1e-8, 1e-7])}, TypeError, "a finite number"),
    (optimizers.Adam, {"beta1": 1.0}, ValueError, "in [0, 1)"),
    (optimizers.Adam, {"beta1": -1e-9}, ValueError, "in [0, 1)"),
    (optimizers.Adam, {"beta2": 1.5}, ValueError, "in [0, 1)"),
    (optimizers.Adam, {"beta2": np.complex128(0.9)}, TypeError, "a finite number"),
    (optimizers.Adam, {"epsilon": -math.inf}, ValueError, "in [0, inf)"),
    (optimizers.Adam, {"epsilon_placement": "root"}, ValueError, "one of 'outside', 'inside', 'uncorrected'"),
    (optimizers.AdamW, {"weight_decay": math.nan}, ValueError, "in [0, inf)"),
    (optimizers.AdamW, {"weight_decay_kind": "coupled"}, ValueError, "one of 'decoupled', 'unscaled'"),
    (optimizers.Adam, {"weight_decay_kind": "L2"}, ValueError, "one of 'coupled', 'decoupled', 'unscaled'"),
    (optimizers.SGD, {"maximize": 1}, ValueError, "one of False, True"),
    (optimizers.AMSGrad, {"maximum": None}, ValueError, "one of 'raw', 'corrected'"),
    (
        optimizers.AMSGrad,
        {"maximum": "corrected", "epsilon_placement": "uncorrected"},
        ValueError,
        "'outside' or 'inside' where maximum = 'corrected'",
    ),
    (optimizers.NAdam, {"momentum_decay": -1e-3}, ValueError, "in [0, inf)"),
    (optimizers.NAdam, {"momentum_schedule": 0.9}, ValueError, "one of 'rising', 'constant'"),
    (optimizers.RAdam, {"threshold": 5}, ValueError, "one of 4.0, 5.0"),
    (optimizers.RAdam, {"beta2": 1.0}, ValueError, "in [0, 1)"),
    (optimizers.Adamax, {"epsilon_placement": "uncorrected"}, ValueError, "one of 'inside', 'outside'"),
    (optimizers.Adadelta, {"decay": -0.1}, ValueError, "in [0, 1)"),
    (optimizers.Rprop, {"growth": 1.0}, ValueError, "in (1, inf)"),
    (optimizers.Rprop, {"shrinkage": 1.0}, ValueError, "in (0, 1)"),
    (optimizers.Rprop, {"largest_step": 0.0}, ValueError, "in (0, inf)"),
    (optimizers.Rprop, {"learning_rate": 51.0}, ValueError, "between smallest_step and largest_step"),
    (optimizers.Rprop, {"learning_rate": 1e-7}, ValueError, "between smallest_step and largest_step"),
    (optimizers.Lion, {"beta1": math.inf}, ValueError, "in [0, 1)"),
    (optimizers.SignDescent, {"momentum": 1.0}, ValueError, "in [0, 1)"),
    (optimizers.AdaBelief, {"epsilon_root": -1e-16}, ValueError, "in [0, inf)"),
    (optimizers.Yogi, {"initial_accumulator": -1e-6}, ValueError, "in [0, inf)"),
    (optimizers.Yogi, {"first_start": 0.0}, ValueError, "one of 'zero', 'accumulator'"),
    (
        optimizers.LAMB,
        {"weight_decay_kind": "lengths"},
        ValueError,
        "one of 'in_step', 'decoupled', 'unscaled', 'coupled'",
    ),
    (optimizers.LARS, {"trust_coefficient": -1.0}, ValueError, "in [0, inf)"),
    (activations.LeakyReLU, {"slope": 1.1}, ValueError, "in [0, 1]"),
    (activations.LeakyReLU, {"slope": math.nan}, ValueError, "in [0, 1]"),
    (activations.ELU, {"alpha": -1.0}, ValueError, "in [0, inf)"),
    (activations.ReLU, {"derivative_at_zero": 0.3}, ValueError, "one of 0.0, 0.5, 1.0"),
    (activations.GELU, {"approximation": "sigmoid"}, ValueError, "one of 'none', 'tanh'"),
    (activations.Softmax, {"axis": 1.0}, TypeError, "an integer"),
    (losses.MeanSquaredError, {"reduction": "none"}, ValueError, "one of 'mean', 'sum'"),
    (losses.SoftmaxCrossEntropy, {"largest_logit": "added_back"}, ValueError, "unless labels='index'"),
    (regularization.L1, {"strength": -0.1}, ValueError, "in [0, inf)"),
    (regularization.L2, {"half": 0.5}, ValueError, "one of True, False"),
    (clipping.ClipByGlobalNorm, {"max_norm": -1.0}, ValueError, "in [0, inf)"),
    (clipping.ClipByGlobalNorm, {"order": 0.5}, ValueError, "a number >= 1"),
    (clipping.ClipByGlobalNorm, {"order": True}, ValueError, "a number >= 1"),
    (clipping.ClipByNorm, {"order": 10**400}, ValueError, "a number >= 1"),
    (clipping.ClipByNorm, {"non_finite_norm": "zero"}, ValueError, "one of 'erases', 'spreads', 'keeps'"),
    (clipping.AdaptiveClipping, {"epsilon": -1e-3}, ValueError, "in [0, inf)"),
    (clipping.ClipByNorm, {"epsilon": -1e-6}, ValueError, "in [0, inf)"),
    (clipping.ClipByValue, {"limit": math.inf}, ValueError, "a finite number"),
    (clipping.WeightClipping, {"limit": -0.01}, ValueError, "in (0, inf)"),
    (schedules.Constant, {"learning_rate": -1.0}, ValueError, "in [0, inf)"),
    (schedules.Linear, {"steps": 0}, ValueError, "an integer >= 1"),
    (schedules.Linear, {"steps": 10.0}, TypeError, "an integer >= 1"),
    (schedules.Linear, {"start": 0.0, "evaluation": "recursive"}, ValueError, "'closed' unless start > 0"),
    (schedules.Exponential, {"decay": 0.0}, ValueError, "in (0, inf)"),
    (schedules.WarmUp, {"schedule": 0.1}, ValueError, "a Schedule"),
    (schedules.Polynomial, {"power": 0.0}, ValueError, "in (0, inf)"),
    (schedules.Polynomial, {"end": 0.2}, ValueError, "at most initial"),
    (schedules.PiecewiseConstant, {"boundaries": (30,)}, ValueError, "a tuple of 2 increasing integers >= 1"),
    (schedules.PiecewiseConstant, {"factors": [0.1, 0.1]}, ValueError, "a tuple of finite numbers in (0, inf)"),
    (schedules.PiecewiseConstant, {"factors": (0.1, True)}, ValueError, "a tuple of finite numbers in (0, inf)"),
    (schedules.PiecewiseConstant, {"factors": (0.0, 0.1)}, ValueError, "a tuple of finite numbers in (0, inf)"),
    (schedules.PiecewiseConstant, {"factors": (0.1, math.inf)}, ValueError, "a tuple of finite numbers in (0, inf)"),
    (schedules.PiecewiseConstant, {"factors": None}, ValueError, "a tuple of finite numbers in (0, inf)"),
    (schedules.PiecewiseConstant, {"boundaries": (30, 10**19)}, ValueError, "at most 2**53"),
    (schedules.Linear, {"steps": 2**53 + 1}, ValueError, "at most 2**53"),
    (schedules.StepDecay, {"every": 10**19}, ValueError, "at most 2**53"),
    (schedules.CosineRestarts, {"growth": 2**60}, ValueError, "at most 2**53"),
    (schedules.CosineRestarts, {"floor": 1.0}, ValueError, "at most peak"),
    (schedules.OneCycle, {"rise": 1.0}, ValueError, "in (0, 1)"),
    (schedules.OneCycle, {"steps": 3}, ValueError, "each phase takes time"),
    (schedules.OneCycle, {"phases": 3, "rise": 0.7, "fallen": 0.6}, ValueError, "above rise = 0.7 where phases = 3"),
    (schedules.OneCycle, {"phases": 3, "rise": 0.6, "fallen": 0.6}, ValueError, "above rise = 0.6 where phases = 3"),
    (schedules.Sequential, {"schedules": (0.1, 0.2)}, ValueError, "a tuple of one Schedule or more"),
    (schedules.Sequential, {"boundaries": (0,)}, ValueError, "a tuple of 1 increasing integers >= 1"),
    (schedules.Sequential, {"boundaries": (10**19,)}, ValueError, "at most 2**53"),
    (initializers.Uniform, {"low": 1.0, "high": 0.5}, ValueError, "above low = 1"),
    (initializers.Normal, {"standard_deviation": 0.0}, ValueError, "in (0, inf)"),
    (initializers.TruncatedNormal, {"lower": 2.0, "upper": -2.0}, ValueError, "above lower = 2"),
    (initializers.VarianceScaling, {"scale": -2.0}, ValueError, "in (0, inf)"),
    (initializers.VarianceScaling, {"mode": "fan_sum"}, ValueError, "one of 'fan_in', 'fan_out', 'fan_avg'"),
    (initializers.Orthogonal, {"gain": math.nan}, ValueError, "in (0, inf)"),
]

BAD_FIELDS = [
    Bad(
        f"{rule.__name__} {arguments}",
        lambda given, rule=rule, arguments=arguments: rule(**arguments),
        error,
        (rule.__name__, *list(arguments)[-1:], repr(list(arguments.values())[-1]), allowed),
    )
    for rule, arguments, error, allowed in FIELDS
]

# --- parameters, gradients and state of optimizers -------------------------------------------------------------------


def init(parameters):
    return lambda given: optimizers.Adam().init(parameters)


def step(rule=None, **spoiled):
    """A step of Adam on good inputs, but for those that `spoiled` makes of them."""

    def call(given):
        arguments = {name: given[name] for name in ("parameters", "gradients", "state")}
        arguments |= {name: spoil(given[name]) for name, spoil in spoiled.items()}
        return (rule or optimizers.Adam()).step(**arguments)

    return call


def leaf(*path, value=None):
    return lambda tree: changed(tree, path, value)


FORMATS = "float64, float32, float16, bfloat16"
MAKE = "make it with init(parameters)"

BAD_STEPS = [
    Bad("init of integers", init({"w": np.arange(3)}), TypeError, ("parameters['w']", "int64", FORMATS)),
    Bad("init of complex", init([np.ones(2, dtype=complex)]), TypeError, ("parameters[0]", "complex128", FORMATS)),
    Bad("init of truth values", init(np.array([True])), TypeError, ("parameters", "bool", FORMATS)),
    Bad("init of objects", init({"w": np.array([0.5, None])}), TypeError, ("parameters['w']", "object", FORMATS)),
    Bad("init of text", init({"w": "weights"}), TypeError, ("parameters['w']", "'weights'", "floating-point array")),
    Bad("init of an int", init({"w": 1}), TypeError, ("parameters['w']", "int 1", "floating-point array")),
    Bad("init of None", init(None), TypeError, ("parameters", "None", "floating-point array")),
    Bad("init of an empty dict", init({}), ValueError, ("parameters is an empty tree", "at least one")),
    Bad("init of empty branches", init([{}, ()]), ValueError, ("parameters is an empty tree", "at least one")),
    Bad(
        "step of integers",
        step(parameters=leaf("w", value=np.ones((2, 3), dtype=int))),
        TypeError,
        ("parameters['w']", "int64", FORMATS),
    ),
    Bad("step of an empty tree", step(parameters=lambda _: []), ValueError, ("parameters is an empty tree",)),
    Bad("empty gradients", step(gradients=lambda _: {}), ValueError, ("gradients is an empty tree",)),
    Bad(
        "gradient of another shape",
        step(gradients=leaf("w", value=np.ones((3, 2)))),
        ValueError,
        ("gradients['w']", "(3, 2)", "parameters['w'] has shape (2, 3)"),
    ),
    Bad(
        "gradient that would broadcast",
        step(gradients=leaf("w", value=np.ones(3))),
        ValueError,
        ("gradients['w']", "(3,)", "parameters['w'] has shape (2, 3)"),
    ),
    Bad(
        "gradient with an axis more than 0-d",
        step(gradients=leaf("rest", 1, value=np.ones(1))),
        ValueError,
        ("gradients['rest'][1]", "(1,)", "parameters['rest'][1] has shape ()"),
    ),
    Bad(
        "missing gradient",
        step(gradients=leaf("rest", 0)),
        ValueError,
        ("gradients must have the structure of parameters", "no leaf gradients['rest'][1]"),
    ),
    Bad(
        "surplus gradient",
        step(gradients=leaf("v", value=np.ones(2))),
        ValueError,
        ("gradients must have the structure of parameters", "gradients['v'] matches no leaf"),
    ),
    Bad("gradient None", step(gradients=lambda g: g | {"w": None}), TypeError, ("gradients['w']", "None")),
    Bad(
        "complex gradient",
        step(gradients=leaf("w", value=np.ones((2, 3), dtype=np.complex64))),
        TypeError,
        ("gradients['w']", "complex64", FORMATS),
    ),
    Bad("gradients without their dict", step(gradients=lambda g: g["w"]), ValueError, ("no leaf gradients['w']",)),
    Bad(
        "state of another rule",
        step(optimizers.RMSprop()),
        ValueError,
        ("RMSprop: state", "['step', 'second_moment']", "'first_moment'", MAKE),
    ),
    Bad(
        "state of the rule with another momentum",
        step(optimizers.SGD(momentum=0.9), state=lambda s: {"step": s["step"]}),
        ValueError,
        ("SGD: state", "['step', 'velocity']", "['step']", MAKE),
    ),
    Bad("state None", step(state=lambda _: None), ValueError, ("Adam: state", "None", "'first_moment'", MAKE)),
    Bad("state without step", step(state=leaf("step")), ValueError, ("Adam: state", "'step'", MAKE)),
    Bad(
        "state with keys of several types",
        step(state=leaf(3, value=0.0)),
        ValueError,
        ("Adam: state", "'second_moment', 3]", MAKE),
    ),
    Bad("negative step", step(state=leaf("step", value=-1)), ValueError, ("state['step']", "-1", "an integer >= 0")),
    Bad(
        "step beyond exact counts",
        step(state=leaf("step", value=2**53 + 1)),
        ValueError,
        ("state['step']", f"{2**53 + 1}", "at most 2**53"),
    ),
    Bad("step of 1.0", step(state=leaf("step", value=1.0)), TypeError, ("state['step']", "1.0", "an integer >= 0")),
    Bad("step of True", step(state=leaf("step", value=True)), TypeError, ("state['step']", "True", "an integer >= 0")),
    Bad(
        "step of two counts",
        step(state=leaf("step", value=np.array([1, 2]))),
        TypeError,
        ("state['step']", "array([1, 2])", "an integer >= 0"),
    ),
    Bad(
        "state of other shapes",
        step(state=leaf("first_moment", "w", value=np.zeros((3, 2)))),
        ValueError,
        ("state['first_moment']['w']", "(3, 2)", "parameters['w'] has shape (2, 3)"),
    ),
    Bad(
        "state that lacks a leaf",
        step(state=leaf("second_moment", "rest", 1)),
        ValueError,
        ("state['second_moment']", "structure of parameters", "no leaf state['second_moment']['rest'][1]"),
    ),
    Bad(
        "state of integers",
        step(state=leaf("second_moment", "w", value=np.zeros((2, 3), dtype=int))),
        TypeError,
        ("state['second_moment']['w']", "int64", FORMATS),
    ),
    Bad(
        "state emptied", step(state=leaf("first_moment", value={})), ValueError, ("state['first_moment'] is an empty",)
    ),
]

# --- the other rooms -------------------------------------------------------------------------------------------------

ReLU, Softmax = activations.ReLU(), activations.Softmax(axis=1)
MSE, BCE = losses.MeanSquaredError(), losses.BinaryCrossEntropy()
LABELS = losses.SoftmaxCrossEntropy(labels="index")
ONE_HOT = losses.SoftmaxCrossEntropy()
Glorot = initializers.glorot_uniform()

BAD_ARRAYS = [
    Bad("activation of integers", lambda g: ReLU.forward(np.arange(3)), TypeError, ("x", "int64", FORMATS)),
    Bad(
        "activation of a list", lambda g: ReLU.derivative([0.5]), TypeError, ("x", "list [0.5]", "floating-point array")
    ),
    Bad(
        "cotangent of another shape",
        lambda g: ReLU.backward(g["x"], g["y"]),
        ValueError,
        ("cotangent", "(3, 1)", "(3, 2)"),
    ),
    Bad("axis that x has not", lambda g: Softmax.forward(g["x"][0]), ValueError, ("axis", "got 1", "shape (2,)")),
    Bad("empty axis", lambda g: Softmax.forward(g["x"][:, :0]), ValueError, ("axis", "got 1", "non-empty")),
    Bad("target of another shape", lambda g: MSE.value(g["x"], g["y"]), ValueError, ("target", "(3, 1)", "(3, 2)")),
    Bad("target of integers", lambda g: MSE.value(g["y"], g["y"].astype(int)), TypeError, ("target", "int64", FORMATS)),
    Bad(
        "empty prediction",
        lambda g: MSE.gradient(g["x"][:0], g["x"][:0]),
        ValueError,
        ("prediction", "(0, 2)", "at least"),
    ),
    Bad(
        "probability above 1",
        lambda g: BCE.value(g["x"][1:2], g["x"][1:2]),
        ValueError,
        ("prediction[0, 0]", "2.0", "[0, 1]"),
    ),
    Bad(
        "probability NaN",
        lambda g: BCE.value(g["y"] * np.nan, g["y"]),
        ValueError,
        ("prediction[0, 0]", "nan", "[0, 1]"),
    ),
    Bad(
        "label of another class",
        lambda g: LABELS.value(g["x"], np.array([0, 2, 1])),
        ValueError,
        ("target", "2", "[0, 2)"),
    ),
    Bad("negative label", lambda g: LABELS.value(g["x"], np.array([0, -1, 1])), ValueError, ("target", "-1", "[0, 2)")),
    Bad(
        "labels of floats", lambda g: LABELS.gradient(g["x"], np.ones(3)), TypeError, ("target", "float64", "integers")
    ),
    Bad(
        "one-hot of negative weight",
        lambda g: ONE_HOT.value(g["x"], g["x"]),
        ValueError,
        ("target[0, 1]", "-1.0", "[0, 1]"),
    ),
    Bad(
        "penalty of integers",
        lambda g: regularization.L2().value([np.arange(3)]),
        TypeError,
        ("tree[0]", "int64", FORMATS),
    ),
    Bad(
        "clipping of an empty tree",
        lambda g: clipping.ClipByGlobalNorm().apply({}),
        ValueError,
        ("tree is an empty tree",),
    ),
    Bad(
        "clipping of None",
        lambda g: clipping.ClipByValue().apply([None]),
        TypeError,
        ("tree[0]", "None", "floating-point array"),
    ),
    Bad("norm of complex", lambda g: clipping.global_norm(np.ones(2) * 1j), TypeError, ("tree", "complex128", FORMATS)),
    Bad("rate at step -1", lambda g: schedules.Constant().rate(-1), ValueError, ("step", "-1", "[0, 2**53]")),
    Bad("rate at step 1.5", lambda g: schedules.Cosine().rate(1.5), TypeError, ("step", "1.5", "an integer >= 0")),
    Bad("rate at step True", lambda g: schedules.Linear().rate(True), TypeError, ("step", "True", "an integer >= 0")),
    Bad(
        "rate beyond exact counts",
        lambda g: schedules.StepDecay().rate(2**60),
        ValueError,
        ("step", f"{2**60}", "[0, 2**53]"),
    ),
    Bad(
        "rate in a cycle beyond exact counts",
        lambda g: schedules.CosineRestarts(period=1, growth=2**40).rate([3, 2**41]),
        ValueError,
        ("growth", f"{2**40}", f"step {2**41}", "2**53"),
    ),
    Bad("shape without fans", lambda g: Glorot.sample((3,), g["generator"]), ValueError, ("shape", "(3,)", "two axes")),
    Bad(
        "shape with an empty axis",
        lambda g: Glorot.sample((3, 0), g["generator"]),
        ValueError,
        ("shape", "(3, 0)", ">= 1"),
    ),
    Bad(
        "shape of floats",
        lambda g: initializers.Normal().sample((2.0, 3), g["generator"]),
        TypeError,
        ("shape", "2.0", "integers"),
    ),
    Bad(
        "negative axis length",
        lambda g: initializers.Normal().sample((2, -3), g["generator"]),
        ValueError,
        ("shape", "-3", ">= 0"),
    ),
    Bad(
        "seed for a generator",
        lambda g: initializers.Orthogonal().sample((2, 3), 7),
        TypeError,
        ("generator", "int 7", "default_rng"),
    ),
    Bad(
        "unknown layout",
        lambda g: initializers.fans((2, 3), "rows"),
        ValueError,
        ("layout", "'rows'", "'input_output'"),
    ),
]


NETWORK = Network([Dense(), activations.Tanh(), Dense(bias=False)], losses.MeanSquaredError())


def gradients(**spoiled):
    """The network's gradients on good inputs, but for those that `spoiled` makes of them."""

    def call(given):
        arguments = {name: given[name] for name in ("layers", "x", "y")}
        arguments |= {name: spoil(given[name]) for name, spoil in spoiled.items()}
        return NETWORK.gradients(arguments["layers"], arguments["x"], arguments["y"])

    return call


BAD_NETWORKS = [
    Bad("network without layers", lambda g: Network([]), ValueError, ("layers", "at least one")),
    Bad(
        "network of a function",
        lambda g: Network([np.tanh]),
        TypeError,
        ("layers[0]", "tanh", "a layer or an activation"),
    ),
    Bad(
        "network with a string as loss",
        lambda g: Network([Dense()], "mse"),
        TypeError,
        ("loss", "'mse'", "refimpl.losses"),
    ),
    Bad(
        "layer of no activation",
        lambda g: Activated(np.tanh),
        ValueError,
        ("activation", "tanh", "refimpl.activations"),
    ),
    Bad(
        "gradients without a loss",
        lambda g: Network([Dense()]).gradients(g["layers"][:1], g["x"], g["y"]),
        ValueError,
        ("no loss",),
    ),
    Bad(
        "parameters of fewer layers", gradients(layers=lambda p: p[:2]), ValueError, ("parameters", "got 2", "3 layers")
    ),
    Bad(
        "layer without its bias",
        gradients(layers=leaf(0, "bias")),
        ValueError,
        ("layers[0]", "['weight']", "['bias', 'weight']"),
    ),
    Bad(
        "parameters for an activation",
        gradients(layers=leaf(1, "bias", value=np.ones(3))),
        ValueError,
        ("layers[1]", "['bias']", "[]"),
    ),
    Bad(
        "weight of one axis",
        gradients(layers=leaf(2, "weight", value=np.ones(3))),
        ValueError,
        ("layers[2]", "weight", "(3,)"),
    ),
    Bad(
        "weight that does not fit",
        gradients(layers=leaf(2, "weight", value=np.ones((4, 1)))),
        ValueError,
        ("layers[2]", "(4, 1)", "(3, 3)"),
    ),
    Bad(
        "weight of integers",
        gradients(layers=leaf(0, "weight", value=np.ones((2, 3), int))),
        TypeError,
        ("layers[0]", "int64", FORMATS),
    ),
    Bad(
        "bias of another length",
        gradients(layers=leaf(0, "bias", value=np.ones(2))),
        ValueError,
        ("layers[0]", "bias", "(2,)", "(3,)"),
    ),
    Bad(
        "input of another width",
        gradients(x=lambda x: x[:, :1]),
        ValueError,
        ("layers[0]", "x has shape (3, 1)", "2 inputs"),
    ),
    Bad("target of fewer rows", gradients(y=lambda y: y[:2]), ValueError, ("target", "(2, 1)", "(3, 1)")),
]

TABLE = BAD_FIELDS + BAD_STEPS + BAD_ARRAYS + BAD_NETWORKS


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.what:.70}")
def test_bad_input_is_refused_by_name_and_nothing_was_half_done(bad):
    given = good_inputs()
    with pytest.raises(bad.error) as refusal:
        bad.call(given)
    assert refusal.type is bad.error
    for part in bad.says:
        assert part in str(refusal.value)
    assert contents(given) == contents(good_inputs())


def test_the_inputs_that_the_table_spoils_are_good():
    given = good_inputs()
    step()(given)
    gradients()(given)
    for rule in {rule for rule, *_ in FIELDS}:
        rule()


def test_the_comparison_of_inputs_sees_a_changed_bit_and_a_drawn_number():
    given, drawn = good_inputs(), good_inputs()
    given["gradients"]["w"][0, 0] = -given["gradients"]["w"][0, 0]
    drawn["generator"].random()
    for spoiled in (given, drawn):
        assert contents(spoiled) != contents(good_inputs())
