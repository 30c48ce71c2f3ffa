// Conversations in this browser's IndexedDB: one store of heads for the list, one of whole conversations. Where there
// is no IndexedDB they last as long as the page.
import { matches, type Found } from "./search";
import type { Conversation } from "./tree";

export type Head = Pick<Conversation, "id" | "title" | "created" | "updated">;

export interface Store {
  lasting: boolean;
  heads(): Promise<Head[]>;
  get(id: string): Promise<Conversation | undefined>;
  all(): Promise<Conversation[]>;
  put(c: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
  search(query: string): Promise<Found[]>;
}

const head = ({ id, title, created, updated }: Conversation): Head => ({ id, title, created, updated });

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

// The newest first.
class Hits {
  private readonly list: (Found & { updated: number })[] = [];
  constructor(private readonly query: string) {}
  look(c: Conversation): void {
    const hit = matches(c, this.query);
    if (hit) this.list.push({ ...hit, updated: c.updated });
  }
  found(): Found[] {
    return this.list.sort((a, b) => b.updated - a.updated);
  }
}

class Lasting implements Store {
  readonly lasting = true;
  constructor(private readonly db: IDBDatabase) {}

  private read<T>(store: string, use: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    return done(use(this.db.transaction(store).objectStore(store)));
  }
  private write(use: (heads: IDBObjectStore, wholes: IDBObjectStore) => void): Promise<void> {
    const t = this.db.transaction(["heads", "conversations"], "readwrite");
    use(t.objectStore("heads"), t.objectStore("conversations"));
    return ended(t);
  }
  heads() {
    return this.read<Head[]>("heads", (s) => s.getAll());
  }
  get(id: string) {
    return this.read<Conversation | undefined>("conversations", (s) => s.get(id));
  }
  all() {
    return this.read<Conversation[]>("conversations", (s) => s.getAll());
  }
  put(c: Conversation) {
    return this.write((heads, wholes) => {
      heads.put(head(c));
      wholes.put(c);
    });
  }
  remove(id: string) {
    return this.write((heads, wholes) => {
      heads.delete(id);
      wholes.delete(id);
    });
  }
  // By a cursor: never all of them in memory.
  search(query: string): Promise<Found[]> {
    const request = this.db.transaction("conversations").objectStore("conversations").openCursor();
    const hits = new Hits(query);
    return new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor) return resolve(hits.found());
        hits.look(cursor.value);
        cursor.continue();
      };
    });
  }
}

class Passing implements Store {
  readonly lasting = false;
  private readonly map = new Map<string, Conversation>();
  async heads() {
    return [...this.map.values()].map(head);
  }
  async get(id: string) {
    return this.map.get(id);
  }
  async all() {
    return [...this.map.values()];
  }
  async put(c: Conversation) {
    this.map.set(c.id, c);
  }
  async remove(id: string) {
    this.map.delete(id);
  }
  async search(query: string) {
    const hits = new Hits(query);
    for (const c of this.map.values()) hits.look(c);
    return hits.found();
  }
}

export async function openStore(): Promise<Store> {
  try {
    const request = indexedDB.open("r1", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("heads", { keyPath: "id" });
      request.result.createObjectStore("conversations", { keyPath: "id" });
    };
    const db = await done(request);
    db.onversionchange = () => db.close();
    return new Lasting(db);
  } catch {
    return new Passing();
  }
}
