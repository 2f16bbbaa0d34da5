// Walkers as bars over time, and curves of the last minutes.
import { FONT, drawSeconds, fitted, frame } from "./strip.js";

export const COLORS = { name: "#6ee7a0", unknown: "#ffc55c", nothing: "#93a1b0" };

// What kind of answer it is; a name is whatever is none of the two others.
export function kind(answer) {
  return answer === "unknown" ? "unknown" : answer === "not enough signal" ? "nothing" : "name";
}

// The first free lane of every visit, so that those who walk together lie below each other.
function laid(visits) {
  const ends = [];
  const order = visits.map((_, k) => k).sort((a, b) => visits[a].since_s - visits[b].since_s);
  const lanes = new Array(visits.length);
  for (const k of order) {
    const free = ends.findIndex((end) => end <= visits[k].since_s);
    lanes[k] = free < 0 ? ends.length : free;
    ends[lanes[k]] = visits[k].until_s;
  }
  return lanes;
}

export function drawVisits(canvas, visits, now_s, shown_s) {
  const { context, width, height } = fitted(canvas);
  const place = frame(width, height, now_s, shown_s);
  const inside = visits.filter((each) => each.until_s > now_s - shown_s);
  const lanes = laid(inside);
  const rise = (place.bottom - place.top) / Math.max(1, ...lanes.map((lane) => lane + 1));
  context.save();
  context.beginPath();
  context.rect(place.left, 0, place.right - place.left, place.bottom);
  context.clip();
  inside.forEach((each, k) => {
    const start = Math.max(place.x(each.since_s), place.left), end = place.x(each.until_s);
    const y = place.top + lanes[k] * rise, size = Math.min(rise - 2, 22);
    context.globalAlpha = 0.3;
    context.fillStyle = COLORS[kind(each.answer)];
    context.fillRect(start, y, end - start, size);
    context.globalAlpha = 1;
    context.font = size < 14 ? FONT.replace("12px", `${Math.max(7, size - 2)}px`) : FONT;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(each.answer, start + 6, y + size / 2 + 0.5, end - start - 8);
  });
  context.restore();
  drawSeconds(context, place, shown_s);
}

// A curve of numbers, null where there is none; `least` is the least full scale.
export function drawTrace(canvas, title, unit, values, n_kept, least) {
  const { context, width, height } = fitted(canvas);
  const known = values.filter((value) => value !== null);
  const newest = values.at(-1) ?? null;
  const top = Math.max(least, ...known);
  const x = (k) => width - ((values.length - 1 - k) * width) / (n_kept - 1);
  const y = (value) => height - 2 - (value / top) * (height - 22);
  context.strokeStyle = "#4cc9f0";
  context.lineWidth = 1.4;
  context.beginPath();
  let pen = false;
  values.forEach((value, k) => {
    if (value !== null) pen ? context.lineTo(x(k), y(value)) : context.moveTo(x(k), y(value));
    pen = value !== null;
  });
  context.stroke();
  context.fillStyle = "#93a1b0";
  context.textBaseline = "top";
  context.textAlign = "left";
  const most = known.length ? short(Math.max(...known)) : "?";
  context.fillText(`${title}, at most ${most} ${unit}`, 0, 0);
  context.textAlign = "right";
  context.fillStyle = "#e8edf2";
  context.fillText(newest === null ? "?" : `${short(newest)} ${unit}`, width, 0);
}

export function short(value) {
  return value === null ? "?" : Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0);
}
