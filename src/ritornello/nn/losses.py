"""Sampled softmax with the log-Q correction (Bengio and Senecal 2008; Yi et al. 2019) over one pool of tracks for a batch.

The pool holds every track of the batch and some drawn evenly from the catalogue. A track's logit is lowered by the logarithm of
its chance to be in the pool; a row's own tracks are certain to be in it, so theirs stay as they are. B batch, L history length,
M tracks of the pool, P positions, O own tracks of a row, R targets.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from ritornello.nn.embedding import OwnPlays
from ritornello.nn.windows import Batch

BLOCK = 512  # positions: their logits stay in the cache
HAS_BFLOAT16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def log_chances(popularity_M: NDArray[np.float64], *, num_tokens: int, uniform: float) -> Tensor:
    """Return the log of each pool track's chance to be drawn by `num_tokens` events, or evenly, with the chance `uniform`."""
    absent_M = np.exp(-num_tokens * popularity_M) * (1.0 - min(uniform, 1.0))
    return torch.from_numpy(np.log(np.maximum(1.0 - absent_M, 1e-9)).astype(np.float32))


def targets_ahead(batch: Batch, reach: int) -> tuple[Tensor, Tensor]:
    """Return the pool places [B, L, R] of `reach` events from each position's request on, and which of them are targets."""
    length = batch.slot_BL.shape[1]
    place_BLR = (torch.arange(length) + batch.jump_BL)[:, :, None] + torch.arange(reach)
    flat_BP = place_BLR.clamp(max=length - 1).flatten(1)
    is_target_BLR = batch.is_target_BL.gather(1, flat_BP).view(place_BLR.shape) & (place_BLR < length)
    return batch.slot_BL.gather(1, flat_BP).view(place_BLR.shape), is_target_BLR


class PoolSoftmax(torch.autograd.Function):
    """The loss and its gradients in one pass over blocks of positions, so that the logits of a whole batch never exist.

    In bfloat16 where the processor multiplies it; sums stay in float32.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        user_PD: Tensor,
        pool_MD: Tensor,
        height_M: Tensor,
        raise_PO: Tensor,
        own_PO: Tensor,
        target: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Logits of the slots `own_PO` are raised by `raise_PO`; `target` gives slots and weights [P, R]."""
        dtype = torch.bfloat16 if HAS_BFLOAT16 else torch.float32
        user, pool = user_PD.to(dtype), pool_MD.to(dtype)
        number = target[1].sum().clamp(min=1.0)
        loss = torch.zeros(())
        gradient_user, gradient_pool = torch.empty_like(user_PD), torch.zeros_like(pool_MD)
        gradient_height, gradient_raise = torch.zeros_like(height_M), torch.empty_like(raise_PO)
        for start in range(0, len(user), BLOCK):
            rows = slice(start, start + BLOCK)
            weight_PR = target[1][rows] / number
            total_P1 = weight_PR.sum(dim=1, keepdim=True)
            logit_PM = (user[rows] @ pool.T).float().add_(height_M)
            logit_PM.scatter_add_(1, own_PO[rows], raise_PO[rows])
            picked_PR = logit_PM.gather(1, target[0][rows])
            normal_P1 = torch.logsumexp(logit_PM, dim=1, keepdim=True)
            loss += (total_P1 * normal_P1).sum() - (picked_PR * weight_PR).sum()
            share_PM = logit_PM.sub_(normal_P1).exp_().mul_(total_P1).scatter_add_(1, target[0][rows], -weight_PR)
            gradient_height += share_PM.sum(dim=0)
            gradient_raise[rows] = share_PM.gather(1, own_PO[rows])
            share = share_PM.to(dtype)
            gradient_user[rows] = (share @ pool).float()
            gradient_pool += (share.T @ user[rows]).float()
        ctx.save_for_backward(gradient_user, gradient_pool, gradient_height, gradient_raise)
        return loss

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Hand the gradients of the forward pass on."""
        saved = ctx.saved_tensors  # type: ignore[attr-defined]  # torch sets it
        return *(found * gradient for found in saved), None, None


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """What follows what: the chances among the pool's tracks [M, M], and the weight of each of the newest events [B, L, J]."""

    chance_MN: csr_array
    weight_BLJ: Tensor

    def raises(self, batch: Batch, row_P: Tensor, place_P: Tensor) -> tuple[Tensor, Tensor]:
        """Return slots of the pool, and by how much positions raise them [P, J x N]; slot 0, PADDING, stands for none."""
        slot_MN, chance_MN = padded(self.chance_MN)
        place_PJ = place_P[:, None] - torch.arange(self.weight_BLJ.shape[2])
        row_P1, inside_PJ = row_P[:, None], place_PJ.clamp(min=0)
        is_there_PJ = (place_PJ >= 0) & batch.is_key_BL[row_P1, inside_PJ]
        from_PJ = batch.slot_BL[row_P1, inside_PJ]
        raise_PJN = (self.weight_BLJ[row_P, place_P] * is_there_PJ)[:, :, None] * chance_MN[from_PJ]
        return slot_MN[from_PJ].flatten(1), raise_PJN.flatten(1)


