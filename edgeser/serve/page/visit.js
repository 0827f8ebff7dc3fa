// One visit, from consent until everything is cleared: the microphone, its stream on the server, and the display.
import { colours } from "./colours.js";
import { Ears } from "./client.js";
import { Idle } from "./idle.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Utterances } from "./utterances.js";
import { Meter } from "./meter.js";

const at = (id) => document.getElementById(id);
const DISTINCT = 1.5; // seconds without speech until "Listening" is shown again

export class Visit {
  constructor(words, config, ended) {
    this.words = words;
    this.ended = ended;
    this.stage = new Stage(words, config.labels);
    this.meter = new Meter(at("meter"), words.say("level"));
    this.utterances = new Utterances(at("utterances"), words);
    this.timeline = new Timeline(at("timeline"), words);
    this.legend(config.labels);
    this.idle = new Idle(config.forget_after, {
      warn: (seconds) => this.stage.warn(seconds),
      gone: () => this.end(),
    });
    this.closing = new AbortController();
    const { signal } = this.closing;
    at("done").addEventListener("click", () => this.end(), { signal });
    addEventListener("keydown", ({ key }) => key === "Escape" && this.end(), { signal });
    this.ears = new Ears((event) => !signal.aborted && this.hear(event), {
      onState: (state) => !signal.aborted && this.become(state),
    });
    this.ears.start();
  }

  become({ microphone, server }) {
    this.stage.become(microphone, server);
    this.live = microphone === "live" && server === "live";
    if (!this.live) this.meter.rest();
  }

  hear(event) {
    this[event.type]?.(event);
  }

  ready(event) {
    this.threshold = event.speech_threshold;
    this.spokeAt = -Infinity;
    this.legend(event.labels); // the server may have returned with another model
    this.timeline.begin(event.labels, colours(event.labels), event.hop);
  }

  frame(event) {
    this.timeline.add(event);
    if (this.live) this.meter.show(event.level); // not for frames of a stream that is being ended
    if (event.speech >= this.threshold) {
      this.spokeAt = event.time;
      this.idle.active();
    }
    this.stage.hearing(event.time - this.spokeAt < DISTINCT);
  }

  utterance(event) {
    this.idle.active();
    this.stage.verdict(event);
    this.utterances.add(event);
    this.spokeAt = -Infinity;
  }

  legend(labels) {
    const all = colours(labels);
    at("legend").replaceChildren(...labels.map((label) => {
      const item = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.setProperty("--colour", all[label]);
      item.append(swatch, this.words.label(label));
      return item;
    }));
  }

  end() {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    this.idle.stop();
    this.ears.stop();
    for (const part of [this.stage, this.meter, this.utterances, this.timeline]) part.clear();
    this.ended();
  }
}
