// What the page knows of the board: definitions and instances, last values, what
// is observed. Views watch it; it knows none of them.

const objects = new Map(); // object number → { id, name, instances, resources: Map }
const values = new Map(); // path of a resource or a resource instance → value
const turns = new Map(); // path of a resource → turn of its value
const watchers = new Map(); // path of a resource → Set of functions
const observers = new Set(); // functions that want to know what is observed

export let observed = new Set(); // paths
let observedTurn = 0;
export let direct = false; // operations act on the board itself
export let readOnly = false; // what would change the board is refused
export let demo = false; // the board is that of a demo

// program is what the page is of, in words.
export const program = () => (demo ? "the demo" : "the agent");

export const parts = (path) => path.split("/").slice(1).map(Number);
export const resourcePath = (path) => path.split("/").slice(0, 4).join("/");
export const instancePath = (path) => path.split("/").slice(0, 3).join("/");

// enter takes what the server knows. An empty list of objects is that of a board
// which is away: what was known of it stays in view.
export function enter(state) {
  ({ direct, readOnly, demo } = state);
  if (state.objects.length > 0) {
    objects.clear();
    for (const o of state.objects) {
      objects.set(o.id, { ...o, resources: new Map(o.resources.map((r) => [r.id, r])) });
    }
    for (const path of values.keys()) {
      const [oid, iid] = parts(path);
      if (!objects.get(oid)?.instances.includes(iid)) {
        values.delete(path);
        turns.delete(resourcePath(path));
      }
    }
  }
  setObserved(state.observed, state.turn);
}

export const all = () => [...objects.values()];

// has says whether there is an instance.
export function has(path) {
  const [oid, iid] = parts(path);
  return objects.get(oid)?.instances.includes(iid) ?? false;
}

// definition returns what the registry says of a resource; one that it does not
// know can at least be read.
export function definition(path) {
  const [oid, , rid] = parts(path);
  return objects.get(oid)?.resources.get(rid) ??
    { id: rid, name: `Resource ${rid}`, ops: "R", type: "", unit: "", range: "", multiple: false };
}

// Some resources say what others are about (IPSO Smart Objects).
const applicationType = 5750, sensorUnits = 5701;

export const value = (path) => values.get(path);

// instances returns the values of a multiple resource by number.
export function instances(path) {
  return [...values].filter(([p]) => p.startsWith(`${path}/`))
    .map(([p, v]) => [Number(p.slice(path.length + 1)), v]).sort(([a], [b]) => a - b);
}

// title is what people call an instance.
export function title(path) {
  const [oid, iid] = parts(path);
  const name = objects.get(oid)?.name ?? `Object ${oid}`;
  const only = objects.get(oid)?.instances.length === 1;
  return values.get(`${instancePath(path)}/${applicationType}`) || (only ? name : `${name} ${iid}`);
}

// nameOf is a path in words, as far as it names something known: "cold room
// Sensor Value".
export function nameOf(path) {
  const ids = parts(path);
  if (!path.startsWith("/") || ids.some(Number.isNaN) || !objects.has(ids[0])) return "";
  if (ids.length === 1) return objects.get(ids[0]).name;
  return ids.length === 2 ? title(path) : `${title(path)} ${definition(path).name}`;
}

// The resources whose unit is that of the sensor: the main value, its extremes
// and its range.
const measured = new Set([5700, 5601, 5602, 5603, 5604]);

export function unitOf(path) {
  const [, , rid] = parts(path);
  const own = measured.has(rid) && values.get(`${instancePath(path)}/${sensorUnits}`);
  return own || definition(path).unit;
}

const isOld = (path, turn) => turn < (turns.get(path) ?? 0);

// take enters values: an answer's or a notification's. One that was overtaken by
// a later one is left out.
export function take(list, turn) {
  const changed = new Set();
  for (const { path, value: v } of list) {
    const resource = resourcePath(path);
    if (isOld(resource, turn)) continue;
    values.set(path, v);
    turns.set(resource, turn);
    changed.add(resource);
  }
  for (const path of changed) {
    for (const f of watchers.get(path) ?? []) f(path);
  }
}

// replace is take for the whole of a multiple resource, of which instances may
// have gone.
export function replace(path, list, turn) {
  if (isOld(path, turn)) return;
  for (const p of values.keys()) if (p.startsWith(`${path}/`)) values.delete(p);
  take(list, turn);
}

// watch calls f(path) for each new value of a resource. It returns what ends it.
export function watch(path, f) {
  if (!watchers.has(path)) watchers.set(path, new Set());
  watchers.get(path).add(f);
  return () => {
    watchers.get(path)?.delete(f);
    if (watchers.get(path)?.size === 0) watchers.delete(path);
  };
}

// setObserved takes in what was observed at a turn, unless what came later is known.
export function setObserved(paths, turn) {
  if (turn < observedTurn) return;
  observedTurn = turn;
  observed = new Set(paths);
  for (const f of observers) f();
}

// onObserved calls f whenever other paths are observed. It returns what ends it.
export function onObserved(f) {
  observers.add(f);
  return () => observers.delete(f);
}
