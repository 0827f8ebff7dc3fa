// A service worker: serves the page's files from the server, or from the cache if the server is down. See keep.js.

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || request.cache === "no-store") return; // a check for the server itself
  event.respondWith(fetch(request).catch(() => kept(request)));
});

async function kept(request) {
  const cache = await caches.open("edgeser");
  return (await cache.match(request, { ignoreSearch: true, ignoreVary: true })) ?? Response.error();
}
