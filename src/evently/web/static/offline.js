// Has the service worker keep the tickets of this person, and says on the page of a ticket that it is kept.
// Without it, or where a browser has none, pages are as before: they need the network.

const hint = document.querySelector("[data-kept]");
const SPREAD_MS = 20_000; // after a booking: a crowd that has just booked is not read for at once

if ("serviceWorker" in navigator) start().catch(() => {});

async function start() {
  navigator.serviceWorker.addEventListener("message", (event) => {
    if (event.data === "refreshed") tell();
  });
  await navigator.serviceWorker.register("/service-worker.js", { scope: "/", updateViaCache: "none" });
  const registration = await navigator.serviceWorker.ready;
  const pause = location.pathname.startsWith("/bookings/") ? Math.random() * SPREAD_MS : 0;
  setTimeout(() => registration.active.postMessage("refresh"), pause);
}

async function tell() {
  if (hint) hint.hidden = !(await caches.match(location.pathname, { cacheName: "evently-tickets" }));
}
