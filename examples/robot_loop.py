"""A robot that reacts to how it is spoken to, in a few lines: ``python examples/robot_loop.py``."""

import edgeser

GESTURES = {"anger": "step back", "sadness": "lean in", "happiness": "nod", "neutral": "look up"}

try:
    for event in edgeser.listen_for_utterances():
        if isinstance(event, edgeser.SpeechStarted):
            print("turn towards the voice", flush=True)
        elif isinstance(event, edgeser.Utterance):
            print(GESTURES.get(event.label or "", "wait"), flush=True)
except KeyboardInterrupt:
    pass  # Ctrl-C is how it ends
except edgeser.EdgeserError as error:
    raise SystemExit(f"robot_loop: {error}") from None
