"""Next-token logits behind a prompt: one decoding step at a time, with rows that leave and a cache that is not copied.

A step of a small model is bound by what Python does around its kernels, and by a cache that copies itself with each
token. `Qwen25Decoder` calls the kernels by themselves, with the layers of the loaded model, and writes keys and values
in place: a third to 40 % of a step's time is saved with the lab's model. `ModuleDecoder` is transformers' own step, for
every other model of the Qwen-VL family.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vr1repro.config.samplers import Decoding
from vr1repro.core.upstream import require

if TYPE_CHECKING:
    import torch

# Places by which the cache grows: room for all tokens that may come would be gigabytes for a 16K completion.
_ROOM = 128


class Decoder(Protocol):
    """Rows of tokens that go on from prompts which the model has read."""

    def step(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """Append a token to each row, int64 [rows]; logits of the next, float32 [rows, vocabulary]."""

    def keep(self, rows: "torch.Tensor") -> None:
        """Go on with these rows only, int64 [kept]."""


def open_decoder(
    model: Any,
    cache: Any,
    mask: "torch.Tensor",
    offsets: "torch.Tensor",
    owners: Sequence[int] | None = None,
    *,
    decoding: Decoding = "kernels",
) -> Decoder:
    """Go on from prompts.

    Args:
        model: A model of the Qwen-VL family.
        cache: transformers' cache of the prompts' keys and values.
        mask: Left-padded prompts, 1 on tokens, [prompts, P].
        offsets: What M-RoPE adds to a token's number in its row, [prompts, 1].
        owners: The prompt of each row; None: a row a prompt.
        decoding: Steps by kernels where the model is known, or with transformers' modules.
    """
    import torch

    require("transformers")
    if owners is not None:
        chosen = torch.tensor(owners, device=mask.device)
        cache.batch_select_indices(chosen)
        mask, offsets = mask[chosen], offsets[chosen]
    kind = Qwen25Decoder if decoding == "kernels" and Qwen25Decoder.knows(model) else ModuleDecoder
    return kind(model, cache, mask, offsets)


class ModuleDecoder:
    """transformers' forward, a token a row."""

    def __init__(self, model: Any, cache: Any, mask: "torch.Tensor", offsets: "torch.Tensor") -> None:
        self._model, self._cache, self._mask, self._offsets = model, cache, mask, offsets

    def step(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """Append a token to each row."""
        import torch

        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], -1)
        text = self._mask.sum(-1, keepdim=True) - 1
        # As `_prepare_position_ids_for_generation`: text positions first, then time, height and width.
        position = torch.stack([text, *[text + self._offsets] * 3])
        out = self._model(
            input_ids=tokens.unsqueeze(-1),
            attention_mask=self._mask,
            position_ids=position,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = out.logits[:, -1].float()
        return logits

    def keep(self, rows: "torch.Tensor") -> None:
        """Go on with these rows only."""
        self._cache.batch_select_indices(rows)
        self._mask, self._offsets = self._mask[rows], self._offsets[rows]


class Qwen25Decoder:
    """The decoder of Qwen2.5-VL by its kernels (transformers' modeling_qwen2_5_vl.py, Qwen2_5_VLTextModel).

    Text tokens have one position for time, height and width, so M-RoPE turns them as plain RoPE does.
    """

    def __init__(self, model: Any, cache: Any, mask: "torch.Tensor", offsets: "torch.Tensor") -> None:
        self._text, self._head = model.model.language_model, model.get_output_embeddings()
        self._keys = [layer.keys for layer in cache.layers]  # [rows, key heads, places, width] each
        self._values = [layer.values for layer in cache.layers]
        self._length = mask.shape[1]
        self._position = mask.sum(-1, keepdim=True) + offsets
        self._shown: torch.Tensor | None = None if bool(mask.all()) else mask[:, None, None].bool()

    @staticmethod
    def knows(model: Any) -> bool:
        """Whether this is a Qwen2.5-VL whose layers all attend to everything before."""
        if getattr(model.config, "model_type", None) != "qwen2_5_vl":
            return False
        text = model.config.get_text_config()
        # The frequencies of a dynamic RoPE change with the length.
        turns = text.rope_parameters["rope_type"] == "default"
        return turns and set(text.layer_types) == {"full_attention"} and text.hidden_act == "silu"

    def step(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """Append a token to each row."""
        import torch
        from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

        self._make_room()
        place, seen = self._length, self._length + 1
        states = self._text.embed_tokens(tokens)  # [rows, hidden]
        rows, width = states.shape
        cos, sin = self._turn(states)
        shown = None if self._shown is None else self._shown[..., :seen]
        for number, layer in enumerate(self._text.layers):
            attention, mlp = layer.self_attn, layer.mlp
            keys, values = self._keys[number], self._values[number]
            before = layer.input_layernorm
            normed = rms_norm(states, (width,), before.weight, before.variance_epsilon)
            query = attention.q_proj(normed).view(rows, -1, attention.head_dim)
            key = attention.k_proj(normed).view(rows, -1, attention.head_dim)
            keys[:, :, place] = _rotate(key, cos, sin)
            values[:, :, place] = attention.v_proj(normed).view(rows, -1, attention.head_dim)
            # Heads that share a key are queries beside each other: nothing of the cache is repeated for them.
            query = _rotate(query, cos, sin).view(rows, keys.shape[1], -1, attention.head_dim)
            attended = scaled_dot_product_attention(
                query, keys[:, :, :seen], values[:, :, :seen], attn_mask=shown, scale=attention.scaling
            )
            states = states + attention.o_proj(attended.reshape(rows, -1))
            behind = layer.post_attention_layernorm
            normed = rms_norm(states, (width,), behind.weight, behind.variance_epsilon)
            states = states + mlp.down_proj(silu(mlp.gate_proj(normed)) * mlp.up_proj(normed))
        last = self._text.norm
        self._length += 1
        self._position = self._position + 1
        logits: torch.Tensor = self._head(rms_norm(states, (width,), last.weight, last.variance_epsilon)).float()
        return logits

    def keep(self, rows: "torch.Tensor") -> None:
        """Go on with these rows only."""
        self._keys = [keys[rows] for keys in self._keys]
        self._values = [values[rows] for values in self._values]
        self._position = self._position[rows]
        if self._shown is not None:
            self._shown = self._shown[rows]

    def _turn(self, states: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Cosine and sine of each row's place, [rows, 1, width of a head]."""
        import torch

        turning = self._text.rotary_emb
        angles = (self._position * turning.inv_freq)[:, None]
        angles = torch.cat((angles, angles), -1)
        scaling = turning.attention_scaling
        return (angles.cos() * scaling).to(states.dtype), (angles.sin() * scaling).to(states.dtype)

    def _make_room(self) -> None:
        from torch.nn.functional import pad

        if self._length < self._keys[0].shape[2]:
            return
        self._keys = [pad(keys, (0, 0, 0, _ROOM)) for keys in self._keys]
        self._values = [pad(values, (0, 0, 0, _ROOM)) for values in self._values]
        if self._shown is not None:
            self._shown = pad(self._shown, (0, _ROOM), value=True)


def _rotate(states: "torch.Tensor", cos: "torch.Tensor", sin: "torch.Tensor") -> "torch.Tensor":
    import torch

    first, second = states.chunk(2, -1)
    return states * cos + torch.cat((-second, first), -1) * sin
