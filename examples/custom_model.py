"""A model of one's own: ``python examples/custom_model.py mine.edgeser talk.wav``.

Bundles come from ``python -m train finetune --data my_folder --out mine.edgeser`` or from
``python -m train export``. Labels, thresholds and sizes are whatever the bundle says.
"""

import sys

import edgeser

if __name__ == "__main__":
    model = edgeser.load(sys.argv[1])
    print(f"{model.name} {model.version} tells {', '.join(model.labels)} apart ({model.licence})")
    verdict = model.analyze(sys.argv[2]).verdict
    print(f"{verdict.summary}: {verdict.confidence:.2f}")
