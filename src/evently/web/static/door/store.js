// What a device keeps of a door, in IndexedDB: the list, the scans that are still to be sent, and whom it let in.
// Where the browser has no IndexedDB, or loses it, all of it is in memory, and the page says so.

const STORES = ["kept", "queue", "log"];

/** @param {string} event */
export async function openStore(event) {
  try {
    const database = await open(`evently-door-${event}`);
    const store = new Store(database);
    await store.put("kept", "opened", Date.now()); // a browser may open it and refuse to write
    return store;
  } catch {
    return new Store(null);
  }
}

class Store {
  #database;
  #memory = new Map(STORES.map((name) => [name, new Map()]));

  constructor(database) {
    this.#database = database;
    if (database) database.onclose = () => this.#lose(); // the browser has deleted it
  }

  /** Whether what is kept survives when the page is closed. */
  get lasts() {
    return this.#database !== null;
  }

  async put(name, key, value) {
    this.#memory.get(name).set(key, value);
    await this.#run(name, "readwrite", (store) => store.put(value, key));
  }

  async remove(name, key) {
    this.#memory.get(name).delete(key);
    await this.#run(name, "readwrite", (store) => store.delete(key));
  }

  /** Returns everything of a store, by key. Other pages of this door may have added to it. */
  async all(name) {
    const keys = await this.#run(name, "readonly", (store) => store.getAllKeys());
    const values = keys && (await this.#run(name, "readonly", (store) => store.getAll()));
    if (!keys || !values || keys.length !== values.length) return new Map(this.#memory.get(name));
    return new Map(keys.map((key, place) => [key, values[place]]));
  }

  async get(name, key) {
    const found = await this.#run(name, "readonly", (store) => store.get(key));
    return found ?? this.#memory.get(name).get(key);
  }

  async #run(name, mode, ask) {
    if (!this.#database) return undefined;
    try {
      const request = ask(this.#database.transaction(name, mode).objectStore(name));
      return await settled(request);
    } catch {
      this.#lose();
      return undefined;
    }
  }

  #lose() {
    this.#database = null;
    dispatchEvent(new Event("door-store-lost"));
  }
}

function open(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    for (const store of STORES) request.result.createObjectStore(store);
  };
  return settled(request);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}
