// Shows the microphone's level.

const QUIETEST = -60; // dBFS

export class Meter {
  constructor(meter, name) {
    this.meter = meter;
    meter.setAttribute("aria-label", name);
    this.rest();
  }

  show(decibels) {
    const shown = Math.max(QUIETEST, Math.min(0, decibels));
    this.meter.setAttribute("aria-valuenow", shown.toFixed(0));
    this.meter.firstElementChild.style.setProperty("--level", 1 - shown / QUIETEST);
  }

  rest() {
    this.show(QUIETEST);
  }

  clear() {
    this.rest();
  }
}
