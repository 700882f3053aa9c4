"""PyTorch's functions for the rules: its names for their fields, what it fixes and what it lacks."""

from __future__ import annotations

from conformance.subjects.table import Row, table
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

_COUPLED = {"weight_decay_kind": "coupled"}
_EITHER = {"weight_decay_kind": ("coupled", "decoupled")}
_OUTSIDE = {"epsilon_placement": "outside"}
_NORM = {"epsilon": 1e-6, "norm_range": "powers", "non_finite_norm": "erases"}
_RECURSIVE = {"evaluation": "recursive"}
_WEIGHTS = {"layout": "output_input"}
_LABELS = {"weighted_mean": "labels"}

_RATE = {"learning_rate": "lr"}
_EPSILON = _RATE | {"epsilon": "eps"}
_BETAS = _EPSILON | {"beta1": "betas[0]", "beta2": "betas[1]"}
_DECOUPLED = _BETAS | {"weight_decay_kind": "decoupled_weight_decay"}
_DECOUPLED_VALUES = {"weight_decay_kind": {"decoupled": True, "coupled": False}}
_ORDER = {"order": "norm_type"}
_DEVIATION = {"standard_deviation": "std"}
_CLASS_WEIGHTS = {"class_weights": "weight"}

_MOMENTS = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}

BASE_RATE = "the `lr` of the optimizer"

