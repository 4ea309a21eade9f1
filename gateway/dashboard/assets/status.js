// One sentence on how things stand, and one on what it means.

import {bytes, compact, lasted, percent, plural, rate, took} from "./format.js";

const named = (list, n = 3) => list.slice(0, n).join(", ") + (list.length > n ? ` and ${list.length - n} more` : "");

// untilFull is when the buffer is full if it goes on as in the last half minute,
// in milliseconds; null if it does not fill.
function untilFull({rows, columns, state}) {
  const limit = state.totals.limit;
  const last = rows.at(-1);
  const before = rows[Math.max(rows.length - 30, 0)];
  const passed = last[columns.time] - before[columns.time];
  const grown = last[columns.buffered] - before[columns.buffered];
  if (!limit || passed < 3000 || grown <= 0) {
    return null;
  }
  return ((limit - last[columns.buffered]) * passed) / grown;
}

function waiting(model) {
  const {rows, columns, state} = model;
  const last = rows.at(-1);
  if (last[columns.waiting] === 0) {
    return "Nothing waits. ";
  }
  let text = `${plural(last[columns.waiting], "message waits", "messages wait")} in memory (${bytes(last[columns.buffered])}`;
  text += state.totals.limit ? ` of ${bytes(state.totals.limit)}). ` : "). ";
  const left = untilFull(model);
  return left === null || left < 1000 || left > 86400000 ? text : `${text}At this rate the buffer is full in about ${lasted(left)}. `;
}

// standing gives a tone (good, busy, bad or idle), a title and more.
export function standing(model) {
  const {rows, columns, state} = model;
  const last = rows.at(-1);
  const {states, total} = state.topics;
  const downtime = states.downtime ?? 0;
  const lost = state.brokers.filter((b) => b.state === "down").map((b) => (b.addr ? `${b.id} (${b.addr})` : `${b.id}`));
  const limit = state.totals.limit;
  if (limit && last[columns.buffered] > 0.95 * limit) {
    return {tone: "bad", title: "The buffer is full", more: `${waiting(model)}Requests are answered with 503 until Kafka has taken some.`};
  }
  if (downtime > 0 && downtime === total) {
    return {tone: "bad", title: "Kafka cannot be reached", more: `${waiting(model)}They are sent, in order, when it is back.`};
  }
  if (downtime > 0) {
    return {tone: "bad", title: `${downtime} of ${plural(total, "topic")} cannot be reached`, more: `${waiting(model)}The other topics go on.`};
  }
  if (lost.length > 0) {
    return {tone: "busy", title: `${plural(lost.length, "broker")} cannot be reached`, more: `${named(lost)}. Messages without a key go to the partitions of other brokers. ${waiting(model)}`};
  }
  if (state.error) {
    return {tone: "busy", title: "No broker answers for metadata", more: state.error};
  }
  const unknown = states.bootstrapping ?? 0;
  if (unknown > 0 && (unknown === total || state.topics.list.some((t) => t.state === "bootstrapping" && t.waiting > 0))) {
    return {tone: "busy", title: `Looking for ${plural(unknown, "topic")}`, more: `The partitions are not known yet. ${waiting(model)}`};
  }
  if (total === 0) {
    return {tone: "idle", title: "Ready for the first message", more: "Nothing was sent yet. The form on this page sends a message, and shows the curl line for it."};
  }
  const p99 = last[columns.p99];
  const acked = last[columns.acked];
  const more = acked > 0
    ? `${rate(acked)} messages a second to ${plural(total - unknown, "topic")}, ${p99 === null ? "" : `99 % of them within ${took(p99)}, `}buffer ${percent(last[columns.buffered], limit)} full.`
    : `${plural(total - unknown, "topic")}, ${compact(state.totals.acked)} messages acked so far; nothing is being sent.`;
  const aside = unknown > 0 ? ` ${plural(unknown, "more topic was", "more topics were")} asked for and ${unknown === 1 ? "is" : "are"} not known.` : "";
  return {tone: "good", title: "All is well", more: more + aside};
}

