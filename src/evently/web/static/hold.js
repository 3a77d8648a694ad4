// Counts a hold down, from the server's clock: what is left when the page was made, less the time since.
// Says how much is left at five minutes and at one; at the end it asks for the page again, which then shows
// how to hold the same once more. Without this script the page shows until when the tickets are held.

const hold = document.querySelector("[data-seconds]");
const end = performance.now() + Number(hold.dataset.seconds) * 1000;
const shown = hold.querySelector("time");
const said = document.createElement("p");
said.className = "unseen";
said.setAttribute("role", "status");
hold.append(said);
hold.querySelector("span").textContent = "Held for you for another";
let last = Infinity;
const timer = setInterval(tick, 250);
tick();

function tick() {
  const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
  if (left === last) return;
  for (const limit of [300, 60]) {
    if (last > limit && left <= limit && last !== Infinity) {
      said.textContent = `${limit / 60} ${limit === 60 ? "minute" : "minutes"} left to pay`;
    }
  }
  last = left;
  shown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  if (left === 0) {
    clearInterval(timer);
    setTimeout(() => location.replace(location.href), 1000);
  }
}
