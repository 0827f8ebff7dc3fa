"""One TACN layer over whole sequences, for training and for recordings: forward, and backward.

Sequences lie one after the other, so that a program's rows are full whatever their lengths; where a
sequence begins, taps are missing. Both kernels take Q, K and V as they come from one matrix product
and leave to their caller what plain matrix products do: see ``train/models/tacn_operator.py``.
"""

import triton
import triton.language as tl


@triton.jit
def _shares(query, keys, missing, SCALE: tl.constexpr, TAPS: tl.constexpr):
    """How much each head heeds each tap, (rows, heads, 1) each; ``missing`` says of all but tap 0.

    The newest tap is never missing, so that no sum is zero.
    """
    scores = (tl.sum(query * keys[0], axis=2, keep_dims=True) * SCALE,)
    peak = scores[0]
    for j in tl.static_range(1, TAPS):
        score = tl.sum(query * keys[j], axis=2, keep_dims=True) * SCALE
        scores = scores + (tl.where(missing[j], float("-inf"), score),)
        peak = tl.maximum(peak, scores[j])
    exponentials = ()
    total = tl.zeros_like(peak)
    for j in tl.static_range(TAPS):
        exponentials = exponentials + (tl.exp(scores[j] - peak),)
        total += exponentials[j]
    shares = ()
    for j in tl.static_range(TAPS):
        shares = shares + (exponentials[j] / total,)
    return shares


