"""A client of the model in Triton: ``python examples/triton_client.py talk.wav [host:8001]``."""

import json
import secrets
import sys

import numpy as np
import soundfile
import tritonclient.grpc as triton


def main(path: str, server: str = "127.0.0.1:8001") -> None:
    """Sends a recording at the pace of speech and prints the results."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    sound = samples.mean(axis=1).astype(np.int16)
    name = secrets.randbits(63) + 1  # of the sequence; nobody else's
    with triton.InferenceServerClient(server) as client:
        for start in range(0, len(sound), rate // 10):
            piece = sound[start : start + rate // 10]
            given = [triton.InferInput("pcm", [1, len(piece)], "INT16")]
            given[0].set_data_from_numpy(piece[None])
            if start == 0:
                given.append(triton.InferInput("sample_rate", [1, 1], "INT32"))
                given[1].set_data_from_numpy(np.array([[rate]], np.int32))
            answer = client.infer(
                "edgeser",
                given,
                outputs=[triton.InferRequestedOutput("events")],
                sequence_id=name,
                sequence_start=start == 0,
                sequence_end=start + len(piece) == len(sound),
            )
            for text in answer.as_numpy("events")[0]:
                event = json.loads(text)
                if event["type"] == "utterance":
                    print(f"{event['start']:6.2f} s  {event['label']}  {event['confidence']:.2f}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit("usage: python triton_client.py RECORDING [HOST:PORT]")
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (soundfile.SoundFileError, triton.InferenceServerException) as error:
        raise SystemExit(f"triton_client: {error}") from None
