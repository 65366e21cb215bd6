// Joins the parts of the page.
import * as api from "./api.js";
import * as board from "./board.js";
import * as cards from "./cards.js";
import * as gateway from "./gateway.js";
import * as health from "./health.js";
import { say } from "./notice.js";
import * as registration from "./registration.js";
import * as tree from "./tree.js";
import * as wire from "./wire.js";

let loading = false, again = false;
let run = null; // of the program

// load brings everything in step with the server; a call during one makes one
// more afterwards.
async function load() {
  again = loading;
  if (loading) return;
  loading = true;
  try {
    const state = await api.state();
    if (run && run !== state.run) location.reload(); // it knows nothing of what is observed here
    run = state.run;
    registration.take(state.registration, state.turn);
    health.take(state.troubles, state.turn);
    board.enter(state);
    document.title = document.getElementById("name").textContent = board.demo ? "lwm2m-agent demo" : "lwm2m-agent";
    document.getElementById("direct").hidden = !board.direct || board.readOnly;
    document.getElementById("read-only").hidden = !board.readOnly;
    document.getElementById("wire-toggle").hidden = !board.demo;
    tree.lay();
    // Not waited for: the board may be slow.
    gateway.lay(state);
    cards.lay(state.history);
  } catch (e) {
    say(e.message, true);
  }
  loading = false;
  if (again) load();
}

api.events({
  values: ({ values, turn }) => board.take(values, turn),
  observed: ({ paths, turn }) => board.setObserved(paths, turn),
  registration: ({ turn, ...r }) => registration.take(r, turn),
  troubles: ({ troubles, turn }) => health.take(troubles, turn),
  objects: load,
  note: (text) => say(text),
  message: wire.add,
  refused: registration.refused,
  link: (how) => {
    registration.link(how);
    if (how === "up") load();
  },
});
