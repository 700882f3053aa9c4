"""The reference: an independent NumPy implementation of the mathematics of gradient training.

A package is loaded where one of its names is first used (PEP 562): what is not used takes no time. Type checkers and
editors read the names from `__init__.pyi`.
"""

from importlib import import_module

_PACKAGES: dict[str, list[str]] = {
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
_PACKAGE_OF = {name: package for package, names in _PACKAGES.items() for name in names}
__all__ = sorted(_PACKAGE_OF)


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _PACKAGE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_PACKAGE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*(name for name in globals() if name.startswith("__")), *_PACKAGES, *__all__]
