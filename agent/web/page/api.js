// What the page asks of its server. Every call throws an Error whose message is
// fit for people.
import { demo, program } from "./board.js";

let over = false; // the program has ended

// shown is what a request shows: the token, which comes in the address of the page
// and stays with this tab and its origin. A cookie would go to every other port of
// the host, where others may listen.
const shown = (() => {
  const address = new URL(location.href);
  let token = address.searchParams.get("token");
  try {
    if (token) sessionStorage.setItem("token", token);
    else token = sessionStorage.getItem("token");
  } catch { /* a browser that stores nothing needs the address once more to load the page anew */ }
  address.searchParams.delete("token");
  history.replaceState(history.state, "", address);
  return token ? { Authorization: `Bearer ${token}` } : {};
})();

async function ask(address, { headers, ...options } = {}) {
  if (over) throw new Error(`${program()} has ended`);
  const response = await fetch(address, { ...options, headers: { ...headers, ...shown } }).catch(() => {
    throw new Error(over ? `${program()} has ended` : `${program()} cannot be reached`);
  });
  if (response.ok) return response.json();
  const text = await response.text();
  let message = text;
  try {
    ({ message } = JSON.parse(text));
  } catch { /* plain text is the message */ }
  throw new Error(message.trim() || response.statusText);
}

// operate carries out an operation on the board: its answer has values and their
// turn, or found, or neither.
export async function operate(operation, body) {
  const answer = await ask(`api/${operation}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (answer.refused) throw new Error(answer.refused.message);
  return answer;
}

export const state = () => ask("api/state");

const pause = 3000; // ms until a lost connection is tried again

// events calls handlers[name](data) for each event, handlers.link("up", "down" or
// "over"), and handlers.refused(why). It connects again by itself, unless a demo has
// ended or the program refuses: the token is missing, or it was started anew with
// another one.
export async function events(handlers) {
  for (;;) {
    const response = await fetch("api/events", { headers: shown }).catch(() => null);
    if (response && !response.ok && response.status < 500) {
      handlers.refused((await response.text().catch(() => "")).trim() || response.statusText);
      return;
    }
    if (response?.ok) {
      handlers.link("up");
      await follow(response.body, handlers).catch(() => {}); // the connection is lost
    }
    if (over) return;
    handlers.link("down");
    await new Promise((resume) => { setTimeout(resume, pause); });
  }
}

// follow takes the events of a stream to its end.
async function follow(body, handlers) {
  for await (const { name, data } of told(body)) {
    if (name === "end" && demo) {
      over = true;
      handlers.link("over");
    }
    try {
      if (name !== "end") handlers[name](data);
    } catch (e) {
      reportError(e); // the next ones come all the same
    }
  }
}

// told reads events (text/event-stream), each with one line of data.
async function* told(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? [];
      if (name) yield { name, data: JSON.parse(data) };
    }
  }
}
