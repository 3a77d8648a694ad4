// Turns this device on for pushes: asks for the permission after a click, and sends the form with what the
// browser gives. Without it nothing is offered.

const turningOn = document.querySelector("[data-push-on]");
const said = document.querySelector("[data-push-said]");
const turningOff = document.querySelector("[data-push-off]");

if (turningOn && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window) {
  turningOn.hidden = false;
  say(Notification.permission === "denied" ? refusedWords() : "");
  turningOn.addEventListener("submit", (event) => {
    if (turningOn.elements.endpoint.value) return;
    event.preventDefault();
    turnOn().catch(() => say("That did not work: the browser cannot reach its push service. Try again later."));
  });
} else if (turningOn && /iPhone|iPad/.test(navigator.userAgent)) {
  say("On an iPhone or iPad, add Evently to the Home Screen first, and open it from there.");
}

turningOff?.addEventListener("submit", async (event) => {
  if (turningOff.dataset.done) return;
  event.preventDefault();
  turningOff.dataset.done = "yes";
  try {
    const registration = await navigator.serviceWorker.getRegistration("/");
    await (await registration?.pushManager.getSubscription())?.unsubscribe();
  } finally {
    turningOff.submit();
  }
});

async function turnOn() {
  if ((await Notification.requestPermission()) !== "granted") return say(refusedWords());
  say("One moment …");
  await navigator.serviceWorker.register("/service-worker.js", { scope: "/", updateViaCache: "none" });
  const registration = await navigator.serviceWorker.ready;
  const key = bytesOf(turningOn.dataset.pushOn);
  let subscription = await registration.pushManager.getSubscription();
  if (subscription && !sameBytes(subscription.options?.applicationServerKey, key)) {
    await subscription.unsubscribe(); // made for another key, which this server has no more
    subscription = null;
  }
  subscription ??= await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint, keys } = subscription.toJSON();
  Object.assign(turningOn.elements.endpoint, { value: endpoint });
  Object.assign(turningOn.elements.p256dh, { value: keys.p256dh });
  Object.assign(turningOn.elements.auth, { value: keys.auth });
  turningOn.submit();
}

function refusedWords() {
  return "Your browser does not allow messages from here. You can change that in its settings for this site.";
}

function say(text) {
  if (said) said.textContent = text;
}

function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function sameBytes(buffer, bytes) {
  if (!buffer) return true; // the browser does not say
  const own = new Uint8Array(buffer);
  return own.length === bytes.length && own.every((byte, index) => byte === bytes[index]);
}
