"""Keras's functions for the rules: its names for their fields, what it fixes and what it lacks, on either backend."""

from __future__ import annotations

import numpy as np

from conformance.subjects.table import Row, floor_over_peak, table
from refimpl import activations, averaging, clipping, initializers, losses, optimizers, schedules

# Decay is a part of every optimizer; ascent is a sign that the user gives the gradients.
_DECOUPLED = {"maximize": False, "weight_decay_kind": "decoupled"}
_NORM = {"epsilon": 0.0, "order": 2.0, "norm_range": "powers", "within": "rescaled"}
_CLOSED = {"evaluation": "closed"}
# A sum is one of means over the last axis.
_MEAN = {"reduction": "mean"}

_BETAS = {"beta1": "beta_1", "beta2": "beta_2"}
_INITIAL = {"initial": "initial_learning_rate"}
_DECAY = _INITIAL | {"decay": "decay_rate"}
_LINE = {"end": "end_learning_rate", "steps": "decay_steps"}
_DEVIATION = {"standard_deviation": "stddev"}

# No decay is None: AdamW alone takes 0.
_WEIGHT_DECAY = {"weight_decay": {0.0: None}}
# Flushed to zero where it meets an array: Keras's Lion refuses 0 itself.
_NEXT_TO_ZERO = float(np.nextafter(0, 1))
_REDUCTIONS = {"reduction": {"mean": "sum_over_batch_size"}}
_LOGITS = {"from_logits": True}

_MOMENTS = {"first_moment": "momentum", "second_moment": "velocity"}

_FLOAT32 = {"float32": "float32"}
# Result types have 32 bits at most on JAX (keras.backend.result_type), whatever the arguments.
IN_FLOAT32 = "it is computed in float32 in every format"

