// A camera's zones and lines: what is counted there, and drawing them with the mouse, a finger or the keyboard.

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 0.025; // of the picture: so near a corner is taken hold of
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINTS = {
  zone: "Click the corners in their order around the zone; pull a corner to move it.",
  line: "Click where the line starts and where it ends; the arrow is the way in.",
};
const KEYS = "By keyboard: arrows move the cross (with Shift farther), Space sets a point, Backspace takes one back, Escape leaves.";

const total = (counts) => Object.values(counts).reduce((sum, many) => sum + many, 0);
const byClass = (counts) => Object.entries(counts).map(([label, many]) => `${many} ${label}`).join(", ");
const clamp = (value) => Math.min(1, Math.max(0, value));
const round = (value) => Math.round(value * 1000) / 1000;

export class Places {
  // send: is given all places of the camera.
  constructor(part, send) {
    this.part = part;
    this.send = send;
    this.places = [];
    this.sketch = part(".sketch");
    this.form = part(".drawing");
    this.name = part(".drawing input");
    part(".draw-zone").addEventListener("click", () => this.begin("zone"));
    part(".draw-line").addEventListener("click", () => this.begin("line"));
    part(".undo").addEventListener("click", () => this.undo());
    part(".turn").addEventListener("click", () => this.turn());
    part(".leave").addEventListener("click", () => this.leave());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    this.name.addEventListener("input", () => this.name.setCustomValidity(""));
    this.sketch.addEventListener("pointerdown", (event) => this.press(event));
    this.sketch.addEventListener("pointermove", (event) => this.pull(event));
    this.sketch.addEventListener("pointerup", () => (this.held = -1));
    this.sketch.addEventListener("keydown", (event) => this.key(event));
    this.form.addEventListener("keydown", ({ key }) => key === "Escape" && this.leave());
  }

  update(places, keptIn) {
    this.places = places;
    const hint = this.part(".places .hint");
    hint.textContent = keptIn ? `Kept in ${keptIn}.` : `For this run alone, as it has no TOML file.${this.options()}`;
    const list = this.part(".places ul");
    const rows = new Map([...list.children].map((row) => [row.dataset.name, row]));
    for (const place of places) {
      const before = rows.get(place.name);
      const row = before?.dataset.kind === place.kind ? before : this.makeRow(place);
      if (row === before) rows.delete(place.name);
      row.querySelector("span").textContent = this.say(place);
      if (row.parentElement !== list) list.append(row);
    }
    for (const row of rows.values()) row.remove();
    this.part(".places summary span").textContent = places.length || "";
  }

  // What would say the same at the next start.
  options() {
    const each = this.places.map(({ name, kind, points }) => `--${kind} ${name}=${points.flat().map(round).join(",")}`);
    return each.length ? ` Next time: ${each.join(" ")}` : "";
  }

  say({ kind, inside, came_in: cameIn, went_out: wentOut, longest_s: longestS }) {
    const passed = `in ${total(cameIn)} · out ${total(wentOut)}`;
    if (kind === "line") return passed;
    const here = byClass(inside) || "empty";
    return `${here} · ${passed}${longestS ? ` · longest ${Math.round(longestS)} s` : ""}`;
  }

  makeRow({ name, kind }) {
    const row = document.getElementById("place").content.firstElementChild.cloneNode(true);
    row.dataset.name = name;
    row.dataset.kind = kind;
    row.querySelector("strong").textContent = name;
    row.querySelector("em").textContent = kind;
    const [change, remove] = row.querySelectorAll("button");
    change.setAttribute("aria-label", `Change ${kind} ${name}`);
    remove.setAttribute("aria-label", `Remove ${kind} ${name}`);
    change.addEventListener("click", () => this.change(name));
    remove.addEventListener("click", () => this.tell(this.places.filter((place) => place.name !== name)));
    return row;
  }

  begin(kind, name = "", points = []) {
    this.kind = kind;
    this.before = name;
    this.points = points.map(([x, y]) => [x, y]);
    this.cross = [0.5, 0.5];
    this.held = -1;
    this.name.value = name || this.freeName(kind);
    this.name.setCustomValidity("");
    this.form.hidden = false;
    this.sketch.removeAttribute("hidden");
    this.part(".drawing .hint").textContent = `${HINTS[kind]} ${KEYS}`;
    this.part(".turn").hidden = kind === "zone";
    this.sketch.focus();
    this.draw();
  }

  change(name) {
    const place = this.places.find((each) => each.name === name);
    if (place) this.begin(place.kind, name, place.points);
  }

