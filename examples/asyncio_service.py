"""An asyncio service: 16-bit mono audio at 16 kHz comes in over TCP, utterances go out as JSON.

All connections share one model, and are computed together: whoever sends audio while a batch is
being computed is in the next one, so the more clients there are, the larger the batches. Run
``python examples/asyncio_service.py 8766`` and send it something::

    ffmpeg -loglevel error -i talk.mp4 -f s16le -ac 1 -ar 16000 - | nc -N 127.0.0.1 8766
"""

import asyncio
import json
import sys
from contextlib import suppress

import numpy as np
import numpy.typing as npt

import edgeser

RATE = 16_000
Samples = npt.NDArray[np.int16]
Events = list[edgeser.UtteranceEvent]


class Batches:
    """Chunks of many streams, computed together in a thread."""

    def __init__(self, pool: edgeser.Pool) -> None:
        self._pool = pool
        self._chunks: dict[edgeser.Utterances, Samples] = {}
        self._waiting: dict[edgeser.Utterances, asyncio.Future[Events]] = {}
        self._awake = asyncio.Event()

    async def process(self, stream: edgeser.Utterances, chunk: Samples) -> Events:
        """What :meth:`edgeser.Utterances.process` would return, a little later."""
        self._chunks[stream] = chunk
        self._waiting[stream] = asyncio.get_running_loop().create_future()
        self._awake.set()
        return await self._waiting[stream]

    async def run(self) -> None:
        """Computes pending hops, in an endless loop."""
        while await self._awake.wait():
            self._awake.clear()
            chunks, waiting = self._chunks, self._waiting
            self._chunks, self._waiting = {}, {}
            events = await asyncio.to_thread(self._pool.hear, chunks)
            for stream, answer in waiting.items():
                if not answer.done():  # the client may have gone
                    answer.set_result(events[stream])


async def serve(port: int) -> None:
    """Listen on this machine until cancelled."""
    model = edgeser.load()
    batches = Batches(model.pool())

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client may go without a word, and Ctrl-C cancels those that are there: without this,
        # asyncio before Python 3.12 prints a traceback for each.
        with suppress(ConnectionError, asyncio.CancelledError):
            await hear(reader, writer)
        writer.close()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = edgeser.Utterances(model, RATE)

        def tell(events: Events) -> None:
            for event in events:
                if isinstance(event, edgeser.Utterance):
                    line = {"start": event.start, "end": event.end, "label": event.label}
                    writer.write(json.dumps(line).encode() + b"\n")

        rest = b""
        while data := await reader.read(4_096):
            data = rest + data
            whole = len(data) // 2 * 2  # a packet may cut a sample in two
            data, rest = data[:whole], data[whole:]
            if not data:
                continue
            samples = np.frombuffer(data, "<i2").astype(np.int16)
            tell(await batches.process(stream, samples))
            await writer.drain()
        tell(stream.flush())
        await writer.drain()

    server = await asyncio.start_server(client, "127.0.0.1", port)
    print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await asyncio.gather(server.serve_forever(), batches.run())


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal() or int(sys.argv[1]) > 65_535:
        raise SystemExit("usage: python asyncio_service.py PORT  (0 for a free one)")
    try:
        asyncio.run(serve(int(sys.argv[1])))
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it ends
    except (edgeser.EdgeserError, OSError) as error:
        raise SystemExit(f"asyncio_service: {error}") from None
