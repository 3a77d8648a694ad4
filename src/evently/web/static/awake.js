// Keeps the screen on while a ticket is shown, where the browser can. A phone that dims at the door costs time.

document.addEventListener("visibilitychange", keepAwake);
keepAwake();

async function keepAwake() {
  if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // The browser may refuse, such as when the battery is low. The ticket is shown all the same.
  }
}
