// One colour for each label, the same as in the terminal and in plots (edgeser/palette.py).

const KNOWN = {
  anger: "#d1495b", angry: "#d1495b", happiness: "#e0a030", happy: "#e0a030", joy: "#e0a030",
  sadness: "#4a7fb5", sad: "#4a7fb5", neutral: "#8a9a8e", calm: "#6fb0a4",
  fear: "#8e6bbf", fearful: "#8e6bbf", disgust: "#6f9a3e", disgusted: "#6f9a3e",
  surprise: "#d07ab0", surprised: "#d07ab0",
};
const OTHERS = ["#c2703d", "#3f9c8f", "#a05fa5", "#7a7fd0", "#b5983a", "#5b8c5a"];

/** Maps labels to colours, always in the same way for the same labels. */
export function colours(labels) {
  const chosen = new Map();
  let spare = 0;
  for (const label of labels) {
    let colour = Object.hasOwn(KNOWN, label.toLowerCase()) ? KNOWN[label.toLowerCase()] : undefined;
    if (!colour || [...chosen.values()].includes(colour)) colour = OTHERS[spare++ % OTHERS.length];
    chosen.set(label, colour);
  }
  return Object.fromEntries(chosen);
}
