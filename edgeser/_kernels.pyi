"""The compiled kernels: front end, fused vector quantisation, incremental TACN step, resampler.

All classes are immutable and may be used by any number of threads at once; they release the
GIL while they compute. What changes between calls is in state blocks, which belong to the caller.

State blocks. Flat uint8 arrays of ``state_bytes`` bytes, aligned to 4 bytes (every array that numpy
allocates is), writable and C-contiguous. All zero bytes are a fresh state; a copy is a snapshot. A
block may be in one call at a time.

Bits. Every SIMD level, every batch size and every way of chunking returns the same bits.

Errors. Whatever is wrong with a bundle raises ``edgeser.BundleError``. Whatever is wrong with
another argument raises ``edgeser.KernelError``, which says what and what
to do. Arrays are never converted: another dtype, a wrong shape, a gap in memory, or a value that is
not finite is an error. A call that raised has left every state as it was.
"""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

_Floats = npt.NDArray[np.float32]
_State = npt.NDArray[np.uint8]

# Of the streams below.
_Frame = tuple[float, str | None, float, dict[str, float], float, float]
"""The fields of an EmotionFrame, in order."""
_Verdict = tuple[str | None, float, dict[str, float], float, float]
"""The fields of a Verdict, in order, but for its frames."""
_Event = (
    tuple[Literal["started"], int, float, int]
    | tuple[Literal["ended"], int, str, float, float, int, _Verdict]
)
"""What an utterance's rules say, each after the frame with the given index in the call's frames.

("started", index, start in seconds, frames): the newest ``frames`` frames are the first of the
utterance.
("ended", index, "silence" | "longest" | "flush", start, end, frames, verdict): the utterance was
its first ``frames`` frames. The index is -1 if the call brought no frame.
"""
_Rules = tuple[float | None, float, float, float, bool]
"""The fields of an Endpointing: speech, onset, hangover, longest, reset."""

def simd_levels() -> tuple[str, ...]:
    """Return the SIMD levels that this CPU can run, best first.

    A choice of "avx512_vnni", "avx512", "avx_vnni", "avx2", "neon_dotprod", "neon" and "plain"; the
    last is always there. Those named after a dot product differ from their neighbours in how fast
    int8 is. Each class takes one of them as ``simd``; None is the best.
    """

BUNDLE_FORMAT: int
"""The bundle format that is read."""

def size_limits() -> dict[str, tuple[int, int]]:
    """The least and the most of each of a bundle's sizes, and of the number of its labels."""

def tensor_shapes(sizes: Mapping[str, int], labels: int) -> dict[str, tuple[int, ...]]:
    """Name to shape of the tensors that a bundle of these sizes must have, but the front end's."""

def read_bundle(path: bytes, graph: bool = True) -> Bundle:
    """Read and check a bundle.

    Args:
        path: as :func:`os.fsencode` makes it; errors begin with it.
        graph: whether ``frontend.onnx`` is wanted. If not, and the manifest tells the layers that
            it has, it is neither hashed nor kept.
    """

def parse_bundle(data: bytes, graph: bool = True) -> Bundle:
    """The same of a bundle's bytes."""

class Bundle:
    """The checked contents of a bundle. Immutable."""

    @property
    def manifest(self) -> str:
        """The JSON text of ``manifest.json``."""

    @property
    def hash(self) -> str:
        """SHA-256 of the manifest in hex."""

    @property
    def front_end(self) -> bytes:
        """The ONNX graph; empty where it was not asked for."""

    @property
    def tensors(self) -> dict[str, _Floats]:
        """All tensors, read-only arrays."""

