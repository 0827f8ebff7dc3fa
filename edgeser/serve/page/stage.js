// The large text: a prompt, the last verdict, or the fault that stops the page; and a small line below it.
import { colours } from "./colours.js";

const at = (id) => document.getElementById(id);
const FAULTY = ["opening", "denied", "absent", "busy", "unplugged", "muted", "suspended", "insecure"];

export class Stage {
  constructor(words, labels) {
    this.words = words;
    // As large as the longest label allows, so that all labels have the same size.
    const texts = [...labels.map((label) => words.label(label)), words.say("unclear")];
    at("stage").style.setProperty("--letters", Math.max(6, ...texts.map(widthOf)));
    this.clear();
    this.show();
  }

  clear() {
    this.microphone = "opening";
    this.server = "off";
    this.last = null;
    this.heard = false;
    this.seconds = null;
    at("now").style.setProperty("--colour", "");
    for (const id of ["before", "what", "after", "state", "spoken"]) at(id).textContent = "";
    at("stage").dataset.kind = "prompt";
    delete document.body.dataset.state;
  }

  become(microphone, server) {
    Object.assign(this, { microphone, server });
    if (microphone !== "live" || server !== "live") this.heard = false;
    this.show();
  }

  hearing(heard) {
    if (heard === this.heard) return;
    this.heard = heard;
    this.show();
  }

  verdict(utterance) {
    this.last = utterance;
    this.heard = false;
    this.show();
    const { words } = this;
    const values = { label: words.label(utterance.label), share: words.share.format(utterance.confidence) };
    at("spoken").textContent = words.say(utterance.label ? "spoken" : "spoken_unclear", values);
  }

  /** Shows the seconds until everything is cleared; null for many. */
  warn(seconds) {
    if (seconds === this.seconds) return;
    this.seconds = seconds;
    this.show();
  }

  /** Shows a fault, or none for null. The microphone's comes first: the server's repairs itself. */
  fault() {
    if (this.microphone === "unloaded") return "offline";
    if (FAULTY.includes(this.microphone)) return this.microphone;
    return this.server === "live" ? null : { off: "connecting" }[this.server] ?? this.server;
  }

  show() {
    const { words, last } = this;
    const fault = this.fault();
    const large = fault && (fault === this.microphone || !last);
    document.body.dataset.state = fault ?? (this.heard ? "hearing" : "listening");
    if (large) {
      const { what, do: then } = words.words.faults[fault];
      this.say("fault", "", what, then);
    } else if (last) {
      const share = words.share.format(last.confidence);
      if (last.label) this.say("verdict", words.say("sounded"), words.label(last.label), words.say("sure", { share }), last.label);
      else {
        const [nearest] = Object.entries(last.probabilities).sort((a, b) => b[1] - a[1])[0];
        this.say("unclear", words.say("sounded"), words.say("unclear"), words.say("closest", { label: words.label(nearest), share }));
      }
    } else this.say("prompt", "", words.say("listening"), words.say("speak"));
    let quiet = this.heard || last ? words.say(this.heard ? "hearing" : "listening") : "";
    if (fault) quiet = large ? "" : words.words.faults[fault].do;
    if (this.seconds !== null) quiet = words.say("clearing", { seconds: this.seconds });
    put("state", quiet);
  }

  say(kind, before, what, after, label = "") {
    at("stage").dataset.kind = kind;
    at("now").style.setProperty("--colour", label ? colours(Object.keys(this.last.probabilities))[label] : "");
    put("before", before);
    put("what", what);
    put("after", after);
  }
}

/** Width in Latin letters; Chinese and Japanese ones are about twice as wide. */
function widthOf(text) {
  return [...text].reduce((sum, letter) => sum + (letter > "\u2fff" ? 1.8 : 1), 0);
}

function put(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}
