// Runs in the audio thread: passes the microphone's samples on as 16-bit integers, 40 ms at a time.
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.round(sampleRate / 25));
    this.filled = 0;
  }

  process([input]) {
    const channels = input.length;
    if (!channels) return true;
    for (let i = 0; i < input[0].length; i += 1) {
      let sum = 0;
      for (const channel of input) sum += channel[i];
      const sample = Math.max(-1, Math.min(1, sum / channels));
      this.samples[this.filled] = Math.round(sample * 32767);
      this.filled += 1;
      if (this.filled === this.samples.length) {
        const full = this.samples.slice();
        this.port.postMessage(full.buffer, [full.buffer]);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
