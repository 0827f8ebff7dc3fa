// The whole client: a microphone's samples to the server, its events to a callback. To use it in a
// page of one's own, copy it and capture.js there and start the server with --origin.

/**
 * Opens the microphone and listens until `stop` of what it returns is called.
 *
 * onEvent: called with each event, as /v1/schema.json describes them.
 * url: a URL object, of the server's /v1/stream; else that of the server this page is from.
 * onClose: called with the WebSocket's CloseEvent when the connection has ended, whoever ended it.
 * Rejects if there is no microphone or its use is not allowed.
 */
export async function listen(onEvent, { url = streamUrl(), onClose = () => {} } = {}) {
  if (!navigator.mediaDevices) {
    throw new Error("A browser gives a page the microphone over https or on this computer only.");
  }
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  let socket;
  const close = () => {
    media.getTracks().forEach((track) => track.stop());
    if (context.state !== "closed") context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    url.searchParams.set("rate", String(Math.round(context.sampleRate)));
    url.searchParams.set("format", "int16");
    socket = new WebSocket(url);
    socket.onmessage = (message) => onEvent(JSON.parse(message.data));
    socket.onclose = (event) => {
      close();
      onClose(event);
    };
    capture.port.onmessage = ({ data }) => {
      // A server that cannot keep up gets the newest sound, not an ever longer past.
      if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < 1 << 20) socket.send(data);
    };
    context.createMediaStreamSource(media).connect(capture);
    await context.resume();
  } catch (error) {
    close();
    throw error;
  }
  return {
    stop() {
      close();
      if (socket.readyState === WebSocket.OPEN) socket.send('{"type": "end"}');
      else socket.close();
    },
  };
}

/** The page's own server; a token in the page's address is passed on. */
export function streamUrl() {
  const url = new URL("v1/stream", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const token = new URLSearchParams(location.search).get("token");
  if (token) url.searchParams.set("token", token);
  return url;
}
