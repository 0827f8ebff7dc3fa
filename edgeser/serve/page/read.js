// Reads JSON from the server and retries until it succeeds: a kiosk has nobody to reload the page.

const AGAIN = 2000; // ms

export async function read(address) {
  for (;;) {
    try {
      return await (await fetch(address)).json();
    } catch {
      await new Promise((next) => setTimeout(next, AGAIN)); // the server is down or busy
    }
  }
}
