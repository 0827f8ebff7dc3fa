// Keeps the page's files in the browser, so that it opens without a server and can say so.

/** After the page has loaded; where the browser does not allow it, nothing is lost but this. */
export async function keepForLater(config) {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register("shell.js");
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    const own = loaded.filter((name) => name.startsWith(new URL(".", location.href)));
    const cache = await caches.open("edgeser");
    await cache.addAll(new Set(["./", "app.js", "capture.js", "config.json", config.logo, ...own].map(plain)));
  } catch {
    // a certificate that the browser does not trust, or no room
  }
}

/** Without a query: a token is kept nowhere. */
function plain(address) {
  const url = new URL(address, location.href);
  url.search = "";
  url.hash = "";
  return url.href;
}