@triton.jit(do_not_specialize=["rows", "time", "dilation"])
def tacn_sequence(
    projected,  # (B * T, 3, C): Q, K and V of every token
    filters,  # (k, C, C): the taps, newest first, with the output projection folded in
    bias,  # (C,)
    result,  # (B * T, C): ReLU(z), which the residual adds to x
    rows,  # B * T
    time,  # T
    dilation,  # d
    WIDTH: tl.constexpr,  # C
    HEADS: tl.constexpr,  # h
    TAPS: tl.constexpr,  # k
    COLUMNS: tl.constexpr,  # C, padded
    PADDED_DEPTH: tl.constexpr,  # C / h, padded
    PADDED_HEADS: tl.constexpr,  # h, padded
    SCALE: tl.constexpr,  # 1 / sqrt(C / h)
    BLOCK_ROWS: tl.constexpr,
    SUM: tl.constexpr,  # type of sums and of the attention
    FACTOR: tl.constexpr,  # type in which blocks of the tensors' type are multiplied
    DOT: tl.constexpr,
):
    """A program makes BLOCK_ROWS tokens: their attention stays in registers."""
    INNER: tl.constexpr = PADDED_DEPTH * PADDED_HEADS
    DEPTH: tl.constexpr = WIDTH // HEADS
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    inside = row < rows
    age = (row % time).to(tl.int32)
    head = tl.arange(0, PADDED_HEADS)[None, :, None]
    element = tl.arange(0, PADDED_DEPTH)[None, None, :]
    place = head * DEPTH + element
    real = (head < HEADS) & (element < DEPTH)
    token = projected + row[:, None, None] * (3 * WIDTH) + place

    keys, values, missing = (), (), ()
    for i in tl.static_range(TAPS):
        missing = missing + ((age < i * dilation)[:, None, None],)
        there = inside[:, None, None] & real & ~missing[i]
        tap = token - i * dilation * (3 * WIDTH)
        keys = keys + (tl.load(tap + WIDTH, mask=there, other=0.0).to(SUM),)
        values = values + (tl.load(tap + 2 * WIDTH, mask=there, other=0.0).to(SUM),)

    column = tl.arange(0, COLUMNS)
    inner = tl.arange(0, INNER)
    in_head = inner % PADDED_DEPTH
    of_filter = (inner // PADDED_DEPTH * DEPTH + in_head)[:, None] * WIDTH + column[None, :]
    filled = (inner < HEADS * PADDED_DEPTH) & (in_head < DEPTH)
    in_filter = filled[:, None] & (column < WIDTH)[None, :]
    z = tl.zeros((BLOCK_ROWS, COLUMNS), SUM)
    z += tl.load(bias + column, mask=column < WIDTH, other=0.0).to(SUM)[None, :]
    for i in tl.static_range(TAPS):
        there = inside[:, None, None] & real & ~missing[i]
        tap = token - i * dilation * (3 * WIDTH)
        query = tl.load(tap, mask=there, other=0.0).to(SUM)
        shares = _shares(query, keys, missing, SCALE, TAPS)
        mixed = tl.zeros_like(query)
        for j in tl.static_range(TAPS):
            mixed += shares[j] * values[j]
        mixed = tl.where(missing[i], 0.0, mixed).reshape((BLOCK_ROWS, INNER))
        taps = tl.load(filters + i * (WIDTH * WIDTH) + of_filter, mask=in_filter, other=0.0)
        z += tl.dot(mixed.to(taps.dtype).to(FACTOR), taps.to(FACTOR), input_precision=DOT)
    stored = inside[:, None] & (column < WIDTH)[None, :]
    tl.store(result + row[:, None] * WIDTH + column[None, :], tl.maximum(z, 0.0), mask=stored)


@triton.jit(do_not_specialize=["rows", "time", "dilation"])
def tacn_sequence_gradient(
    projected,  # (B * T, 3, C): as above
    gradient,  # (B * T, k, C): of the loss by what the attention gives for every tap
    by_projected,  # (B * T, 3, C): of the loss by Q, K and V
    mixed,  # (B * T, k, C): what the attention gives
    rows,
    time,
    dilation,
    WIDTH: tl.constexpr,
    HEADS: tl.constexpr,
    TAPS: tl.constexpr,
    PADDED_DEPTH: tl.constexpr,
    PADDED_HEADS: tl.constexpr,
    SCALE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    SUM: tl.constexpr,
):
    """A program gathers what BLOCK_ROWS tokens did in all the windows that they are taps of.

    Nothing is added to memory: every run gives the same bits. A token is tap w of the window that
    is w dilations later, whose tap m lies w - m dilations from the token.
    """
    DEPTH: tl.constexpr = WIDTH // HEADS
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    inside = (row < rows)[:, None, None]
    age = (row % time).to(tl.int32)[:, None, None]
    head = tl.arange(0, PADDED_HEADS)[None, :, None]
    element = tl.arange(0, PADDED_DEPTH)[None, None, :]
    place = head * DEPTH + element
    real = inside & (head < HEADS) & (element < DEPTH)
    token = row[:, None, None] * (3 * WIDTH) + place
    window = gradient + row[:, None, None] * (TAPS * WIDTH) + place

    # From the oldest tap of the token's own window to the newest of the last one that it is in.
    queries, keys, values, before = (), (), (), ()
    for i in tl.static_range(2 * TAPS - 1):
        at = (i - (TAPS - 1)) * dilation
        before = before + (age + at < 0,)
        there = real & ~before[i] & (age + at < time)
        tap = projected + token + at * (3 * WIDTH)
        queries = queries + (tl.load(tap, mask=there, other=0.0).to(SUM),)
        keys = keys + (tl.load(tap + WIDTH, mask=there, other=0.0).to(SUM),)
        values = values + (tl.load(tap + 2 * WIDTH, mask=there, other=0.0).to(SUM),)

    by_query = tl.zeros_like(queries[0])
    by_key = tl.zeros_like(queries[0])
    by_value = tl.zeros_like(queries[0])
    for w in tl.static_range(TAPS):
        heard, said, missing = (), (), ()
        for j in tl.static_range(TAPS):
            heard = heard + (keys[w - j + TAPS - 1],)
            said = said + (values[w - j + TAPS - 1],)
            missing = missing + (before[w - j + TAPS - 1],)
        for m in tl.static_range(TAPS):
            query = queries[w - m + TAPS - 1]
            shares = _shares(query, heard, missing, SCALE, TAPS)
            there = real & (age + w * dilation < time) & ~missing[m]
            wanted = window + (w * dilation * TAPS + m) * WIDTH
            wanted = tl.load(wanted, mask=there, other=0.0).to(SUM)
            # What each share would bring, and by how much that is more than what all of them do.
            gains = ()
            mean = tl.zeros_like(shares[0])
            for j in tl.static_range(TAPS):
                gains = gains + (tl.sum(wanted * said[j], axis=2, keep_dims=True),)
                mean += shares[j] * gains[j]
            by_key += shares[w] * (gains[w] - mean) * SCALE * query
            by_value += shares[w] * wanted
            if m == w:
                for j in tl.static_range(TAPS):
                    by_query += shares[j] * (gains[j] - mean) * SCALE * heard[j]
            if w == 0:
                own = tl.zeros_like(query)
                for j in tl.static_range(TAPS):
                    own += shares[j] * said[j]
                own = tl.where(missing[m], 0.0, own)
                of_tap = mixed + row[:, None, None] * (TAPS * WIDTH) + m * WIDTH + place
                tl.store(of_tap, own, mask=real)
    tl.store(by_projected + token, by_query, mask=real)
    tl.store(by_projected + token + WIDTH, by_key, mask=real)
    tl.store(by_projected + token + 2 * WIDTH, by_value, mask=real)
