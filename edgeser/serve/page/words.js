// The page's texts in the current language; they are in languages/.
import { read } from "./read.js";

export class Words {
  /** All languages, so that a change needs neither time nor the server. */
  static async load(config) {
    const words = async ({ code }) => [code, await read(`languages/${code}.json`)];
    return new Words(config, new Map(await Promise.all(config.languages.map(words))));
  }

  constructor(config, languages) {
    this.config = config;
    this.languages = languages;
    this.listeners = [];
    this.choose(null);
  }

  /** Selects a language by its code; null for the page's first one. */
  choose(code) {
    this.code = code ?? this.preset();
    this.words = this.languages.get(this.code);
    this.share = new Intl.NumberFormat(this.code, { style: "percent" });
    this.seconds = new Intl.NumberFormat(this.code, {
      style: "unit", unit: "second", unitDisplay: "narrow", minimumFractionDigits: 1, maximumFractionDigits: 1,
    });
    document.documentElement.lang = this.code;
    document.documentElement.dir = this.words.direction;
    for (const part of document.querySelectorAll("[data-words]")) part.textContent = this.say(part.dataset.words);
    for (const listener of this.listeners) listener();
  }

  /** Calls the listener now and after each change of the language. */
  follow(listener) {
    this.listeners.push(listener);
    listener();
  }

  say(key, values = {}) {
    return this.words[key].replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);
  }

  /** The name of a label in this language, or the label itself if there is none. */
  label(label) {
    return Object.hasOwn(this.words.labels, label) ? this.words.labels[label] : label;
  }

  preset() {
    const wanted = [this.config.language, ...navigator.languages, "en"].filter(Boolean);
    const found = (code) => [code, code.split("-")[0]].find((one) => this.languages.has(one));
    return found(wanted.find(found));
  }
}
