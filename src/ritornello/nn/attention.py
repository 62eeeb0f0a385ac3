"""Causal self-attention over a sequence of events (SASRec: Kang and McAuley 2018), with positions as distances.

A learned bias by distance takes the place of position vectors (Raffel et al. 2020), so that padding and the length of a window
change nothing. B batch, L history length, D embedding, H heads, E dimensions of a head.
"""

import torch
from torch import Tensor, nn


class CausalBlock(nn.Module):
    """One block: attention over the events up to each position, then a feed-forward layer; both begin as the identity."""

    def __init__(self, dim: int, *, heads: int, reach: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.RMSNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.bias_by_distance = nn.Parameter(torch.zeros(heads, reach))
        self.mix = nn.Linear(dim, dim, bias=False)
        self.norm_feed = nn.RMSNorm(dim)
        self.widen = nn.Linear(dim, expansion * dim)
        self.narrow = nn.Linear(expansion * dim, dim)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.mix, self.narrow):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, event_BLD: Tensor, is_key_BL: Tensor) -> Tensor:
        """Return every position's state; only positions of `is_key_BL` are attended to."""
        return self.feed(event_BLD + self.attend(event_BLD, event_BLD, is_key_BL))

    def last(self, event_BLD: Tensor, is_key_BL: Tensor) -> Tensor:
        """Return the state [B, 1, D] of the last position alone."""
        last_B1D = event_BLD[:, -1:]
        return self.feed(last_B1D + self.attend(last_B1D, event_BLD, is_key_BL))

    def feed(self, state_BLD: Tensor) -> Tensor:
        """Apply the feed-forward layer."""
        hidden_BLF = nn.functional.gelu(self.widen(self.norm_feed(state_BLD)), approximate="tanh")
        return torch.add(state_BLD, self.dropout(self.narrow(hidden_BLF)))

    def attend(self, query_BQD: Tensor, event_BLD: Tensor, is_key_BL: Tensor) -> Tensor:
        """Let the last Q positions look at themselves and at what came before."""
        batch, length, dim = event_BLD.shape
        num_queries = query_BQD.shape[1]
        all_BL3D = self.query_key_value(
            self.norm_attention(event_BLD)
        )  # the queries are the last rows of the same product
        query, key, value = all_BL3D.view(batch, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        query = query[:, :, length - num_queries :]
        distance_QL = torch.arange(length - num_queries, length)[:, None] - torch.arange(length)[None, :]
        is_open_BQL = (distance_QL >= 0)[None] & is_key_BL[:, None, :]
        bias_HQL = self.bias(num_queries, length)
        logit_BHQL = query @ key.transpose(2, 3) * (dim // self.heads) ** -0.5 + bias_HQL
        share_BHQL = torch.softmax(logit_BHQL.masked_fill(~is_open_BQL[:, None], -1e9), dim=-1)
        share_BHQL = share_BHQL * is_open_BQL[:, None]  # a position that may look at nothing gets nothing
        mixed_BQD = (share_BHQL @ value).transpose(1, 2).reshape(batch, num_queries, dim)
        return torch.as_tensor(self.dropout(self.mix(mixed_BQD)))

    def bias(self, num_queries: int, length: int) -> Tensor:
        """Return the bias [H, Q, L] of the last Q positions for each place, by how far back it lies; ahead it has no meaning.

        Row q begins one step later in one ring of distances than row q - 1: copies of the ring, cut a step short each, are
        the rows, with no look-up of every entry.
        """
        farthest = self.bias_by_distance.shape[1] - 1
        if num_queries == 1:
            return self.bias_by_distance.index_select(1, torch.arange(length).flip(0).clamp(max=farthest))[:, None]
        back_R = torch.cat([torch.zeros(1, dtype=torch.int64), torch.arange(1, 2 * length).flip(0)]).clamp(max=farthest)
        ring_HLR = self.bias_by_distance.index_select(1, back_R)[:, None].expand(self.heads, length, 2 * length)
        cut_HLR = ring_HLR.reshape(self.heads, -1)[:, : length * (2 * length - 1)].view(self.heads, length, -1)
        return torch.as_tensor(cut_HLR[:, length - num_queries :, :length])
