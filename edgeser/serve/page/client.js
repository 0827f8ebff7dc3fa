// The client: sends a microphone's samples to the server and passes events to a callback, until it is stopped. It
// reopens the microphone or the connection after failures. To use it in your own page, copy it and capture.js there,
// and start the server with --origin.

const FIRST_WAIT = 500; // ms until the first retry; doubled each time
const LONGEST_WAIT = 15_000;
const PATIENCE = 10_000; // ms without expected data until it is reopened
const BACKLOG = 1 << 20; // bytes; if the network is too slow, old sound is dropped, so that the delay does not grow

let looked = Date.now();
let passed = 0;

/**
 * Milliseconds that have passed: also while the computer slept, which performance.now() leaves out.
 * A clock that is set back takes none of them away; one that is set forward counts as a sleep.
 */
export function elapsed() {
  const now = Date.now();
  passed += Math.max(0, now - looked);
  looked = now;
  return passed;
}

/**
 * Opens the microphone and streams it until `stop` of the returned object is called.
 *
 * onEvent: called with each event; /v1/schema.json describes them. A `ready` event begins a new
 *   stream, at the start and after each interruption of the microphone or the server.
 * onState: called with {microphone, server, message} when one of them changes, see `Ears`.
 * onClose: called with the WebSocket's CloseEvent when a connection has ended.
 * url: URL object of the server's /v1/stream; by default, of the server of this page.
 * Rejects if the microphone cannot be opened at first; use `Ears` directly to keep trying.
 */
export function listen(onEvent, { url, onState = () => {}, onClose } = {}) {
  return new Promise((resolve, reject) => {
    const ears = new Ears(onEvent, {
      url,
      onClose,
      onState(state, error) {
        if (HEARS.has(state.microphone)) resolve({ stop: () => ears.stop() });
        else if (error) {
          reject(error);
          if (!state.heard) ears.stop();
        }
        onState(state);
      },
    });
    ears.start();
  });
}

const HEARS = new Set(["live", "muted"]);

/**
 * A microphone and a connection, reopened after failures until `stop`.
 *
 * state.microphone: "opening", "live", "muted" (delivers silence), "suspended" (may need a touch),
 *   "denied", "absent", "busy", "unplugged", "insecure" (the page may not use a microphone),
 *   "unloaded" (capture.js could not be loaded: the server is down), "off".
 * state.server: "off" while there is no audio to send, "connecting", "live", "offline", "full",
 *   "refused" (the server is up but refuses this page). state.message: its last message, if any.
 */
export class Ears {
  constructor(onEvent, { url = streamUrl(), onState = () => {}, onClose = () => {} } = {}) {
    this.state = { microphone: "off", server: "off", message: "", heard: false };
    const change = (what, error) => {
      const before = this.state;
      this.state = { ...before, ...what };
      this.state.heard ||= HEARS.has(this.state.microphone);
      if (error || Object.keys(what).some((key) => what[key] !== before[key])) onState(this.state, error);
    };
    this.connection = new Connection(url, onEvent, change, onClose);
    this.microphone = new Microphone((samples) => this.connection.send(samples), (microphone, error) => {
      if (HEARS.has(microphone)) this.connection.open(this.microphone.rate);
      else this.connection.close();
      change({ microphone }, error);
    });
  }

  start() {
    this.microphone.open();
    this.watch = setInterval(() => {
      this.microphone.check();
      this.connection.check();
    }, 1000);
  }

  /** Stops the microphone; the last utterance is judged, and its events still arrive. */
  stop() {
    clearInterval(this.watch);
    this.microphone.close();
  }
}

class Microphone {
  constructor(hear, tell) {
    this.state = "off";
    this.hear = hear;
    this.tell = (state, error) => {
      this.state = state;
      tell(state, error);
    };
    this.again = new Again(() => this.open());
    this.changed = () => this.again.now(); // the new device may be ours
    this.touched = () => {
      this.context?.resume().catch(() => {});
      if (this.state === "denied") this.again.now();
    };
  }

