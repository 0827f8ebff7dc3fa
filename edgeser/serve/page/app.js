// Switches between the start screen and visits. The page runs for months without a reload by hand.
import { start } from "./start.js";
import { keepForLater } from "./keep.js";
import { whenServerIsBack } from "./presence.js";
import { read } from "./read.js";
import { Visit } from "./visit.js";
import { Words } from "./words.js";

const JUST = 700; // ms: a second touch within this time after "Done" does not begin a new visit
const VISITS = 40; // visits until a reload: browsers leak some memory for each microphone

const config = await read("config.json");
const words = await Words.load(config);
let visit = null;
let visits = 0;
let ended = -Infinity;

const screen = start(words, config, begin);
const presence = whenServerIsBack(config, {
  idle: () => !visit,
  worn: () => visits >= VISITS,
  said: (there) => screen.server(there),
});
show("start");
keepForLater(config);

function begin() {
  if (visit || performance.now() - ended < JUST) return;
  visits += 1;
  visit = new Visit(words, config, end);
  show("visit");
}

/** Clears everything that a visit left. */
function end() {
  visit = null;
  ended = performance.now();
  show("start");
  words.choose(null);
  presence.look();
}

function show(name) {
  document.body.dataset.screen = name;
  for (const part of document.querySelectorAll("[data-on]")) part.hidden = part.dataset.on !== name;
  // Move the keyboard focus; not at first, when no keyboard has been used.
  if (ended > 0 || visit) document.getElementById(visit ? "visit" : "begin").focus({ preventScroll: true });
  scrollTo(0, 0);
}
