// Ctrl K (and /) at the desk: the page "Find" in a dialog, by keyboard alone. Without script, its link is a page.

// The rail of the desk is scrolled to the page that is open, and its menu on the phone, too.

const here = document.querySelector(".rail-menu nav a[aria-current]");
if (here !== null) {
  const menu = document.getElementById("rail-menu");
  showHere();
  menu.addEventListener("toggle", showHere);
}

function showHere() {
  for (const box of [here.closest(".rail"), here.closest(".rail-menu")]) {
    const within = here.getBoundingClientRect().bottom - box.getBoundingClientRect().top;
    if (within > box.clientHeight) box.scrollTop += within - box.clientHeight / 2;
  }
}

const link = /** @type {HTMLAnchorElement | null} */ (document.querySelector("a[data-palette]"));
const ownForm = document.querySelector("form[data-find]");
const WAIT_MS = 120; // after a key, before it is asked
const SETTING = "desk-find-slash";
if (link !== null) start(link);

/** @param {HTMLAnchorElement} opener */
function start(opener) {
  const hint = document.createElement("kbd");
  hint.textContent = "Ctrl K";
  opener.append(" ", hint);
  opener.setAttribute("aria-keyshortcuts", "Control+K");
  /** @type {ReturnType<typeof build> | undefined} */
  let palette;
  const open = () => {
    if (ownForm !== null) {
      ownForm.querySelector("input[type=search]").focus();
      return;
    }
    palette ??= build(opener.href);
    palette.open();
  };
  opener.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    const chord = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k";
    const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && slashOpens();
    if (!chord && !(slash && !types(event.target) && document.querySelector("dialog[open]") === null)) return;
    event.preventDefault();
    open();
  });
}

/** @param {EventTarget | null} target */
function types(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

// A key without a modifier can be switched off (WCAG 2.1.4): who dictates would open this with each slash.
function slashOpens() {
  try {
    return localStorage.getItem(SETTING) !== "off";
  } catch {
    return true;
  }
}

/** @param {string} address */
function build(address) {
  const dialog = document.createElement("dialog");
  dialog.className = "palette";
  dialog.setAttribute("aria-label", "Find");
  dialog.innerHTML =
    '<form role="search"><label class="unseen" for="palette-q">Page, event or booking</label>' +
    '<input id="palette-q" name="q" type="search" maxlength="200" autocomplete="off" spellcheck="false" ' +
    'placeholder="Page, event or booking"></form><div class="stack tight" data-found></div>' +
    '<p class="unseen" role="status"></p><div class="palette-foot small soft"><label class="check"><input type="checkbox"> ' +
    '<span>Open with / as well</span></label><button class="button plain short" type="button">Close</button></div>';
  document.body.append(dialog);
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector("input[type=search]"));
  const found = /** @type {HTMLElement} */ (dialog.querySelector("[data-found]"));
  const said = /** @type {HTMLElement} */ (dialog.querySelector("[role=status]"));
  const slash = /** @type {HTMLInputElement} */ (dialog.querySelector("input[type=checkbox]"));
  let shown = /** @type {string | undefined} */ (undefined); // what the results are of
  let goes = false; // Enter was pressed before they came
  let timer = 0;
  let asked = new AbortController();

  const links = () => /** @type {HTMLAnchorElement[]} */ ([...found.querySelectorAll("a")]);
  const go = () => {
    const first = links()[0];
    if (first !== undefined) location.assign(first.href);
  };

  async function look() {
    const typed = input.value;
    asked.abort();
    asked = new AbortController();
    const url = new URL(address);
    url.searchParams.set("q", typed);
    found.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(url, { signal: asked.signal });
      if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page.getElementById("found");
      if (part === null) throw new Error("no results");
      const counted = part.querySelector("[role=status]");
      counted?.removeAttribute("role"); // the one that stays in the page says it
      said.textContent = counted?.textContent ?? "";
      found.replaceChildren(...part.children);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return;
      location.assign(url); // the plain page says what is wrong
      return;
    }
    found.removeAttribute("aria-busy");
    shown = typed;
    if (goes) go();
    goes = false;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    goes = false;
    timer = setTimeout(look, WAIT_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (shown === input.value) go();
    else goes = true;
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault(); // a search field would be emptied first
      dialog.close();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const stops = [input, ...links()];
    const at = stops.indexOf(/** @type {any} */ (document.activeElement));
    stops[(at + step + stops.length) % stops.length].focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  slash.checked = slashOpens();
  slash.addEventListener("change", () => {
    try {
      localStorage.setItem(SETTING, slash.checked ? "on" : "off");
    } catch {
      // kept by no browser: it opens with / on the next page again
    }
  });

  return {
    open() {
      if (!dialog.open) dialog.showModal();
      input.focus();
      input.select();
      look();
    },
  };
}