  async open() {
    const { mediaDevices, permissions } = navigator;
    if (!mediaDevices) {
      this.tell("insecure", new Error("A browser gives a page the microphone over https or on this computer only."));
      return;
    }
    this.release();
    const release = new AbortController(); // results of an older attempt are ignored
    this.released = release.signal;
    this.stop = () => release.abort();
    this.heardAt = elapsed(); // this attempt is given time, too
    if (this.state === "off") this.tell("opening");
    mediaDevices.addEventListener("devicechange", this.changed);
    for (const what of TOUCHES) globalThis.addEventListener?.(what, this.touched);
    try {
      const media = await mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      release.signal.addEventListener("abort", () => media.getTracks().forEach((track) => track.stop()), { once: true });
      if (release.signal.aborted) media.getTracks().forEach((track) => track.stop());
      else await this.attach(media, release.signal);
    } catch (error) {
      if (release.signal.aborted) return;
      this.release();
      const fault = FAULTS[error.name] ?? "busy";
      if (fault === "denied") this.again.wait();
      else this.again.later();
      if (fault === "denied") this.untilAllowed(permissions);
      this.tell(fault === "absent" && this.state === "unplugged" ? "unplugged" : fault, error);
    }
  }

  async attach(media, released) {
    const context = new AudioContext();
    this.context = context;
    released.addEventListener("abort", () => {
      context.onstatechange = null;
      if (context.state !== "closed") context.close();
    }, { once: true });
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url)).catch(() => {
      throw new DOMException("capture.js could not be loaded from the server.", "UnloadedError");
    });
    if (released.aborted) return;
    const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => {
      if (released.aborted) return;
      this.heardAt = elapsed();
      this.sounded = true;
      this.again.succeeded();
      this.hear(data);
    };
    released.addEventListener("abort", () => {
      capture.port.onmessage = null; // otherwise the port keeps this object alive forever
      capture.port.close?.();
    }, { once: true });
    this.sounded = false;
    context.createMediaStreamSource(media).connect(capture);
    this.rate = Math.round(context.sampleRate);
    const [track] = media.getAudioTracks();
    const settle = () => {
      if (released.aborted) return;
      this.heardAt = elapsed();
      if (track.readyState === "ended") this.lost();
      else if (context.state !== "running") this.suspended(context, released);
      else this.tell(track.muted ? "muted" : "live");
    };
    for (const what of ["ended", "mute", "unmute"]) track.addEventListener(what, settle, { signal: released });
    context.onstatechange = settle;
    settle();
  }

  /** Resumes the audio context: by itself if allowed, otherwise when the page is touched. */
  suspended(context, released) {
    context.resume().catch(() => {});
    setTimeout(() => {
      if (released.aborted || context.state === "running") return;
      this.tell("suspended");
    }, 500);
  }

  /** Does not ask again by itself: that would reopen a permission prompt that the user closed. */
  async untilAllowed(permissions) {
    this.permission = await permissions?.query({ name: "microphone" }).catch(() => null);
    if (this.permission) this.permission.onchange = () => this.state === "denied" && this.again.now();
  }

  lost() {
    this.release();
    this.tell("unplugged");
    this.again.later();
  }

  /** Some microphones become silent without an event: Bluetooth ones, or after a sleep. */
  check() {
    const quiet = elapsed() - this.heardAt > PATIENCE;
    if (this.state === "live" && quiet && !this.sounded) this.lost();
    else if (this.state === "live" && quiet) {
      this.tell("opening");
      this.open();
    } else if (this.state === "suspended" && quiet) this.open();
    else if (this.state === "suspended") this.context?.resume().catch(() => {});
  }

  release() {
    this.stop?.();
    this.context = null;
    this.again.stop();
  }

  close() {
    this.release();
    navigator.mediaDevices?.removeEventListener("devicechange", this.changed);
    for (const what of TOUCHES) globalThis.removeEventListener?.(what, this.touched);
    this.tell("off");
  }
}

