// One colour for each label, those of the terminal and of the plots.

const KNOWN = {
  anger: "#d1495b", happiness: "#e0a030", sadness: "#4a7fb5", neutral: "#8a9a8e",
  calm: "#6fb0a4", fear: "#8e6bbf", disgust: "#6f9a3e", surprise: "#d07ab0",
};
const OTHERS = ["#c2703d", "#3f9c8f", "#a05fa5", "#7a7fd0", "#b5983a", "#5b8c5a"];

/** Label to colour, the same for the same labels always. */
export function colours(labels) {
  let spare = 0;
  return Object.fromEntries(labels.map((label) => [label, KNOWN[label] ?? OTHERS[spare++ % OTHERS.length]]));
}
