// The last half minute as bands: the emotions' shares, stacked, as high as speech is sure.

const SECONDS = 30;

export class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.frames = [];
    this.labels = [];
    this.colours = {};
    this.hop = 0.128;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  begin(labels, colours, hop) {
    this.frames = [];
    this.labels = labels;
    this.colours = colours;
    this.hop = hop;
    this.draw();
  }

  add(frame) {
    this.frames.push(frame);
    while (this.frames.length && this.frames[0].time < frame.time - SECONDS) this.frames.shift();
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const { color, fontFamily, fontSize } = getComputedStyle(canvas); // light or dark, as the page
    const size = parseFloat(fontSize) * 0.8;
    pen.font = `${size}px ${fontFamily}`;
    pen.fillStyle = color;
    const floor = height - 1.6 * size; // under it the seconds
    const every = width < 28 * size ? 10 : 5;
    pen.textBaseline = "bottom";
    for (let second = 0; second < SECONDS; second += every) {
      const x = width * (1 - second / SECONDS);
      pen.textAlign = second ? "center" : "right";
      pen.globalAlpha = 1;
      pen.fillText(second ? `\u2212${second} s` : "now", x, height);
      pen.globalAlpha = 0.3;
      pen.fillRect(x - 0.5, 0, 1, floor);
    }
    pen.fillRect(0, floor - 0.5, width, 1);
    pen.globalAlpha = 1;
    if (!this.frames.length) return;
    const now = this.frames[this.frames.length - 1].time;
    const step = (width * this.hop) / SECONDS;
    for (const frame of this.frames) {
      const x = width * (1 - (now - frame.time) / SECONDS) - step;
      let y = floor;
      for (const label of this.labels) {
        const share = frame.probabilities[label] * frame.speech * floor;
        pen.fillStyle = this.colours[label];
        pen.fillRect(x, y - share, step + 0.6, share);
        y -= share;
      }
    }
  }
}