class FrontEnd:
    """The stateless half of the model: a segment and a running level to deep and latent features.

    Two views of the segment, its spectrogram and its harmonics, normalised by the running level and
    read by convolutions; ``edgeser.reference.front_end`` says the same in NumPy.
    """

    def __init__(
        self,
        wide: Sequence[tuple[object, ...]],
        narrow: Sequence[tuple[object, ...]],
        encoder: Sequence[tuple[object, ...]],
        head_weight: _Floats,
        head_bias: _Floats,
        *,
        segments: Mapping[str, int],
        spectrogram: Mapping[str, float],
        harmonics: Mapping[str, float],
        level: Mapping[str, float],
        precision: str = "float32",
        simd: str | None = None,
    ) -> None:
        """Copy the weights and pack them, and compute the Fourier transforms.

        Args:
            wide: The convolutions that read the spectrogram, each ``(weight (kernel height, kernel
                width, in, out), bias (out,), (stride down, across), (padding down, across),
                relu)``. Down is time, across is frequency.
            narrow: The same for the harmonics; may be empty.
            encoder: The same for the spectrogram, giving the latent features.
            head_weight: (features, F); the rows are the values of the last map of ``wide``, then
                those of ``narrow``, each with channels fastest.
            head_bias: (F,).
            segments: ``segment`` and ``hop`` in samples, ``sample_rate`` in Hz.
            spectrogram: ``window`` (a multiple of 4) and ``hop`` in samples.
            harmonics: ``window`` (even) and ``hop`` in samples, ``bands``, ``lowest`` in Hz,
                ``bands_an_octave``. Not read if ``narrow`` is empty.
            level: ``rise`` and ``fall`` (shares a hop), ``fall_limit``, ``headroom``, ``quietest``,
                ``dynamic_range`` and ``unset`` in decibels, ``first_bin``.
            precision: How the network's weights are kept, "float32", "bfloat16" or "int8". The
                Fourier transforms are float32 in all of them.
            simd: One of :func:`simd_levels`, or None for the best.
        """

    def __call__(self, segments: _Floats, levels: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """Read ``segments`` (B, segment) given the running ``levels`` (B,) in dBFS.

        Returns deep features (B, F), latent features (B, P, D), and the new levels (B,). B may be
        zero.
        """

    @property
    def segment(self) -> int:
        """Samples of a segment."""

    @property
    def deep(self) -> int:
        """F, the deep features."""

    @property
    def positions(self) -> int:
        """P, the latent vectors of a segment."""

    @property
    def code_width(self) -> int:
        """D, the values of a latent vector."""

    @property
    def precision(self) -> str:
        """How the network's weights are kept."""

    @property
    def simd(self) -> str:
        """The SIMD level in use."""

class VQFusion:
    """Nearest code of every position, fused with the deep features into a token.

    ``code[p] = argmin_k ||E_p - e_k||^2``, the lowest index on ties, and
    ``token = deep @ deep_weight + flatten(codebook[code]) @ latent_weight + bias``.
    """

    def __init__(
        self,
        codebook: _Floats,
        deep_weight: _Floats,
        latent_weight: _Floats,
        bias: _Floats,
        *,
        precision: str = "float32",
        simd: str | None = None,
    ) -> None:
        """Copy the weights and pack them.

        Args:
            codebook: (K, D), the K codes.
            deep_weight: (F, C).
            latent_weight: (P * D, C); row ``p * D + d`` is for value d of position p.
            bias: (C,).
            precision: How the weights of the projection are kept: "float32", or "bfloat16" for the
                two lower ones, "bfloat16" and "int8". The search for codes is float32 in all three.
            simd: One of :func:`simd_levels`, or None for the best.
        """

    def __call__(self, deep: _Floats, latent: _Floats) -> tuple[_Floats, npt.NDArray[np.int32]]:
        """Return tokens (B, C) and codes (B, P) of ``deep`` (B, F) and ``latent`` (B, P, D).

        B may be zero.
        """

    @property
    def codes(self) -> int:
        """K, the number of codes."""

    @property
    def code_width(self) -> int:
        """D, the values of a code."""

    @property
    def positions(self) -> int:
        """P, the codes of a token."""

    @property
    def deep_width(self) -> int:
        """F, the deep features of a token."""

    @property
    def token_width(self) -> int:
        """C, the values of a token."""

    @property
    def precision(self) -> str:
        """The precision asked for."""

    @property
    def simd(self) -> str:
        """The SIMD level in use."""

class TACN:
    """Temporal attention convolutional network (Interspeech 2020), one token at a time.

    Each layer keeps its last ``(taps - 1) * dilation`` inputs, and projects those of its taps anew
    in each step, whose cost never changes.

    A state block: a 64-byte header whose first 8 bytes are the position (int64, the tokens done),
    the rest zero; then, layer by layer, a ring of ``(taps - 1) * dilation`` slots. Token t lives in
    slot ``t mod ((taps - 1) * dilation)``. What a slot holds is ``rings``: ``"float32"``, the
    layer's input (C,); ``"int8"``, the same as products in int8 take it, a float32 scale and C
    int8, padded to a multiple of 4 bytes; ``"projections"``, float32 (3, width / heads, heads): Q,
    K and V, element e of head j at ``[:, e, j]``, three times the memory and half the products.
    All return the same bits.
    """

    def __init__(
        self,
        query: _Floats,
        key: _Floats,
        value: _Floats,
        output: _Floats,
        taps: _Floats,
        bias: _Floats,
        head_weight: _Floats,
        head_bias: _Floats,
        *,
        heads: int,
        dilations: Sequence[int],
        precision: str = "float32",
        projections: bool = False,
        simd: str | None = None,
    ) -> None:
        """Copy the weights, fold ``output`` into ``taps`` (in float64), and pack them.

        Args:
            query: (N, C, C), N = 1..64 layers of width C = 1..512. Head j owns columns
                ``j * C/h .. (j + 1) * C/h``.
            key: (N, C, C), as ``query``.
            value: (N, C, C), as ``query``.
            output: (N, C, C), the projection after the heads are concatenated.
            taps: (N, k, C, C), k = 2..8; ``taps[:, i]`` is for the token i dilations ago.
            bias: (N, C), of the convolution.
            head_weight: (C, L), L = 1..64.
            head_bias: (L,).
            heads: h, divides C.
            dilations: One a layer, each 1..2**20.
            precision: How all matrices are kept: "float32"; "bfloat16", which rounds the weights
                and computes in float32; or "int8", which rounds each output's weights to -127..127
                of a scale of its own, does the same with every row of inputs as it comes, and adds
                up integers. Attention and sums of tokens are float32 in all three.
            projections: Whether rings keep Q, K and V, as those of streams on a GPU do.
            simd: One of :func:`simd_levels`, or None for the best.
        """

    def step(
        self,
        tokens: _Floats,
        states: Sequence[_State],
        active: npt.NDArray[np.bool_] | None = None,
    ) -> _Floats:
        """Advance B streams by one token each and return their logits (B, L).

        Args:
            tokens: (B, C). Rows that sit out may hold anything.
            states: B blocks of ``state_bytes`` bytes, no two overlapping. Streams of any ages mix.
            active: (B,) bool; rows where it is False sit out: their state is untouched and their
                logits are NaN. None steps every row.
        """

    def keep(self, state: _State, steps: int) -> _State:
        """Copy what the next ``steps`` steps will overwrite of ``state``, for :meth:`put_back`.

        That is one slot a ring and step: a small part of the state.
        """

    def put_back(self, state: _State, kept: _State) -> None:
        """Make ``state`` what it was when ``kept`` was copied, at most its ``steps`` steps ago."""

    @property
    def width(self) -> int:
        """C, the values of a token."""

    @property
    def layers(self) -> int:
        """N, the number of layers."""

    @property
    def heads(self) -> int:
        """h, the attention heads of each layer."""

    @property
    def taps(self) -> int:
        """k, the tokens that one layer attends to."""

    @property
    def outputs(self) -> int:
        """L, the number of logits."""

    @property
    def receptive_field(self) -> int:
        """How many tokens, the newest included, the logits depend on."""

    @property
    def state_bytes(self) -> int:
        """The length of a state block."""

    @property
    def rings(self) -> Literal["float32", "int8", "projections"]:
        """What a slot of a state block holds."""

    @property
    def precision(self) -> str:
        """How the matrices are kept."""

    @property
    def simd(self) -> str:
        """The SIMD level in use."""

class Step:
    """Front end, VQ fusion and TACN in one call: one segment of each of B streams to logits.

    The same bits as the three one after another. What goes from one to the next is no array.
    """

    def __init__(self, front_end: FrontEnd, fusion: VQFusion, tacn: TACN) -> None:
        """Join the kernels of one model; they stay in use for as long as this is."""

    def __call__(
        self, segments: Sequence[_Floats], levels: _Floats, states: Sequence[_State]
    ) -> tuple[_Floats, _Floats]:
        """Advance B streams by one segment each; return logits (B, L) and new levels (B,).

        Args:
            segments: B arrays of ``front_end.segment`` samples in [-1, 1].
            levels: (B,) dBFS.
            states: as for :meth:`TACN.step`.
        """

class Resampler:
    """Streaming resampler between any two rates, with zero phase and no warm-up.

    Output m is ``sum_n x[n] h(m * rate_in / rate_out - n)``: a polyphase FIR filter under a Kaiser
    window, designed in float64. The pass band reaches 0.875 of the lower of the two Nyquist
    frequencies, within 0.01 dB; from that Nyquist frequency on, images and aliases are at least
    90 dB down. The signal is taken to be preceded by zeros; n samples give
    ``ceil(n * rate_out / rate_in)`` in all. Equal rates copy, and need no state.

    A state block (none if the rates are equal): a 64-byte header whose first 8 bytes are an int64
    counter, the rest zero; then the last ``taps`` samples, float32.
    """

    def __init__(self, rate_in: int, rate_out: int, simd: str | None = None) -> None:
        """Design the filter for two rates in Hz, each 4000..384000."""

    def process(self, chunk: _Floats, state: _State) -> _Floats:
        """Take n >= 0 more samples (n,) and return those outputs (m,) that they complete.

        An output appears once the ``half_width`` samples after it have come. How the signal is cut
        into chunks does not change a bit of what comes out.
        """

    def flush(self, state: _State) -> _Floats:
        """End the signal: return the outputs still due, as if ``half_width`` zeros came.

        The state is fresh afterwards.
        """

    @property
    def rate_in(self) -> int:
        """Input rate in Hz."""

    @property
    def rate_out(self) -> int:
        """Output rate in Hz."""

    @property
    def taps(self) -> int:
        """Input samples that an output depends on: the taps of a phase; 0 for equal rates."""

    @property
    def half_width(self) -> int:
        """Input samples of look-ahead."""

    @property
    def delay(self) -> float:
        """The look-ahead in seconds: how much later than its input an output appears."""

    @property
    def state_bytes(self) -> int:
        """The length of a state block."""

    @property
    def simd(self) -> str:
        """The SIMD level in use."""

class Core:
    """What all streams of a model share: its kernels, gate, speaker's constants, thresholds.

    Immutable; any number of threads. Errors of all classes from here on are the package's own:
    AudioError, BackendError, BundleError, KernelError, StateError, StreamBusyError.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: str = "float32",
        projections: bool = False,
        simd: str | None = None,
    ) -> None:
        """Pack the weights. Raises BundleError if the bundle cannot be run.

        ``projections``: as for :class:`TACN`.
        """

    @property
    def front_end(self) -> FrontEnd | None:
        """The front end's kernel; None if the bundle does not tell its layers.

        Streams of such a core are stepped by :class:`Turn` alone.
        """

    @property
    def fusion(self) -> VQFusion:
        """Its lookup."""

    @property
    def tacn(self) -> TACN:
        """Its TACN, with one output for each label."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions."""

    @property
    def hash(self) -> str:
        """The bundle's, in hex."""

    @property
    def hop(self) -> float:
        """Seconds between frames."""

    @property
    def precision(self) -> str:
        """How the weights are kept."""

    @property
    def simd(self) -> str:
        """The SIMD level in use."""

def to_mono(chunk: npt.NDArray[Any], sample_rate: int) -> _Floats:
    """Check a chunk as streams do, and return it as mono float32 (n,), in an array of its own."""

class Stream:
    """One stream: audio of any rate in, frames out.

    One call at a time: a second gets StreamBusyError. A call that raises leaves the stream as it
    was. The GIL is not held while it computes.
    """

    def __init__(
        self,
        core: Core,
        sample_rate: int,
        *,
        adapt: bool | None = None,
        new_speaker_after: float | None = None,
        rules: _Rules | None = None,
        detector: Callable[[_Floats], float] | None = None,
        threshold: float | None = None,
        every_hop: bool = True,
    ) -> None:
        """A fresh one.

        Args:
            core: its model.
            sample_rate: Hz, 8000..192000.
            adapt: whether it learns the speaker; None for what the bundle says.
            new_speaker_after: seconds without speech after which the speaker is forgotten.
            rules: cut utterances; None for no events.
            detector: is called with the ``hop`` newest samples at the model's rate (hop,) before
                each frame, and returns the speech score in [0, 1] that the frame and the utterances
                go by. The gate goes by the model's own all the same.
            threshold: of that score: below it a frame has no label. None for the rules' speech, or
                else 0.5. With a detector and rules without a speech threshold, also theirs.
            every_hop: whether somebody reads hops that sound like the quiet before them, too.
        """

    @staticmethod
    def resume(
        core: Core,
        data: bytes,
        *,
        detector: Callable[[_Floats], float] | None = None,
        threshold: float | None = None,
    ) -> Stream:
        """One that goes on where the saved one went, with its options. Raises StateError.

        Args:
            core: the model's.
            data: what ``state`` returned.
            detector: as for a new one.
            threshold: of that score, in place of that of the saved one, unless its rules have one.
        """

    def process(self, chunk: npt.NDArray[Any]) -> tuple[list[_Frame], list[_Event]]:
        """Push a chunk: the frames and events that it brought. Needs ``core.front_end``."""

    def flush(self) -> tuple[list[_Frame], list[_Event], _Verdict]:
        """End the sound; judge all since the last flush or reset. The speaker stays known."""

    def calibrate(self, chunk: npt.NDArray[Any]) -> None:
        """Learn the speaker from neutral speech, apart from the stream. Needs a front end."""

    def new_speaker(self) -> None:
        """Forget the speaker, and end the sequence."""

    def reset(self) -> None:
        """Forget everything."""

    def skip(self, seconds: float) -> None:
        """Time passes unheard: what follows is timed so much later."""

    def state(self) -> bytes:
        """Everything that it knows and its options; always ``saved_bytes`` bytes."""

    @property
    def speaker(self) -> tuple[float, float, _Floats]:
        """Utterances learned of, weight of what was learned, and the shift (C,) in use."""

    @property
    def rings(self) -> _State:
        """The TACN's block, a view to write to: for an engine that has the rings elsewhere."""

    @property
    def tokens(self) -> int:
        """Tokens of the running sequence: the position of the rings."""

    @property
    def sample_rate(self) -> int:
        """Hz, of the chunks."""

    @property
    def position(self) -> float:
        """Seconds of audio pushed since the last flush or reset."""

    @property
    def delay(self) -> float:
        """Seconds of audio after which a pushed sample is in a frame, at the latest."""

    @property
    def until_frame(self) -> int:
        """So many samples, at least, must still be pushed before the next frame can come."""

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on; False without rules."""

    @property
    def adapt(self) -> bool:
        """Whether it learns the speaker."""

    @property
    def new_speaker_after(self) -> float | None:
        """Seconds without speech after which the speaker is forgotten."""

    @property
    def rules(self) -> _Rules | None:
        """How it cuts utterances."""

    @property
    def every_hop(self) -> bool:
        """Whether the gate hears hops that sound like the quiet before them, too."""

    @property
    def state_bytes(self) -> int:
        """Bytes of memory that what it remembers takes; constant."""

    @property
    def saved_bytes(self) -> int:
        """Length of what :meth:`state` returns; constant."""

class Pool:
    """Scratch to step many streams of one core together. Threads: any number."""

    def __init__(self, core: Core) -> None:
        """Of one core with a front end."""

    def process(
        self, streams: Sequence[Stream], chunks: Sequence[npt.NDArray[Any]]
    ) -> list[tuple[list[_Frame], list[_Event]]]:
        """As :meth:`Stream.process` of each, in batches; all or nothing."""

class Turn:
    """One call over streams of one core, whose features or TACN somebody else computes.

    ``with Turn(...) as turn``; leaving it without :meth:`finish` puts all streams back. The streams
    are busy meanwhile. Repeat: segments; tokens or features; step or logits, unless no row is open.
    csrc/stream/README.md has the order. One thread.
    """

    def __init__(
        self,
        core: Core,
        streams: Sequence[Stream],
        chunks: Sequence[npt.NDArray[Any]] | None = None,
        *,
        kind: Literal["process", "flush", "calibrate"] = "process",
        steps: bool = True,
    ) -> None:
        """Check everything and hold the streams.

        Args:
            core: theirs.
            streams: different ones.
            chunks: one each; None to flush.
            kind: what the turn is; "calibrate" never opens a row, and is of one stream.
            steps: whether :meth:`step` will be used: the rings are then kept for undoing.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def segments(self, most: int = 64) -> tuple[list[int], _Floats, _Floats]:
        """The next segment of up to ``most`` streams: indices (B), (B, segment), levels (B,).

        B = 0: all is heard, :meth:`finish`.
        """

    def features(
        self, deep: _Floats, latent: _Floats, levels: _Floats
    ) -> tuple[list[int], _Floats, npt.NDArray[np.bool_]]:
        """As :meth:`tokens`, after the core's fusion of features (B, F) and (B, P, D)."""

    def tokens(
        self, tokens: _Floats, levels: _Floats
    ) -> tuple[list[int], _Floats, npt.NDArray[np.bool_]]:
        """Take the tokens (B, C) of these segments, and their new levels (B,).

        Returns the R rows whose gate is open, as indices into the streams, what the TACN hears
        (R, C), and which of them begin a sequence (R,). R = 0: go on with :meth:`segments`.
        """

    def step(self) -> None:
        """Step these R rows with the core's own TACN and record what came of it."""

    def logits(self, logits: _Floats) -> None:
        """Record what somebody else's TACN made of these rows, (R, L)."""

    def finish(self) -> list[Any]:
        """What each stream's process or flush would return; None after calibrating."""

class Endpointer:
    """The rules of utterances alone, for who has frames already. As a stream's, one thread."""

    def __init__(self, core: Core, rules: _Rules) -> None:
        """Of nothing heard yet."""

    def hear(
        self,
        time: float,
        speech: float,
        open: bool,  # noqa: A002
        probabilities: Sequence[float],
    ) -> list[_Event]:
        """The next frame: the events that it brings, with index 0.

        ``open``: the model's own gate was, so that its probabilities say something.
        """

    def flush(self) -> list[_Event]:
        """The end."""

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on."""

    @property
    def threshold(self) -> float:
        """Speech score at which a frame is speech."""
