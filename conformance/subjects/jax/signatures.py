"""The functions of optax and JAX behind the rules, and their names for the fields."""

from __future__ import annotations

from conformance.subjects.signatures import Signature
from refimpl import activations, averaging, clipping, initializers, losses, optimizers, schedules
from refimpl.spec import Spec

_EPSILON = {"epsilon": "eps"}
_MOMENTS = _EPSILON | {"beta1": "b1", "beta2": "b2"}
_STEPS = {"initial": "init_value", "decay": "decay_rate", "decay_steps": "transition_steps"}
_ACCUMULATOR = {"initial_accumulator": "initial_accumulator_value"}

SIGNATURES: dict[type[Spec], Signature] = {
    optimizers.SGD: Signature("optax.sgd"),
    optimizers.Adagrad: Signature("optax.adagrad", _EPSILON | _ACCUMULATOR),
    optimizers.RMSprop: Signature(
        "optax.rmsprop", _EPSILON | {"epsilon_placement": "eps_in_sqrt"}, {"epsilon_placement": "True for 'inside'"}
    ),
    optimizers.Adadelta: Signature("optax.adadelta", _EPSILON | {"decay": "rho"}),
    optimizers.Rprop: Signature(
        "optax.rprop",
        {
            "shrinkage": "eta_minus",
            "growth": "eta_plus",
            "smallest_step": "min_step_size",
            "largest_step": "max_step_size",
        },
    ),
    optimizers.SignDescent: Signature("optax.signum", {"momentum": "beta"}),
    optimizers.Adam: Signature("optax.adam", _MOMENTS),
    optimizers.AdamW: Signature("optax.adamw", _MOMENTS),
    optimizers.AMSGrad: Signature("optax.amsgrad", _MOMENTS),
    optimizers.NAdam: Signature("optax.nadamw", _MOMENTS),
    optimizers.RAdam: Signature("optax.radam", _MOMENTS),
    optimizers.Adamax: Signature("optax.adamaxw", _MOMENTS),
    optimizers.AdaBelief: Signature("optax.adabelief", _MOMENTS | {"epsilon_root": "eps_root"}),
    optimizers.Yogi: Signature(
        "optax.yogi", _MOMENTS, {"initial_accumulator": "1e-6; any by `optax.scale_by_yogi(initial_accumulator_value)`"}
    ),
    optimizers.Lion: Signature("optax.lion", {"beta1": "b1", "beta2": "b2"}),
    optimizers.LAMB: Signature("optax.lamb", _MOMENTS),
    optimizers.LARS: Signature("optax.lars", _EPSILON),
    optimizers.GradientAccumulation: Signature(
        "optax.MultiSteps",
        {"rule": "opt", "every": "every_k_schedule", "accumulated": "use_grad_mean"},
        {"accumulated": "True for 'mean', False for 'sum'"},
    ),
    averaging.ParameterAverage: Signature(
        "optax.ema",
        {"start": "debias"},
        {"start": "True for 'corrected', False for 'zero'; `optax.incremental_update` for 'given'"},
    ),
    clipping.ClipByGlobalNorm: Signature("optax.clip_by_global_norm"),
    clipping.ClipByNorm: Signature(
        "optax.per_example_layer_norm_clip",
        {"max_norm": "global_l2_norm_clip", "shares": "uniform"},
        {"shares": "True for 'equal', False for 'by_size'; `per_example_global_norm_clip`, array by array, for 'each'"},
    ),
    clipping.ClipByValue: Signature("optax.clip", {"limit": "max_delta"}),
    clipping.AdaptiveClipping: Signature("optax.adaptive_grad_clip", _EPSILON),
    clipping.WeightClipping: Signature("optax.tree.clip"),
    schedules.Constant: Signature("optax.constant_schedule", {"learning_rate": "value"}),
    schedules.Linear: Signature(
        "optax.linear_schedule", {"start": "init_value", "end": "end_value", "steps": "transition_steps"}
    ),
    schedules.Polynomial: Signature(
        "optax.polynomial_schedule", {"initial": "init_value", "end": "end_value", "steps": "transition_steps"}
    ),
    schedules.Exponential: Signature("optax.exponential_decay", _STEPS),
    schedules.StepDecay: Signature(
        "optax.exponential_decay(staircase=True)",
        {"initial": "init_value", "factor": "decay_rate", "every": "transition_steps"},
    ),
    schedules.PiecewiseConstant: Signature(
        "optax.piecewise_constant_schedule",
        {"initial": "init_value", "boundaries": "boundaries_and_scales", "factors": "boundaries_and_scales"},
        {"boundaries": "its keys", "factors": "its values"},
    ),
    schedules.Cosine: Signature(
        "optax.cosine_decay_schedule",
        {"peak": "init_value", "steps": "decay_steps", "floor": "alpha"},
        {"floor": "floor / peak"},
    ),
    schedules.CosineRestarts: Signature(
        "optax.sgdr_schedule",
        dict.fromkeys(("peak", "floor", "period", "growth", "factor"), "cosine_kwargs"),
        {
            "peak": "`init_value` and `peak_value` of the first cycle",
            "floor": "`end_value` of each cycle",
            "period": "`decay_steps` of the first cycle",
            "growth": "by `decay_steps` of the others",
            "factor": "by `init_value` and `peak_value` of the others: floor + factor * (peak - floor)",
        },
    ),
    schedules.OneCycle: Signature(
        "optax.cosine_onecycle_schedule",
        {
            "peak": "peak_value",
            "steps": "transition_steps",
            "rise": "pct_start",
            "start_divisor": "div_factor",
            "end_divisor": "final_div_factor",
        },
        {"fallen": "`pct_final` of `linear_onecycle_schedule`", "shape": "`linear_onecycle_schedule` for 'linear'"},
    ),
    schedules.WarmUp: Signature(
        "optax.join_schedules",
        {"schedule": "schedules[1]", "steps": "boundaries[0]"},
        {
            "steps": "steps, and so is `transition_steps` of the `linear_schedule` before",
            "start": "`init_value` of that `linear_schedule`",
        },
    ),
    schedules.Sequential: Signature("optax.join_schedules"),
    initializers.Uniform: Signature("jax.nn.initializers.uniform", {"high": "scale"}),
    initializers.Normal: Signature("jax.nn.initializers.normal", {"standard_deviation": "stddev"}),
    initializers.TruncatedNormal: Signature("jax.nn.initializers.truncated_normal", {"standard_deviation": "stddev"}),
    initializers.VarianceScaling: Signature("jax.nn.initializers.variance_scaling"),
    initializers.Orthogonal: Signature("jax.nn.initializers.orthogonal", {"gain": "scale"}),
    initializers.DeltaOrthogonal: Signature("jax.nn.initializers.delta_orthogonal", {"gain": "scale"}),
    activations.ReLU: Signature("jax.nn.relu", {}, {"derivative_at_zero": "`jax.numpy.maximum(x, 0)` for 0.5"}),
    activations.HardTanh: Signature(
        "jax.nn.hard_tanh", {}, {"derivative_at_limits": "`jax.numpy.clip(x, -1, 1)` for 0.5"}
    ),
    activations.Softplus: Signature("jax.nn.softplus"),
    activations.LeakyReLU: Signature("jax.nn.leaky_relu", {"slope": "negative_slope"}),
    activations.ELU: Signature("jax.nn.elu"),
    activations.CELU: Signature("jax.nn.celu"),
    activations.GELU: Signature("jax.nn.gelu", {"approximation": "approximate"}, {"approximation": "True for 'tanh'"}),
    activations.Softmax: Signature("jax.nn.softmax"),
    activations.LogSoftmax: Signature("jax.nn.log_softmax"),
    losses.MeanSquaredError: Signature("optax.losses.squared_error"),
    losses.BinaryCrossEntropyWithLogits: Signature("optax.losses.sigmoid_binary_cross_entropy"),
    losses.SoftmaxCrossEntropy: Signature(
        "optax.losses.softmax_cross_entropy",
        {"labels": None},
        {
            "labels": "`softmax_cross_entropy_with_integer_labels` for 'index'",
            "label_smoothing": "`optax.losses.smooth_labels` of the target",
        },
    ),
    losses.KLDivergence: Signature(
        "optax.losses.kl_divergence", {}, {"target_as": "`kl_divergence_with_log_targets` for 'logarithm'"}
    ),
    losses.Huber: Signature("optax.losses.huber_loss"),
    losses.Hinge: Signature("optax.losses.hinge_loss"),
}
