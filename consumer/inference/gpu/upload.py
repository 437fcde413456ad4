"""Small tensors from the host, without waiting for what the device is doing."""

from typing import Any

import torch
from torch import Tensor


def upload(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`torch.tensor(values)` on the device. A copy from pageable memory would first wait for all work launched."""
    pinned = device.type == "cuda"
    return torch.tensor(values, dtype=dtype, pin_memory=pinned).to(device, non_blocking=True)
