// The form that sends one message, by the gateway's own routes, and the curl
// line that does the same.

import {at, byId, el, keyed, setText, setAttribute, show} from "./dom.js";
import {took} from "./format.js";

const form = byId("try-form");
const field = (name) => form.elements[name];

function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// wanted is the request that the form describes.
function wanted() {
  const [route, ack] = field("route").value.split(":");
  const topic = encodeURIComponent(field("topic").value.trim() || "events");
  const value = field("value").value;
  const query = new URLSearchParams();
  if (ack) {
    query.set("ack", ack);
    if (field("key").value !== "") {
      query.set("key", field("key").value);
    }
  }
  const path = ack ? `v1/topics/${topic}?${query}` : `${route}/${topic}`;
  return {
    url: at(path), value,
    type: isJSON(value) ? "application/json" : "text/plain; charset=utf-8",
  };
}

// quoted is a text as a shell's word.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const curl = ({url, value, type}) => `curl -i \\\n  -H ${quoted(`Content-Type: ${type}`)} \\\n  --data-raw ${quoted(value)} \\\n  ${quoted(url)}`;

function refresh() {
  const keyless = !field("route").value.includes(":");
  field("key").disabled = keyless;
  setText(byId("try-key-note"), keyless ? "raw routes only" : "optional");
  setText(byId("try-curl"), curl(wanted()));
}

const claims = {
  200: "Done: what this route claims has happened.", 202: "Accepted: it is in the gateway's memory, and will be delivered unless the process dies first.",
  401: "Nobody is let in without credentials.", 403: "Not permitted, by the gateway or by Kafka.", 404: "The topic does not exist.",
  413: "Too large.", 422: "Malformed; the text says where.", 429: "Too many requests of this principal.",
  503: "Not now: the buffer is full, or Kafka did not answer in time. The body says if the message may have been written.",
};

function claimOf(status, route) {
  if (status === 200 && /sync$|:kafka$/.test(route) && !/async$|^batch/.test(route)) {
    return "Kafka has it: partition and offset are those of the message.";
  }
  if (status === 200 && /async$/.test(route)) {
    return claims[202];
  }
  return status === 200 && route === "batch/sync" ? "It waits in a worker's batch, and is sent within the linger." : claims[status] ?? "";
}

async function send(event) {
  event.preventDefault();
  const request = wanted();
  const route = field("route").value;
  byId("try-send").disabled = true;
  const began = performance.now();
  let status = 0;
  let title = "";
  let body = "";
  try {
    const answer = await fetch(request.url, {method: "POST", body: request.value, headers: {"Content-Type": request.type}});
    body = await answer.text();
    status = answer.status;
    title = `${answer.status} ${answer.statusText}`.trim();
    const again = answer.headers.get("Retry-After");
    title += again ? `, retry after ${again} s` : "";
  } catch (error) {
    title = "No answer";
    body = `The gateway cannot be reached: ${error.message}`;
  }
  show(byId("try-empty"), false);
  show(byId("try-result"), true);
  setAttribute(byId("try-result"), "data-tone", status >= 200 && status < 300 ? "good" : "bad");
  setText(byId("try-status"), title);
  setText(byId("try-took"), `in ${took(performance.now() - began)}`);
  setText(byId("try-body"), body);
  setText(byId("try-claim"), claimOf(status, route));
  byId("try-send").disabled = false;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(byId("try-curl").textContent);
    setText(byId("try-copied"), "Copied.");
  } catch {
    // Browsers let pages copy only over HTTPS and on localhost.
    getSelection().selectAllChildren(byId("try-curl"));
    setText(byId("try-copied"), "Selected: copy it with the keyboard.");
  }
  setTimeout(() => setText(byId("try-copied"), ""), 4000);
}

export function beginTry() {
  form.addEventListener("input", refresh);
  form.addEventListener("submit", send);
  byId("try-copy").addEventListener("click", copy);
  refresh();
}

// suggest offers the topics that are known, and begins with the first.
let suggested = false;
export function suggest(topics) {
  const names = topics.map((t) => t.name);
  keyed(byId("try-topics"), names, (n) => n, (n) => ({node: el("option", {value: n})}), () => {});
  if (!suggested && names.length > 0) {
    suggested = true;
    if (field("topic").value === "" && document.activeElement !== field("topic")) {
      field("topic").value = names[0];
      refresh();
    }
  }
}
