"""The public names of the reference, for type checkers and editors; `__init__.py` loads each at its first use."""

# ruff: noqa: F403, I001
from refimpl.activations import (
    CELU as CELU,
    ELU as ELU,
    GELU as GELU,
    SELU as SELU,
    Activation as Activation,
    HardShrink as HardShrink,
    HardSigmoid as HardSigmoid,
    HardSwish as HardSwish,
    HardTanh as HardTanh,
    Identity as Identity,
    LeakyReLU as LeakyReLU,
    LogSigmoid as LogSigmoid,
    LogSoftmax as LogSoftmax,
    Mish as Mish,
    ReLU as ReLU,
    ReLU6 as ReLU6,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softmax as Softmax,
    Softplus as Softplus,
    SoftShrink as SoftShrink,
    Softsign as Softsign,
    Tanh as Tanh,
)
from refimpl.averaging import ParameterAverage as ParameterAverage
from refimpl.clipping import (
    AdaptiveClipping as AdaptiveClipping,
    ClipByGlobalNorm as ClipByGlobalNorm,
    ClipByNorm as ClipByNorm,
    ClipByValue as ClipByValue,
    Clipping as Clipping,
    WeightClipping as WeightClipping,
    global_norm as global_norm,
)
from refimpl.initializers import (
    DeltaOrthogonal as DeltaOrthogonal,
    Dirac as Dirac,
    Distribution as Distribution,
    Initializer as Initializer,
    Normal as Normal,
    Orthogonal as Orthogonal,
    Sparse as Sparse,
    TruncatedNormal as TruncatedNormal,
    Uniform as Uniform,
    VarianceScaling as VarianceScaling,
    fans as fans,
    glorot_normal as glorot_normal,
    glorot_truncated_normal as glorot_truncated_normal,
    glorot_uniform as glorot_uniform,
    he_normal as he_normal,
    he_truncated_normal as he_truncated_normal,
    he_uniform as he_uniform,
    lecun_normal as lecun_normal,
    lecun_truncated_normal as lecun_truncated_normal,
    lecun_uniform as lecun_uniform,
)
from refimpl.layers import *
from refimpl.losses import *
from refimpl.network import Network as Network
from refimpl.optimizers import *
from refimpl.regularization import L1 as L1, L2 as L2, Penalty as Penalty
from refimpl.schedules import *
from refimpl.trees import leaves as leaves, map_leaves as map_leaves

__all__: list[str]
