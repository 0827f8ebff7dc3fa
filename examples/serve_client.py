"""A client of ``edgeser serve``: ``python examples/serve_client.py talk.wav [ws://host:8765]``."""

import json
import sys
import threading
from contextlib import suppress

import soundfile
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect


def main(path: str, server: str = "ws://127.0.0.1:8765") -> None:
    """Sends a recording and prints the results."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    address = f"{server}/v1/stream?rate={rate}&format=int16&channels={samples.shape[1]}"
    with connect(address) as socket:

        def send() -> None:
            with suppress(ConnectionClosed):  # why it is, the loop below is told
                for start in range(0, len(samples), rate // 10):
                    socket.send(samples[start : start + rate // 10].tobytes())
                socket.send(json.dumps({"type": "end"}))

        threading.Thread(target=send, daemon=True).start()
        for message in socket:
            event = json.loads(message)
            if event["type"] == "utterance":
                print(f"{event['start']:6.2f} s  {event['label']}  {event['confidence']:.2f}")
            elif event["type"] == "error":
                raise SystemExit(f"serve_client: {event['message']}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit("usage: python serve_client.py RECORDING [ws://HOST:PORT]")
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (soundfile.SoundFileError, WebSocketException, OSError) as error:
        raise SystemExit(f"serve_client: {error}") from None
