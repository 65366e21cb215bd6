// What the page asks of its server. Every call throws an Error whose message is
// fit for people.
import { demo, program } from "./board.js";

let over = false; // the program has ended

async function ask(address, options) {
  if (over) throw new Error(`${program()} has ended`);
  const response = await fetch(address, options).catch(() => {
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

// events calls handlers[name](data) for each event, and handlers.link("up",
// "down" or "over"). The browser connects again by itself, unless a demo has ended
// or the program refuses (it was started anew, with another token).
export function events(handlers) {
  const source = new EventSource("api/events");
  const end = () => {
    over = true;
    source.close();
    handlers.link("over");
  };
  source.onopen = () => handlers.link("up");
  source.onerror = () => (source.readyState === EventSource.CLOSED ? end() : handlers.link("down"));
  source.addEventListener("end", () => { if (demo) end(); });
  for (const name of ["values", "registration", "troubles", "objects", "observed", "note", "message"]) {
    source.addEventListener(name, (e) => handlers[name](JSON.parse(e.data)));
  }
}
