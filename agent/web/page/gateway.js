// The cards of the gateway itself: how it is connected (object 4), and its
// firmware (object 5).
import * as board from "./board.js";
import { Chart, spanOf } from "./chart.js";
import { ask } from "./dialog.js";
import { arrange, button, element, identify } from "./dom.js";
import { say } from "./notice.js";
import * as operations from "./operations.js";

const box = document.getElementById("gateway");
const network = "/4/0", firmware = "/5/0", version = "/3/0/3";
const cards = new Map(); // path of an instance → card

// lay makes the cards for what the board has and starts the new ones.
export function lay({ history = {}, packages = [] }) {
  const make = { [network]: () => new Network(history), [firmware]: () => new Firmware(packages) };
  for (const path of [network, firmware]) {
    if (board.has(path) && !cards.has(path)) cards.set(path, make[path]());
    if (!board.has(path)) { cards.get(path)?.close(); cards.delete(path); }
  }
  arrange(box, [...cards.values()].map((card) => card.root));
  box.parentElement.hidden = cards.size === 0;
  for (const card of cards.values()) card.start();
}

// A Card shows an instance that it has observed.
class Card {
  #path;
  #live = false;
  #ends = [];
  now = element("span", { className: "now" }, "–");
  unit = element("span", { className: "unit" });
  facts = element("p", { className: "facts quiet" });

  constructor(path, name, ...rest) {
    this.#path = path;
    const title = element("h3", { id: identify() }, name);
    this.root = element("article", { className: "card", "aria-labelledby": title.id, "data-path": path },
      title, element("p", { className: "value" }, this.now, " ", this.unit), this.facts, ...rest);
  }

  // watch has the card drawn at each new value.
  watch(paths, f) {
    for (const path of paths) this.#ends.push(board.watch(path, f));
  }

  close() {
    for (const end of this.#ends) end();
    this.root.remove();
  }

  async start() {
    if (this.#live) return;
    this.#live = true;
    try {
      await operations.fetch(this.#path);
      if (!board.observed.has(this.#path)) await operations.observeQuietly(this.#path);
    } catch (e) {
      this.#live = false; // the next load of the page's state tries again
      this.facts.textContent = e.message;
    }
  }
}

// The bearers of /4/0/0.
const bearers = {
  0: "GSM", 1: "TD-SCDMA", 2: "WCDMA", 3: "CDMA2000", 4: "WiMAX", 5: "LTE (TDD)", 6: "LTE", 7: "NB-IoT", 8: "5G (TDD)", 9: "5G",
  21: "WLAN", 22: "Bluetooth", 23: "IEEE 802.15.4", 41: "Ethernet", 42: "DSL", 43: "PLC",
};
const wired = 41; // bearers from here on have no signal

class Network extends Card {
  #chart = new Chart(false);
  #signal = `${network}/2`;

  constructor(history) {
    super(network, "Network");
    this.root.append(this.#chart.root);
    const now = performance.now();
    for (const [ago, value] of history[this.#signal] ?? []) this.#chart.add(value, now - ago);
    this.watch([this.#signal], () => this.#chart.add(board.value(this.#signal), performance.now()));
    this.watch([0, 2, 4, 7, 8, 9, 10].map((rid) => `${network}/${rid}`), () => requestAnimationFrame(() => this.#draw()));
  }

  #draw() {
    const value = (rid) => board.value(`${network}/${rid}`);
    const first = (rid) => board.instances(`${network}/${rid}`)[0]?.[1];
    const bearer = value(0);
    const radio = bearer < wired;
    this.now.textContent = radio ? value(2) : (bearers[bearer] ?? `bearer ${bearer}`);
    this.unit.textContent = radio ? "dBm" : "";
    const operator = value(10) !== undefined && `operator ${String(value(10)).padStart(3, "0")}-${String(value(9)).padStart(2, "0")}`;
    const cell = value(8) !== undefined && `cell ${value(8)}`;
    this.facts.textContent = [radio && (bearers[bearer] ?? `bearer ${bearer}`), operator, cell, first(7) && `APN ${first(7)}`, first(4)].filter(Boolean).join(" · ");
    this.#chart.root.toggleAttribute("hidden", !radio);
    const now = performance.now();
    if (radio) this.#chart.draw(now, spanOf(this.#chart.begin, now));
  }
}

// State (/5/0/3) and Update Result (/5/0/5) in words: LwM2M 1.2 Core, object 5.
const states = ["ready", "downloading", "downloaded", "updating"];
const results = [
  "", "the update is in force", "not enough storage for the package", "out of memory during the download", "the connection was lost during the download",
  "the package is damaged or not signed by whom it must be", "this kind of package is not supported", "the package is not at its address", "the update failed: the former system runs",
  "the protocol of the address is not supported", "cancelled", "deferred",
];

class Firmware extends Card {
  #packages;
  #status = element("p", { id: "firmware-result", className: "facts", role: "status" });
  #actions = element("div", { className: "actions" });
  #state;

  constructor(packages) {
    super(firmware, "Firmware");
    this.#packages = packages;
    this.root.append(this.#status, this.#actions);
    this.watch([3, 5, 7].map((rid) => `${firmware}/${rid}`), () => this.#draw());
    this.watch([version], () => this.#draw());
  }

  #draw() {
    const value = (rid) => board.value(`${firmware}/${rid}`);
    const state = value(3);
    this.now.textContent = states[state] ?? `state ${state}`;
    const runs = board.value(version);
    this.facts.textContent = [runs && `version ${runs} runs`, state >= 2 && value(7) && `package ${value(7)}`].filter(Boolean).join(" · ");
    const result = results[value(5)] ?? `result ${value(5)}`;
    if (this.#status.textContent !== result) this.#status.textContent = result;
    if (state === this.#state) return;
    this.#state = state;
    operations.fetch(version).catch(() => {}); // the board may be restarting
    this.#actions.replaceChildren(...(board.readOnly ? [] : this.#offer(state)));
  }

  // offer returns what can be done in a state.
  #offer(state) {
    const cancel = () => told("Cancel the update", operations.execute(`${firmware}/10`, ""));
    switch (state) {
      case 0:
        return [
          ...this.#packages.map(({ text, uri }) => button(`Fetch ${text}`, `Fetch ${text}`, () => told("Fetch", operations.write(`${firmware}/1`, uri)))),
          button("Fetch from …", "Fetch from … an address", () => this.#ask()),
        ];
      case 1:
        return [button("Cancel", "Cancel the download", cancel)];
      case 2: {
        const update = button("Update now", "Update now: the gateway restarts", () => told("Update", operations.execute(`${firmware}/2`, "")));
        update.className = "primary";
        return [update, button("Discard", "Discard the package", cancel)];
      }
    }
    return [];
  }

  #ask() {
    const field = { name: "uri", label: "Address of the package (coap, coaps, http or https)", type: "String" };
    ask("Fetch firmware", `${firmware}/1`, [field], ({ uri }) => operations.write(`${firmware}/1`, uri));
  }
}

// told tells an error: nothing else does.
const told = (what, promise) => promise.catch((e) => say(`${what}: ${e.message}`, true));
