// Colours that the colour-blind can read: magma (CC0, S. van der Walt and N. Smith), in 17 stops.
const MAGMA = [
  [0, 0, 4], [12, 9, 38], [33, 17, 75], [59, 15, 112], [87, 21, 126], [114, 31, 129],
  [140, 41, 129], [168, 50, 125], [196, 60, 117], [222, 73, 104], [241, 96, 93], [250, 127, 94],
  [254, 159, 109], [254, 191, 132], [253, 222, 160], [252, 240, 186], [252, 253, 191],
];
export const LOST = [125, 139, 152];
const LEAST_SPAN_DB = 25;

const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

// Colour of a level between 0 and 1.
function magma(level) {
  const place = Math.min(Math.max(level, 0), 1) * (MAGMA.length - 1);
  const k = Math.min(Math.floor(place), MAGMA.length - 2);
  return MAGMA[k].map((low, c) => Math.round(low + (place - k) * (MAGMA[k + 1][c] - low)));
}

// Which levels become black and which white: noise and nearly the peak, followed slowly.
export class Limits {
  constructor() {
    this.low = this.high = null;
    this.table = new Uint32Array(256).fill(packed(LOST));
  }

  // From codes that are on show: 0 is lost, the others are levels in steps of `step_db`.
  follow(codes, step_db) {
    const counts = new Uint32Array(256);
    for (const code of codes) counts[code]++;
    const n = codes.length - counts[0];
    if (!n) return;
    const quantile = (share) => {
      let sum = 0;
      for (let code = 1; code < 256; code++) {
        sum += counts[code];
        if (sum >= share * n) return code;
      }
      return 255;
    };
    const low = quantile(0.5) + 2 / step_db;
    const high = Math.max(quantile(0.999), low + LEAST_SPAN_DB / step_db);
    const pace = this.low === null ? 1 : 0.1;
    this.low = (this.low ?? low) + pace * (low - (this.low ?? low));
    this.high = (this.high ?? high) + pace * (high - (this.high ?? high));
    for (let code = 1; code < 256; code++) {
      this.table[code] = packed(magma((code - this.low) / (this.high - this.low)));
    }
  }
}
