"""A model of one's own: ``python examples/custom_model.py mine.edgeser talk.wav``.

Bundles come from ``python -m train finetune --data my_folder --out mine.edgeser`` or from
``python -m train export``. Labels, thresholds and sizes are whatever the bundle says.
"""

import sys

import edgeser


def main(bundle: str, recording: str) -> None:
    """Describes the model and its results for a recording."""
    model = edgeser.load(bundle)
    print(f"{model.name} {model.version} tells {', '.join(model.labels)} apart ({model.licence})")
    verdict = model.analyze(recording).verdict
    print(f"{verdict.summary}: {verdict.confidence:.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python custom_model.py MODEL.edgeser RECORDING")
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except edgeser.EdgeserError as error:
        raise SystemExit(f"custom_model: {error}") from None
