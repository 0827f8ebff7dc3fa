// A service worker: the page's files come from the server, or as kept from the last time if it is
// away. See keep.js.

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || request.cache === "no-store") return; // is the server there?
  event.respondWith(fetch(request).catch(() => kept(request)));
});

async function kept(request) {
  const cache = await caches.open("edgeser");
  return (await cache.match(request, { ignoreSearch: true, ignoreVary: true })) ?? Response.error();
}