TABLE = table(
    # Optimizers
    Row(
        optimizers.SGD,
        "torch.optim.SGD",
        _COUPLED | {"first_velocity": "gradient", "rate": "outside"},
        _RATE,
        slots={"velocity": "momentum_buffer"},
    ),
    Row(
        optimizers.Adagrad,
        "torch.optim.Adagrad",
        _COUPLED | _OUTSIDE,
        _EPSILON | {"learning_rate_decay": "lr_decay", "initial_accumulator": "initial_accumulator_value"},
        slots={"accumulator": "sum"},
    ),
    Row(
        optimizers.RMSprop,
        "torch.optim.RMSprop",
        _COUPLED | _OUTSIDE | {"rate": "outside"},
        _EPSILON | {"decay": "alpha"},
        slots={"second_moment": "square_avg", "mean": "grad_avg", "velocity": "momentum_buffer"},
    ),
    Row(
        optimizers.Adadelta,
        "torch.optim.Adadelta",
        _COUPLED,
        _EPSILON | {"decay": "rho"},
        slots={"second_moment": "square_avg", "squared_steps": "acc_delta"},
    ),
    Row(
        optimizers.Rprop,
        "torch.optim.Rprop",
        {"weight_decay": 0.0} | _COUPLED | {"taken": "current"},
        _RATE
        | {
            "shrinkage": "etas[0]",
            "growth": "etas[1]",
            "smallest_step": "step_sizes[0]",
            "largest_step": "step_sizes[1]",
        },
        slots={"step_size": "step_size", "direction": "prev"},
    ),
    Row(optimizers.Adam, "torch.optim.Adam", _EITHER | _OUTSIDE, _DECOUPLED, _DECOUPLED_VALUES, slots=_MOMENTS),
    Row(optimizers.AdamW, "torch.optim.AdamW", {"weight_decay_kind": "decoupled"} | _OUTSIDE, _BETAS, slots=_MOMENTS),
    Row(
        optimizers.AMSGrad,
        "torch.optim.Adam",
        _EITHER | _OUTSIDE | {"maximum": "raw"},
        _DECOUPLED,
        _DECOUPLED_VALUES,
        constants={"amsgrad": True},
        slots=_MOMENTS | {"largest_second_moment": "max_exp_avg_sq"},
    ),
    Row(
        optimizers.Adamax,
        "torch.optim.Adamax",
        _COUPLED | {"epsilon_placement": "inside"},
        _BETAS,
        slots={"first_moment": "exp_avg", "infinity_norm": "exp_inf"},
    ),
    Row(
        optimizers.NAdam,
        "torch.optim.NAdam",
        _EITHER | {"momentum_schedule": "rising"},
        _DECOUPLED,
        _DECOUPLED_VALUES,
        slots=_MOMENTS | {"momentum_product": "mu_product"},
    ),
    Row(
        optimizers.RAdam,
        "torch.optim.RAdam",
        _EITHER | {"threshold": 5.0, "epsilon_placement": "uncorrected"},
        _DECOUPLED,
        _DECOUPLED_VALUES,
        slots=_MOMENTS,
    ),
    Row(optimizers.GradientAccumulation, "torch.Tensor.backward", {"accumulated": ("shares", "sum")}),
    Row(
        averaging.ParameterAverage,
        "torch.optim.swa_utils.get_ema_multi_avg_fn",
        {"start": "first"},
        variants=("for-loop", "foreach"),
        reason="AveragedModel takes a function of one parameter or of all",
    ),
    # Clipping
    Row(clipping.ClipByGlobalNorm, "torch.nn.utils.clip_grad_norm_", _NORM, _ORDER),
    Row(clipping.ClipByNorm, "torch.nn.utils.clip_grad_norm_", _NORM | {"shares": "each"}, _ORDER),
    Row(clipping.ClipByValue, "torch.nn.utils.clip_grad_value_", arguments={"limit": "clip_value"}),
    Row(
        clipping.WeightClipping,
        "torch.Tensor.clamp_",
        variants=("for-loop",),
        reason="there is no foreach implementation of clamp for weights",
    ),
    # Schedules
    Row(
        schedules.Constant,
        "torch.optim.lr_scheduler.ConstantLR",
        constants={"factor": 1.0},
        relations={"learning_rate": BASE_RATE},
    ),
    Row(
        schedules.Linear,
        "torch.optim.lr_scheduler.LinearLR",
        _RECURSIVE,
        {"start": "start_factor", "end": "end_factor", "steps": "total_iters"},
        relations={"start": f"start / {BASE_RATE}, in (0, 1]", "end": f"end / {BASE_RATE}, in [0, 1]"},
    ),
    Row(
        schedules.Exponential,
        "torch.optim.lr_scheduler.ExponentialLR",
        _RECURSIVE,
        {"decay": "gamma"},
        relations={"initial": BASE_RATE, "decay_steps": "always 1", "staircase": "`StepLR` where it is True"},
    ),
    Row(
        schedules.StepDecay,
        "torch.optim.lr_scheduler.StepLR",
        {"boundary": "at"} | _RECURSIVE,
        {"every": "step_size", "factor": "gamma"},
        relations={"initial": BASE_RATE},
    ),
    Row(
        schedules.Cosine,
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        {"after_end": "rises"} | _RECURSIVE,
        {"steps": "T_max", "floor": "eta_min"},
        relations={"peak": BASE_RATE},
    ),
    Row(
        schedules.Polynomial,
        "torch.optim.lr_scheduler.PolynomialLR",
        _RECURSIVE,
        {"steps": "total_iters"},
        relations={"initial": BASE_RATE, "end": "always 0"},
    ),
    Row(
        schedules.PiecewiseConstant,
        "torch.optim.lr_scheduler.MultiStepLR",
        {"boundary": "at"},
        {"boundaries": "milestones", "factors": "gamma"},
        relations={"initial": BASE_RATE, "factors": "each of the factors; `LambdaLR` where they differ"},
    ),
    Row(
        schedules.CosineRestarts,
        "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
        {"factor": 1.0},
        {"period": "T_0", "growth": "T_mult", "floor": "eta_min"},
        relations={"peak": BASE_RATE},
    ),
    Row(
        schedules.OneCycle,
        "torch.optim.lr_scheduler.OneCycleLR",
        {"counting": "first_to_last"},
        {
            "peak": "max_lr",
            "steps": "total_steps",
            "rise": "pct_start",
            "start_divisor": "div_factor",
            "end_divisor": "final_div_factor",
            "phases": "three_phase",
            "shape": "anneal_strategy",
        },
        {"phases": {3: True, 2: False}, "shape": {"cosine": "cos"}},
        constants={"cycle_momentum": False},
        relations={"fallen": "2 * rise"},
    ),
    Row(
        schedules.WarmUp,
        "torch.optim.lr_scheduler.SequentialLR",
        {"clock": "after"} | _RECURSIVE,
        {"schedule": "schedulers[1]", "steps": "milestones[0]"},
        relations={
            "steps": "steps, and so is `total_iters` of the `LinearLR` before",
            "start": "the first rate of that `LinearLR`",
        },
    ),
    Row(
        schedules.Sequential,
        "torch.optim.lr_scheduler.SequentialLR",
        arguments={"schedules": "schedulers", "boundaries": "milestones"},
    ),
    # Initializers
    Row(initializers.Uniform, "torch.nn.init.uniform_", arguments={"low": "a", "high": "b"}),
    Row(initializers.Normal, "torch.nn.init.normal_", arguments=_DEVIATION),
    Row(
        initializers.TruncatedNormal,
        "torch.nn.init.trunc_normal_",
        {"bounds": "absolute"},
        _DEVIATION | {"lower": "a", "upper": "b"},
    ),
    Row(
        initializers.VarianceScaling,
        "torch.nn.init.kaiming_uniform_",
        {"mode": ("fan_in", "fan_out", "fan_avg"), "distribution": ("uniform", "normal")} | _WEIGHTS | {"groups": 1},
        relations={
            "scale": "`calculate_gain(nonlinearity, a)**2`, 2 by default",
            "mode": "`xavier_uniform_` for 'fan_avg'",
            "distribution": "`kaiming_normal_` for 'normal'",
        },
    ),
    Row(initializers.Orthogonal, "torch.nn.init.orthogonal_", _WEIGHTS),
    Row(initializers.Dirac, "torch.nn.init.dirac_", {"gain": 1.0} | _WEIGHTS | {"middle": "upper"}),
    Row(initializers.Sparse, "torch.nn.init.sparse_", {"zeros_of": "input"} | _WEIGHTS, _DEVIATION),
    # Activations
    Row(activations.Identity, "torch.nn.Identity"),
    Row(
        activations.ReLU,
        "torch.nn.ReLU",
        {"derivative_at_zero": (0.0, 0.5)},
        relations={"derivative_at_zero": "`torch.maximum(x, torch.zeros_like(x))` for 0.5"},
    ),
    Row(activations.ReLU6, "torch.nn.ReLU6"),
    Row(
        activations.HardTanh,
        "torch.nn.Hardtanh",
        {"derivative_at_limits": (0.0, 1.0)},
        relations={"derivative_at_limits": "`torch.clamp(x, -1, 1)` for 1.0"},
    ),
    Row(activations.HardSigmoid, "torch.nn.Hardsigmoid"),
    Row(activations.HardSwish, "torch.nn.Hardswish"),
    Row(activations.SoftShrink, "torch.nn.Softshrink", arguments={"threshold": "lambd"}),
    Row(activations.HardShrink, "torch.nn.Hardshrink", arguments={"threshold": "lambd"}),
    Row(activations.Softsign, "torch.nn.Softsign"),
    Row(activations.LeakyReLU, "torch.nn.LeakyReLU", {"derivative_at_zero": "slope"}, {"slope": "negative_slope"}),
    Row(activations.Sigmoid, "torch.nn.Sigmoid"),
    Row(activations.Tanh, "torch.nn.Tanh"),
    Row(activations.ELU, "torch.nn.ELU"),
    Row(activations.CELU, "torch.nn.CELU"),
    Row(activations.SELU, "torch.nn.SELU"),
    Row(activations.LogSigmoid, "torch.nn.LogSigmoid"),
    Row(activations.Mish, "torch.nn.Mish"),
    Row(activations.Softplus, "torch.nn.Softplus", {"threshold": 20.0}),
    Row(activations.SiLU, "torch.nn.SiLU"),
    Row(activations.GELU, "torch.nn.GELU", arguments={"approximation": "approximate"}),
    Row(activations.Softmax, "torch.nn.Softmax", arguments={"axis": "dim"}),
    Row(activations.LogSoftmax, "torch.nn.LogSoftmax", arguments={"axis": "dim"}),
    # Losses
    Row(losses.MeanSquaredError, "torch.nn.MSELoss"),
    Row(losses.BinaryCrossEntropy, "torch.nn.BCELoss", {"logarithm": "clamped"}),
    Row(
        losses.BinaryCrossEntropyWithLogits, "torch.nn.BCEWithLogitsLoss", arguments={"positive_weights": "pos_weight"}
    ),
    Row(
        losses.SoftmaxCrossEntropy,
        "torch.nn.CrossEntropyLoss",
        {"largest_logit": "subtracted"} | _LABELS,
        _CLASS_WEIGHTS,
    ),
    Row(losses.NegativeLogLikelihood, "torch.nn.NLLLoss", _LABELS, _CLASS_WEIGHTS),
    Row(
        losses.KLDivergence,
        "torch.nn.KLDivLoss",
        arguments={"target_as": "log_target"},
        values={"target_as": {"logarithm": True, "probability": False}},
        relations={
            "reduction": "`'batchmean'` for the mean over rows",
            "mean_over": "'elements' by `reduction='mean'`",
        },
    ),
    Row(losses.Huber, "torch.nn.HuberLoss"),
    Row(losses.SmoothL1, "torch.nn.SmoothL1Loss"),
    Row(losses.Hinge, "torch.nn.MarginRankingLoss", {"derivative_at_margin": 1.0}, constants={"margin": 1.0}),
    # Networks
    Row(layers.Dense, "torch.nn.Linear"),
    Row(layers.PReLU),
    Row(layers.Activated),
    Row(layers.Residual),
    Row(layers.BatchNormalization, "torch.nn.BatchNorm1d", arguments={"epsilon": "eps"}),
    Row(layers.BatchNormalizationInference, "torch.nn.BatchNorm1d", arguments={"epsilon": "eps"}),
    Row(
        layers.RunningStatistics,
        "torch.nn.BatchNorm1d",
        {"variance": "unbiased"},
        relations={"momentum": "1 - momentum"},
    ),
    Row(regularization.L1, fixed={"derivative_at_zero": 0.0}),
    Row(regularization.L2),
)
