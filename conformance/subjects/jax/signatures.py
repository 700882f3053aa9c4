"""The functions of optax and JAX behind the rules, and their names for the fields."""

from __future__ import annotations

from conformance.subjects.signatures import Signature
from refimpl import activations, clipping, initializers, losses, optimizers, schedules
from refimpl.spec import Spec

_EPSILON = {"epsilon": "eps"}
_MOMENTS = _EPSILON | {"beta1": "b1", "beta2": "b2"}
_STEPS = {"initial": "init_value", "decay": "decay_rate", "decay_steps": "transition_steps"}
_ACCUMULATOR = {"initial_accumulator": "initial_accumulator_value"}

SIGNATURES: dict[type[Spec], Signature] = {
    optimizers.SGD: Signature("optax.sgd"),
    optimizers.Adagrad: Signature("optax.adagrad", _EPSILON | _ACCUMULATOR),
    optimizers.RMSprop: Signature("optax.rmsprop", _EPSILON | {"epsilon_placement": "eps_in_sqrt"}),
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
    optimizers.Yogi: Signature("optax.yogi", _MOMENTS),
    optimizers.Lion: Signature("optax.lion", {"beta1": "b1", "beta2": "b2"}),
    optimizers.LAMB: Signature("optax.lamb", _MOMENTS),
    optimizers.LARS: Signature("optax.lars", _EPSILON),
    clipping.ClipByGlobalNorm: Signature("optax.clip_by_global_norm"),
    clipping.ClipByNorm: Signature("optax.per_example_layer_norm_clip", {"max_norm": "global_l2_norm_clip"}),
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
    ),
    schedules.Cosine: Signature(
        "optax.cosine_decay_schedule", {"peak": "init_value", "steps": "decay_steps", "floor": "alpha"}
    ),
    schedules.CosineRestarts: Signature("optax.sgdr_schedule"),
    schedules.OneCycle: Signature(
        "optax.cosine_onecycle_schedule",
        {
            "peak": "peak_value",
            "steps": "transition_steps",
            "rise": "pct_start",
            "start_divisor": "div_factor",
            "end_divisor": "final_div_factor",
        },
    ),
    schedules.WarmUp: Signature("optax.join_schedules"),
    schedules.Sequential: Signature("optax.join_schedules"),
    initializers.Uniform: Signature("jax.nn.initializers.uniform", {"high": "scale"}),
    initializers.Normal: Signature("jax.nn.initializers.normal", {"standard_deviation": "stddev"}),
    initializers.TruncatedNormal: Signature("jax.nn.initializers.truncated_normal", {"standard_deviation": "stddev"}),
    initializers.VarianceScaling: Signature("jax.nn.initializers.variance_scaling"),
    initializers.Orthogonal: Signature("jax.nn.initializers.orthogonal", {"gain": "scale"}),
    initializers.DeltaOrthogonal: Signature("jax.nn.initializers.delta_orthogonal", {"gain": "scale"}),
    activations.LeakyReLU: Signature("jax.nn.leaky_relu", {"slope": "negative_slope"}),
    activations.ELU: Signature("jax.nn.elu"),
    activations.CELU: Signature("jax.nn.celu"),
    activations.GELU: Signature("jax.nn.gelu", {"approximation": "approximate"}),
    activations.Softmax: Signature("jax.nn.softmax"),
    activations.LogSoftmax: Signature("jax.nn.log_softmax"),
    losses.MeanSquaredError: Signature("optax.losses.squared_error"),
    losses.BinaryCrossEntropyWithLogits: Signature("optax.losses.sigmoid_binary_cross_entropy"),
    losses.SoftmaxCrossEntropy: Signature("optax.losses.softmax_cross_entropy"),
    losses.KLDivergence: Signature("optax.losses.kl_divergence"),
    losses.Huber: Signature("optax.losses.huber_loss"),
    losses.Hinge: Signature("optax.losses.hinge_loss"),
}
