// One camera's card: its picture, figures, chart, and what may be set.

import { Chart } from "./chart.js";
import { Places } from "./places.js";

const WORDS = {
  opening: "Waiting for the first picture",
  stalled: "Nothing has come for a moment",
  lost: "Lost; it is opened again by itself",
  ended: "Ended",
  failed: "Ended by an error",
};
const SET_MS = 60; // while a slider is pulled
const MINE_MS = 1500; // what somebody sets here goes before what others are told

const count = new Intl.NumberFormat();

export class Camera {
  // send: gives a message to the server; about: classes, floor, steps of the chart.
  constructor(name, about, send) {
    this.name = name;
    this.about = about;
    this.send = send;
    this.hidden = new Set();
    this.mineUntil = 0;
    const card = document.getElementById("camera").content.firstElementChild.cloneNode(true);
    this.card = card;
    this.part = (selector) => card.querySelector(selector);
    this.canvas = this.part("canvas");
    this.canvas.setAttribute("aria-label", `Picture of ${name}`);
    this.pen = this.canvas.getContext("2d");
    this.part("h2").textContent = name;
    card.setAttribute("aria-label", name);
    this.chart = new Chart(this.part(".chart"), { steps: about.steps, stepS: about.step_s });
    this.chart.add(about.history[name] ?? []);
    this.slider = this.part("input[type=range]");
    this.slider.min = Math.ceil(about.floor * 100) / 100;
    this.slider.id = `score-${name}`;
    this.part(".score label").htmlFor = this.slider.id;
    this.slider.addEventListener("input", () => this.setScore(Number(this.slider.value)));
    this.part(".reset").addEventListener("click", () => this.reset());
    this.part(".enlarge").addEventListener("click", (event) => {
      const wide = card.classList.toggle("wide");
      event.currentTarget.setAttribute("aria-pressed", wide);
    });
    this.places = new Places(this.part, (places) => send({ places: { camera: name, ...places } }));
    this.chips = new Map(about.classes.map((label) => [label, this.makeChip(label)]));
    this.part(".more .classes").append(...this.chips.values());
  }

  makeChip(label) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "class";
    chip.append(label, document.createElement("b"));
    chip.addEventListener("click", () => {
      if (!this.hidden.delete(label)) this.hidden.add(label);
      this.showHidden();
      this.tell();
    });
    return chip;
  }

  // Draw a picture; a phone that is slow at it is sent the next one later.
  async show(jpeg) {
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
      this.part(".frame").style.setProperty("--aspect", bitmap.width / bitmap.height);
    }
    this.pen.drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  update(camera, promise) {
    const failed = camera.state === "ended" && camera.reason !== "";
    const state = failed ? "failed" : camera.state;
    const badge = this.part(".state");
    badge.dataset.state = state;
    badge.textContent = state;
    this.veil(state, camera);
    const [last] = camera.last;
    const age = (column) => (last && last[column] !== null && camera.step - last[0] <= 2 ? `${Math.round(last[column])} ms` : "–");
    this.figure("rate", camera.frames_per_s.toFixed(1));
    this.figure("p50", age(2));
    this.figure("p95", age(3));
    this.part("[data-figure=p95]").classList.toggle("late", camera.keeps_promise === false);
    const drops = Object.entries(camera.drops);
    this.figure("drops", count.format(drops.reduce((sum, [, many]) => sum + many, 0)));
    this.part(".drops").replaceChildren(
      ...[["frames looked at", camera.frames], ...drops].map(([cause, many]) => {
        const item = document.createElement("li");
        item.textContent = `${count.format(many)} ${cause}`;
        return item;
      }),
    );
    this.chart.add(camera.last);
    this.chart.draw(camera.step, promise);
    this.showScores(camera);
    this.showClasses(camera);
    this.part(".places").hidden = camera.places === null;
    this.places.update(camera.places ?? [], this.about.places_in);
  }

  veil(state, camera) {
    const word = WORDS[state];
    this.part(".veil").hidden = !word;
    if (!word) return;
    this.part(".veil strong").textContent = word;
    const quiet = state === "ended" ? "" : `no picture for ${Math.round(camera.quiet_s)} s`;
    this.part(".veil span").textContent = [camera.reason, quiet].filter(Boolean).join(" · ");
  }

  figure(name, text) {
    const place = this.part(`[data-figure=${name}]`);
    if (place.textContent !== text) place.textContent = text;
  }

  showScores(camera) {
    this.told = camera;
    if (performance.now() < this.mineUntil) return;
    this.score = camera.is_set ? camera.score : null;
    this.slider.value = camera.score;
    this.part(".score output").textContent = camera.score.toFixed(2);
    this.hidden = new Set(camera.hidden);
    this.showHidden();
  }

  showHidden() {
    for (const [label, chip] of this.chips) chip.setAttribute("aria-pressed", !this.hidden.has(label));
    this.part(".reset").disabled = this.score === null && this.hidden.size === 0;
  }

  // Classes that were seen stand in front; those never seen are folded away.
  showClasses(camera) {
    const front = this.part(".controls > .classes");
    for (const [label, chip] of this.chips) {
      const seen = camera.in_frames[label] ?? 0;
      const here = camera.now[label] ?? 0;
      chip.querySelector("b").textContent = here || "";
      chip.setAttribute("aria-label", here ? `${label}, ${here} now` : label);
      chip.classList.toggle("is-here", here > 0);
      chip.title = seen ? `In ${count.format(seen)} of ${count.format(camera.frames)} frames` : "Not seen yet";
      if ((seen || this.hidden.has(label)) && chip.parentElement !== front) {
        const next = [...front.children].find((other) => this.order(other) > this.order(chip));
        front.insertBefore(chip, next ?? null);
      }
    }
    const rest = this.part(".more .classes").childElementCount;
    this.part(".more").hidden = rest === 0;
    this.part(".more summary").textContent = `${rest} ${rest === 1 ? "class" : "classes"} not seen yet`;
  }

  order(chip) {
    return [...this.chips.values()].indexOf(chip);
  }

  setScore(score) {
    this.score = score;
    this.part(".score output").textContent = score.toFixed(2);
    this.showHidden();
    this.tell();
  }

  reset() {
    this.score = null;
    this.hidden.clear();
    this.showHidden();
    this.mineUntil = 0;
    this.send({ scores: { camera: this.name } });
  }

  tell() {
    this.mineUntil = performance.now() + MINE_MS;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.send({ scores: { camera: this.name, score: this.score, hidden: [...this.hidden] } });
    }, SET_MS);
  }
}
