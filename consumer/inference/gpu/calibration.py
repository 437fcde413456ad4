"""Start-up: kernels are warmed up, then launches of known shapes are measured, and prices fitted to their peaks."""

import torch

from consumer.inference.gpu.device import Device
from consumer.inference.gpu.model import Model
from consumer.inference.gpu.runner import CallLimits, Runner
from consumer.inference.price import Coefficients, DecodeCost, PrefillCost, VisionCost


def warm_up(runner: Runner, model: Model, device: Device) -> None:
    """Later."""


def known(model: Model, limits: CallLimits) -> Coefficients:
    """What follows from the model without measuring: keys, values and visual embeddings that are kept."""
    visual, kv = float(model.hidden_size * model.dtype.itemsize), float(model.kv_bytes)
    return Coefficients(
        vision_patches=limits.vision_patches,
        prefill_tokens=limits.prefill_tokens,
        vision=VisionCost(visual_token=visual),
        prefill=PrefillCost(visual_token=visual, kept_token=kv),
        decode=DecodeCost(kept_token=kv),
    )


def calibrate(runner: Runner, model: Model, device: Device, limits: CallLimits, max_share: float) -> Coefficients:
    """Prices for this model."""
    return known(model, limits)
