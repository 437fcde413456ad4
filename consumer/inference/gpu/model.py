"""Qwen2-VL loaded through transformers' Auto classes, its weights laid out for packed work.

Stock modules bring the weights and their names; the forward passes are ours (`text`, `vision`), because the stock
ones pad, build square masks or read lengths back from the device in every layer.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, GenerationConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from consumer.inference.gpu.attention import Attention, attention_for

_FINGERPRINT_DIGITS: Final = 12
_FINGERPRINT_BYTES: Final = 64 * 1024


class ModelRefused(Exception):
    """This model cannot be served; the message says why and names no path."""


@dataclass(frozen=True, slots=True)
class TextLayer:
    """One decoder layer; projections that read the same input are one matrix. Weights are [out, in]."""

    input_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    output: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True, slots=True)
class TextWeights:
    """The language model."""

    layers: tuple[TextLayer, ...]
    embedding: Tensor
    norm: Tensor
    norm_epsilon: float
    head: Tensor
    heads: int
    key_heads: int
    head_size: int
    frequencies: Tensor
    """float32 [head_size / 2]."""
    rotary_scaling: float
    axes: Tensor
    """int64 [head_size / 2]: which of time, height and width turns each pair."""


@dataclass(frozen=True, slots=True)
class VisionWeights:
    """The vision tower; its blocks and merger are stock modules."""

    embedding: Tensor
    """[width, values of a patch]."""
    blocks: nn.ModuleList
    merger: nn.Module
    heads: int
    frequencies: Tensor
    scale: Tensor
    """float32 [values of a patch]: with `shift`, from bytes to what the tower was trained on."""
    shift: Tensor


@dataclass(frozen=True, slots=True)
class Model:
    """Everything a launch needs of the model, on its device."""

    text: TextWeights
    vision: VisionWeights
    attention: Attention
    tokenizer: PreTrainedTokenizerBase
    end_tokens: tuple[int, ...]
    image_token: int
    device: torch.device
    dtype: torch.dtype
    name: str
    revision: str

    @property
    def hidden_size(self) -> int:
        """Width of the language model."""
        return int(self.text.embedding.shape[1])

    @property
    def vocabulary(self) -> int:
        """Rows of the output head; more than the tokenizer has."""
        return int(self.text.head.shape[0])

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values of one token, all layers."""
        return 2 * len(self.text.layers) * self.text.key_heads * self.text.head_size * int(self.dtype.itemsize)


