"""Raw 16-bit mono audio from standard input, emotions as JSON lines to standard output.

From a file, a camera or a radio, whatever ffmpeg opens::

    ffmpeg -loglevel error -i talk.mp4 -f s16le -ac 1 -ar 16000 - | python examples/stdin_pipe.py

or with GStreamer, from a microphone::

    gst-launch-1.0 -q autoaudiosrc ! audioconvert ! audioresample \
        ! audio/x-raw,format=S16LE,channels=1,rate=16000 ! fdsink | python examples/stdin_pipe.py
"""

import json
import sys

import numpy as np

import edgeser

RATE = 16_000


def main() -> None:
    """Until standard input ends."""
    utterances = edgeser.Utterances(edgeser.load(), RATE)
    rest = b""
    while data := sys.stdin.buffer.read1(1 << 14):
        data = rest + data
        whole = len(data) // 2 * 2  # a pipe may cut a sample in two
        data, rest = data[:whole], data[whole:]
        if data:
            tell(utterances.process(np.frombuffer(data, "<i2").astype(np.int16)))
    tell(utterances.flush())


def tell(events: list[edgeser.UtteranceEvent]) -> None:
    """One line for each utterance."""
    for event in events:
        if isinstance(event, edgeser.Utterance):
            line = {"start": event.start, "end": event.end, "label": event.label}
            line["confidence"] = event.verdict.confidence
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 or sys.stdin.isatty():
        raise SystemExit("usage: ... | python stdin_pipe.py  (raw 16-bit mono at 16 kHz)")
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as programs say that Ctrl-C ended them
    except BrokenPipeError:
        sys.stderr.close()  # who read the lines has gone: nothing is left to say
    except edgeser.EdgeserError as error:
        raise SystemExit(f"stdin_pipe: {error}") from None
