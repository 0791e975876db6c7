// Keeps one connection to the run, hands what comes to the cameras, and says what is looked at.

import { Camera } from "./camera.js";
import { EventLog } from "./events.js";

const SILENT_MS = 6000; // the run says something every second
const LONGEST_WAIT_MS = 5000;
const NOTICE_MS = 10000;

const byId = (id) => document.getElementById(id);
const cameras = new Map();
const visible = new Set();
const log = new EventLog();
let socket = null;
let about = null;
let heardMs = 0;
let waitMs = 500;
let paused = false;

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function watch() {
  send({ watch: paused || document.hidden ? [] : [...visible] });
}

const seen = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) visible[isIntersecting ? "add" : "delete"](target.dataset.name);
  watch();
}, { rootMargin: "50%" }); // there before it is scrolled to

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/viewer`);
  socket.binaryType = "arraybuffer";
  heardMs = performance.now();
  socket.addEventListener("open", watch);
  socket.addEventListener("message", ({ data }) => {
    heardMs = performance.now();
    if (data instanceof ArrayBuffer) showPicture(data);
    else take(JSON.parse(data));
  });
  socket.addEventListener("close", (event) => lost(event.reason));
}

async function lost(reason) {
  document.body.dataset.connection = "lost";
  document.title = "No answer · singleshot live";
  say(reason ? `${reason}; trying again` : "The run does not answer; it may have ended. Trying again …", "lost");
  const answer = await fetch("/access").catch(() => null);
  if (answer?.status === 401) location.reload();
  setTimeout(connect, waitMs);
  waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
}

function say(text, state) {
  const line = byId("connection");
  line.dataset.state = state;
  if (line.textContent !== text) line.textContent = text;
}

function take(message) {
  if (message.error) {
    notice(message.error);
    cameras.get(message.places_of)?.places.drawAgain();
  }
  if (message.events) log.add(message.events);
  else if (message.classes) begin(message);
  else if (message.cameras) update(message);
}

function notice(text) {
  const line = byId("notice");
  line.textContent = text;
  line.hidden = false;
  clearTimeout(line.timer);
  line.timer = setTimeout(() => (line.hidden = true), NOTICE_MS);
}

// A run that was started anew may have other cameras.
function begin(message) {
  about = message;
  log.clear();
  cameras.clear();
  visible.clear();
  seen.disconnect();
  byId("cameras").replaceChildren();
}

function update(state) {
  for (const camera of state.cameras) {
    if (!cameras.has(camera.name)) add(camera.name);
    cameras.get(camera.name).update(camera, state.promise_ms);
  }
  log.deliver(state.deliveries);
  const rate = state.cameras.reduce((sum, camera) => sum + camera.frames_per_s, 0);
  const many = state.cameras.length;
  byId("summary").textContent = `${many} ${many === 1 ? "camera" : "cameras"} · ${rate.toFixed(1)} frames/s`;
  byId("promise").textContent = state.shedding;
  waitMs = 500;
  document.body.dataset.connection = "connected";
  const away = state.cameras.filter((camera) => camera.state === "lost").map((camera) => camera.name);
  document.title = away.length ? `${away.length} lost · singleshot live` : "singleshot live";
  say(away.length ? `Lost: ${away.join(", ")}` : "Connected", "connected");
  send({ took: "state" });
}

function add(name) {
  const camera = new Camera(name, about, send);
  camera.card.dataset.name = name;
  cameras.set(name, camera);
  byId("cameras").append(camera.card);
  seen.observe(camera.card);
}

async function showPicture(data) {
  const length = new DataView(data).getUint16(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 2, length)));
  await cameras.get(head.camera)?.show(new Uint8Array(data, 2 + length)).catch(() => {});
  send({ took: head.camera });
}

setInterval(() => {
  if (socket?.readyState === WebSocket.OPEN && performance.now() - heardMs > SILENT_MS) socket.close();
}, 1000);
document.addEventListener("visibilitychange", watch);
byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", paused);
  watch();
});
byId("theme").value = theme.now;
byId("theme").addEventListener("change", (event) => {
  theme.now = event.currentTarget.value;
});
connect();
