// One instance of an object, filled with its resources when it is first seen.
import { askAttributes } from "./attributes.js";
import * as board from "./board.js";
import { arrange, button, element } from "./dom.js";
import * as operations from "./operations.js";
import { Row } from "./row.js";

export class Instance {
  #rows = new Map(); // path of a resource → row
  #words = [];
  #own = []; // attributes of the instance itself
  #state = element("p", { className: "quiet" });
  #list = element("ul", { className: "rows" });
  #heading = element("span", { className: "title" });
  #observe;
  #filled = false;
  #ends = [];

  // folded instances are filled when a person opens them, others by fill.
  constructor(path, folded) {
    this.path = path;
    const actions = this.#actions();
    const id = element("span", { className: "quiet" }, ` ${path}`);
    if (folded) {
      this.root = element("details", { className: "instance", "data-path": path },
        element("summary", {}, this.#heading, id), actions, this.#state, this.#list);
      this.root.addEventListener("toggle", () => { if (this.root.open) this.fill(); });
    } else {
      this.root = element("section", { className: "instance", "data-path": path },
        element("div", { className: "bar" }, element("h3", {}, this.#heading, id), actions), this.#state, this.#list);
    }
    this.#ends.push(board.watch(`${path}/5750`, () => this.#name()), board.onObserved(() => this.#showObserved()));
    this.#name();
  }

  close() {
    for (const end of this.#ends) end();
    for (const row of this.#rows.values()) row.close();
    this.root.remove();
  }

  // open unfolds the instance.
  open() {
    if (this.root.tagName === "DETAILS") this.root.open = true;
  }

  #actions() {
    const label = board.nameOf(this.path);
    this.#observe = button("", "", () => (board.observed.has(this.path) ? operations.cancel(this.path) : operations.observe(this.path)));
    const box = element("div", { className: "actions" }, button("Read", `Read ${label}`, () => this.#read()), this.#observe);
    if (!board.direct && !board.readOnly) box.append(button("Attributes", `Attributes of ${label}`, () => this.#writeAttributes()));
    return box;
  }

  #name() {
    this.#heading.textContent = board.title(this.path);
    this.#showObserved();
  }

  #showObserved() {
    const verb = board.observed.has(this.path) ? "Stop observing" : "Observe";
    this.#observe.textContent = verb;
    this.#observe.setAttribute("aria-label", `${verb} ${board.nameOf(this.path)}`);
  }

  // fill asks the board once which resources there are, and for their values.
  async fill() {
    if (this.#filled) return;
    this.#filled = true;
    this.#state.textContent = "Waiting for the board …";
    this.root.setAttribute("aria-busy", "true");
    try {
      await this.#discover();
      await operations.fetch(this.path);
      this.#state.textContent = "";
    } catch (e) {
      this.#filled = this.#rows.size > 0;
      this.#state.textContent = `${e.message}. Read tries again.`;
    }
    this.root.removeAttribute("aria-busy");
  }

  async #read() {
    if (this.#filled) await operations.read(this.path);
    else await this.fill();
  }

  // discover makes a row for each resource and shows the attributes.
  async #discover() {
    const found = await operations.discover(this.path);
    const there = new Set(found.map((f) => f.path));
    for (const [path, row] of this.#rows) {
      if (!there.has(path)) { row.close(); row.root.remove(); this.#rows.delete(path); }
    }
    this.#own = [];
    for (const { path, attributes } of found) {
      if (path === this.path) {
        this.#own = attributes;
        continue;
      }
      if (!this.#rows.has(path)) {
        this.#rows.set(path, new Row(path, () => this.#discover()));
      }
      this.#rows.get(path).attributes(attributes);
    }
    arrange(this.#list, [...this.#rows.values()].sort((a, b) => a.id - b.id).map((row) => row.root));
    this.filter(this.#words);
  }

  #writeAttributes() {
    askAttributes(`Attributes of ${board.nameOf(this.path)}`, this.path, this.#own, {}, () => this.#discover());
  }

  // filter shows only the resources that have all the words.
  filter(words) {
    this.#words = words;
    for (const row of this.#rows.values()) row.root.hidden = !words.every((w) => row.words.includes(w));
  }
}
