// What the page asks of its server. Every call throws an Error whose message is
// fit for people.
export async function operate(operation, body) {
  const response = await fetch(`api/${operation}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({ message: response.statusText }));
  if (!response.ok) throw new Error([answer.code, answer.message].filter(Boolean).join(": "));
  return answer.values;
}

export async function state() {
  const response = await fetch("api/state");
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

// events calls handlers[name](data) for each event, and handlers.link(true or
// false) when the stream comes up or breaks. The browser reconnects by itself.
export function events(handlers) {
  const source = new EventSource("api/events");
  source.onopen = () => handlers.link(true);
  source.onerror = () => handlers.link(false);
  for (const name of ["values", "registration", "objects", "message"]) {
    source.addEventListener(name, (e) => handlers[name](JSON.parse(e.data)));
  }
}
