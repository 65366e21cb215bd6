// The dialog for notification attributes.
import { ask } from "./dialog.js";
import * as operations from "./operations.js";

// askAttributes lets a person set and take away notification attributes
// (LwM2M Core, section 7.3.2) as far as they fit: numbers have thresholds, what is
// on or off has edges. Only what was changed is sent.
export function askAttributes(title, path, present, { binary, numeric, measure }, discover) {
  const before = Object.fromEntries(present.map((a) => a.split("=")));
  const own = measure ? ` (${measure})` : "";
  const fields = [
    ["pmin", "pmin: at least so many seconds between notifications"],
    ["pmax", "pmax: a notification after so many seconds in any case"],
    ...(numeric ? [["gt", `gt: when the value crosses this${own}`], ["lt", `lt: when the value crosses this${own}`],
      ["st", `st: when the value has changed by so much${own}`]] : []),
    ...(binary ? [["edge", "edge: only on the falling (0) or the rising (1) edge"]] : []),
  ].map(([name, label]) => ({ name, label, type: "String", value: before[name] }));
  ask(title, `${path}: what to tell the server, and when. An empty field takes the attribute away.`, fields, async (now) => {
    const list = Object.entries(now).filter(([name, v]) => v !== (before[name] ?? "")).map(([name, v]) => (v === "" ? name : `${name}=${v}`));
    if (list.length === 0) throw new Error("nothing has been changed");
    await operations.attributes(path, list);
    await discover().catch(() => {}); // they are set; only the view of them is old
  });
}
