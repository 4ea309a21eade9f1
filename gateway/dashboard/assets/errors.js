// The last errors, each with what to do about it, and why messages were lost.

import {byId, el, keyed, setAttribute, setText, show} from "./dom.js";
import {ago, count, plural} from "./format.js";

const list = byId("errors");
let faults = [];

function make(fault) {
  const meta = el("p", {class: "note"});
  const node = el("li", {}, el("p", {class: "text"}, fault.text), el("p", {class: "advice"}, el("b", {}, "To do"), " ", fault.advice), meta);
  return {node, meta};
}

export function takeErrors(state) {
  if (state.faults) {
    faults = state.faults;
  }
}

export function showErrors(state, now) {
  keyed(list, faults, (f) => f.text, make, (row, f) => {
    const where = f.topic ? `${f.kind} of ${f.topic}` : f.kind;
    setAttribute(row.node, "data-past", String(now - f.last > 60000));
    setText(row.meta, `${ago(f.last, now)}, ${f.times === 1 ? "once" : `${count(f.times)} times`} · ${where}`);
  });
  const reasons = [
    ...state.failed.map((r) => ({...r, what: "failed"})), ...state.refused.map((r) => ({...r, what: "refused"})),
  ];
  showReasons(reasons);
  show(list, faults.length > 0);
  show(byId("errors-empty"), faults.length === 0 && reasons.length === 0);
  setText(byId("errors-count"), faults.length > 0 ? `${plural(faults.length, "kind")}, the latest first` : "");
}

function showReasons(reasons) {
  show(byId("reasons"), reasons.length > 0);
  keyed(byId("reasons").querySelector("tbody"), reasons, (r) => `${r.what} ${r.name}`, (r) => {
    const n = el("td", {class: "n"});
    const node = el("tr", {}, el("th", {scope: "row"}, `${r.what}: ${r.name}`, el("span", {class: "about"}, r.advice)), n);
    return {node, n};
  }, (row, r) => setText(row.n, count(r.count)));
}
