// Reads JSON from the server, however long that takes: a page that hangs on a wall has nobody who
// would open it again.

const AGAIN = 2000; // ms

export async function read(address) {
  for (;;) {
    try {
      return await (await fetch(address)).json();
    } catch {
      await new Promise((next) => setTimeout(next, AGAIN)); // away, or too busy to answer
    }
  }
}
