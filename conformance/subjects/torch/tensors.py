"""Arrays between NumPy and PyTorch: always copied, in any format."""

from __future__ import annotations

import numpy as np
import torch

from conformance.subjects.subject import numpy_dtype


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a format as NumPy and `refimpl` have it."""
    return str(dtype).removeprefix("torch.")


def to_torch(array: np.ndarray, device: str) -> torch.Tensor:
    """A tensor of the array's dtype and shape."""
    # By way of float64, which holds every format exactly: NumPy and PyTorch share no bfloat16.
    wide = torch.from_numpy(np.array(array, dtype=np.float64, order="C"))
    return wide.to(dtype=getattr(torch, array.dtype.name), device=device)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """An array of the tensor's dtype and shape."""
    array: np.ndarray = tensor.detach().cpu().double().numpy().astype(numpy_dtype(dtype_name(tensor.dtype)))
    return array
