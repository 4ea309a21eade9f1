// The table of topics. Each unfolds to its partitions, their leaders and workers.

import {byId, el, keyed, setAttribute, setText, show, stateChip} from "./dom.js";
import {compact, count, plural, rate, took} from "./format.js";

const table = byId("topics");
const fewTopics = 3; // that begin unfolded
const fewPartitions = 12;

let serial = 0;

const cell = (kind = "n") => el("td", {class: kind});

function makeTopic(topic, unfolded) {
  const id = `topic-${++serial}`;
  const name = el("span", {class: "name"}, topic.name);
  const button = el("button", {type: "button", class: "fold", "aria-controls": id}, name);
  const state = stateChip();
  const numbers = [cell(), cell(), cell("n roomy"), cell("n roomy"), cell("n roomy")];
  const inner = el("tbody");
  const more = el("p", {class: "note"});
  const head = el("thead", {}, el("tr", {},
    el("th", {scope: "col"}, "Partition"), el("th", {scope: "col"}, "Leader"), el("th", {scope: "col"}, "Workers"),
    el("th", {scope: "col", class: "n"}, "Waiting"), el("th", {scope: "col", class: "n roomy"}, "Acked"),
    el("th", {scope: "col", class: "n roomy"}, "Retries"), el("th", {scope: "col", class: "n roomy"}, "Round trip")));
  const partitions = el("table", {class: "partitions", "aria-label": `Partitions of ${topic.name}`}, head, inner);
  const detail = el("tr", {id, class: "detail"}, el("td", {colspan: "6"}, partitions, more));
  const node = el("tbody", {},
    el("tr", {}, el("th", {scope: "row"}, button, " ", state.chip), ...numbers), detail);
  const fold = (open) => {
    setAttribute(button, "aria-expanded", String(open));
    show(detail, open);
  };
  button.addEventListener("click", () => fold(button.getAttribute("aria-expanded") !== "true"));
  fold(unfolded);
  return {node, state, numbers, inner, more, partitions};
}

function updateTopic(row, topic) {
  row.state.set(topic.state);
  const numbers = [rate(topic.rate), count(topic.waiting), count(topic.in_flight), compact(topic.acked), compact(topic.failed)];
  numbers.forEach((text, i) => setText(row.numbers[i], text));
  keyed(row.inner, topic.list, (p) => p.id, makePartition, updatePartition);
  show(row.partitions, topic.list.length > 0);
  let note = "";
  if (topic.partitions === 0) {
    note = "Its partitions are not known yet.";
  } else if (topic.hidden > 0) {
    note = `${plural(topic.hidden, "more partition")} not shown; /metrics and /v1/topics/${topic.name} have all.`;
  }
  setText(row.more, note);
  show(row.more, note !== "");
}

function makePartition(partition) {
  const leader = el("td");
  const workers = el("td", {class: "workers"});
  const list = el("ul", {});
  const more = el("span", {class: "note"});
  workers.append(list, more);
  const numbers = [cell(), cell("n roomy"), cell("n roomy"), cell("n roomy")];
  const node = el("tr", {}, el("th", {scope: "row"}, String(partition.id)), leader, workers, ...numbers);
  return {node, leader, list, more, numbers};
}

function updatePartition(row, partition) {
  setText(row.leader, partition.leader >= 0 ? `broker ${partition.leader}` : "none");
  keyed(row.list, partition.workers, (w) => w.id, () => {
    const state = stateChip();
    return {node: el("li", {}, state.chip), state};
  }, (child, worker) => child.state.set(worker.state, `#${worker.id} ${worker.state}`));
  let more = "";
  if (partition.workers.length === 0) {
    more = "none started";
  } else if (partition.hidden > 0) {
    more = `and ${partition.hidden} more`;
  }
  setText(row.more, more);
  const numbers = [count(partition.waiting), compact(partition.acked), compact(partition.retries), partition.acked > 0 ? took(partition.round_trip) : "–"];
  numbers.forEach((text, i) => setText(row.numbers[i], text));
}

export function showTopics({total, hidden, states, list}) {
  const known = Object.entries(states).map(([state, n]) => `${count(n)} ${state}`).join(", ");
  setText(byId("topics-count"), total > 0 ? known : "");
  show(table, total > 0);
  show(byId("topics-empty"), total === 0);
  keyed(table, list, (t) => t.name,
    (t) => makeTopic(t, list.length <= fewTopics && t.partitions <= fewPartitions), updateTopic);
  setText(byId("topics-note"), `${plural(hidden, "more topic")} not shown: those in trouble come first, then those that sent most. /metrics has all.`);
  show(byId("topics-note"), hidden > 0);
}