  freeName(kind) {
    const taken = new Set(this.places.map((place) => place.name));
    let number = 1;
    while (taken.has(`${kind}${number}`)) number += 1;
    return `${kind}${number}`;
  }

  leave() {
    this.form.hidden = true;
    this.sketch.setAttribute("hidden", "");
    this.part(".draw-zone").focus();
  }

  save() {
    const others = this.places.filter(({ name }) => name !== this.before);
    const name = this.name.value;
    const isTaken = others.some((place) => place.name === name);
    this.name.setCustomValidity(isTaken ? "Another zone or line has this name." : "");
    if (!this.name.reportValidity()) return;
    this.tell([...others, { name, kind: this.kind, points: this.points }]);
    this.sent = { name, kind: this.kind, points: this.points, before: this.before };
    this.leave();
  }

  // What was drawn is not lost when it is refused.
  drawAgain() {
    if (!this.sent || !this.form.hidden) return;
    this.begin(this.sent.kind, this.sent.before, this.sent.points);
    this.name.value = this.sent.name;
  }

  tell(places) {
    this.sent = null;
    const ofKind = (kind) =>
      Object.fromEntries(places.filter((place) => place.kind === kind).map(({ name, points }) => [name, points]));
    this.send({ zones: ofKind("zone"), lines: ofKind("line") });
  }

  place({ clientX, clientY }) {
    const box = this.sketch.getBoundingClientRect();
    return [clamp((clientX - box.left) / box.width), clamp((clientY - box.top) / box.height)].map(round);
  }

  press(event) {
    const [x, y] = this.place(event);
    this.held = this.points.findIndex((point) => Math.hypot(point[0] - x, point[1] - y) < NEAR);
    if (this.held < 0) this.add([x, y]);
    this.sketch.setPointerCapture(event.pointerId);
    this.draw();
  }

  pull(event) {
    if (!event.buttons || this.held < 0) return;
    this.points[this.held] = this.place(event);
    this.draw();
  }

  add(point) {
    if (this.kind === "line" && this.points.length === 2) this.points.pop();
    this.held = this.points.push(point) - 1;
  }

  undo() {
    this.points.pop();
    this.draw();
  }

  turn() {
    this.points.reverse();
    this.draw();
  }

  key(event) {
    const step = STEPS[event.key];
    if (step) {
      const far = event.shiftKey ? 0.05 : 0.01;
      this.cross = this.cross.map((value, axis) => round(clamp(value + far * step[axis])));
    } else if (event.key === " " || event.key === "Enter") this.add([...this.cross]);
    else if (event.key === "Backspace") this.points.pop();
    else if (event.key === "Escape") return this.leave();
    else return undefined;
    event.preventDefault();
    return this.draw();
  }

  // The picture is 1 wide and 1 high, so edges do not scale with it.
  draw() {
    const shape = (name, attributes) => {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    const corners = this.points.map((point) => point.join(",")).join(" ");
    const parts = [shape(this.kind === "zone" ? "polygon" : "polyline", { points: corners })];
    if (this.kind === "line" && this.points.length === 2) parts.push(shape("path", { class: "way", d: this.way() }));
    for (const [x, y] of this.points) parts.push(shape("path", { class: "corner", d: `M${x} ${y}h0` }));
    const [x, y] = this.cross;
    parts.push(shape("path", { class: "cross", d: `M${x - 0.02} ${y}H${x + 0.02}M${x} ${y - 0.03}V${y + 0.03}` }));
    this.sketch.replaceChildren(...parts);
    this.part(".drawing .save").disabled = this.points.length < (this.kind === "zone" ? 3 : 2);
    this.part(".undo").disabled = this.points.length === 0;
  }

  // From the line's middle to the right hand of who walks along it.
  way() {
    const [[x1, y1], [x2, y2]] = this.points;
    const { width, height } = this.sketch.getBoundingClientRect();
    const [dx, dy] = [(x2 - x1) * width, (y2 - y1) * height];
    const long = Math.hypot(dx, dy) || 1;
    const [ax, ay] = [dx / long, dy / long];
    const at = (along, aside) => {
      const px = ((x1 + x2) / 2) * width + along * ax - aside * ay;
      const py = ((y1 + y2) / 2) * height + along * ay + aside * ax;
      return `${px / width} ${py / height}`;
    };
    return `M${at(0, 0)}L${at(0, 30)}M${at(-7, 21)}L${at(0, 30)}L${at(7, 21)}`;
  }
}
