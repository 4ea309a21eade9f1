// The table of brokers.

import {byId, el, keyed, setAttribute, setText, show, stateChip} from "./dom.js";
import {count, plural, took} from "./format.js";

const table = byId("brokers");

const words = {up: "up", down: "down", idle: "not connected"};

function make(broker) {
  const addr = el("span", {class: "addr"});
  const state = stateChip();
  const numbers = [el("td", {class: "n"}), el("td", {class: "n"}), el("td", {class: "n roomy"}), el("td", {class: "n roomy"})];
  const node = el("tr", {}, el("th", {scope: "row"}, String(broker.id), " ", addr), el("td", {}, state.chip), ...numbers);
  return {node, addr, state, numbers};
}

function update(row, broker) {
  setText(row.addr, broker.addr);
  row.state.set(broker.state, words[broker.state]);
  const numbers = [plural(broker.partitions, "partition"), count(broker.waiting), count(broker.in_flight), broker.round_trip > 0 ? took(broker.round_trip) : "–"];
  numbers.forEach((text, i) => setText(row.numbers[i], text));
}

export function showBrokers(list, hidden) {
  const up = list.filter((b) => b.state === "up").length;
  const down = list.filter((b) => b.state === "down").length;
  setText(byId("brokers-count"), list.length > 0 ? `${count(up)} up, ${count(down)} down` : "");
  setAttribute(byId("total-brokers"), "data-bad", String(down > 0));
  setText(byId("total-brokers"), list.length > 0 ? `${count(up)} up, ${count(down)} down` : "–");
  show(table, list.length > 0);
  show(byId("brokers-empty"), list.length === 0);
  keyed(table.tBodies[0], list, (b) => b.id, make, update);
  setText(byId("brokers-note"), `${plural(hidden, "more broker")} not shown.`);
  show(byId("brokers-note"), hidden > 0);
}
