// What a person can have done, each with a word on how it ended.
import * as api from "./api.js";
import * as board from "./board.js";
import { say } from "./notice.js";

const patience = 1000; // ms until a person is told that the board is slow

// attempt runs f and tells that it is done. Who asked sees to errors.
async function attempt(what, f) {
  const slow = setTimeout(() => say(`${what}: waiting for the board …`), patience);
  try {
    await f();
    say(`${what}: done`);
  } catch (e) {
    e.what = what;
    throw e;
  } finally {
    clearTimeout(slow);
  }
}

// told tells an error, where no dialog does.
const told = (promise) => promise.catch((e) => say(`${e.what}: ${e.message}`, true));

function enter(path, { values = [], turn }) {
  const [, , rid, riid] = board.parts(path);
  if (rid !== undefined && riid === undefined && board.definition(path).multiple) board.replace(path, values, turn);
  else board.take(values, turn);
}

// fetch reads without a word.
export async function fetch(path) {
  enter(path, await api.operate("read", { path }));
}

export const read = (path) => told(attempt(`Read ${path}`, () => fetch(path)));

export async function observeQuietly(path) {
  enter(path, await api.operate("observe", { path }));
}

export const observe = (path) => told(attempt(`Observe ${path}`, () => observeQuietly(path)));

export const cancel = (path) => told(attempt(`Cancel ${path}`, () => api.operate("cancel", { path })));

// write, execute and attributes fail with the reason, for a dialog to show.
export const write = (path, value) => attempt(`Write ${path}`, async () => {
  await api.operate("write", { path, value });
  const resource = board.resourcePath(path);
  if (board.definition(resource).ops.includes("R")) await fetch(resource);
});

// set is write for a switch: it shows what the board says afterwards.
export const set = (path, value) => told(write(path, value));

// execute reads the instance anew: what was done may show in any of its values.
export const execute = (path, args) => attempt(`Execute ${path}`, async () => {
  await api.operate("execute", { path, arguments: args });
  await fetch(board.instancePath(path)).catch(() => {}); // it may be gone now, or the board restarts
});

export const attributes = (path, list) => attempt(`Write-Attributes ${path}`, () => api.operate("attributes", { path, attributes: list }));

// discover returns what there is at an instance: { path, attributes }.
export const discover = async (path) => (await api.operate("discover", { path })).found ?? [];
