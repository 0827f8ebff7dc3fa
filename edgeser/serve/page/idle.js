// Detects that a visitor has left. The clock includes time in which a computer slept, and is never set.

import { elapsed } from "./client.js";

const TOUCHES = ["pointerdown", "keydown"];
const LONGEST = 10; // times the limit without a touch, even if there is speech: rooms can be loud
const WARNING = 10; // seconds, or a third of the limit

export class Idle {
  /** `warn`: called each second with the seconds left, or null if many; `gone`: called once. */
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

  /** Notes a sign of a visitor. */
  active() {
    this.last = elapsed();
  }

  stop() {
    clearInterval(this.timer);
    for (const what of TOUCHES) removeEventListener(what, this.touch);
  }
}
