"""The reference: an independent NumPy implementation of the mathematics of gradient training.

A room is loaded where one of its names is first asked for (PEP 562): what is not used takes no time. Type checkers and
editors read the names from `__init__.pyi`.
"""

from importlib import import_module
from typing import Any

_ROOMS: dict[str, list[str]] = {
    "activations": [
        "CELU",
        "ELU",
        "GELU",
        "SELU",
        "Activation",
        "HardShrink",
        "HardSigmoid",
        "HardSwish",
        "HardTanh",
        "Identity",
        "LeakyReLU",
        "LogSigmoid",
        "LogSoftmax",
        "Mish",
        "ReLU",
        "ReLU6",
        "Sigmoid",
        "SiLU",
        "Softmax",
        "Softplus",
        "SoftShrink",
        "Softsign",
        "Tanh",
    ],
    "arithmetic": [],
    "averaging": ["ParameterAverage"],
    "clipping": [
        "AdaptiveClipping",
        "ClipByGlobalNorm",
        "ClipByNorm",
        "ClipByValue",
        "Clipping",
        "WeightClipping",
        "global_norm",
    ],
    "initializers": [
        "DeltaOrthogonal",
        "Dirac",
        "Distribution",
        "Initializer",
        "Normal",
        "Orthogonal",
        "Sparse",
        "TruncatedNormal",
        "Uniform",
        "VarianceScaling",
        "fans",
        "glorot_normal",
        "glorot_truncated_normal",
        "glorot_uniform",
        "he_normal",
        "he_truncated_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_truncated_normal",
        "lecun_uniform",
    ],
    "layers": [
        "Activated",
        "BatchNormalization",
        "BatchNormalizationInference",
        "Dense",
        "Layer",
        "PReLU",
        "Residual",
        "RunningStatistics",
    ],
    "losses": [
        "BinaryCrossEntropy",
        "BinaryCrossEntropyWithLogits",
        "Hinge",
        "Huber",
        "KLDivergence",
        "Loss",
        "MeanSquaredError",
        "NegativeLogLikelihood",
        "SmoothL1",
        "SoftmaxCrossEntropy",
    ],
    "network": ["Network"],
    "optimizers": [
        "LAMB",
        "LARS",
        "SGD",
        "AdaBelief",
        "Adadelta",
        "Adagrad",
        "Adam",
        "Adamax",
        "AdamW",
        "AMSGrad",
        "GradientAccumulation",
        "Lion",
        "NAdam",
        "Optimizer",
        "RAdam",
        "RMSprop",
        "Rprop",
        "SignDescent",
        "Yogi",
    ],
    "propagation": [],
    "regularization": ["L1", "L2", "Penalty"],
    "schedules": [
        "Constant",
        "Cosine",
        "CosineRestarts",
        "Exponential",
        "InverseTime",
        "Linear",
        "OneCycle",
        "PiecewiseConstant",
        "Polynomial",
        "Schedule",
        "Sequential",
        "StepDecay",
        "WarmUp",
    ],
    "spec": [],
    "trees": ["leaves", "map_leaves"],
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*(name for name in globals() if name.startswith("__")), *_ROOMS, *__all__]
