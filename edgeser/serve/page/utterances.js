// The list of utterances and how they sounded, newest first. It shows neither words nor times of day.
import { colours } from "./colours.js";

const KEPT = 20;

export class Utterances {
  constructor(list, words) {
    this.list = list;
    this.words = words;
    this.clear();
  }

  add(utterance) {
    const { words } = this;
    const item = document.createElement("li");
    item.dataset.label = utterance.label ?? "";
    const swatch = part("swatch", "");
    const all = colours(Object.keys(utterance.probabilities));
    if (utterance.label) swatch.style.setProperty("--colour", all[utterance.label]);
    item.append(
      swatch,
      part("what", utterance.label ? words.label(utterance.label) : words.say("unclear")),
      part("sure", words.share.format(utterance.confidence)),
      part("long", words.seconds.format(utterance.end - utterance.start)),
    );
    this.list.prepend(item);
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
  }

  clear() {
    this.list.replaceChildren();
  }
}

function part(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}
