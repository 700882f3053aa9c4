"""The functions of optax and JAX for the rules: their names for the fields, what they fix and what they lack."""

from __future__ import annotations

from conformance.subjects.table import Row, floor_over_peak, table
from refimpl import (
    activations,
    averaging,
    clipping,
    initializers,
    layers,
    losses,
    optimizers,
    regularization,
    schedules,
)

# Ascent is a sign that the user of optax gives the updates.
_COUPLED = {"maximize": False, "weight_decay_kind": "coupled"}
_DECOUPLED = {"maximize": False, "weight_decay_kind": "decoupled"}
_OUTSIDE = {"epsilon_placement": "outside"}
_NORM = {"epsilon": 0.0, "order": 2.0, "norm_range": "powers"}
_CLOSED = {"evaluation": "closed"}

_EPSILON = {"epsilon": "eps"}
_BETAS = {"beta1": "b1", "beta2": "b2"}
_BETAS_AND_EPSILON = _BETAS | _EPSILON
_ACCUMULATOR = {"initial_accumulator": "initial_accumulator_value"}
_DEVIATION = {"standard_deviation": "stddev"}
_GAIN = {"gain": "scale"}
# A momentum of 0.0 would keep a trace.
_MOMENTUM = {"momentum": {0.0: None}}

_MOMENTS = {"first_moment": "mu", "second_moment": "nu"}