TABLE = table(
    # Optimizers
    Row(
        optimizers.SGD,
        "keras.optimizers.SGD",
        _DECOUPLED | {"dampening": 0.0, "first_velocity": "gradient", "rate": "inside"},
        values=_WEIGHT_DECAY,
        slots={"velocity": "-momentum"},
    ),
    Row(
        optimizers.Adagrad,
        "keras.optimizers.Adagrad",
        _DECOUPLED | {"learning_rate_decay": 0.0, "epsilon_placement": "inside"},
        {"initial_accumulator": "initial_accumulator_value"},
        _WEIGHT_DECAY,
        slots={"accumulator": "accumulator"},
    ),
    Row(
        optimizers.RMSprop,
        "keras.optimizers.RMSprop",
        _DECOUPLED | {"epsilon_placement": "inside", "rate": "inside"},
        {"decay": "rho"},
        _WEIGHT_DECAY,
        slots={"second_moment": "velocity", "mean": "average_gradient", "velocity": "momentum"},
    ),
    Row(
        optimizers.Adadelta,
        "keras.optimizers.Adadelta",
        _DECOUPLED,
        {"decay": "rho"},
        _WEIGHT_DECAY,
        slots={"second_moment": "accumulated_grad", "squared_steps": "accumulated_delta_var"},
    ),
    Row(
        optimizers.Adam,
        "keras.optimizers.Adam",
        _DECOUPLED | {"epsilon_placement": "uncorrected"},
        _BETAS,
        _WEIGHT_DECAY,
        slots=_MOMENTS,
    ),
    Row(
        optimizers.AdamW,
        "keras.optimizers.AdamW",
        _DECOUPLED | {"epsilon_placement": "uncorrected"},
        _BETAS,
        slots=_MOMENTS,
    ),
    Row(
        optimizers.AMSGrad,
        "keras.optimizers.Adam",
        _DECOUPLED | {"epsilon_placement": "uncorrected", "maximum": "raw"},
        _BETAS,
        _WEIGHT_DECAY,
        constants={"amsgrad": True},
        slots=_MOMENTS | {"largest_second_moment": "velocity_hat"},
    ),
    Row(
        optimizers.Adamax,
        "keras.optimizers.Adamax",
        _DECOUPLED | {"epsilon_placement": "outside"},
        _BETAS,
        _WEIGHT_DECAY,
        slots={"first_moment": "momentum", "infinity_norm": "norm"},
    ),
    Row(
        optimizers.NAdam,
        "keras.optimizers.Nadam",
        _DECOUPLED | {"momentum_decay": 1.0, "momentum_schedule": "rising"},
        _BETAS,
        _WEIGHT_DECAY,
        slots=_MOMENTS,
        scalars=_FLOAT32,  # it makes arrays of its decays first, and so do Lion and the average
    ),
    Row(
        optimizers.Lion,
        "keras.optimizers.Lion",
        _DECOUPLED,
        _BETAS,
        _WEIGHT_DECAY | {"beta1": {0.0: _NEXT_TO_ZERO}},
        slots={"first_moment": "momentum"},
        scalars=_FLOAT32,
    ),
    Row(optimizers.LAMB, "keras.optimizers.Lamb", _DECOUPLED, _BETAS, _WEIGHT_DECAY, slots=_MOMENTS),
    Row(
        optimizers.GradientAccumulation,
        "keras.optimizers.Optimizer",
        {"accumulated": "total"},
        {"every": "gradient_accumulation_steps"},
        slots={"accumulated": "gradient_accumulator"},
        variants=("graph", "jit"),
        reason="it has a conditional of new functions at each step, which JAX compiles again",
    ),
    Row(
        averaging.ParameterAverage,
        "keras.optimizers.Optimizer",
        {"start": "first"},
        {"decay": "ema_momentum"},
        constants={"use_ema": True},
        scalars=_FLOAT32,
    ),
    # Clipping
    Row(
        clipping.ClipByGlobalNorm,
        "keras.optimizers.Optimizer",
        _NORM | {"non_finite_norm": "spreads"},
        {"max_norm": "global_clipnorm"},
    ),
    Row(
        clipping.ClipByNorm,
        "keras.optimizers.Optimizer",
        _NORM | {"non_finite_norm": "erases", "shares": "each"},
        {"max_norm": "clipnorm"},
    ),
    Row(clipping.ClipByValue, "keras.optimizers.Optimizer", arguments={"limit": "clipvalue"}),
    # Schedules
    Row(
        schedules.Linear,
        "keras.optimizers.schedules.PolynomialDecay",
        _CLOSED,
        _LINE | {"start": "initial_learning_rate"},
    ),
    Row(schedules.Polynomial, "keras.optimizers.schedules.PolynomialDecay", _CLOSED, _LINE | _INITIAL),
    Row(schedules.Exponential, "keras.optimizers.schedules.ExponentialDecay", _CLOSED, _DECAY),
    Row(
        schedules.StepDecay,
        "keras.optimizers.schedules.ExponentialDecay",
        {"boundary": "at"} | _CLOSED,
        _INITIAL | {"factor": "decay_rate", "every": "decay_steps"},
        constants={"staircase": True},
    ),
    Row(
        schedules.PiecewiseConstant,
        "keras.optimizers.schedules.PiecewiseConstantDecay",
        {"boundary": "after"},
        {"initial": "values[0]", "factors": "values"},
        relations={"factors": "its entries are the rates themselves, each the one before times its factor"},
    ),
    Row(schedules.InverseTime, "keras.optimizers.schedules.InverseTimeDecay", arguments=_DECAY),
    Row(
        schedules.Cosine,
        "keras.optimizers.schedules.CosineDecay",
        {"after_end": "holds"} | _CLOSED,
        {"peak": "initial_learning_rate", "steps": "decay_steps", "floor": "alpha"},
        {"floor": floor_over_peak},
        dtypes=("float32",),
        reason=IN_FLOAT32,
    ),
    Row(
        schedules.CosineRestarts,
        "keras.optimizers.schedules.CosineDecayRestarts",
        {},
        {
            "peak": "initial_learning_rate",
            "period": "first_decay_steps",
            "growth": "t_mul",
            "factor": "m_mul",
            "floor": "alpha",
        },
        {"floor": floor_over_peak},
        dtypes=("float32",),
        reason=IN_FLOAT32,
    ),
    # Initializers
    Row(initializers.Uniform, "keras.initializers.RandomUniform", arguments={"low": "minval", "high": "maxval"}),
    Row(initializers.Normal, "keras.initializers.RandomNormal", arguments=_DEVIATION),
    Row(
        initializers.TruncatedNormal,
        "keras.initializers.TruncatedNormal",
        {"bounds": "relative", "lower": -2.0, "upper": 2.0},
        _DEVIATION,
    ),
    Row(
        initializers.VarianceScaling,
        "keras.initializers.VarianceScaling",
        {"mode": ("fan_in", "fan_out", "fan_avg"), "truncation": "corrected", "layout": "input_output", "groups": 1},
        values={"distribution": {"normal": "untruncated_normal"}},
    ),
    Row(initializers.Orthogonal, "keras.initializers.Orthogonal", {"layout": "input_output"}),
    # Activations
    Row(activations.Identity, "keras.activations.linear"),
    Row(activations.ReLU, "keras.activations.relu", {"derivative_at_zero": 0.0}),
    Row(
        activations.LeakyReLU,
        "keras.activations.leaky_relu",
        {"derivative_at_zero": "one"},
        {"slope": "negative_slope"},
    ),
    Row(activations.ReLU6, "keras.activations.relu6"),
    Row(activations.HardTanh, "keras.activations.hard_tanh", {"derivative_at_limits": 1.0}),
    Row(activations.HardSigmoid, "keras.activations.hard_sigmoid"),
    Row(activations.HardSwish, "keras.activations.hard_silu"),
    Row(activations.SoftShrink, "keras.activations.soft_shrink"),
    Row(activations.HardShrink, "keras.activations.hard_shrink"),
    Row(activations.Softsign, "keras.activations.softsign"),
    Row(activations.CELU, "keras.activations.celu"),
    Row(activations.SELU, "keras.activations.selu"),
    Row(activations.LogSigmoid, "keras.activations.log_sigmoid"),
    Row(activations.Mish, "keras.activations.mish"),
    Row(activations.Sigmoid, "keras.activations.sigmoid"),
    Row(activations.Tanh, "keras.activations.tanh", dtypes=("float32",), reason=IN_FLOAT32),
    Row(activations.ELU, "keras.activations.elu"),
    Row(activations.Softplus, "keras.activations.softplus", {"threshold": None}),
    Row(activations.SiLU, "keras.activations.silu"),
    Row(
        activations.GELU,
        "keras.activations.gelu",
        arguments={"approximation": "approximate"},
        values={"approximation": {"tanh": True, "none": False}},
    ),
    Row(activations.Softmax, "keras.activations.softmax"),
    Row(activations.LogSoftmax, "keras.activations.log_softmax"),
    # Losses
    Row(
        losses.MeanSquaredError,
        "keras.losses.MeanSquaredError",
        _MEAN,
        values=_REDUCTIONS,
        dtypes=("float32",),
        reason=IN_FLOAT32,
    ),
    Row(losses.Huber, "keras.losses.Huber", _MEAN, values=_REDUCTIONS, dtypes=("float32",), reason=IN_FLOAT32),
    Row(
        losses.Hinge,
        "keras.losses.Hinge",
        _MEAN | {"derivative_at_margin": 0.5},
        values=_REDUCTIONS,
        dtypes=("float32",),
        reason=IN_FLOAT32,
    ),
    Row(
        losses.BinaryCrossEntropyWithLogits,
        "keras.losses.BinaryCrossentropy",
        _MEAN | {"positive_weights": None},
        values=_REDUCTIONS,
        constants=_LOGITS,
        dtypes=("float32",),
        reason=IN_FLOAT32,
    ),
    Row(
        losses.SoftmaxCrossEntropy,
        "keras.losses.CategoricalCrossentropy",
        {"class_weights": None, "weighted_mean": "rows", "largest_logit": "subtracted"},
        values=_REDUCTIONS,
        constants=_LOGITS,
        relations={"labels": "`SparseCategoricalCrossentropy` for 'index'"},
        dtypes=("float32",),
        reason=IN_FLOAT32,
    ),
)
