// Events: each kind with what its last one carried, and the recent ones.

import {byId, el, keyed, setText, show} from "./dom.js";
import {ago, bytes, clock, compact, count, plural, took} from "./format.js";

// carried tells the fields of an event.
export function carried(event) {
  const parts = [];
  const add = (has, text) => has && parts.push(text);
  add(event.topic, `${event.topic}${event.partition >= 0 ? `[${event.partition}]` : ""}`);
  add(event.partition >= 0 && event.worker > 0, `worker ${event.worker}`);
  add(event.broker >= 0, `broker ${event.broker}`);
  add(event.from, `${event.from} → ${event.to}`);
  add(event.messages > 0, plural(event.messages, "message"));
  add(event.bytes > 0, bytes(event.bytes));
  add(event.took > 0, took(event.took));
  add(event.error, event.error);
  return parts.join(" · ");
}

// breakable lets a long name be cut at its underscores.
function breakable(name) {
  const node = el("code", {});
  name.split("_").forEach((word, i) => {
    if (i > 0) {
      node.append("_", el("wbr"));
    }
    node.append(word);
  });
  return node;
}

function makeKind(kind) {
  const last = el("span", {class: "carried"});
  const total = el("td", {class: "n"});
  const when = el("td", {class: "n when"});
  const node = el("tr", {}, el("th", {scope: "row"}, breakable(kind.name), " ", el("span", {class: "about"}, kind.about), last), total, when);
  return {node, last, total, when};
}

let kinds = [];
let recent = [];

export function takeEvents(state) {
  if (state.recent) {
    recent = state.recent;
    keyed(byId("recent"), recent.map((event, i) => ({event, key: recent.length - i})), (r) => r.key, makeRecent, updateRecent);
    show(byId("recent"), recent.length > 0);
    show(byId("recent-empty"), recent.length === 0);
  }
  if (state.kinds) {
    kinds = state.kinds;
  }
}

function makeRecent() {
  const when = el("time");
  const name = el("code");
  const times = el("span", {class: "times"});
  const what = el("span", {class: "carried"});
  return {node: el("li", {}, when, el("div", {}, name, " ", times, what)), when, name, times, what};
}

function updateRecent(row, {event}) {
  setText(row.when, clock(event.at));
  setText(row.name, event.kind);
  setText(row.times, event.times > 1 ? `× ${count(event.times)}` : "");
  setText(row.what, carried(event));
}

// showEvents is for each frame: how long ago it was changes also if nothing happens.
export function showEvents(now) {
  keyed(byId("kinds"), kinds, (kind) => kind.name, makeKind, (row, kind) => {
    row.node.classList.toggle("never", kind.count === 0);
    setText(row.last, kind.last ? carried(kind.last) : "");
    setText(row.total, compact(kind.count));
    setText(row.when, kind.last ? ago(kind.last.at, now) : "–");
  });
  const seen = kinds.filter((kind) => kind.original && kind.count > 0).length;
  setText(byId("events-count"), `${seen} of the ten kinds of the original ekaf seen`);
}
