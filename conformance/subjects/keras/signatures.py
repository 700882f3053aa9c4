"""The functions of Keras behind the rules, and its names for their fields."""

from __future__ import annotations

from conformance.subjects.signatures import Signature
from refimpl import activations, averaging, clipping, initializers, losses, optimizers, schedules
from refimpl.spec import Spec

_MOMENTS = {"beta1": "beta_1", "beta2": "beta_2"}
_DECAY = {"initial": "initial_learning_rate", "decay": "decay_rate"}
_MEAN = {"reduction": "that is the 'mean'"}
_FLOOR = {"floor": "floor / peak"}

SIGNATURES: dict[type[Spec], Signature] = {
    optimizers.SGD: Signature("keras.optimizers.SGD"),
    optimizers.Adagrad: Signature("keras.optimizers.Adagrad", {"initial_accumulator": "initial_accumulator_value"}),
    optimizers.RMSprop: Signature("keras.optimizers.RMSprop", {"decay": "rho"}),
    optimizers.Adadelta: Signature("keras.optimizers.Adadelta", {"decay": "rho"}),
    optimizers.Adam: Signature("keras.optimizers.Adam", _MOMENTS),
    optimizers.AdamW: Signature("keras.optimizers.AdamW", _MOMENTS),
    optimizers.AMSGrad: Signature("keras.optimizers.Adam(amsgrad=True)", _MOMENTS),
    optimizers.Adamax: Signature("keras.optimizers.Adamax", _MOMENTS),
    optimizers.NAdam: Signature("keras.optimizers.Nadam", _MOMENTS),
    optimizers.Lion: Signature("keras.optimizers.Lion", _MOMENTS),
    optimizers.LAMB: Signature("keras.optimizers.Lamb", _MOMENTS),
    optimizers.GradientAccumulation: Signature("keras.optimizers.Optimizer", {"every": "gradient_accumulation_steps"}),
    averaging.ParameterAverage: Signature("keras.optimizers.Optimizer(use_ema=True)", {"decay": "ema_momentum"}),
    clipping.ClipByGlobalNorm: Signature("keras.optimizers.Optimizer", {"max_norm": "global_clipnorm"}),
    clipping.ClipByNorm: Signature("keras.optimizers.Optimizer", {"max_norm": "clipnorm"}),
    clipping.ClipByValue: Signature("keras.optimizers.Optimizer", {"limit": "clipvalue"}),
    schedules.Linear: Signature(
        "keras.optimizers.schedules.PolynomialDecay",
        {"start": "initial_learning_rate", "end": "end_learning_rate", "steps": "decay_steps"},
    ),
    schedules.Polynomial: Signature(
        "keras.optimizers.schedules.PolynomialDecay",
        {"initial": "initial_learning_rate", "end": "end_learning_rate", "steps": "decay_steps"},
    ),
    schedules.Exponential: Signature("keras.optimizers.schedules.ExponentialDecay", _DECAY),
    schedules.StepDecay: Signature(
        "keras.optimizers.schedules.ExponentialDecay(staircase=True)",
        {"initial": "initial_learning_rate", "factor": "decay_rate", "every": "decay_steps"},
    ),
    schedules.PiecewiseConstant: Signature(
        "keras.optimizers.schedules.PiecewiseConstantDecay",
        {"initial": "values[0]", "factors": "values"},
        {"factors": "its entries are the rates themselves, each the one before times its factor"},
    ),
    schedules.InverseTime: Signature("keras.optimizers.schedules.InverseTimeDecay", _DECAY),
    schedules.Cosine: Signature(
        "keras.optimizers.schedules.CosineDecay",
        {"peak": "initial_learning_rate", "steps": "decay_steps", "floor": "alpha"},
        _FLOOR,
    ),
    schedules.CosineRestarts: Signature(
        "keras.optimizers.schedules.CosineDecayRestarts",
        {
            "peak": "initial_learning_rate",
            "period": "first_decay_steps",
            "growth": "t_mul",
            "factor": "m_mul",
            "floor": "alpha",
        },
        _FLOOR,
    ),
    initializers.Uniform: Signature("keras.initializers.RandomUniform", {"low": "minval", "high": "maxval"}),
    initializers.Normal: Signature("keras.initializers.RandomNormal", {"standard_deviation": "stddev"}),
    initializers.TruncatedNormal: Signature("keras.initializers.TruncatedNormal", {"standard_deviation": "stddev"}),
    initializers.VarianceScaling: Signature("keras.initializers.VarianceScaling"),
    initializers.Orthogonal: Signature("keras.initializers.Orthogonal"),
    activations.ReLU: Signature("keras.activations.relu"),
    activations.HardTanh: Signature("keras.activations.hard_tanh"),
    activations.Softplus: Signature("keras.activations.softplus"),
    activations.SoftShrink: Signature("keras.activations.soft_shrink"),
    activations.HardShrink: Signature("keras.activations.hard_shrink"),
    activations.CELU: Signature("keras.activations.celu"),
    activations.LeakyReLU: Signature("keras.activations.leaky_relu", {"slope": "negative_slope"}),
    activations.ELU: Signature("keras.activations.elu"),
    activations.GELU: Signature(
        "keras.activations.gelu", {"approximation": "approximate"}, {"approximation": "True for 'tanh'"}
    ),
    activations.Softmax: Signature("keras.activations.softmax"),
    activations.LogSoftmax: Signature("keras.activations.log_softmax"),
    losses.MeanSquaredError: Signature("keras.losses.MeanSquaredError", {}, _MEAN),
    losses.Huber: Signature("keras.losses.Huber", {}, _MEAN),
    losses.Hinge: Signature("keras.losses.Hinge", {}, _MEAN),
    losses.BinaryCrossEntropyWithLogits: Signature("keras.losses.BinaryCrossentropy(from_logits=True)", {}, _MEAN),
    losses.SoftmaxCrossEntropy: Signature(
        "keras.losses.CategoricalCrossentropy(from_logits=True)",
        {},
        _MEAN | {"labels": "`SparseCategoricalCrossentropy` for 'index'"},
    ),
}
