// A picture that moves to the left: columns of codes in a ring, drawn at their times.
import { Limits } from "./colors.js";

const MARGIN = { left: 38, right: 8, top: 6, bottom: 20 };
const STYLE = { ink: "#e8edf2", soft: "#93a1b0", ground: "#0a0d11", halo: "#0f1318" };
export const FONT = '12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';

// Fit a canvas to its place on the screen; its context in CSS pixels, and its size.
export function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  return { context, width, height };
}

// Where times and values lie on a canvas.
export function frame(width, height, now_s, shown_s) {
  const left = MARGIN.left, right = width - MARGIN.right;
  const scale = (right - left) / shown_s;
  return {
    left, right, top: MARGIN.top, bottom: height - MARGIN.bottom, scale,
    x: (time_s) => right - (now_s - time_s) * scale,
  };
}

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.image = document.createElement("canvas");
    this.limits = new Limits();
    this.codes = new Uint8Array(0);
    this.n = 0;
    this.part = null;
  }

  // Take new columns: `part` says which, `levels` are their codes, column by column.
  take(part, levels) {
    const size = part.n_kept * part.n_axis;
    if (part.clear || this.codes.length !== size) {
      this.codes = new Uint8Array(size);
      this.n = 0;
    }
    this.part = part;
    if (part.n) {
      this.codes.copyWithin(0, levels.length);
      this.codes.set(levels, size - levels.length);
      this.n = Math.min(this.n + part.n, part.n_kept);
    }
    if (this.n) this.paint();
  }

  // Colour the columns anew, the newest at the right; the axis points upwards.
  paint() {
    const { n_axis, step_db } = this.part, n = this.n;
    const codes = this.codes.subarray(this.codes.length - n * n_axis);
    this.limits.follow(codes, step_db);
    const pixels = new ImageData(n, n_axis);
    const colors = new Uint32Array(pixels.data.buffer);
    for (let k = 0; k < n; k++) {
      for (let i = 0; i < n_axis; i++) {
        colors[(n_axis - 1 - i) * n + k] = this.limits.table[codes[k * n_axis + i]];
      }
    }
    this.image.width = n;
    this.image.height = n_axis;
    this.image.getContext("2d").putImageData(pixels, 0, 0);
  }

  // Draw what was there in the `shown_s` before `now_s`; `tags` are {value, text, color}.
  draw(now_s, shown_s, tags = []) {
    const { context, width, height } = fitted(this.canvas);
    const place = frame(width, height, now_s, shown_s);
    context.fillStyle = STYLE.ground;
    context.fillRect(place.left, place.top, place.right - place.left, place.bottom - place.top);
    if (!this.part || !this.part.n_axis) return;
    if (this.n) this.drawImage(context, place);
    this.drawValues(context, place);
    drawSeconds(context, place, shown_s);
    for (const tag of tags) this.drawTag(context, place, tag);
  }

  drawImage(context, place) {
    const { until_s, column_s } = this.part;
    const end = place.x(until_s + column_s / 2), span = this.n * column_s * place.scale;
    context.save();
    context.beginPath();
    context.rect(place.left, place.top, place.right - place.left, place.bottom - place.top);
    context.clip();
    context.imageSmoothingEnabled = true;
    context.drawImage(this.image, end - span, place.top, span, place.bottom - place.top);
    context.restore();
  }

  // Height of a value on the axis; its ends are centres of cells.
  y(value, place) {
    const { low, high, n_axis } = this.part;
    const cell = (high - low) / Math.max(1, n_axis - 1);
    const share = (value - low + cell / 2) / (high - low + cell);
    return place.bottom - share * (place.bottom - place.top);
  }

  drawValues(context, place) {
    const { low, high } = this.part;
    const step = [0.5, 1, 2, 5, 10, 20, 50].find((each) => (high - low) / each <= 7) ?? 100;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      const y = this.y(value, place);
      context.fillStyle = STYLE.soft;
      context.fillText(`${+value.toFixed(1)}`.replace("-", "\u2212"), place.left - 7, y);
      context.globalAlpha = value === 0 ? 0.4 : 0.12;
      context.fillRect(place.left, y - 0.5, place.right - place.left, 1);
      context.globalAlpha = 1;
    }
  }

  drawTag(context, place, tag) {
    const y = Math.min(Math.max(this.y(tag.value, place), place.top + 8), place.bottom - 8);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    context.strokeStyle = STYLE.halo;
    context.strokeText(tag.text, place.right - 14, y);
    context.fillStyle = tag.color;
    context.fillText(tag.text, place.right - 14, y);
    context.fillRect(place.right - 10, y - 2, 10, 4);
  }
}

// Seconds before now, under a picture.
export function drawSeconds(context, place, shown_s) {
  context.textBaseline = "alphabetic";
  context.fillStyle = STYLE.soft;
  for (let ago = 0; ago < shown_s; ago += 2) {
    context.textAlign = ago ? "center" : "right";
    const x = place.right - ago * place.scale;
    context.fillText(ago ? `\u2212${ago} s` : "now", x, place.bottom + 15);
  }
}
