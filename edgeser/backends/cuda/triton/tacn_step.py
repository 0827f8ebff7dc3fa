"""The incremental TACN step: a token of each of many streams through all layers, in one launch."""

import triton
import triton.language as tl

from edgeser.backends.cuda.triton.product import product, product_of_many, three_products


@triton.jit(do_not_specialize_on_alignment=["states", "matrices"])
def tacn_step(
    tokens,  # (B, C) float32
    states,  # the arena: blocks of BLOCK_BYTES, each a stream's state as in csrc/README.md
    rows,  # (B,) int32: the block of each row; negative, and the row sits this step out
    matrices,  # these three as gpu/weights.py packs them
    vectors,
    layers,
    logits,  # (B, OUTPUTS) float32; NaN for rows that sit out
    count,  # B
    WIDTH: tl.constexpr,  # C
    HEADS: tl.constexpr,  # h
    TAPS: tl.constexpr,  # k
    LAYERS: tl.constexpr,  # N
    OUTPUTS: tl.constexpr,  # L
    COLUMNS: tl.constexpr,  # C, padded
    PADDED_DEPTH: tl.constexpr,  # C / h, padded
    PADDED_HEADS: tl.constexpr,  # h, padded
    PADDED_OUTPUTS: tl.constexpr,  # L, padded
    PERIOD: tl.constexpr,  # tokens after which every ring is at its beginning again
    REACH: tl.constexpr,  # tokens that the oldest tap lies back
    BLOCK_BYTES: tl.constexpr,
    SCALE: tl.constexpr,  # 1 / sqrt(C / h)
    BLOCK_ROWS: tl.constexpr,
    AT_ONCE: tl.constexpr,  # weights that a program's registers hold
    DOT: tl.constexpr,
):
    """A program steps BLOCK_ROWS streams; the weights pass through it once.

    Q, K and V of the newest token stay in registers until the layer's other taps have been read:
    the slot that they go to is that of the oldest tap. Rings, sums and the residual are float32
    whatever the precision of the matrices.
    """
    INNER: tl.constexpr = PADDED_DEPTH * PADDED_HEADS
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    block = tl.load(rows + row, mask=row < count, other=-1)
    active = block >= 0
    state = states + block.to(tl.int64) * (BLOCK_BYTES // 4)
    counter = state.to(tl.pointer_type(tl.int64), bitcast=True)
    position = tl.load(counter, mask=active, other=0)
    age = tl.minimum(position, REACH).to(tl.int32)
    phase = (position % PERIOD).to(tl.int32)

    column = tl.arange(0, COLUMNS)
    inner = tl.arange(0, INNER)
    square = column[:, None] * INNER + inner[None, :]
    convolution = inner[:, None] * COLUMNS + column[None, :]
    # Elements of a head by heads, as the state has them, where they are not padding.
    element = tl.arange(0, PADDED_DEPTH)[None, :, None]
    head = tl.arange(0, PADDED_HEADS)[None, None, :]
    place = element * HEADS + head
    real = active[:, None, None] & (element < WIDTH // HEADS) & (head < HEADS)

    token = row[:, None] * WIDTH + column[None, :]
    in_token = active[:, None] & (column < WIDTH)[None, :]
    x = tl.load(tokens + token, mask=in_token, other=0.0)
    for n in range(LAYERS):
        dilation = tl.load(layers + 2 * n)
        slots = (TAPS - 1) * dilation
        slot = phase % slots
        ring = state + 16 + tl.load(layers + 2 * n + 1) * (3 * WIDTH)
        weight = matrices + n * ((3 + TAPS) * COLUMNS * INNER)

        # One row waits for nothing but its weights, so all of a layer's are asked for at once if
        # registers hold them. It does without 16 bytes a thread: its threads would compute what
        # others of their warp do as well.
        matrix = ()
        if BLOCK_ROWS == 1:
            for i in tl.static_range(3 + TAPS):
                where = weight + i * (COLUMNS * INNER) + (square if i < 3 else convolution)
                if (3 + TAPS) * COLUMNS * INNER <= AT_ONCE:
                    where = tl.load(where)
                matrix = matrix + (where,)

        # The taps, newest first: where each lies, whether there is one, its key and its value.
        shape: tl.constexpr = (BLOCK_ROWS, PADDED_DEPTH, PADDED_HEADS)
        if BLOCK_ROWS == 1:
            query_now = product(x, matrix[0], DOT).reshape(shape)
            keys = (product(x, matrix[1], DOT).reshape(shape),)
            values = (product(x, matrix[2], DOT).reshape(shape),)
        else:
            query_now, key, value = three_products(x, weight, INNER, DOT)
            query_now = query_now.reshape(shape)
            keys, values = (key.reshape(shape),), (value.reshape(shape),)
        taps = (ring + slot * (3 * WIDTH),)
        valid = (active,)
        for i in tl.static_range(1, TAPS):
            back = slot - i * dilation
            back = tl.where(back < 0, back + slots, back)
            taps = taps + (ring + back * (3 * WIDTH),)
            valid = valid + (active & (age >= i * dilation),)
            there = real & valid[i][:, None, None]
            tap = taps[i][:, None, None] + place
            keys = keys + (tl.load(tap + WIDTH, mask=there, other=0.0),)
            values = values + (tl.load(tap + 2 * WIDTH, mask=there, other=0.0),)

        z = tl.load(vectors + n * COLUMNS + column)[None, :]
        for i in tl.static_range(TAPS):
            if i == 0:
                query = query_now
            else:
                there = real & valid[i][:, None, None]
                query = tl.load(taps[i][:, None, None] + place, mask=there, other=0.0)
            # How much each head heeds each tap; missing ones it does not hear.
            scores = (tl.sum(query * keys[0], axis=1, keep_dims=True) * SCALE,)
            peak = scores[0]
            for j in tl.static_range(1, TAPS):
                score = tl.sum(query * keys[j], axis=1, keep_dims=True) * SCALE
                scores = scores + (tl.where(valid[j][:, None, None], score, float("-inf")),)
                peak = tl.maximum(peak, scores[j])
            total = tl.zeros_like(peak)
            mixed = tl.zeros_like(query)
            for j in tl.static_range(TAPS):
                share = tl.exp(scores[j] - peak)
                total += share
                mixed += share * values[j]
            mixed = tl.where(valid[i][:, None, None], mixed / total, 0.0)
            mixed = mixed.reshape((BLOCK_ROWS, INNER))
            if BLOCK_ROWS == 1:
                z += product(mixed, matrix[3 + i], DOT)
            else:
                tap_weight = weight + (3 + i) * (COLUMNS * INNER)
                z += product_of_many(mixed, tap_weight, COLUMNS, DOT)

        # What this writes over, other threads may have read as the oldest tap.
        tl.debug_barrier()
        newest = taps[0][:, None, None] + place
        tl.store(newest, query_now, mask=real)
        tl.store(newest + WIDTH, keys[0], mask=real)
        tl.store(newest + 2 * WIDTH, values[0], mask=real)
        x += tl.maximum(z, 0.0)

    output = tl.arange(0, PADDED_OUTPUTS)
    weight = matrices + LAYERS * ((3 + TAPS) * COLUMNS * INNER)
    result = product(x, weight + column[:, None] * PADDED_OUTPUTS + output[None, :], DOT)
    result += tl.load(vectors + LAYERS * COLUMNS + output)[None, :]
    result = tl.where(active[:, None], result, float("nan"))
    inside = (row < count)[:, None] & (output < OUTPUTS)[None, :]
    tl.store(logits + row[:, None] * OUTPUTS + output[None, :], result, mask=inside)
    tl.store(counter, position + 1, mask=active)
