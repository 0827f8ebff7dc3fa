import { listen } from "./client.js";
import { Timeline } from "./timeline.js";

const KNOWN = {
  anger: "#d1495b", happiness: "#e0a030", sadness: "#4a7fb5", neutral: "#8a9a8e",
  calm: "#6fb0a4", fear: "#8e6bbf", disgust: "#6f9a3e", surprise: "#d07ab0",
};
const OTHERS = ["#c2703d", "#3f9c8f", "#a05fa5", "#7a7fd0", "#b5983a", "#5b8c5a"];
const KEPT = 50;
const QUIETEST = -60;

const at = (id) => document.getElementById(id);
const button = at("microphone");
const timeline = new Timeline(at("timeline"));
let session = null;
let colours = {};
let speechThreshold = 0.5;
let latencies = [];

button.addEventListener("click", () => {
  // Not "disabled" while it opens: that would take the focus away from who uses the keyboard.
  if (button.getAttribute("aria-busy") === "true") return;
  if (session) stop();
  else start();
});

async function start() {
  problem("");
  button.setAttribute("aria-busy", "true");
  try {
    session = await listen(hear, { onClose: closed });
    show("Listening", "", "silent");
    press(true);
  } catch (error) {
    session = null;
    problem(reason(error));
  }
  button.removeAttribute("aria-busy");
}

function stop() {
  const ending = session;
  session = null;
  press(false);
  ending.stop();
  level(QUIETEST);
  show("Press the button and speak", "", "off");
}

function closed(event) {
  if (!session) return;
  session = null;
  press(false);
  level(QUIETEST);
  show("Press the button and speak", "", "off");
  if (!at("problem").textContent) problem(`The connection ended (${event.code}). Press Start to try again.`);
}

const HEAR = {
  ready(event) {
    colours = {};
    let spare = 0;
    for (const label of event.labels) colours[label] = KNOWN[label] ?? OTHERS[spare++ % OTHERS.length];
    speechThreshold = event.speech_threshold;
    latencies = [];
    timeline.begin(event.labels, colours, event.hop);
    at("about").textContent = `How a voice sounds, as it speaks. Model: ${event.model.name} ${event.model.version}`;
    at("legend").replaceChildren(...event.labels.map((label) => {
      const item = document.createElement("li");
      item.append(swatch(label), label);
      return item;
    }));
  },
  frame(event) {
    timeline.add(event);
    level(event.level);
    if (!session) return;
    if (event.speech < speechThreshold) show("Listening", "", "silent");
    else if (event.label) show(event.label, `${percent(event.confidence)} sure`, "sure");
    else show("Not sure", `${likeliest(event.probabilities)}, ${percent(event.confidence)}`, "unsure");
    latencies = [...latencies.slice(-49), event.latency_ms];
    const middle = [...latencies].sort((a, b) => a - b)[latencies.length >> 1];
    at("latency").textContent = `server latency ${middle.toFixed(1)} ms (median)`;
  },
  utterance(event) {
    at("none").hidden = true;
    const item = document.createElement("li");
    const what = document.createElement("span");
    what.className = "what";
    what.textContent = event.label ? `${event.label}, ${percent(event.confidence)}` : "not sure";
    const when = document.createElement("span");
    when.className = "when";
    when.textContent = `${clock(event.start)} · ${(event.end - event.start).toFixed(1)} s`;
    item.append(swatch(event.label), what, when);
    item.dataset.label = event.label ?? "";
    at("utterances").prepend(item);
    while (at("utterances").children.length > KEPT) at("utterances").lastChild.remove();
  },
  error(event) {
    problem(`The server says: ${event.message}`);
  },
};

function hear(event) {
  HEAR[event.type]?.(event);
}

function show(text, sure, state) {
  const label = at("label");
  if (label.textContent !== text) label.textContent = text;
  label.dataset.state = state;
  label.style.color = "";
  at("sure").textContent = sure;
}

function press(on) {
  button.setAttribute("aria-pressed", String(on));
  button.querySelector("span").textContent = on ? "Stop" : "Start";
}

function level(decibels) {
  const shown = Math.max(QUIETEST, Math.min(0, decibels));
  const meter = at("meter");
  meter.setAttribute("aria-valuenow", shown.toFixed(0));
  meter.firstElementChild.style.transform = `scaleX(${1 - shown / QUIETEST})`;
}

function swatch(label) {
  const square = document.createElement("span");
  square.className = "swatch";
  square.style.setProperty("--colour", colours[label] ?? "var(--line)");
  return square;
}

function problem(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function reason(error) {
  if (error.name === "NotAllowedError") return "The microphone was not allowed. Allow it in the browser and press Start again.";
  if (error.name === "NotFoundError") return "There is no microphone. Plug one in and press Start again.";
  return error.message || String(error);
}

const percent = (share) => `${Math.round(100 * share)} %`;
const likeliest = (shares) => Object.entries(shares).sort((a, b) => b[1] - a[1])[0][0];
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
