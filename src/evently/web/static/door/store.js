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
    await this.#run(name, "readwrite", (store) => [store.put(value, key)]);
  }

  /** Removes several at once: a transaction for each would take a second for two hundred. */
  async remove(name, ...keys) {
    if (!keys.length) return;
    for (const key of keys) this.#memory.get(name).delete(key);
    await this.#run(name, "readwrite", (store) => keys.map((key) => store.delete(key)));
  }

  /** Returns everything of a store, by key. Other pages of this door may have added to it. */
  async all(name) {
    const found = await this.#run(name, "readonly", (store) => [store.getAllKeys(), store.getAll()]);
    const memory = this.#memory.get(name);
    if (!found) return new Map(memory);
    const [keys, values] = found;
    const everything = new Map(keys.map((key, place) => [key, values[place]]));
    for (const [key, value] of everything) memory.set(key, value); // the browser may delete its own tomorrow
    return everything;
  }

  /** Returns how many there are, without reading them. */
  async count(name) {
    const found = await this.#run(name, "readonly", (store) => [store.count()]);
    return found ? found[0] : this.#memory.get(name).size;
  }

  async get(name, key) {
    const found = await this.#run(name, "readonly", (store) => [store.get(key)]);
    return found?.[0] ?? this.#memory.get(name).get(key);
  }

  /** Makes requests in one transaction, and returns their results; undefined without a database. */
  async #run(name, mode, ask) {
    if (!this.#database) return undefined;
    try {
      return await Promise.all(ask(this.#database.transaction(name, mode).objectStore(name)).map(settled));
    } catch {
      this.#lose();
      return undefined;
    }
  }

  #lose() {
    if (!this.#database) return;
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
