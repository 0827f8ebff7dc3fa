// When a visitor has gone. A computer that slept knows it too; a clock that is set back keeps nobody.

import { elapsed } from "./client.js";

const TOUCHES = ["pointerdown", "keydown"];
const LONGEST = 10; // times as long without a touch, whatever is heard: rooms are loud
const WARNING = 10; // seconds, or a third of all

export class Idle {
  /** `warn`: called each second with the seconds left, null for many; `gone`: called once. */
  constructor(seconds, { warn, gone }) {
    this.seconds = seconds;
    this.touch = () => {
      this.touched = elapsed();
      this.active();
    };
    this.touch();
    for (const what of TOUCHES) addEventListener(what, this.touch);
    this.timer = setInterval(() => {
      const now = elapsed();
      const left = Math.min(this.last / 1000 + seconds, this.touched / 1000 + LONGEST * seconds) - now / 1000;
      if (left <= 0) gone();
      else warn(left <= Math.min(WARNING, seconds / 3) ? Math.ceil(left) : null);
    }, 250);
  }

  /** Somebody is there. */
  active() {
    this.last = elapsed();
  }

  stop() {
    clearInterval(this.timer);
    for (const what of TOUCHES) removeEventListener(what, this.touch);
  }
}
