// Caches the page's files in the browser, so that the page opens while the server is down.

/** Runs after the page has loaded; browsers that do not allow it just have no cache. */
export async function keepForLater(config) {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register("shell.js");
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    const own = loaded.filter((name) => name.startsWith(new URL(".", location.href)));
    const cache = await caches.open("edgeser");
    await cache.addAll(new Set(["./", "app.js", "capture.js", "config.json", config.logo, ...own].map(plain)));
  } catch {
    // an untrusted certificate, or no space
  }
}

/** Without the query, so that a token is never stored. */
function plain(address) {
  const url = new URL(address, location.href);
  url.search = "";
  url.hash = "";
  return url.href;
}
