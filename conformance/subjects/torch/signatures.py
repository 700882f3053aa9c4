"""The functions of PyTorch behind the rules, and its names for their fields."""

from __future__ import annotations

from conformance.subjects.signatures import Signature
from refimpl import activations, averaging, clipping, initializers, layers, losses, optimizers, schedules
from refimpl.spec import Spec

_OPTIMIZER = {"learning_rate": "lr"}
_EPSILON = _OPTIMIZER | {"epsilon": "eps"}
_MOMENTS = _EPSILON | {"beta1": "betas[0]", "beta2": "betas[1]"}
_DECOUPLING = _MOMENTS | {"weight_decay_kind": "decoupled_weight_decay"}
_NORM = {"order": "norm_type"}
_CLASS_WEIGHTS = {"class_weights": "weight"}
_RATE = "the `lr` of the optimizer"

SIGNATURES: dict[type[Spec], Signature] = {
    optimizers.SGD: Signature("torch.optim.SGD", _OPTIMIZER),
    optimizers.Adagrad: Signature(
        "torch.optim.Adagrad",
        _EPSILON | {"learning_rate_decay": "lr_decay", "initial_accumulator": "initial_accumulator_value"},
    ),
    optimizers.RMSprop: Signature("torch.optim.RMSprop", _EPSILON | {"decay": "alpha"}),
    optimizers.Adadelta: Signature("torch.optim.Adadelta", _EPSILON | {"decay": "rho"}),
    optimizers.Rprop: Signature(
        "torch.optim.Rprop",
        _OPTIMIZER
        | {
            "shrinkage": "etas[0]",
            "growth": "etas[1]",
            "smallest_step": "step_sizes[0]",
            "largest_step": "step_sizes[1]",
        },
    ),
    optimizers.Adam: Signature("torch.optim.Adam", _DECOUPLING),
    optimizers.AdamW: Signature("torch.optim.AdamW", _MOMENTS),
    optimizers.AMSGrad: Signature("torch.optim.Adam(amsgrad=True)", _DECOUPLING),
    optimizers.Adamax: Signature("torch.optim.Adamax", _MOMENTS),
    optimizers.NAdam: Signature("torch.optim.NAdam", _DECOUPLING),
    optimizers.RAdam: Signature("torch.optim.RAdam", _DECOUPLING),
    optimizers.GradientAccumulation: Signature("torch.Tensor.backward"),
    averaging.ParameterAverage: Signature("torch.optim.swa_utils.get_ema_multi_avg_fn"),
    clipping.ClipByGlobalNorm: Signature("torch.nn.utils.clip_grad_norm_", _NORM),
    clipping.ClipByNorm: Signature("torch.nn.utils.clip_grad_norm_", _NORM),
    clipping.ClipByValue: Signature("torch.nn.utils.clip_grad_value_", {"limit": "clip_value"}),
    clipping.WeightClipping: Signature("torch.Tensor.clamp_"),
    schedules.Constant: Signature("torch.optim.lr_scheduler.ConstantLR(factor=1.0)", {}, {"learning_rate": _RATE}),
    schedules.Linear: Signature(
        "torch.optim.lr_scheduler.LinearLR",
        {"start": "start_factor", "end": "end_factor", "steps": "total_iters"},
        {"start": f"start / {_RATE}, in (0, 1]", "end": f"end / {_RATE}, in [0, 1]"},
    ),
    schedules.Exponential: Signature(
        "torch.optim.lr_scheduler.ExponentialLR",
        {"decay": "gamma"},
        {"initial": _RATE, "decay_steps": "always 1", "staircase": "`StepLR` where it is True"},
    ),
    schedules.StepDecay: Signature(
        "torch.optim.lr_scheduler.StepLR", {"every": "step_size", "factor": "gamma"}, {"initial": _RATE}
    ),
    schedules.PiecewiseConstant: Signature(
        "torch.optim.lr_scheduler.MultiStepLR",
        {"boundaries": "milestones", "factors": "gamma"},
        {"initial": _RATE, "factors": "each of the factors; `LambdaLR` where they differ"},
    ),
    schedules.Cosine: Signature(
        "torch.optim.lr_scheduler.CosineAnnealingLR", {"steps": "T_max", "floor": "eta_min"}, {"peak": _RATE}
    ),
    schedules.CosineRestarts: Signature(
        "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
        {"period": "T_0", "growth": "T_mult", "floor": "eta_min"},
        {"peak": _RATE},
    ),
    schedules.Polynomial: Signature(
        "torch.optim.lr_scheduler.PolynomialLR", {"steps": "total_iters"}, {"initial": _RATE, "end": "always 0"}
    ),
    schedules.OneCycle: Signature(
        "torch.optim.lr_scheduler.OneCycleLR",
        {
            "peak": "max_lr",
            "steps": "total_steps",
            "rise": "pct_start",
            "start_divisor": "div_factor",
            "end_divisor": "final_div_factor",
            "phases": "three_phase",
            "shape": "anneal_strategy",
        },
        {"phases": "True for 3", "shape": "`'cos'` for 'cosine'", "fallen": "2 * rise"},
    ),
    schedules.WarmUp: Signature(
        "torch.optim.lr_scheduler.SequentialLR",
        {"schedule": "schedulers[1]", "steps": "milestones[0]"},
        {
            "steps": "steps, and so is `total_iters` of the `LinearLR` before",
            "start": "the first rate of that `LinearLR`",
        },
    ),
    schedules.Sequential: Signature(
        "torch.optim.lr_scheduler.SequentialLR", {"schedules": "schedulers", "boundaries": "milestones"}
    ),
    initializers.Uniform: Signature("torch.nn.init.uniform_", {"low": "a", "high": "b"}),
    initializers.Normal: Signature("torch.nn.init.normal_", {"standard_deviation": "std"}),
    initializers.TruncatedNormal: Signature(
        "torch.nn.init.trunc_normal_", {"standard_deviation": "std", "lower": "a", "upper": "b"}
    ),
    initializers.VarianceScaling: Signature(
        "torch.nn.init.kaiming_uniform_",
        {},
        {
            "scale": "`calculate_gain(nonlinearity, a)**2`, 2 by default",
            "mode": "`xavier_uniform_` for 'fan_avg'",
            "distribution": "`kaiming_normal_` for 'normal'",
        },
    ),
    initializers.Orthogonal: Signature("torch.nn.init.orthogonal_"),
    initializers.Dirac: Signature("torch.nn.init.dirac_"),
    initializers.Sparse: Signature("torch.nn.init.sparse_", {"standard_deviation": "std"}),
    activations.ReLU: Signature(
        "torch.nn.ReLU", {}, {"derivative_at_zero": "`torch.maximum(x, torch.zeros_like(x))` for 0.5"}
    ),
    activations.HardTanh: Signature(
        "torch.nn.Hardtanh", {}, {"derivative_at_limits": "`torch.clamp(x, -1, 1)` for 1.0"}
    ),
    activations.LeakyReLU: Signature("torch.nn.LeakyReLU", {"slope": "negative_slope"}),
    activations.ELU: Signature("torch.nn.ELU"),
    activations.CELU: Signature("torch.nn.CELU"),
    activations.GELU: Signature("torch.nn.GELU", {"approximation": "approximate"}),
    activations.Softplus: Signature("torch.nn.Softplus"),
    activations.SoftShrink: Signature("torch.nn.Softshrink", {"threshold": "lambd"}),
    activations.HardShrink: Signature("torch.nn.Hardshrink", {"threshold": "lambd"}),
    activations.Softmax: Signature("torch.nn.Softmax", {"axis": "dim"}),
    activations.LogSoftmax: Signature("torch.nn.LogSoftmax", {"axis": "dim"}),
    losses.MeanSquaredError: Signature("torch.nn.MSELoss"),
    losses.BinaryCrossEntropy: Signature("torch.nn.BCELoss"),
    losses.BinaryCrossEntropyWithLogits: Signature("torch.nn.BCEWithLogitsLoss", {"positive_weights": "pos_weight"}),
    losses.SoftmaxCrossEntropy: Signature("torch.nn.CrossEntropyLoss", _CLASS_WEIGHTS),
    losses.NegativeLogLikelihood: Signature("torch.nn.NLLLoss", _CLASS_WEIGHTS),
    losses.KLDivergence: Signature(
        "torch.nn.KLDivLoss",
        {"target_as": "log_target"},
        {
            "reduction": "`'batchmean'` for the mean over rows",
            "mean_over": "'elements' by `reduction='mean'`",
            "target_as": "True for 'logarithm'",
        },
    ),
    losses.Huber: Signature("torch.nn.HuberLoss"),
    losses.SmoothL1: Signature("torch.nn.SmoothL1Loss"),
    losses.Hinge: Signature("torch.nn.MarginRankingLoss(margin=1.0)"),
    layers.Dense: Signature("torch.nn.Linear"),
    layers.BatchNormalization: Signature("torch.nn.BatchNorm1d", {"epsilon": "eps"}),
    layers.RunningStatistics: Signature("torch.nn.BatchNorm1d", {}, {"momentum": "1 - momentum"}),
    layers.BatchNormalizationInference: Signature("torch.nn.BatchNorm1d", {"epsilon": "eps"}),
}
