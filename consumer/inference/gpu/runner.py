"""One launch: vision, prefill and decode over a whole batch, each phase's memory freed before the next begins."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from consumer.inference.gpu.attention import Spans
from consumer.inference.gpu.decoding import Cursor, Decoder, Generated, Grammars, Row
from consumer.inference.gpu.kv import KvSlab, Reach, attend_fresh
from consumer.inference.gpu.model import Model
from consumer.inference.gpu.payload import Item
from consumer.inference.gpu.phases import Phases
from consumer.inference.gpu.positions import token_positions
from consumer.inference.gpu.text import embed, rotary_table, run_layers
from consumer.inference.gpu.upload import upload
from consumer.inference.gpu.vision import embed_pictures
from consumer.inference.price import calls
from consumer.inference.work import PATCHES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How much goes into one forward pass; a single larger picture or ad is a pass of its own."""

    vision_patches: int
    prefill_tokens: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """An item with its places: in the K/V slab, among the visual embeddings, and as rotary embeddings see it."""

    item: Item
    slot: int
    picture_at: int
    positions: Tensor
    next_position: int

    @property
    def tokens(self) -> int:
        return len(self.item.ids)

    @property
    def visual_tokens(self) -> int:
        return len(self.item.patches) // PATCHES_PER_TOKEN


class Runner:
    """`set_prefix`, then any number of `run`."""

    def __init__(self, model: Model, grammars: Grammars, limits: CallLimits) -> None:
        self._model = model
        self._limits = limits
        self._grammars = grammars
        self._decoder = Decoder(model)
        self._prefix: KvSlab | None = None

    @property
    def prefix_tokens(self) -> int:
        """Tokens every ad begins with."""
        return self._prefix.tokens if self._prefix else 0

    def set_prefix(self, ids: Tensor) -> None:
        """Computes and keeps the keys and values of the prompt that all ads share; int [tokens], text only."""
        self._prefix = None
        if not len(ids):
            return
        positions, _ = token_positions(ids, (), self._model.image_token, 0)
        with torch.inference_mode():
            slab = KvSlab(self._model, len(ids))
            reach = Reach(self._slots([(0, len(ids))]), Spans.packed([len(ids)], self._model.device), None)
            self._forward(ids, positions, None, reach, slab)
        self._prefix = slab

    def run(self, items: Sequence[Item], phases: Phases, most_tokens: int | None = None) -> list[Generated]:
        """Answers in the order of `items`. Out of memory leaves as torch raises it; `phases` knows where.

        `most_tokens` ends answers earlier than their room in memory would (calibration needs only the room).
        """
        placed = list(self._place(items))
        with torch.inference_mode():
            pictures = None
            if any(item.grids for item in items):
                with phases.enter("vision"):
                    pictures = self._see(items)
            with phases.enter("prefill"):
                slab = KvSlab(self._model, sum(len(item.ids) + item.max_output for item in items))
                last = self._prefill(placed, pictures, slab)
                del pictures
            with phases.enter("decode"):
                rows = [Row(self._grammars.matcher(item.grammar), most_tokens or item.max_output) for item in items]
                return self._decoder.decode(rows, last, self._cursor(placed), slab, self._prefix)

    def _place(self, items: Sequence[Item]) -> Iterator[_Placed]:
        slot = picture_at = 0
        for item in items:
            positions, following = token_positions(item.ids, item.grids, self._model.image_token, self.prefix_tokens)
            yield _Placed(item, slot, picture_at, positions, following)
            slot += len(item.ids) + item.max_output
            picture_at += len(item.patches) // PATCHES_PER_TOKEN

    def _see(self, items: Sequence[Item]) -> Tensor:
        """Visual embeddings of all pictures, [visual tokens, hidden]."""
        model = self._model
        grids = [grid for item in items for grid in item.grids]
        pieces = [
            piece for item in items for piece in item.patches.split([height * width for height, width in item.grids])
        ]
        total = sum(map(len, pieces)) // PATCHES_PER_TOKEN
        embeddings = torch.empty((total, model.hidden_size), dtype=model.dtype, device=model.device)
        at = 0
        for call in calls([len(piece) for piece in pieces], self._limits.vision_patches):
            together = slice(call.start, call.stop)
            patches = self._moved(pieces[together])
            seen = embed_pictures(model.vision, model.attention, patches, grids[together])
            embeddings[at : at + len(seen)] = seen
            at += len(seen)
            del patches, seen
        return embeddings

    def _moved(self, pieces: Sequence[Tensor]) -> Tensor:
        """Patches of several pictures on the device, without a copy of all of them on the way."""
        total = sum(map(len, pieces))
        patches = torch.empty((total, pieces[0].shape[1]), dtype=torch.uint8, device=self._model.device)
        for part, piece in zip(patches.split([len(piece) for piece in pieces]), pieces, strict=True):
            part.copy_(piece)
        return patches

    def _prefill(self, placed: Sequence[_Placed], pictures: Tensor | None, slab: KvSlab) -> Tensor:
        """Fills the slab; hidden states of each ad's last token, [ads, hidden]."""
        model, last = self._model, []
        for call in calls([one.tokens for one in placed], self._limits.prefill_tokens):
            ads = placed[call.start : call.stop]
            lengths = [one.tokens for one in ads]
            ids = torch.cat([one.item.ids for one in ads])
            first, count = ads[0].picture_at, sum(one.visual_tokens for one in ads)
            seen = pictures[first : first + count] if pictures is not None and count else None
            reach = Reach(
                self._slots([(one.slot, one.tokens) for one in ads]),
                Spans.packed(lengths, model.device),
                self._shared(len(ids)),
            )
            hidden = self._forward(ids, torch.cat([one.positions for one in ads], dim=1), seen, reach, slab)
            ends = [end - 1 for end in itertools.accumulate(lengths)]
            last.append(hidden[upload(ends, torch.int64, model.device)])
            del hidden
        return torch.cat(last)

    def _forward(self, ids: Tensor, positions: Tensor, seen: Tensor | None, reach: Reach, slab: KvSlab) -> Tensor:
        model = self._model
        hidden = embed(model.text, ids.to(model.device))
        if seen is not None:
            places = (ids == model.image_token).nonzero().flatten().to(model.device)
            hidden.index_copy_(0, places, seen)
        table = rotary_table(model.text, positions.to(model.device))
        return run_layers(model.text, hidden, table, attend_fresh(model.attention, slab, self._prefix, reach))

    def _cursor(self, placed: Sequence[_Placed]) -> Cursor:
        return Cursor.after_prompts(
            slots=[one.slot for one in placed],
            tokens=[one.tokens for one in placed],
            positions=[one.next_position for one in placed],
            prefix_tokens=self.prefix_tokens,
            device=self._model.device,
        )

    def _shared(self, queries: int) -> Spans | None:
        return Spans.shared(queries, self.prefix_tokens, self._model.device) if self._prefix else None

    def _slots(self, runs: Sequence[tuple[int, int]]) -> Tensor:
        return torch.cat([torch.arange(first, first + count) for first, count in runs]).to(self._model.device)
