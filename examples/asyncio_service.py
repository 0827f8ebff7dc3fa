"""Many speakers in one asyncio program: audio comes by coroutine, computing happens in a thread.

The model is shared, every speaker has a stream, and a pool steps all that have something to say in
one batch. Here recordings stand for them: ``python examples/asyncio_service.py a.wav b.wav``.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import edgeser

Chunk = npt.NDArray[np.float32]


async def microphone(path: Path, seconds: float = 0.5) -> AsyncIterator[tuple[int, Chunk]]:
    """A recording, as if it were being spoken (but faster)."""
    with soundfile.SoundFile(path) as file:
        size = int(seconds * file.samplerate)
        for block in file.blocks(size, dtype="float32", always_2d=True):
            yield file.samplerate, block.mean(axis=1)
            await asyncio.sleep(0)


async def main(paths: list[Path]) -> dict[Path, str]:
    """Judge all of them side by side."""
    pool = edgeser.load().pool()
    speakers = {path: microphone(path) for path in paths}
    streams: dict[Path, edgeser.Stream] = {}
    while speakers:
        chunks = {}
        for path, voice in list(speakers.items()):
            try:
                rate, chunk = await anext(voice)
            except StopAsyncIteration:
                del speakers[path]
                continue
            stream = streams.setdefault(path, pool.stream(rate))
            chunks[stream] = chunk
        if chunks:
            await asyncio.to_thread(pool.process, chunks)
    return {path: stream.flush().summary for path, stream in streams.items()}


if __name__ == "__main__":
    for spoken, verdict in asyncio.run(main([Path(name) for name in sys.argv[1:]])).items():
        print(f"{spoken.name}: {verdict}")
