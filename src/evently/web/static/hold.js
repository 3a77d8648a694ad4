// Counts holds down, from the server's clock: what is left when the page was made, less the time since. Says how
// much is left at five minutes and, in a dialog, at one. At the end, the page of the booking is asked for again, which then
// shows how to hold the same once more; the bar of another page leads there. Without this script pages show
// until when the tickets are held.

for (const hold of document.querySelectorAll("[data-seconds]")) count(hold);

/** @param {HTMLElement} hold */
function count(hold) {
  const end = performance.now() + Number(hold.dataset.seconds) * 1000;
  const shown = hold.querySelector("time");
  const said = document.createElement("p");
  said.className = "unseen";
  said.setAttribute("role", "status");
  hold.append(said);
  hold.querySelector("span").textContent = hold.dataset.counting;
  const dialog = document.querySelector("[data-hold-dialog]");
  let last = Infinity;
  const timer = setInterval(tick, 250);
  tick();

  function tick() {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    if (left === last) return;
    for (const limit of [300, 60]) {
      if (last > limit && left <= limit && last !== Infinity) {
        if (limit === 60 && dialog) dialog.showModal();
        else said.textContent = `${limit / 60} minutes left to pay`;
      }
    }
    last = left;
    shown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left > 0) return;
    clearInterval(timer);
    dialog?.close();
    if (hold.dataset.over) {
      hold.querySelector("p").textContent = hold.dataset.over;
      hold.querySelector("a").textContent = "Hold the same again";
      said.textContent = hold.dataset.over;
    } else {
      setTimeout(() => location.replace(location.href), 1000);
    }
  }
}
