import * as api from "./api.js";
import * as charts from "./charts.js";
import { say } from "./dom.js";
import * as tree from "./tree.js";
import * as wire from "./wire.js";

const $ = (id) => document.getElementById(id);
let loading = false, again = false;

function registration(r) {
  $("reg-endpoint").textContent = r.endpoint;
  $("reg-server").textContent = r.server;
  $("reg-state").textContent = r.state;
  $("reg-state").dataset.ok = r.registered;
  $("reg-version").textContent = r.version;
  $("reg-transport").textContent = r.transport;
  $("reg-lifetime").textContent = r.lifetime ? `${r.lifetime} s` : "–";
  $("reg-updated").textContent = r.updated ? new Date(r.updated).toLocaleTimeString() : "–";
}

// load draws everything anew; a call during one makes one more afterwards.
async function load() {
  if (loading) { again = true; return; }
  loading = true;
  try {
    const s = await api.state();
    registration(s.registration);
    tree.lay(s.objects, s.observed);
    if (s.message) say(s.message, true);
    const observed = new Set(s.observed);
    for (const path of charts.lay(s.objects)) {
      const unit = `${path.slice(0, path.lastIndexOf("/"))}/5701`;
      if (observed.has(path)) tree.take(await api.operate("read", { path }));
      else await tree.observe(path).catch((e) => say(`Observe ${path}: ${e.message}`, true));
      await api.operate("read", { path: unit }).then(tree.take, () => {}); // not every sensor has a unit
    }
  } catch (e) {
    say(e.message, true);
  } finally {
    loading = false;
    if (again) { again = false; load(); }
  }
}

tree.onValue((path, value) => {
  if (path.endsWith("/5701")) charts.unit(path, value);
  else charts.add(path, value);
});

api.events({
  values: tree.take,
  registration,
  objects: load,
  message: wire.add,
  link: (up) => { if (up) load(); else { $("reg-state").dataset.ok = false; $("reg-state").textContent = "the demo has ended or cannot be reached"; } },
});
