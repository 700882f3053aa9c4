"""The functions of Keras behind the rules, and its names for their fields."""

from __future__ import annotations

from conformance.subjects.signatures import Signature
from refimpl import activations, clipping, initializers, losses, optimizers, schedules
from refimpl.spec import Spec

_MOMENTS = {"beta1": "beta_1", "beta2": "beta_2"}
_DECAY = {"initial": "initial_learning_rate", "decay": "decay_rate"}

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
    schedules.PiecewiseConstant: Signature("keras.optimizers.schedules.PiecewiseConstantDecay"),
    schedules.InverseTime: Signature("keras.optimizers.schedules.InverseTimeDecay", _DECAY),
    schedules.Cosine: Signature(
        "keras.optimizers.schedules.CosineDecay",
        {"peak": "initial_learning_rate", "steps": "decay_steps", "floor": "alpha"},
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
    ),
    initializers.Uniform: Signature("keras.initializers.RandomUniform", {"low": "minval", "high": "maxval"}),
    initializers.Normal: Signature("keras.initializers.RandomNormal", {"standard_deviation": "stddev"}),
    initializers.TruncatedNormal: Signature("keras.initializers.TruncatedNormal", {"standard_deviation": "stddev"}),
    initializers.VarianceScaling: Signature("keras.initializers.VarianceScaling"),
    initializers.Orthogonal: Signature("keras.initializers.Orthogonal"),
    activations.LeakyReLU: Signature("keras.activations.leaky_relu", {"slope": "negative_slope"}),
    activations.ELU: Signature("keras.activations.elu"),
    activations.GELU: Signature("keras.activations.gelu", {"approximation": "approximate"}),
    activations.Softmax: Signature("keras.activations.softmax"),
    activations.LogSoftmax: Signature("keras.activations.log_softmax"),
    losses.MeanSquaredError: Signature("keras.losses.MeanSquaredError"),
    losses.BinaryCrossEntropyWithLogits: Signature("keras.losses.BinaryCrossentropy(from_logits=True)"),
    losses.SoftmaxCrossEntropy: Signature("keras.losses.CategoricalCrossentropy(from_logits=True)"),
}
