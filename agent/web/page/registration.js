// The head of the page: which board, where it is registered, how that stands.
import { demo, program } from "./board.js";
import { element } from "./dom.js";
import { duration, when } from "./format.js";

const $ = (id) => document.getElementById(id);
let latest = null, last = 0; // how it stands, and since which turn

// take shows how the registration stood at a turn, unless a later one is known.
export function take(r, turn) {
  if (turn < last) return;
  last = turn;
  show(r);
}

function show(r) {
  latest = r;
  $("reg-endpoint").textContent = r.endpoint;
  $("reg-server").textContent = r.server;
  word(r.state, r.registered);
  $("registration").replaceChildren(...[
    ["LwM2M", r.version],
    ["Transport", r.transport],
    ["Lifetime", duration(r.lifetime)],
    ["Since", r.since && when(r.since)],
    ["Next Update", r.update && when(r.update)],
    ...(r.others ?? []).map((other) => ["Also", other]),
  ].filter(([, text]) => text).map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))));
}

// word says how it stands; the same words again would be read out again.
function word(text, registered) {
  const state = $("reg-state");
  if (state.textContent !== text) state.textContent = text;
  state.dataset.registered = registered;
  $("stale").textContent = registered ? "" : "The board is not registered at the moment: what you see below is what was known before.";
}

// link says how the connection to the program is: "up", "down" or "over".
export function link(how) {
  if (how === "up") {
    if (latest) show(latest);
    return;
  }
  word(`${program()} ${how === "over" ? "has ended" : "does not answer; trying again"}`, false);
  const again = demo ? "Start the demo again and open the address that it prints." : "Load the page anew when it runs again.";
  $("stale").textContent = how === "over"
    ? `${again} What you see below is what was known at its end.`
    : "What you see below is what was known before.";
}

// refused says why the page shows nothing, or nothing more.
export function refused(why) {
  word("not shown", false);
  $("stale").textContent = why;
}