TABLE = table(
    # Optimizers
    Row(
        optimizers.SGD,
        "optax.sgd",
        _COUPLED | {"dampening": 0.0, "first_velocity": "gradient", "rate": "outside"},
        values=_MOMENTUM,
        slots={"velocity": "trace"},
    ),
    Row(
        optimizers.Adagrad,
        "optax.adagrad",
        _COUPLED | {"learning_rate_decay": 0.0, "epsilon_placement": "inside_where_positive"},
        _EPSILON | _ACCUMULATOR,
        slots={"accumulator": "sum_of_squares"},
    ),
    Row(
        optimizers.RMSprop,
        "optax.rmsprop",
        _COUPLED | {"epsilon_placement": ("inside", "outside"), "rate": "inside"},
        _EPSILON | {"epsilon_placement": "eps_in_sqrt"},
        _MOMENTUM | {"epsilon_placement": {"inside": True, "outside": False}},
        slots={"second_moment": "nu", "mean": "mu", "velocity": "-trace"},
    ),
    Row(
        optimizers.Adadelta,
        "optax.adadelta",
        _COUPLED,
        _EPSILON | {"decay": "rho"},
        slots={"second_moment": "e_g", "squared_steps": "e_x"},
    ),
    Row(
        optimizers.Rprop,
        "optax.rprop",
        _COUPLED | {"weight_decay": 0.0, "taken": "stale"},
        {
            "shrinkage": "eta_minus",
            "growth": "eta_plus",
            "smallest_step": "min_step_size",
            "largest_step": "max_step_size",
        },
        slots={"step_size": "step_sizes", "direction": "prev_updates"},
    ),
    Row(
        optimizers.SignDescent,
        "optax.signum",
        _COUPLED,
        {"momentum": "beta"},
        relations={"momentum": "`optax.sign_sgd` for 0.0"},
        slots={"first_moment": "ema"},
    ),
    Row(optimizers.Adam, "optax.adam", _COUPLED | _OUTSIDE, _BETAS_AND_EPSILON, slots=_MOMENTS),
    Row(optimizers.AdamW, "optax.adamw", _DECOUPLED | _OUTSIDE, _BETAS_AND_EPSILON, slots=_MOMENTS),
    Row(
        optimizers.AMSGrad,
        "optax.amsgrad",
        _COUPLED | _OUTSIDE | {"maximum": "corrected"},
        _BETAS_AND_EPSILON,
        slots=_MOMENTS | {"largest_second_moment": "nu_max"},
    ),
    Row(
        optimizers.NAdam,
        "optax.nadamw",
        _DECOUPLED | {"momentum_decay": 0.0, "momentum_schedule": "constant"},
        _BETAS_AND_EPSILON,
        slots=_MOMENTS,
    ),
    Row(
        optimizers.RAdam,
        "optax.radam",
        _COUPLED | _OUTSIDE,
        _BETAS_AND_EPSILON,
        slots=_MOMENTS,
        variants=("jit",),
        reason="it makes repeated products of beta2**count, compiled again for every count, which no profile has",
    ),
    Row(
        optimizers.Adamax,
        "optax.adamaxw",
        _DECOUPLED | {"epsilon_placement": "inside"},
        _BETAS_AND_EPSILON,
        slots={"first_moment": "mu", "infinity_norm": "nu"},
    ),
    Row(
        optimizers.AdaBelief,
        "optax.adabelief",
        _COUPLED,
        _BETAS_AND_EPSILON | {"epsilon_root": "eps_root"},
        slots=_MOMENTS,
    ),
    Row(
        optimizers.Yogi,
        "optax.yogi",
        _COUPLED | {"corrected": True, "first_start": "accumulator"},
        _BETAS_AND_EPSILON,
        relations={"initial_accumulator": "1e-6; any by `optax.scale_by_yogi(initial_accumulator_value)`"},
        slots=_MOMENTS,
    ),
    Row(optimizers.Lion, "optax.lion", _DECOUPLED, _BETAS, slots={"first_moment": "mu"}),
    Row(
        optimizers.LAMB,
        "optax.lamb",
        {"maximize": False, "weight_decay_kind": "in_step"},
        _BETAS_AND_EPSILON,
        slots=_MOMENTS,
    ),
    Row(optimizers.LARS, "optax.lars", _COUPLED, _EPSILON, slots={"velocity": "-trace"}),
    Row(
        optimizers.GradientAccumulation,
        "optax.MultiSteps",
        {"accumulated": ("mean", "sum")},
        {"rule": "opt", "every": "every_k_schedule", "accumulated": "use_grad_mean"},
        {"accumulated": {"mean": True, "sum": False}},
        slots={"accumulated": "acc_grads"},
        variants=("jit",),
        reason="it has a lax.cond of new functions at each step, which JAX compiles again",
    ),
    Row(
        averaging.ParameterAverage,
        "optax.ema",
        {"start": ("corrected", "zero", "given")},
        {"start": "debias"},
        {"start": {"corrected": True, "zero": False}},
        relations={"start": "`optax.incremental_update` for 'given'"},
        slots={"uncorrected": "ema"},
    ),
    # Clipping
    Row(clipping.ClipByGlobalNorm, "optax.clip_by_global_norm", _NORM | {"non_finite_norm": "erases"}),
    Row(
        clipping.ClipByNorm,
        "optax.per_example_layer_norm_clip",
        _NORM | {"non_finite_norm": "keeps"},
        {"max_norm": "global_l2_norm_clip", "shares": "uniform"},
        {"shares": {"equal": True, "by_size": False}},
        relations={"shares": "`per_example_global_norm_clip`, array by array, for 'each'"},
    ),
    Row(
        clipping.AdaptiveClipping,
        "optax.adaptive_grad_clip",
        {"smallest_divisor": 1e-6, "norm_range": "powers"},
        _EPSILON,
    ),
    Row(clipping.ClipByValue, "optax.clip", arguments={"limit": "max_delta"}),
    Row(clipping.WeightClipping, "optax.tree.clip"),
    # Schedules
    Row(schedules.Constant, "optax.constant_schedule", arguments={"learning_rate": "value"}),
    Row(
        schedules.Linear,
        "optax.linear_schedule",
        _CLOSED,
        {"start": "init_value", "end": "end_value", "steps": "transition_steps"},
    ),
    Row(
        schedules.Exponential,
        "optax.exponential_decay",
        _CLOSED,
        {"initial": "init_value", "decay": "decay_rate", "decay_steps": "transition_steps"},
    ),
    Row(
        schedules.StepDecay,
        "optax.exponential_decay",
        {"boundary": "at"} | _CLOSED,
        {"initial": "init_value", "factor": "decay_rate", "every": "transition_steps"},
        constants={"staircase": True},
    ),
    Row(
        schedules.Cosine,
        "optax.cosine_decay_schedule",
        {"after_end": "holds"} | _CLOSED,
        {"peak": "init_value", "steps": "decay_steps", "floor": "alpha"},
        {"floor": floor_over_peak},
    ),
    Row(
        schedules.Polynomial,
        "optax.polynomial_schedule",
        _CLOSED,
        {"initial": "init_value", "end": "end_value", "steps": "transition_steps"},
    ),
    Row(
        schedules.PiecewiseConstant,
        "optax.piecewise_constant_schedule",
        {"boundary": "at"},
        {"initial": "init_value", "boundaries": "boundaries_and_scales", "factors": "boundaries_and_scales"},
        relations={"boundaries": "its keys", "factors": "its values"},
    ),
    Row(
        schedules.CosineRestarts,
        "optax.sgdr_schedule",
        arguments=dict.fromkeys(("peak", "floor", "period", "growth", "factor"), "cosine_kwargs"),
        relations={
            "peak": "`init_value` and `peak_value` of the first cycle",
            "floor": "`end_value` of each cycle",
            "period": "`decay_steps` of the first cycle",
            "growth": "by `decay_steps` of the others",
            "factor": "by `init_value` and `peak_value` of the others: floor + factor * (peak - floor)",
        },
    ),
    Row(
        schedules.OneCycle,
        "optax.cosine_onecycle_schedule",
        {"counting": "rounded_down"},
        {
            "peak": "peak_value",
            "steps": "transition_steps",
            "rise": "pct_start",
            "start_divisor": "div_factor",
            "end_divisor": "final_div_factor",
        },
        relations={
            "fallen": "`pct_final` of `linear_onecycle_schedule`",
            "shape": "`linear_onecycle_schedule` for 'linear'",
        },
    ),
    Row(
        schedules.WarmUp,
        "optax.join_schedules",
        {"clock": "after"} | _CLOSED,
        {"schedule": "schedules[1]", "steps": "boundaries[0]"},
        relations={
            "steps": "steps, and so is `transition_steps` of the `linear_schedule` before",
            "start": "`init_value` of that `linear_schedule`",
        },
    ),
    Row(schedules.Sequential, "optax.join_schedules"),
    # Initializers
    Row(initializers.Uniform, "jax.nn.initializers.uniform", {"low": 0.0}, {"high": "scale"}),
    Row(initializers.Normal, "jax.nn.initializers.normal", {"mean": 0.0}, _DEVIATION),
    Row(
        initializers.TruncatedNormal,
        "jax.nn.initializers.truncated_normal",
        {"mean": 0.0, "bounds": "relative"},
        _DEVIATION,
    ),
    Row(initializers.VarianceScaling, "jax.nn.initializers.variance_scaling", {"truncation": "corrected"}),
    Row(initializers.Orthogonal, "jax.nn.initializers.orthogonal", {"layout": "input_output"}, _GAIN),
    Row(
        initializers.DeltaOrthogonal,
        "jax.nn.initializers.delta_orthogonal",
        {"layout": "input_output", "middle": "lower"},
        _GAIN,
    ),
    # Activations
    Row(activations.Identity, "jax.nn.identity"),
    Row(
        activations.ReLU,
        "jax.nn.relu",
        {"derivative_at_zero": (0.0, 0.5)},
        relations={"derivative_at_zero": "`jax.numpy.maximum(x, 0)` for 0.5"},
    ),
    Row(activations.ReLU6, "jax.nn.relu6"),
    Row(
        activations.HardTanh,
        "jax.nn.hard_tanh",
        {"derivative_at_limits": (1.0, 0.5)},
        relations={"derivative_at_limits": "`jax.numpy.clip(x, -1, 1)` for 0.5"},
    ),
    Row(activations.HardSigmoid, "jax.nn.hard_sigmoid"),
    Row(activations.HardSwish, "jax.nn.hard_swish"),
    Row(activations.Softsign, "jax.nn.soft_sign"),
    Row(activations.LeakyReLU, "jax.nn.leaky_relu", {"derivative_at_zero": "one"}, {"slope": "negative_slope"}),
    Row(activations.Sigmoid, "jax.nn.sigmoid"),
    Row(activations.Tanh, "jax.nn.tanh"),
    Row(activations.ELU, "jax.nn.elu"),
    Row(activations.CELU, "jax.nn.celu"),
    Row(activations.SELU, "jax.nn.selu"),
    Row(activations.LogSigmoid, "jax.nn.log_sigmoid"),
    Row(activations.Mish, "jax.nn.mish"),
    Row(activations.Softplus, "jax.nn.softplus", {"threshold": None}),
    Row(activations.SiLU, "jax.nn.silu"),
    Row(
        activations.GELU,
        "jax.nn.gelu",
        arguments={"approximation": "approximate"},
        values={"approximation": {"tanh": True, "none": False}},
    ),
    Row(activations.Softmax, "jax.nn.softmax"),
    Row(activations.LogSoftmax, "jax.nn.log_softmax"),
    # Losses
    Row(losses.MeanSquaredError, "optax.losses.squared_error"),
    Row(losses.BinaryCrossEntropyWithLogits, "optax.losses.sigmoid_binary_cross_entropy", {"positive_weights": None}),
    Row(
        losses.SoftmaxCrossEntropy,
        "optax.losses.softmax_cross_entropy",
        {"class_weights": None, "weighted_mean": "labels"},
        {"labels": None},
        relations={
            "labels": "`softmax_cross_entropy_with_integer_labels` for 'index'",
            "label_smoothing": "`optax.losses.smooth_labels` of the target",
        },
    ),
    Row(
        losses.KLDivergence,
        "optax.losses.kl_divergence",
        {"mean_over": "rows"},
        relations={"target_as": "`kl_divergence_with_log_targets` for 'logarithm'"},
    ),
    Row(losses.Huber, "optax.losses.huber_loss"),
    Row(losses.Hinge, "optax.losses.hinge_loss", {"derivative_at_margin": 0.5}),
    # Networks
    Row(layers.Dense),
    Row(layers.Activated),
    Row(layers.Residual),
    Row(layers.BatchNormalization),
    Row(layers.BatchNormalizationInference),
    Row(layers.RunningStatistics),
    Row(regularization.L1, fixed={"derivative_at_zero": 1.0}),
    Row(regularization.L2),
)