def load_model(
    source: str, revision: str | None, device: torch.device, dtype: torch.dtype, room_bytes: int | None = None
) -> Model:
    """Loads from a folder or the hub. Raises ModelRefused for a model that this engine does not compute, or whose
    weights take more than `room_bytes`.
    """
    disable_progress_bar()  # the log says how long each step took; a bar on stderr would tear its lines
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        _check(config)
        stock = AutoModelForImageTextToText.from_pretrained(
            source, revision=revision, dtype=dtype, attn_implementation="sdpa"
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, padding_side="left")
        processor = AutoImageProcessor.from_pretrained(source, revision=revision)
        generation = GenerationConfig.from_pretrained(source, revision=revision)
    except (OSError, ValueError, ImportError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelRefused(f"the model cannot be loaded: {first_line}") from error
    weight_bytes = sum(weight.numel() * weight.element_size() for weight in stock.parameters())
    if room_bytes is not None and weight_bytes > room_bytes:
        raise ModelRefused(
            f"its weights take {weight_bytes / 2**30:.2f} GiB, and gpu.max_share leaves {room_bytes / 2**30:.2f} GiB "
            "of this card: raise gpu.max_share or take a larger card"
        )
    with torch.inference_mode():
        text, vision = _text(stock, device), _vision(stock, processor, device)
    ends = generation.eos_token_id if generation.eos_token_id is not None else tokenizer.eos_token_id
    return Model(
        text=text,
        vision=vision,
        attention=attention_for(device, dtype, (text.head_size, vision.embedding.shape[0] // vision.heads)),
        tokenizer=tokenizer,
        end_tokens=tuple(ends) if isinstance(ends, list) else (ends,),
        image_token=config.image_token_id,
        device=device,
        dtype=dtype,
        name=Path(source).name if Path(source).is_dir() else source,
        revision=_revision(source, config),
    )


def _check(config: Any) -> None:
    if config.model_type != "qwen2_vl":
        raise ModelRefused(f"model type {config.model_type}; this engine serves qwen2_vl")
    if config._attn_implementation == "eager":
        raise ModelRefused(
            "its config.json asks for eager attention, which needs memory with the square of a picture's size; "
            "remove attn_implementation from it"
        )
    text = config.text_config
    if text.use_sliding_window:
        raise ModelRefused("sliding windows are not supported; set use_sliding_window to false")
    if text.rope_parameters["rope_type"] != "default":
        raise ModelRefused(f"rotary type {text.rope_parameters['rope_type']}; only the default is supported")
    if text.hidden_act != "silu":
        raise ModelRefused(f"activation {text.hidden_act} in the language model; only silu is supported")
    if config.vision_config.hidden_act != "quick_gelu":
        raise ModelRefused(f"activation {config.vision_config.hidden_act} in the tower; only quick_gelu is supported")


def _text(stock: Any, device: torch.device) -> TextWeights:
    config, language = stock.config.text_config, stock.model.language_model
    head_size = config.hidden_size // config.num_attention_heads
    section = torch.tensor(config.rope_parameters["mrope_section"])
    embedding = language.embed_tokens.weight.to(device)
    tied = stock.lm_head.weight.data_ptr() == language.embed_tokens.weight.data_ptr()
    return TextWeights(
        layers=tuple(_layer(layer, device) for layer in language.layers),
        embedding=embedding,
        norm=language.norm.weight.to(device),
        norm_epsilon=config.rms_norm_eps,
        head=embedding if tied else stock.lm_head.weight.to(device),
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        head_size=head_size,
        frequencies=language.rotary_emb.inv_freq.float().to(device),
        rotary_scaling=language.rotary_emb.attention_scaling,
        axes=(torch.arange(len(section)) % 3).repeat_interleave(section).to(device),
    )


def _layer(layer: Any, device: torch.device) -> TextLayer:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    return TextLayer(
        input_norm=layer.input_layernorm.weight.to(device),
        qkv=torch.cat([projection.weight for projection in projections]).to(device),
        qkv_bias=torch.cat([projection.bias for projection in projections]).to(device),
        output=attention.o_proj.weight.to(device),
        mlp_norm=layer.post_attention_layernorm.weight.to(device),
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]).to(device),
        down=mlp.down_proj.weight.to(device),
    )


def _vision(stock: Any, processor: Any, device: torch.device) -> VisionWeights:
    visual = stock.model.visual.to(device)
    kernel = visual.patch_embed.proj.weight  # [width, colours, frames, height, width of a patch]
    colours, values = kernel.shape[1], kernel[0].numel()
    mean = torch.tensor(processor.image_mean).repeat_interleave(values // colours)
    deviation = torch.tensor(processor.image_std).repeat_interleave(values // colours)
    return VisionWeights(
        embedding=kernel.view(kernel.shape[0], -1),
        blocks=visual.blocks,
        merger=visual.merger,
        heads=stock.config.vision_config.num_heads,
        frequencies=visual.rotary_pos_emb.inv_freq.float(),
        scale=(processor.rescale_factor / deviation).to(device),
        shift=(-mean / deviation).to(device),
    )


def _revision(source: str, config: Any) -> str:
    """The hub's commit; of a folder, a digest over its configuration and samples of its weights."""
    folder = Path(source)
    if not folder.is_dir():
        return str(config._commit_hash or "unknown")
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as weights:
            for place in (0, size // 2, max(0, size - _FINGERPRINT_BYTES)):
                weights.seek(place)
                digest.update(weights.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]