def padded(matrix: csr_array) -> tuple[Tensor, Tensor]:
    """Return columns and values [R, N] of a sparse matrix, as many as its longest row has, filled up with zeros."""
    count_R = np.diff(matrix.indptr)
    row_E = np.repeat(np.arange(len(count_R)), count_R)
    place_E = np.arange(len(row_E)) - matrix.indptr[row_E]
    column_RN = np.zeros((len(count_R), int(count_R.max(initial=1))), np.int64)
    value_RN = np.zeros(column_RN.shape, np.float32)
    column_RN[row_E, place_E], value_RN[row_E, place_E] = matrix.indices, matrix.data
    return torch.from_numpy(column_RN), torch.from_numpy(value_RN)


def next_plays(
    user_BLD: Tensor,
    pool_ME: Tensor,
    log_chance_M: Tensor,
    own: OwnPlays,
    links: Links,
    *,
    batch: Batch,
    reach: int,
    nearness: float,
) -> Tensor:
    """Return the loss of predicting `reach` plays from each position's request on, the nth weighing n^-nearness.

    The pool is a sample of the catalogue: a track counts with one over its chance, a row's own ones, certain to be there, once.
    """
    pool_MD, height_M = pool_ME[:, :-1], pool_ME[:, -1]
    reach = min(reach, max(1, batch.slot_BL.shape[1] - 1))
    slot_BLR, is_target_BLR = targets_ahead(batch, reach)
    weight_BLR = torch.arange(1, reach + 1, dtype=torch.float32) ** -nearness * is_target_BLR
    weight_BLR = weight_BLR / weight_BLR.sum(dim=2, keepdim=True).clamp(min=1e-9)
    row_P, place_P = torch.nonzero(batch.is_asked_BL & is_target_BLR.any(dim=2), as_tuple=True)
    raise_BL = log_chance_M[batch.slot_BL] * is_first(batch.slot_BL)
    returns_PO = own(batch.own_BLLF[row_P, place_P]) * batch.is_own_BLL[row_P, place_P]
    linked_PN, raise_PN = links.raises(batch, row_P, place_P)
    return torch.as_tensor(
        PoolSoftmax.apply(  # type: ignore[no-untyped-call]  # torch has no types for it
            user_BLD[row_P, place_P],
            pool_MD,
            (height_M - log_chance_M).masked_fill(batch.pool_M == 0, -1e9),
            torch.cat([returns_PO + raise_BL[row_P], raise_PN], dim=1),
            torch.cat([batch.slot_BL[row_P], linked_PN], dim=1),
            (slot_BLR[row_P, place_P], weight_BLR[row_P, place_P]),
        )
    )


def is_first(slot_BL: Tensor) -> Tensor:
    """Tell which places of a row hold a track that no earlier place holds.

    >>> is_first(torch.tensor([[4, 7, 4, 4]])).tolist()
    [[True, True, False, False]]
    """
    sorted_BL, order_BL = torch.sort(slot_BL, dim=1, stable=True)
    is_new_BL = torch.ones_like(slot_BL, dtype=torch.bool)
    is_new_BL[:, 1:] = sorted_BL[:, 1:] != sorted_BL[:, :-1]
    return torch.zeros_like(is_new_BL).scatter(1, order_BL, is_new_BL)
