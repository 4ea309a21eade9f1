// Numbers and times for people.

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const short = new Intl.NumberFormat("en", {notation: "compact", maximumSignificantDigits: 3});
const clockTime = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit"});

export const count = (n) => whole.format(n);
export const compact = (n) => (n < 10000 ? whole.format(n) : short.format(n));
export const clock = (ms) => clockTime.format(ms);

export function rate(n) {
  return n > 0 && n < 10 ? n.toFixed(1) : compact(n);
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit > 0 && n < 10 ? n.toFixed(1) : whole.format(n)} ${units[unit]}`;
}

// took is a time in milliseconds.
export function took(ms) {
  if (ms === null || ms === undefined) {
    return "–";
  }
  if (ms < 1) {
    return `${Math.round(ms * 1000)} µs`;
  }
  if (ms < 1000) {
    return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  }
  return lasted(ms);
}

// lasted is a longer time in milliseconds.
export function lasted(ms) {
  const s = ms / 1000;
  if (s < 10) {
    return `${s.toFixed(1)} s`;
  }
  if (s < 120) {
    return `${Math.round(s)} s`;
  }
  if (s < 5400) {
    return `${Math.round(s / 60)} min`;
  }
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}

export function ago(then, now) {
  const ms = Math.max(now - then, 0);
  return ms < 1500 ? "now" : `${lasted(Math.round(ms / 1000) * 1000).replace(".0", "")} ago`;
}

export function percent(part, of) {
  if (!of) {
    return "–";
  }
  const p = (100 * part) / of;
  return p > 0 && p < 1 ? "< 1 %" : `${Math.floor(p)} %`;
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
