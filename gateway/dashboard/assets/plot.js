// A small plot over time: lines of a colour each, an area below the first, bands
// where something was down, and the values of the moment that is pointed at.

import {el, setAttribute, setText} from "./dom.js";
import {clock, lasted} from "./format.js";

const wide = 400;
const high = 90;
const least = 2 * 60 * 1000; // of time that is shown, when there is not more yet

const svg = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  return node;
};

// A scale says where its top is for the largest value, and how high a value
// stands, from 0 to 1. tens counts in 1, 2, 5, 10 ..., twos doubles, and decades is
// logarithmic: times of a microsecond and of a minute are seen in one plot.
export const tens = (least) => ({
  bottom: 0,
  top(most) {
    let top = least;
    for (let i = 0; top < most; i++) {
      top *= i % 3 === 1 ? 2.5 : 2;
    }
    return top;
  },
  height: (value, top) => value / top,
});

export const twos = (least) => ({
  ...tens(least),
  top: (most) => least * 2 ** Math.max(Math.ceil(Math.log2(most / least)), 0),
});

export const decades = (bottom) => ({
  bottom,
  top: (most) => bottom * 10 ** Math.max(Math.ceil(Math.log10(most / bottom)), 2),
  height: (value, top) => Math.max(Math.log(value / bottom) / Math.log(top / bottom), 0),
});

// Plot draws into a figure. lines name columns and how they are called; format
// writes their values.
export class Plot {
  constructor(figure, {lines, format, scale}) {
    Object.assign(this, {lines, format, scale, rows: [], pointed: null});
    this.bands = svg("path", {class: "band"});
    this.area = svg("path", {class: "area"});
    this.paths = lines.map((_, i) => svg("path", {class: i === 0 ? "line one" : "line two"}));
    this.cross = svg("path", {class: "cross"});
    this.picture = svg("svg", {viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img"});
    const grid = svg("path", {class: "grid", d: `M0 0.5H${wide}M0 ${high / 2}H${wide}M0 ${high - 0.5}H${wide}`});
    this.picture.append(grid, this.bands, this.area, ...this.paths.toReversed(), this.cross);
    this.top = el("span", {class: "top", "aria-hidden": "true"});
    this.bottom = el("span", {class: "bottom", "aria-hidden": "true"});
    this.from = el("span");
    this.to = el("span", {}, "now");
    figure.append(
      el("div", {class: "picture"}, this.picture, this.top, this.bottom),
      el("p", {class: "axis", "aria-hidden": "true"}, this.from, this.to),
    );
    this.picture.addEventListener("pointermove", (e) => this.point(e));
    this.picture.addEventListener("pointerleave", () => this.point(null));
  }

  draw(rows, columns) {
    this.rows = rows;
    this.columns = columns;
    const time = columns.time;
    const end = rows.at(-1)[time];
    const begin = Math.min(rows[0][time], end - least);
    let most = 0;
    for (const row of rows) {
      for (const line of this.lines) {
        most = Math.max(most, row[columns[line.column]] ?? 0);
      }
    }
    const top = this.scale.top(most);
    this.x = (row) => (wide * (row[time] - begin)) / (end - begin);
    this.y = (value) => high - this.scale.height(value, top) * (high - 4) - 1;
    this.lines.forEach((line, i) => setAttribute(this.paths[i], "d", this.trace(columns[line.column])));
    setAttribute(this.area, "d", this.shade(columns[this.lines[0].column]));
    setAttribute(this.bands, "d", this.outages());
    setText(this.top, this.format(top));
    setText(this.bottom, this.scale.bottom > 0 ? this.format(this.scale.bottom) : "");
    this.span = `${lasted(end - begin)} ago`;
    this.describe(most);
    this.point(this.pointed);
  }

  trace(column) {
    let path = "";
    let pen = "M";
    for (const row of this.rows) {
      if (row[column] === null) {
        pen = "M";
        continue;
      }
      // A point alone is drawn by the line's round end.
      path += `${pen}${this.x(row).toFixed(1)} ${this.y(row[column]).toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
    }
    return path;
  }

  shade(column) {
    let path = "";
    let run = [];
    const close = () => {
      if (run.length > 1) {
        const points = run.map((row) => `L${this.x(row).toFixed(1)} ${this.y(row[column]).toFixed(1)}`).join("");
        path += `M${this.x(run[0]).toFixed(1)} ${high}${points}V${high}Z`;
      }
      run = [];
    };
    for (const row of this.rows) {
      row[column] === null ? close() : run.push(row);
    }
    close();
    return path;
  }

  outages() {
    const {brokers_down: brokers, topics_down: topics} = this.columns;
    let path = "";
    let since = null;
    this.rows.forEach((row, i) => {
      const down = row[brokers] > 0 || row[topics] > 0;
      if (down && since === null) {
        since = this.x(row);
      }
      if (since !== null && (!down || i === this.rows.length - 1)) {
        path += `M${since.toFixed(1)} 0H${Math.max(this.x(row), since + 1).toFixed(1)}V${high}H${since.toFixed(1)}Z`;
        since = null;
      }
    });
    return path;
  }

  describe(most) {
    const last = this.rows.at(-1);
    const now = this.lines.map((line) => `${line.name} ${this.format(last[this.columns[line.column]])}`).join(", ");
    setAttribute(this.picture, "aria-label", `Now ${now}; at most ${this.format(most)} since ${this.span}`);
  }

  // point shows the values of the moment under the pointer, or those of the axis.
  point(e) {
    this.pointed = e;
    if (!e || this.rows.length === 0) {
      setAttribute(this.cross, "d", "");
      setText(this.from, this.span ?? "");
      setText(this.to, "now");
      return;
    }
    const box = this.picture.getBoundingClientRect();
    const at = (wide * (e.clientX - box.left)) / box.width;
    let nearest = this.rows[0];
    for (const row of this.rows) {
      if (Math.abs(this.x(row) - at) < Math.abs(this.x(nearest) - at)) {
        nearest = row;
      }
    }
    setAttribute(this.cross, "d", `M${this.x(nearest).toFixed(1)} 0V${high}`);
    setText(this.from, clock(nearest[this.columns.time]));
    setText(this.to, this.lines.map((line) => `${line.name} ${this.format(nearest[this.columns[line.column]])}`).join(" · "));
  }
}
