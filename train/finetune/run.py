"""The whole fine-tuning: cross-validate, train on everything, choose temperature and thresholds."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edgeser
from train.checkpoint import Checkpoint
from train.data.manifest import CorpusError
from train.export import export_bundle, frontend_onnx
from train.finetune import calibrate
from train.finetune.figures import cautions, counted, figures
from train.finetune.fit import trained
from train.finetune.heard import Frames, each_alone, in_sessions
from train.finetune.licence import licence_of, notices_of
from train.finetune.recipe import OwnRecipe
from train.finetune.recordings import Own
from train.finetune.splits import kept_back
from train.finetune.tokens import heard
from train.models.emotion import EmotionModel
from train.provenance import provenance
from train.sessions import Utterance

SHORTEST = 0.5
"""Least seconds of speech of an utterance, if the parent defines none."""


@dataclass(frozen=True)
class Made:
    """A finished model, the graph of its front end, and its report."""

    checkpoint: Checkpoint
    graph: bytes
    report: dict[str, Any]


@dataclass(frozen=True)
class About:
    """Name and licence of the result."""

    name: str
    licence: str | None = None
    notices: Sequence[str] = ()


@dataclass
class Maker:
    """One fine-tuning. ``replay``: utterances of the parent's corpora with these labels."""

    parent: Checkpoint
    own: Own
    recipe: OwnRecipe
    replay: Sequence[Utterance] = ()
    tell: Callable[[str], None] = lambda _: None
    _tokens: dict[float, list[Utterance | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the front end's graph once, since training does not change it."""
        self.graph = frontend_onnx(self.parent.model.frontend)
        recordings, recipe = self.own.recordings, self.recipe
        self.folds = kept_back(recordings, recipe.folds, recipe.seed)
        self.known = all(r.speaker for r in recordings)
        self.by_speaker = len(self.own.speakers) > 1
        self.shortest = self.parent.thresholds["utterance"] or SHORTEST

    def make(self, about: About) -> Made:
        """Runs everything. Raises CorpusError if the gate finds no speech in the recordings."""
        everything = list(range(len(self.own.recordings)))
        licence = licence_of(self.parent.facts.get("licence", ""), about.licence)
        gate = self.gate(everything)
        parts = [self.judged(number) for number in range(len(self.folds))]
        self.tell(f"training on all {len(everything)} recordings")
        model = self.trained(everything, gate)
        frames = [f for alone, sessions in parts for f in (*alone, *sessions)]
        temperature = calibrate.temperature_of(frames)
        thresholds = {
            **self.parent.thresholds,
            "speech": gate,
            "confidence": self.confidence(frames, temperature),
        }
        report = self.report(parts, about, licence)
        chosen = {**thresholds, "temperature": temperature}
        report |= {
            "chosen": chosen,
            "missed_by_gate": calibrate.missed(self.tokens(gate), self.shortest),
            "confidence_chosen": calibrate.enough_answers(frames),
        }
        facts = {
            "name": about.name,
            "version": "1",
            "licence": licence,
            "notices": report["notices"],
            "training": self.facts(report),
        }
        return Made(Checkpoint(model, temperature, thresholds, facts), self.graph, report)

    def gate(self, indices: Sequence[int]) -> float:
        """The highest speech threshold up to the parent's that misses few of these recordings."""
        tried = {}
        for gate in calibrate.gates(self.parent.thresholds["speech"]):
            some = [self.tokens(gate)[i] for i in indices]
            tried[gate] = calibrate.missed(some, self.shortest)
            if calibrate.few_enough(tried[gate], len(indices)):
                return gate
        return min(tried, key=lambda gate: (tried[gate], -gate))

    def tokens(self, gate: float) -> list[Utterance | None]:
        """Tokens of speech of every recording, in all rooms."""
        if gate not in self._tokens:
            self.tell(f"listening to {len(self.own.audio)} recordings")
            self._tokens[gate] = heard(
                self.parent.model,
                self.own.recordings,
                self.own.audio,
                self.own.labels,
                gate,
                self.recipe.rooms,
            )
        return self._tokens[gate]

    def trained(self, indices: Sequence[int], gate: float) -> EmotionModel:
        """A model trained on these recordings and the replayed ones."""
        utterances = [u for i in indices if (u := self.tokens(gate)[i]) is not None]
        labels = self.own.labels
        absent = [k for n, k in enumerate(labels) if not any(u.label == n for u in utterances)]
        if len(absent) > len(labels) - 2:
            raise CorpusError(
                f"the gate hears nobody speak in the recordings of {', '.join(absent)} that were "
                "to be trained on: expected speech of half a second or more in each"
            )
        return trained(
            self.parent.model, labels, [*utterances, *self.replay], self.recipe, self.known
        )

    def judged(self, number: int) -> tuple[list[Frames], list[Frames]]:
        """One fold, alone and in sessions, by a model trained on the others. Temperature is 1."""
        held = self.folds[number]
        rest = [i for i in range(len(self.own.recordings)) if i not in set(held)]
        self.tell(f"part {number + 1} of {len(self.folds)}: training, then judging {len(held)}")
        gate = self.gate(rest)
        limits = {"speech": gate, "confidence": 0.0, "utterance": 0.0}
        model = self.loaded(self.trained(rest, gate), limits)
        part = self.own.of(held)
        return each_alone(model, part), in_sessions(model, part) if self.known else []

    def loaded(
        self, model: EmotionModel, thresholds: dict[str, float], temperature: float = 1.0
    ) -> edgeser.Model:
        """The model as a device would load it."""
        facts = {"name": "part", "version": "1", "licence": "none, never kept", "notices": []}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.edgeser"
            export_bundle(model, path, facts, thresholds, temperature, self.graph)
            return edgeser.load(path)

    def confidence(self, frames: Sequence[Frames], temperature: float) -> float:
        """The confidence threshold."""
        parent = self.parent.thresholds["confidence"]
        return calibrate.confidence_of(frames, temperature, self.recipe.right, parent)

    def report(
        self, parts: Sequence[tuple[list[Frames], list[Frames]]], about: About, licence: str
    ) -> dict[str, Any]:
        """All results. Each fold's temperature and threshold come from the other folds."""
        labels, recordings = self.own.labels, self.own.recordings
        said: tuple[list[Any], list[Any]] = ([], [])
        for number, part in enumerate(parts):
            others = [f for n, p in enumerate(parts) if n != number for f in (*p[0], *p[1])]
            temperature = calibrate.temperature_of(others)
            confidence = self.confidence(others, temperature)
            for into, frames in zip(said, part, strict=True):
                into += [f.heard(labels, temperature, confidence, self.shortest) for f in frames]
        start = self.parent.facts
        report: dict[str, Any] = {
            "name": about.name,
            "parent": " ".join(str(start.get(k, "")) for k in ("name", "version")).strip(),
            "labels": list(labels),
            "recordings": len(recordings),
            "speakers": len(self.own.speakers),
            "by_speaker": self.by_speaker,
            "counts": counted(recordings, labels),
            "folds": len(self.folds),
            "figures": figures(labels, *said),
            "right_wanted": self.recipe.right,
            "parent_thresholds": self.parent.thresholds,
            "replayed": len(self.replay),
            "licence": licence,
            "notices": notices_of(start, len(recordings), len(self.own.speakers), about.notices),
            "provenance": provenance(self.recipe.seed),
        }
        if set(labels) <= set(self.parent.model.config.labels):
            report["parent_figures"] = self.parent_figures()
        report["means_something"], report["cautions"] = cautions(report)
        return report

    def parent_figures(self) -> dict[str, Any]:
        """The parent's results on the same recordings, restricted to these labels."""
        self.tell("judging the parent on the same")
        model = self.loaded(self.parent.model, self.parent.thresholds, self.parent.temperature)
        labels, confidence = self.own.labels, self.parent.thresholds["confidence"]
        passes = [each_alone(model, self.own), in_sessions(model, self.own) if self.known else []]
        said = [
            [
                f.among(model.labels, labels).heard(labels, 1.0, confidence, self.shortest)
                for f in frames
            ]
            for frames in passes
        ]
        return figures(labels, *said)

    def facts(self, report: dict[str, Any]) -> dict[str, Any]:
        """Entries about the training for the bundle's manifest."""
        first = report["figures"]["first"]
        confusion = report["figures"]["confusion"]
        right = sum(row[i] for i, row in enumerate(confusion)) / max(first["count"], 1)
        known: dict[str, Any] = {
            "from": report["parent"],
            "recordings": report["recordings"],
            "speakers": report["speakers"],
            "counts": report["counts"],
            "folds": report["folds"],
            "replayed": report["replayed"],
            "means_something": report["means_something"],
            "provenance": report["provenance"],
        }
        scores = {"ua": first["ua"], "wa": round(right, 4)}
        where = "speaker_independent" if report["by_speaker"] else "same_voices"
        return {**known, where: {report["name"]: scores}}
