// Joins the page's parts: a start screen, a visit, the start screen again, for as long as it hangs.
import { start } from "./start.js";
import { keepForLater } from "./keep.js";
import { whenServerIsBack } from "./presence.js";
import { read } from "./read.js";
import { Visit } from "./visit.js";
import { Words } from "./words.js";

const JUST = 700; // ms: the second of two quick touches of "Done" is no yes
const VISITS = 40; // then the page is read anew: browsers keep some memory of each microphone

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

/** Nothing of a visit outlives this. */
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
  // Where a keyboard goes on; not at first, when nobody has touched one.
  if (ended > 0 || visit) document.getElementById(visit ? "visit" : "begin").focus({ preventScroll: true });
  scrollTo(0, 0);
}