const FAULTS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "absent",
  OverconstrainedError: "absent",
  UnloadedError: "unloaded",
};
const TOUCHES = ["pointerdown", "keydown"];

class Connection {
  constructor(url, hear, tell, onClose) {
    Object.assign(this, { url, hear, tell, onClose });
    this.socket = null;
    this.again = new Again(() => this.connect());
  }

  open(rate) {
    if (this.rate === rate) return;
    this.close();
    this.rate = rate;
    this.connect();
  }

  connect() {
    if (this.socket || !this.rate) return;
    const url = new URL(this.url);
    url.searchParams.set("rate", String(this.rate));
    url.searchParams.set("format", "int16");
    const socket = new WebSocket(url);
    this.socket = socket;
    this.since = elapsed();
    this.accepted = false;
    let failure = "offline";
    if (!this.again.tries) this.tell({ server: "connecting" });
    socket.onmessage = (message) => {
      const event = JSON.parse(message.data);
      // Once there is another stream, the rest of this one would be taken for a part of it: except for its verdict.
      if (this.socket && this.socket !== socket && event.type !== "utterance") return;
      this.since = elapsed();
      if (this.socket === socket) {
        if (event.type === "ready") this.accepted = true;
        if (event.type === "ready") this.tell({ server: "live", message: "" });
        if (event.type === "frame") this.again.succeeded();
        if (event.type === "error") failure = ENDINGS[event.code] ?? "offline";
        if (event.type === "error") this.tell({ message: event.message });
      }
      this.hear(event);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) {
        this.socket = null;
        this.away(failure);
      }
      this.onClose?.(event);
    };
  }

  async away(failure) {
    const known = failure !== "offline" || this.accepted;
    this.again.later();
    this.tell({ server: failure });
    if (!known && (await this.answers()) && !this.socket && this.rate) this.tell({ server: "refused" });
  }

  /** Checks whether the server is there although it refused a connection. */
  async answers() {
    const url = new URL("../healthz", this.url);
    url.protocol = url.protocol.replace("ws", "http");
    url.search = "";
    return fetch(url, { cache: "no-store" }).then((answer) => answer.ok, () => false);
  }

  send(samples) {
    const { socket } = this;
    if (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < BACKLOG) socket.send(samples);
  }

  /** A server that is silent for too long counts as gone. */
  check() {
    if (this.socket && elapsed() - this.since > PATIENCE) {
      const { socket } = this;
      this.socket = null;
      socket.close();
      this.away("offline");
    }
  }

  close() {
    const { socket } = this;
    this.socket = null;
    this.rate = null;
    this.again.stop();
    this.again.succeeded();
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"type": "end"}');
    else socket?.close();
    this.tell({ server: "off" });
  }
}

const ENDINGS = { busy: "full", format: "refused", audio: "refused" };

/** Retries after increasing random delays, so that pages do not all retry at the same time. */
class Again {
  constructor(what) {
    this.what = what;
    this.tries = 0;
  }

  /** Waits until the next retry, or until `now` is called. */
  wait() {
    this.waiting = true;
  }

  later() {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.tries);
    this.tries += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), wait * (0.75 + Math.random() / 2));
    this.wait();
  }

  /** Ends the wait, if there is one. */
  now() {
    if (!this.waiting) return;
    this.stop();
    this.what();
  }

  succeeded() {
    this.tries = 0;
  }

  stop() {
    clearTimeout(this.timer);
    this.waiting = false;
  }
}

/** The server of this page, with the token from the page's address if there is one. */
export function streamUrl() {
  const url = new URL("v1/stream", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  const token = new URLSearchParams(location.search).get("token");
  if (token) url.searchParams.set("token", token);
  return url;
}
