// The page: a stream of snapshots comes in, text is set, pictures move with the screen's clock.
import { COLORS, drawTrace, drawVisits, kind, short } from "./bars.js";
import { Strip } from "./strip.js";

const $ = (id) => document.getElementById(id);
const BEHIND_S = 0.3; // pictures are shown this much later, so that their right edge is filled
const N_VISITS = 200, N_TRACE = 600, OLD_MS = 3000, RETRY_MS = 1000;

const strips = { range_time: new Strip($("range-time")), spectrogram: new Strip($("spectrogram")) };
let newest = null, cameAt_ms = 0, ahead_s = null;
let visits = new Map(), trace = [];
const STAGES = {
  receive: "received", signal: "signal processing", cut: "cutting the clip", embed: "network",
  decide: "matching", frame: "packet to picture", decision: "packet to decision",
};

// Read a message: the length of its JSON text, the text, and the codes of both pictures.
function read(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let start = 4 + length;
  for (const name of ["range_time", "spectrogram"]) {
    const size = head[name].n * head[name].n_axis;
    strips[name].take(head[name], new Uint8Array(buffer, start, size));
    start += size;
  }
  return head;
}

function receive(buffer) {
  const head = read(buffer);
  cameAt_ms = performance.now();
  const ahead = head.time_s - cameAt_ms / 1000;
  const isJump = ahead_s === null || Math.abs(ahead - ahead_s) > 0.5;
  ahead_s = isJump ? ahead : ahead_s + 0.1 * (ahead - ahead_s);
  for (const each of head.visits) visits.set(each.track, each);
  while (visits.size > N_VISITS) {
    const oldest = [...visits.values()].reduce((a, b) => (a.ended_s < b.ended_s ? a : b));
    visits.delete(oldest.track);
  }
  trace = [...trace, ...head.trace].slice(-N_TRACE);
  const before = newest;
  newest = head;
  showDecisions(head);
  showHealth(head);
  if (head.visits.length || !before) showVisits();
  if (head.trace.length || !before) showTrace();
  document.documentElement.dataset.number = head.number;
}

