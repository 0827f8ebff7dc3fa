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
    pen.strokeStyle = getComputedStyle(canvas).color; // the lines' colour, light or dark
    pen.beginPath();
    for (let second = 5; second < SECONDS; second += 5) {
      const x = width * (1 - second / SECONDS);
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
    }
    pen.moveTo(0, height - 0.5);
    pen.lineTo(width, height - 0.5);
    pen.stroke();
    if (!this.frames.length) return;
    const now = this.frames[this.frames.length - 1].time;
    const step = (width * this.hop) / SECONDS;
    for (const frame of this.frames) {
      const x = width * (1 - (now - frame.time) / SECONDS) - step;
      let y = height;
      for (const label of this.labels) {
        const share = frame.probabilities[label] * frame.speech * height;
        pen.fillStyle = this.colours[label];
        pen.fillRect(x, y - share, step + 0.6, share);
        y -= share;
      }
    }
  }
}
