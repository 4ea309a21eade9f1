// What the other modules make of the document. Text from outside becomes text
// nodes here, never markup.

export const byId = (id) => document.getElementById(id);

// at is the address of a path beside the page. A name and password that the
// page's own address has are the browser's to send, and not for showing.
export function at(path) {
  const url = new URL(path, document.baseURI);
  url.username = "";
  url.password = "";
  url.hash = "";
  return url.href;
}

// el makes an element: el("td", {class: "n"}, "text", child, ...).
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// setText leaves a node alone that has the text: a selection in it stays.
export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

export function show(node, visible) {
  if (node.hidden === visible) {
    node.hidden = !visible;
  }
}

// state is a word with a mark of its colour beside it.
export function stateChip() {
  const word = el("span");
  const chip = el("span", {class: "state"}, el("i", {"aria-hidden": "true"}), word);
  return {chip, set(state, text = state) {
    setAttribute(chip, "data-state", state);
    setText(word, text);
  }};
}

const kept = new WeakMap(); // of parents: their children by key

// keyed has a parent hold one child for each item, in order. A child is made
// once for a key, updated with each item of it, and moved only if it must be, so
// that focus and what is unfolded stay.
export function keyed(parent, items, key, make, update) {
  const before = kept.get(parent) ?? new Map();
  const now = new Map();
  for (const item of items) {
    const k = key(item);
    const child = before.get(k) ?? make(item);
    before.delete(k);
    update(child, item);
    now.set(k, child);
  }
  for (const child of before.values()) {
    child.node.remove();
  }
  let place = firstOf(parent, now);
  for (const child of now.values()) {
    if (child.node === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(child.node, place);
    }
  }
  kept.set(parent, now);
}

// firstOf is the first node of a parent that is one of the children: what else
// it holds, such as a table's head, stays before them.
function firstOf(parent, children) {
  const nodes = new Set([...children.values()].map((child) => child.node));
  for (const node of parent.childNodes) {
    if (nodes.has(node)) {
      return node;
    }
  }
  return null;
}
