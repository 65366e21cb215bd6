import { operate } from "./api.js";
import { ask } from "./dialog.js";
import { button, element, say } from "./dom.js";

const box = document.getElementById("objects");
const rows = new Map(); // resource path → { value element, observe button, unit }
const values = new Map(); // resource or resource instance path → value
let changed = () => {};

// onValue sets who is told of each new value.
export function onValue(f) { changed = f; }

export function lay(objects, observed) {
  const open = new Set([...box.querySelectorAll("details[open]")].map((d) => d.dataset.path));
  rows.clear();
  box.replaceChildren(...objects.map((o) => drawObject(o, open, new Set(observed))));
  for (const path of values.keys()) show(path, false);
}

function drawObject(o, open, observed) {
  const path = `/${o.id}`;
  return element("details", { open: open.has(path), "data-path": path },
    element("summary", {}, `${o.name} `, element("span", { className: "id" }, path)),
    ...o.instances.map((i) => drawInstance(o, i, observed)));
}

function drawInstance(o, i, observed) {
  const path = `/${o.id}/${i.id}`;
  return element("div", { className: "instance" },
    element("h4", {}, `Instance ${i.id}`, button("Read all", `Read ${o.name} ${i.id}`, () => read(path))),
    ...i.resources.map((r) => drawResource(o, i, r, observed)));
}

function drawResource(o, i, r, observed) {
  const path = `/${o.id}/${i.id}/${r.id}`;
  const label = `${o.name} ${i.id} ${r.name}`;
  const value = element("span", { className: "value", "data-value": path });
  const actions = element("span", { className: "actions" });
  const row = { value, unit: r.unit };
  if (r.ops.includes("R")) {
    row.observe = button("Observe", `Observe ${label}`, () => toggle(path, row));
    row.observe.setAttribute("aria-pressed", observed.has(path));
    actions.append(button("Read", `Read ${label}`, () => read(path)), row.observe,
      button("Attributes", `Attributes of ${label}`, () => attributes(path, label)));
  }
  if (r.ops.includes("W") && !r.multiple) actions.append(button("Write", `Write ${label}`, () => write(path, label, r)));
  if (r.ops.includes("E")) actions.append(button("Execute", `Execute ${label}`, () => execute(path, label)));
  rows.set(path, row);
  return element("div", { className: "row", "data-find": `${o.name} ${r.name} ${path}`.toLowerCase() },
    element("span", { className: "name" }, `${r.name} `, element("span", { className: "id" }, path)), value, actions);
}

// take enters new values from an answer or a notification.
export function take(list) {
  for (const v of list) {
    values.set(v.path, v.value);
    show(v.path, true);
    changed(v.path, v.value);
  }
}

function show(path, fresh) {
  const parts = path.split("/");
  const row = rows.get(parts.slice(0, 4).join("/"));
  if (!row) return;
  const at = parts.slice(0, 4).join("/");
  const texts = parts.length === 4 ? [text(values.get(path))]
    : [...values].filter(([p]) => p.startsWith(`${at}/`)).map(([p, v]) => `${p.slice(at.length + 1)}: ${text(v)}`);
  row.value.textContent = texts.join(", ") + (row.unit && parts.length === 4 ? ` ${row.unit}` : "");
  if (fresh) {
    row.value.classList.add("new");
    setTimeout(() => row.value.classList.remove("new"), 150);
  }
}

function text(v) {
  if (typeof v === "number" && !Number.isInteger(v)) return String(Number(v.toPrecision(8)));
  return String(v);
}

// attempt runs an operation and tells how it ended.
async function attempt(what, f) {
  say(`${what} …`);
  try {
    const result = await f();
    say(`${what}: done`);
    return result;
  } catch (e) {
    say(`${what}: ${e.message}`, true);
    throw e;
  }
}

async function read(path) {
  try { take(await attempt(`Read ${path}`, () => operate("read", { path }))); } catch { /* said */ }
}

export async function observe(path) {
  const list = await operate("observe", { path });
  rows.get(path)?.observe?.setAttribute("aria-pressed", true);
  take(list);
}

async function toggle(path, row) {
  const on = row.observe.getAttribute("aria-pressed") !== "true";
  try {
    if (on) await attempt(`Observe ${path}`, () => observe(path));
    else await attempt(`Cancel ${path}`, () => operate("cancel", { path }));
    row.observe.setAttribute("aria-pressed", on);
  } catch { /* said */ }
}

function write(path, label, r) {
  const field = { name: "value", label: `New value (${r.type}${r.range ? `, ${r.range}` : ""}${r.unit ? `, ${r.unit}` : ""})`, type: r.type, value: values.get(path) };
  ask(`Write ${label}`, path, [field], async ({ value }) => {
    await attempt(`Write ${path}`, () => operate("write", { path, value }));
    if (r.ops.includes("R")) take(await operate("read", { path }));
  });
}

function execute(path, label) {
  const field = { name: "arguments", label: "Arguments, such as 0='a',1 (may be empty)", type: "String" };
  ask(`Execute ${label}`, path, [field], (v) => attempt(`Execute ${path}`, () => operate("execute", { path, arguments: v.arguments })));
}

function attributes(path, label) {
  const help = `${path}: an empty field is left as it is, a single dash takes the attribute away`;
  const fields = [["pmin", "s"], ["pmax", "s"], ["gt", ""], ["lt", ""], ["st", ""]].map(([name, unit]) => ({ name, label: name + (unit && ` (${unit})`), type: "String" }));
  ask(`Attributes of ${label}`, help, fields, (v) => {
    const list = Object.entries(v).filter(([, x]) => x !== "").map(([name, x]) => (x === "-" ? name : `${name}=${x}`));
    return attempt(`Write-Attributes ${path}`, () => operate("attributes", { path, attributes: list }));
  });
}

document.getElementById("find").addEventListener("input", (e) => {
  const words = e.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const details of box.children) {
    let any = false;
    for (const row of details.querySelectorAll(".row")) {
      const hit = words.every((w) => row.dataset.find.includes(w));
      row.classList.toggle("hidden", !hit);
      any ||= hit;
    }
    details.classList.toggle("hidden", !any);
    if (words.length > 0) details.open = any;
  }
});
