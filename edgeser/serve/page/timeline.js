// The last half minute: stacked probabilities of the labels, as high as the speech score.

const SECONDS = 30;

export class Timeline {
  constructor(canvas, words) {
    this.canvas = canvas;
    this.now = words.say("now");
    this.backwards = words.words.direction === "rtl";
    this.begin([], {}, 0.128);
    canvas.setAttribute("aria-label", words.say("bands"));
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(canvas);
    this.closing = new AbortController();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.draw(), { signal: this.closing.signal });
  }

  begin(labels, colours, hop) {
    Object.assign(this, { frames: [], labels, colours, hop });
    this.draw();
  }

  add(frame) {
    this.frames.push(frame);
    while (this.frames[0].time < frame.time - SECONDS) this.frames.shift();
    this.draw();
  }

  clear() {
    this.frames = [];
    this.draw();
    this.sizes.disconnect();
    this.closing.abort();
  }

  draw() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const { color, fontFamily, fontSize } = getComputedStyle(canvas); // light or dark, like the page
    const size = parseFloat(fontSize);
    const floor = height - 1.5 * size; // seconds are below it
    const place = (x) => (this.backwards ? width - x : x); // time runs in the direction of the text
    pen.font = `${size}px ${fontFamily}`;
    pen.fillStyle = color;
    pen.textBaseline = "bottom";
    for (let second = 0; second < SECONDS; second += 10) {
      const x = place(width * (1 - second / SECONDS));
      pen.textAlign = second ? "center" : this.backwards ? "left" : "right";
      pen.globalAlpha = 1;
      pen.fillText(second ? `\u2212${second} s` : this.now, x, height);
      pen.globalAlpha = 0.3;
      pen.fillRect(x - 0.5, 0, 1, floor);
    }
    pen.fillRect(0, floor - 0.5, width, 1);
    if (!this.frames.length) return;
    pen.globalAlpha = 0.8;
    const now = this.frames.at(-1).time;
    const step = (width * this.hop) / SECONDS;
    for (const frame of this.frames) {
      const x = place(width * (1 - (now - frame.time) / SECONDS) - step / 2) - step / 2;
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