function signed(value) {
  return value === null ? "?" : (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(2);
}

// An element with text in it; names are only ever set as text.
function made(tag, text, name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = name;
  return element;
}

// Replace what is in an element, unless it is there already: a screen reader reads every change.
function fill(parent, key, children) {
  if (parent.dataset.key === key) return;
  parent.dataset.key = key;
  parent.replaceChildren(...children());
}

function showDecisions(head) {
  fill($("decisions"), JSON.stringify([head.decisions, head.threshold]), () =>
    head.decisions.map((each) => {
      const card = made("div", "", `decision ${kind(each.answer)}`);
      const lines = explained(each, head.threshold);
      card.append(made("b", each.answer), ...lines.map((line) => made("span", line)));
      return card;
    }));
}

function explained(each, threshold) {
  if (each.score === null) return [each.reason || " "];
  const over = each.score - (threshold ?? 0);
  const nearest = each.answer === each.best ? "" : `nearest is ${each.best}, `;
  const side = `${Math.abs(over).toFixed(2)} ${over < 0 ? "under" : "over"} the threshold`;
  const clips = `${each.n_clips} ${each.n_clips === 1 ? "clip" : "clips"}`;
  return [
    `${nearest}score ${signed(each.score)}, ${side}`,
    `second ${signed(each.second)}, ${short(each.score - each.second)} behind`,
    `walker ${each.track}: ${clips}, ${each.direction}, ${short(each.range_m)} m`,
  ];
}

function showHealth({ health, latency_ms, subjects, wall_s }) {
  $("state").textContent =
    health.state === "silent" ? `silent for ${health.silence_s.toFixed(0)} s` : health.state;
  $("state").dataset.state = health.state;
  const people = subjects.length === 1 ? "person" : "people";
  $("known").textContent = `${subjects.length} ${people} known`;
  $("known").title = subjects.join(", ");
  $("clock").textContent = new Date(wall_s * 1000).toLocaleTimeString();
  const mebibytes = health.memory_bytes / 2 ** 20;
  rows($("health"), [
    ["chirps lost now", `${(100 * health.recent_loss).toFixed(1)} %`, health.recent_loss > 0.01],
    ["packets / s", health.packets_hz.toFixed(0)],
    ["frames / s", health.frames_hz.toFixed(1)],
    ["packets received", health.n_packets.toLocaleString("en")],
    ["packets lost", health.n_lost_packets.toLocaleString("en"), health.n_lost_packets > 0],
    ["dropped by kernel", health.n_kernel_drops ?? "not told", health.n_kernel_drops > 0],
    ["frames with losses", `${health.n_incomplete} of ${health.n_frames}`, health.n_incomplete > 0],
    ["frames missing", health.n_missing, health.n_missing > 0],
    ["frames too late for us", health.n_dropped, health.n_dropped > 0],
    ["stream restarts", health.n_restarts, health.n_restarts > 0],
    ["recoveries", health.n_recoveries, health.n_recoveries > 0],
    ["processor, of one core", `${(100 * health.cpu_share).toFixed(0)} %`],
    ["memory", mebibytes > 0 ? `${mebibytes.toFixed(0)} MiB` : "not told"],
  ]);
  const stages = Object.entries(latency_ms);
  rows($("latency"), stages.map(([name, ms]) => [STAGES[name] ?? name, `${short(ms)} ms`]));
}

function rows(table, entries) {
  fill(table.tBodies[0], JSON.stringify(entries), () =>
    entries.map(([name, value, isBad]) => {
      const row = document.createElement("tr");
      row.append(made("td", name), made("td", value, isBad ? "warn" : ""));
      return row;
    }));
}

function showVisits() {
  const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
  const ordered = [...visits.values()].sort((a, b) => b.began_s - a.began_s || b.track - a.track);
  $("nobody").hidden = ordered.length > 0;
  $("visits").tBodies[0].replaceChildren(...ordered.map((each) => {
    const row = document.createElement("tr");
    const nearest = each.answer === each.best ? "" : ` (nearest: ${each.best})`;
    row.append(
      made("td", time(each.began_s)), made("td", time(each.ended_s)),
      made("td", each.answer + nearest, kind(each.answer)), made("td", signed(each.score)),
      made("td", signed(each.second)), made("td", each.n_clips), made("td", each.direction),
      made("td", each.track),
    );
    return row;
  }));
}

function showTrace() {
  const column = (k, factor) => trace.map((row) => (row[k] === null ? null : factor * row[k]));
  drawTrace($("trace-loss"), "chirps lost", "%", column(1, 100), N_TRACE, 5);
  drawTrace($("trace-latency"), "to the decision", "ms", column(2, 1), N_TRACE, 33);
  drawTrace($("trace-cpu"), "processor", "%", column(3, 100), N_TRACE, 100);
}

// Draw with every refresh of the screen; when nothing comes, the pictures stand still.
function draw() {
  const now_ms = performance.now();
  if (newest) {
    const isOld = now_ms - cameAt_ms > OLD_MS;
    if (isOld !== !$("lost").hidden) {
      $("lost").hidden = !isOld;
      $("pictures").classList.toggle("is-old", isOld);
    }
    const now_s = Math.min(now_ms / 1000 + ahead_s, newest.time_s + BEHIND_S) - BEHIND_S;
    const tags = newest.decisions.filter((each) => each.track >= 0).map((each) => (
      { value: each.range_m, text: each.answer, color: COLORS[kind(each.answer)] }));
    strips.range_time.draw(now_s, newest.shown_s, tags);
    strips.spectrogram.draw(now_s, newest.shown_s);
    drawVisits($("visits-bars"), [...visits.values()], now_s, newest.shown_s);
  } else $("lost").hidden = now_ms < OLD_MS;
  requestAnimationFrame(draw);
}

function connect() {
  const stream = new WebSocket(new URL("stream", location.href.replace(/^http/, "ws")));
  stream.binaryType = "arraybuffer";
  stream.onopen = () => {
    [visits, trace, newest, ahead_s] = [new Map(), [], null, null];
  };
  stream.onmessage = (event) => receive(event.data);
  stream.onclose = () => setTimeout(connect, RETRY_MS);
}

window.addEventListener("resize", showTrace);
connect();
requestAnimationFrame(draw);
