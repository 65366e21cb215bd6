// The objects of the board by name. What is not opened is not drawn, and of many
// instances only some at a time: an object may have thousands.
import * as board from "./board.js";
import { arrange, button, element } from "./dom.js";
import { Instance } from "./instance.js";

const box = document.getElementById("objects"), find = document.getElementById("find"), found = document.getElementById("found");
const step = 50; // instances of an object at first, and more for each wish
const few = 3; // instances that are shown unfolded
const nodes = new Map(); // object number → ObjectNode

class ObjectNode {
  #object;
  #instances = new Map(); // number → Instance
  #shown = step;
  #count = element("span", { className: "quiet" });
  #list = element("div", {});
  #more = button("", "", () => { this.#shown += step; this.#draw(); });
  #wish = noWish;

  constructor(object) {
    this.#object = object;
    this.root = element("details", { className: "object", "data-path": `/${object.id}` },
      element("summary", {}, object.name, this.#count), this.#list, this.#more);
    this.root.addEventListener("toggle", () => this.#draw());
  }

  close() {
    for (const i of this.#instances.values()) i.close();
    this.root.remove();
  }

  update(object) {
    this.#object = object;
    this.#draw();
  }

  // draw brings what is in sight up to date.
  #draw() {
    const all = this.#object.instances;
    this.#count.textContent = ` /${this.#object.id}${all.length === 1 ? "" : ` · ${all.length} instances`}`;
    if (!this.root.open) return;
    const wanted = all.filter((iid) => this.#wish.instance(this.#object.id, iid));
    const kept = new Set(wanted.slice(0, this.#shown));
    for (const [iid, instance] of this.#instances) {
      if (!kept.has(iid)) { instance.close(); this.#instances.delete(iid); }
    }
    const drawn = [...kept].map((iid) => this.#instances.get(iid) ?? this.#make(iid, all.length > few));
    arrange(this.#list, drawn.map((instance) => instance.root));
    for (const instance of drawn) {
      instance.filter(this.#wish.resources(this.#object));
      if (kept.size === 1 && this.#wish !== noWish) instance.open();
    }
    this.#more.hidden = wanted.length <= this.#shown;
    this.#more.textContent = `Show ${Math.min(step, wanted.length - this.#shown)} more of ${wanted.length} instances`;
    this.#more.setAttribute("aria-label", `${this.#more.textContent} of ${this.#object.name}`);
  }

  #make(iid, folded) {
    const instance = new Instance(`/${this.#object.id}/${iid}`, folded);
    this.#instances.set(iid, instance);
    if (!folded) instance.fill();
    return instance;
  }

  // filter shows what a person looks for, and returns whether anything is left.
  filter(wish) {
    this.#wish = wish;
    const any = wish.object(this.#object);
    this.root.hidden = !any;
    if (any) this.#draw();
    return any;
  }
}

// A wish says what a person looks for: which objects, which of their instances,
// and by which words their resources.
const noWish = { object: () => true, instance: () => true, resources: () => [] };

// A path: /3303/1/5700, or its beginning.
function pathWish(text) {
  const [oid, iid, rid] = text.split("/").slice(1).map((s) => s || undefined);
  return {
    object: (o) => !oid || (iid === undefined ? String(o.id).startsWith(oid) : String(o.id) === oid),
    instance: (_, i) => iid === undefined || (rid === undefined ? String(i).startsWith(iid) : String(i) === iid),
    resources: () => (rid ? [rid] : []),
  };
}

// Words: of an object, or of one of its resources; then only those are shown.
function wordWish(words) {
  const named = (o) => words.every((w) => `${o.name} ${o.id}`.toLowerCase().includes(w));
  const has = (o) => [...o.resources.values()].some((r) => words.every((w) => `${r.name} ${r.id}`.toLowerCase().includes(w)));
  return { object: (o) => named(o) || has(o), instance: () => true, resources: (o) => (named(o) ? [] : words) };
}

function wish() {
  const text = find.value.trim().toLowerCase();
  if (text === "") return noWish;
  return text.startsWith("/") ? pathWish(text) : wordWish(text.split(/\s+/));
}

const opens = 3; // objects that are opened by themselves when so few are found

function search() {
  const w = wish();
  const left = [...nodes.values()].filter((n) => n.filter(w));
  found.textContent = w === noWish ? "" : `${left.length} of ${nodes.size} objects`;
  if (w !== noWish && left.length <= opens) for (const n of left) n.root.open = true;
}

// lay brings the tree in step with what the board has. What is open stays open,
// and what has the focus keeps it.
export function lay() {
  const objects = board.all();
  const there = new Set(objects.map((o) => o.id));
  for (const [id, node] of nodes) {
    if (!there.has(id)) { node.close(); nodes.delete(id); }
  }
  for (const o of objects) {
    if (!nodes.has(o.id)) nodes.set(o.id, new ObjectNode(o));
    nodes.get(o.id).update(o);
  }
  arrange(box, objects.map((o) => nodes.get(o.id).root));
  if (find.value) search();
}

find.addEventListener("input", search);
