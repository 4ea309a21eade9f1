// The page: what the stream tells is kept in one model and drawn from there.
//
//	stream.js ─► model ─► status.js, plot.js, topics.js, brokers.js, events.js, errors.js
//	try.js is by itself: it calls the gateway's routes.

import {at, byId, setAttribute, setText} from "./dom.js";
import {bytes, compact, count, percent, plural, rate, took} from "./format.js";
import {follow} from "./stream.js";
import {Plot, decades, tens, twos} from "./plot.js";
import {standing} from "./status.js";
import {showTopics} from "./topics.js";
import {showBrokers} from "./brokers.js";
import {showEvents, takeEvents} from "./events.js";
import {showErrors, takeErrors} from "./errors.js";
import {beginTry, suggest} from "./try.js";

const model = {rows: [], columns: {}, span: 0, state: null};

const plots = [
  new Plot(byId("plot-rate"), {
    lines: [{column: "acked", name: "acked"}, {column: "accepted", name: "accepted"}], format: rate, scale: tens(10),
  }),
  new Plot(byId("plot-latency"), {lines: [{column: "p99", name: "p99"}, {column: "p50", name: "p50"}], format: took, scale: decades(0.1)}),
  new Plot(byId("plot-buffer"), {lines: [{column: "buffered", name: "buffer"}], format: bytes, scale: twos(1024)}),
  new Plot(byId("plot-flight"), {lines: [{column: "in_flight", name: "in flight"}], format: compact, scale: tens(10)}),
];

function takeWhole(data) {
  model.columns = Object.fromEntries(data.columns.map((name, i) => [name, i]));
  model.span = data.span;
  model.rows = data.rows;
  setText(byId("version"), data.version);
  take(data);
}

function takeFrame(data) {
  model.rows.push(data.row);
  const oldest = data.row[model.columns.time] - model.span;
  while (model.rows[0][model.columns.time] < oldest) {
    model.rows.shift();
  }
  take(data);
}

function take(state) {
  model.state = state;
  takeEvents(state);
  takeErrors(state);
  draw();
}

function draw() {
  const {rows, columns, state} = model;
  const last = rows.at(-1);
  const now = last[columns.time];
  showStanding(standing(model));
  plots.forEach((plot) => plot.draw(rows, columns));
  showFigures((name) => last[columns[name]], state.totals);
  showTopics(state.topics);
  showBrokers(state.brokers, state.brokers_hidden);
  showEvents(now);
  showErrors(state, now);
  suggest(state.topics.list);
}

// showStanding changes the title, which is read aloud, only when another holds.
function showStanding({tone, title, more}) {
  setAttribute(byId("status"), "data-tone", tone);
  setText(byId("status-title"), title);
  setText(byId("status-more"), more);
  const page = tone === "good" || tone === "idle" ? "ekaf" : `${title} – ekaf`;
  if (document.title !== page) {
    document.title = page;
  }
}

function showFigures(now, totals) {
  const put = (id, text) => setText(byId(id), text);
  put("rate-now", rate(now("acked")));
  put("rate-more", `${rate(now("accepted"))} accepted`);
  put("latency-now", took(now("p99")));
  put("latency-more", now("p50") === null ? "nothing acked in the last 10 s" : `p99, p50 ${took(now("p50"))}`);
  put("buffer-now", percent(now("buffered"), totals.limit) === "–" ? bytes(now("buffered")) : percent(now("buffered"), totals.limit));
  put("buffer-more", `${bytes(now("buffered"))}${totals.limit ? ` of ${bytes(totals.limit)}` : ""}, ${plural(now("waiting"), "message")}`);
  put("flight-now", count(now("in_flight")));
  put("flight-more", `${now("in_flight") === 1 ? "batch" : "batches"}, ${rate(now("bytes")) === "0" ? "0 B" : bytes(now("bytes"))}/s`);
  put("total-acked", compact(totals.acked));
  put("total-failed", compact(totals.failed));
  put("total-refused", compact(totals.refused));
  put("total-retries", compact(totals.retries));
  put("total-batch", totals.batches > 0 ? rate(totals.messages / totals.batches) : "–");
  setAttribute(byId("total-workers"), "data-bad", String(totals.workers_down > 0));
  setAttribute(byId("total-failed"), "data-bad", String(totals.failed > 0));
  put("total-workers", totals.workers > 0 ? `${count(totals.workers - totals.workers_down)} up, ${count(totals.workers_down)} down` : "–");
}

function showLink(state, text) {
  setAttribute(byId("link"), "data-state", state);
  setText(byId("link-text"), text);
  setAttribute(document.body, "data-link", state);
}

beginTry();
follow(at("dashboard/stream"), {whole: takeWhole, frame: takeFrame, link: showLink});
