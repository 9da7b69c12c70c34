// Times, sizes and numbers as people write them.

import { LANGUAGE, T } from "../texts.js";

const number = new Intl.NumberFormat(LANGUAGE);
const oneDigit = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 1 });
/** Dates are written as where the person lives, as far as that is written in the language of the page. */
const REGION = navigator.languages.find((one) => one.split("-")[0] === LANGUAGE) ?? LANGUAGE;
const dateTime = new Intl.DateTimeFormat(REGION, { dateStyle: "medium", timeStyle: "short" });
const clockTime = new Intl.DateTimeFormat(REGION, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(REGION, { day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60]];

/** 12,345 */
export const count = (value) => number.format(value);

/** 340 bytes, 12 kB, 3.4 MB */
export function size(bytes) {
  if (bytes < 1000) return T.bytes(bytes);
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < T.sizes.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const told = value < 10 ? oneDigit.format(value) : number.format(Math.round(value));
  return `${told} ${T.sizes[unit]}`;
}

/** 5 seconds, 3 minutes, 2 hours */
export function duration(seconds) {
  for (const [unit, length] of units) {
    if (seconds >= length * 1.5) return T.durations[unit](Math.round(seconds / length));
  }
  return T.durations.second(Math.max(1, Math.round(seconds)));
}

/** 340 ms, 1.2 s */
export function milliseconds(value) {
  if (value > 0 && value < 1) return "< 1 ms";
  return value < 1000 ? `${number.format(Math.round(value))} ms` : `${oneDigit.format(value / 1000)} s`;
}

/** just now, 5 minutes ago, in 2 hours */
export function ago(date, now = new Date()) {
  const seconds = (date - now) / 1000;
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return T.justNow;
}

/** 2 Dec 2026, 10:30 */
export const moment = (date) => dateTime.format(date);

/** 10:30 */
export const clock = (date) => clockTime.format(date);

/** 10:30, or 1 Dec, 10:30; a moment that is told once. */
export function stamp(date, now = new Date()) {
  if (isSameDay(date, now)) return clock(date);
  return date.getFullYear() === now.getFullYear() ? T.onDay(day.format(date), clock(date)) : moment(date);
}

/** just now, 5 minutes ago, today at 8:15, yesterday at 10:30, 1 Dec, 10:30 */
export function lately(date, now = new Date()) {
  if (now - date < 3_600_000) return ago(date, now);
  if (isSameDay(date, now)) return T.today(clock(date));
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  return isSameDay(date, yesterday) ? T.yesterday(clock(date)) : stamp(date, now);
}

const isSameDay = (a, b) => a.toDateString() === b.toDateString();
