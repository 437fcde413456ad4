"""Greedy decoding under a grammar: all rows take a step together, and a row that is finished leaves the batch.

The grammar's masks are made on the CPU while the device computes; only the chosen tokens are read back.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from llguidance import LLExecutor, LLMatcher
from llguidance.hf import from_tokenizer
from torch import Tensor

from consumer.inference.gpu.attention import Spans
from consumer.inference.gpu.kv import KvSlab, Reach, attend_stored
from consumer.inference.gpu.model import Model, ModelRefused
from consumer.inference.gpu.text import embed, logits, rotary_table, run_layers
from consumer.inference.gpu.upload import upload

_MASK_BITS: Final = 32


class Grammars:
    """The answers that may be given, by name; compiled once, copied for each row."""

    def __init__(self, model: Model, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        tokenizer = from_tokenizer(model.tokenizer, n_vocab=model.vocabulary, eos_token=list(model.end_tokens))
        self._matchers = {name: _compiled(tokenizer, name, schema) for name, schema in schemas.items()}

    def matcher(self, name: str) -> LLMatcher:
        """A fresh matcher."""
        return self._matchers[name].deep_copy()


def _compiled(tokenizer: Any, name: str, schema: Mapping[str, Any]) -> LLMatcher:
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides={"whitespace_flexible": False})
    matcher = LLMatcher(tokenizer, grammar)
    if matcher.is_error():
        raise ModelRefused(f"grammar {name}: {matcher.get_error()}")
    return matcher


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer. `finished`: the grammar was complete, not the limit of tokens reached."""

    text: str
    ids: list[int]
    finished: bool


@dataclass(slots=True)
class Row:
    """One answer in the making."""

    matcher: LLMatcher
    limit: int
    tokens: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Nothing may follow."""
        return bool(self.matcher.is_stopped())

    @property
    def running(self) -> bool:
        """Another token may come."""
        return not self.complete and len(self.tokens) < self.limit


@dataclass(slots=True)
class Cursor:
    """Where each row of the batch stands, on the device, and its longest sequence, on the host."""

    slots: Tensor
    """int64 [rows]: where the next key goes."""
    starts: Tensor
    """int32 [rows]: the first key."""
    used: Tensor
    """int32 [rows]: keys, the next one included."""
    positions: Tensor
    """int64 [rows]: rotary position of the next token; equal for time, height and width."""
    queries: Tensor
    """int32 [rows + 1]: one query a row."""
    shared: Spans | None
    """All rows over the prefix; made when rows leave, not in every step, because it is copied from the host."""
    longest: int

    @classmethod
    def after_prompts(
        cls,
        slots: Sequence[int],
        tokens: Sequence[int],
        positions: Sequence[int],
        prefix_tokens: int,
        device: torch.device,
    ) -> "Cursor":
        """Behind prompts of `tokens` tokens whose keys begin at `slots`."""
        return cls(
            slots=upload([slot + count for slot, count in zip(slots, tokens, strict=True)], torch.int64, device),
            starts=upload(slots, torch.int32, device),
            used=upload([count + 1 for count in tokens], torch.int32, device),
            positions=upload(positions, torch.int64, device),
            queries=torch.arange(len(slots) + 1, dtype=torch.int32, device=device),
            shared=Spans.shared(len(slots), prefix_tokens, device) if prefix_tokens else None,
            longest=max(tokens) + 1,
        )

    def reach(self) -> Reach:
        """What the next tokens see."""
        keys = torch.cat([self.starts, self.starts[-1:] + self.used[-1:]])
        return Reach(self.slots, Spans(self.queries, keys, self.used, 1, self.longest), self.shared)

    def advance(self) -> None:
        """One token on."""
        self.slots += 1
        self.used += 1
        self.positions += 1
        self.longest += 1

    def keep(self, rows: Tensor) -> None:
        """Only these rows go on."""
        self.slots, self.starts = self.slots[rows], self.starts[rows]
        self.used, self.positions = self.used[rows], self.positions[rows]
        self.queries = self.queries[: len(rows) + 1]
        if self.shared is not None:
            self.shared = Spans.shared(len(rows), self.shared.longest_keys, rows.device)


class Decoder:
    """Holds what outlives a launch: the threads that make masks."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._executor = LLExecutor()
        self._bits = (2 ** torch.arange(8)).to(torch.uint8).to(model.device)

    def decode(
        self, rows: Sequence[Row], hidden: Tensor, cursor: Cursor, slab: KvSlab, prefix: KvSlab | None
    ) -> list[Generated]:
        """Answers of all rows, from the states of their prompts' last tokens, [rows, hidden]."""
        running = list(rows)
        masks = self._masks(len(rows))
        while True:  # until the last row has reached its limit
            chosen = self._choose(running, hidden, masks)
            on_host = chosen.to("cpu", non_blocking=True)
            read = self._mark()
            hidden = self._step(chosen, cursor, slab, prefix)
            if read is not None:
                read.synchronize()
            for row, token in zip(running, on_host.tolist(), strict=True):
                row.tokens.append(token)
                row.matcher.consume_token(token)
            kept = [index for index, row in enumerate(running) if row.running]
            if not kept:
                return [self._generated(row) for row in rows]
            if len(kept) < len(running):
                running = [running[index] for index in kept]
                rows_kept = upload(kept, torch.int64, hidden.device)
                hidden = hidden[rows_kept]
                cursor.keep(rows_kept)

    def _choose(self, rows: Sequence[Row], hidden: Tensor, masks: Tensor) -> Tensor:
        """The likeliest allowed token of each row, int64 [rows]."""
        scores = logits(self._model.text, hidden)  # launched before the masks are made
        masks = masks[: len(rows)]
        row_bytes = masks.shape[1] * masks.element_size()
        matchers = [(row.matcher, index) for index, row in enumerate(rows)]
        self._executor.unsafe_compute_mask_ptr(matchers, masks.data_ptr(), row_bytes, len(rows))
        on_device = masks.to(scores.device, non_blocking=True).view(torch.uint8)
        refused = (on_device.unsqueeze(-1) & self._bits) == 0
        scores.masked_fill_(refused.flatten(1)[:, : scores.shape[1]], -torch.inf)
        return scores.argmax(-1)

    def _step(self, chosen: Tensor, cursor: Cursor, slab: KvSlab, prefix: KvSlab | None) -> Tensor:
        text = self._model.text
        attend = attend_stored(self._model.attention, slab, prefix, cursor.reach())
        hidden = run_layers(text, embed(text, chosen), rotary_table(text, cursor.positions), attend)
        cursor.advance()
        return hidden

    def _masks(self, rows: int) -> Tensor:
        """int32 [rows, vocabulary / 32], pinned where a device reads it; a set bit allows a token."""
        words = -(-self._model.vocabulary // _MASK_BITS)
        return torch.zeros((rows, words), dtype=torch.int32, pin_memory=self._model.device.type == "cuda")

    def _mark(self) -> torch.cuda.Event | None:
        if self._model.device.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event

    def _generated(self, row: Row) -> Generated:
        said = list(itertools.takewhile(lambda token: token not in self._model.end_tokens, row.tokens))
        return Generated(
            text=self._model.tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            ids=row.tokens,
            finished=row.complete and not row.matcher.is_error(),
        )
