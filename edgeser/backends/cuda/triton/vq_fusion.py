"""The fused VQ lookup: nearest codes, their projection, and the token, in one launch."""

import triton
import triton.language as tl

from edgeser.backends.cuda.triton.product import product, product_of_many


@triton.jit
def vq_fusion(
    deep,  # (B, F) float32
    latent,  # (B, P, D) float32
    matrices,  # these two as gpu/weights.py packs them
    vectors,
    tokens,  # (B, C) float32
    codes,  # (B, P) int32
    count,  # B
    CODES: tl.constexpr,  # K
    CODE_WIDTH: tl.constexpr,  # D
    POSITIONS: tl.constexpr,  # P
    DEEP_WIDTH: tl.constexpr,  # F
    TOKEN_WIDTH: tl.constexpr,  # C
    PADDED_CODES: tl.constexpr,  # K, padded
    CODE_COLUMNS: tl.constexpr,  # D, padded
    PADDED_DEEP: tl.constexpr,  # F, padded
    COLUMNS: tl.constexpr,  # C, padded
    CODE_BLOCK: tl.constexpr,  # codes compared at a time
    DEEP_BLOCK: tl.constexpr,  # deep features multiplied at a time
    POSITION_BLOCK: tl.constexpr,  # positions looked up at a time
    BLOCK_ROWS: tl.constexpr,
    DOT: tl.constexpr,
):
    """A program makes BLOCK_ROWS tokens, one group of positions after the other.

    The codebook passes through it once for each group. The distances of a group from a block of
    codes live in registers only, and of them no more than the lowest survives. A code's projection
    at each position was computed when the weights were packed, so that gathering and projecting are
    one.
    """
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.arange(0, COLUMNS)
    token = tl.zeros((BLOCK_ROWS, COLUMNS), tl.float32)
    from_deep = matrices + PADDED_CODES * CODE_COLUMNS
    projected = from_deep + PADDED_DEEP * COLUMNS

    for first in range(0, PADDED_DEEP, DEEP_BLOCK):
        feature = first + tl.arange(0, DEEP_BLOCK)
        inside = (row < count)[:, None] & (feature < DEEP_WIDTH)[None, :]
        x = tl.load(deep + row[:, None] * DEEP_WIDTH + feature[None, :], mask=inside, other=0.0)
        weight = from_deep + first * COLUMNS
        if BLOCK_ROWS == 1:
            one = tl.arange(0, DEEP_BLOCK)[:, None] * COLUMNS + column[None, :]
            token += product(x, weight + one, DOT)
        else:
            token += product_of_many(x, weight, COLUMNS, DOT)

    # Vectors of all positions of a group, of all rows.
    vector = tl.arange(0, BLOCK_ROWS * POSITION_BLOCK)
    of_row = tl.program_id(0) * BLOCK_ROWS + vector // POSITION_BLOCK
    element = tl.arange(0, CODE_COLUMNS)
    for group in range(0, POSITIONS, POSITION_BLOCK):
        position = group + vector % POSITION_BLOCK
        real = (of_row < count) & (position < POSITIONS)
        place = of_row * POSITIONS + position
        inside = real[:, None] & (element < CODE_WIDTH)[None, :]
        x = tl.load(latent + place[:, None] * CODE_WIDTH + element[None, :], mask=inside, other=0.0)
        lowest = tl.full((BLOCK_ROWS * POSITION_BLOCK,), float("inf"), tl.float32)
        nearest = tl.zeros((BLOCK_ROWS * POSITION_BLOCK,), tl.int32)
        for start in range(0, PADDED_CODES, CODE_BLOCK):
            code = start + tl.arange(0, CODE_BLOCK)
            block = tl.load(matrices + code[None, :] * CODE_COLUMNS + element[:, None])
            # |E - e|^2 without |E|^2, which is the same for all codes.
            distance = tl.load(vectors + code)[None, :] - 2.0 * tl.dot(
                x.to(block.dtype), block, input_precision=DOT
            )
            low, at = tl.min(
                distance, axis=1, return_indices=True, return_indices_tie_break_left=True
            )
            nearest = tl.where(low < lowest, start + at, nearest)
            lowest = tl.minimum(low, lowest)
        tl.store(codes + place, nearest, mask=real)
        chosen = (position * CODES + nearest)[:, None] * COLUMNS + column[None, :]
        gathered = tl.load(projected + chosen, mask=real[:, None], other=0.0).to(tl.float32)
        token += tl.sum(gathered.reshape((BLOCK_ROWS, POSITION_BLOCK, COLUMNS)), axis=1)

    token += tl.load(vectors + PADDED_CODES + column)[None, :]
    inside = (row < count)[:, None] & (column < TOKEN_WIDTH)[None, :]
    tl.store(tokens + row[:, None] * TOKEN_WIDTH + column[None, :], token, mask=inside)
