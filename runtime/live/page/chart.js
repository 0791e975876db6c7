// A camera's last minutes as lines, drawn anew with each point.

const HEIGHT = 96;
const FOOT = 16;
const SVG = "http://www.w3.org/2000/svg";

const make = (name, attributes, text = "") => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};

// The least of 1, 2, 5, 10, 20, 50 … that is not below.
const rounded = (value) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value);
};

export class Chart {
  // figure: holds a caption and a .plot; steps: points over its width; stepS: seconds of each.
  constructor(figure, { steps, stepS }) {
    this.figure = figure;
    this.caption = figure.querySelector("figcaption");
    this.plot = figure.querySelector(".plot");
    this.steps = steps;
    this.stepS = stepS;
    this.rows = [];
  }

  add(rows) {
    for (const row of rows) if (!this.rows.length || row[0] > this.rows.at(-1)[0]) this.rows.push(row);
  }

  draw(now, promise) {
    this.rows = this.rows.filter((row) => row[0] >= now - this.steps);
    this.figure.hidden = this.rows.length === 0;
    if (this.figure.hidden) return;
    const minute = 60 / this.stepS; // a run that has just begun fills the width sooner
    const steps = Math.min(this.steps, Math.max(minute, Math.ceil((now - (this.rows[0]?.[0] ?? now)) / minute) * minute));
    const hasAges = this.rows.some((row) => row[2] !== null);
    const series = hasAges ? [["first", 2], ["second", 3]] : [["first", 1]];
    const values = this.rows.flatMap((row) => series.map(([, column]) => row[column] ?? 0));
    const top = rounded(1.05 * Math.max(1, ...values, hasAges && promise ? promise : 0));
    const width = Math.max(120, this.plot.clientWidth);
    const x = (step) => width - ((now - 1 - step) / (steps - 1)) * width;
    const y = (value) => 4 + (HEIGHT - FOOT - 4) * (1 - value / top);
    const svg = make("svg", { role: "img", viewBox: `0 0 ${width} ${HEIGHT}`, "aria-label": this.say(hasAges) });
    for (const part of [0, 0.5, 1]) {
      svg.append(make("line", { class: "grid", x1: 0, x2: width, y1: y(part * top), y2: y(part * top) }));
      if (part) svg.append(make("text", { x: 2, y: y(part * top) + 12 }, `${part * top}${hasAges ? " ms" : ""}`));
    }
    if (hasAges && promise) svg.append(make("line", { class: "promise", x1: 0, x2: width, y1: y(promise), y2: y(promise) }));
    for (const [name, column] of series) svg.append(make("path", { class: name, d: this.path(column, x, y) }));
    svg.append(make("text", { x: 0, y: HEIGHT - 2 }, `${Math.round((steps * this.stepS) / 60)} min ago`));
    svg.append(make("text", { x: width, y: HEIGHT - 2, "text-anchor": "end" }, "now"));
    this.plot.replaceChildren(svg);
    this.tell(hasAges);
  }

  // A line that breaks where there was nothing.
  path(column, x, y) {
    let before = null;
    return this.rows
      .filter((row) => row[column] !== null)
      .map((row) => {
        const word = before !== null && row[0] - before <= 2 ? "L" : "M";
        before = row[0];
        const place = `${x(row[0]).toFixed(1)} ${y(row[column]).toFixed(1)}`;
        return word === "M" ? `M${place}h0.01` : `L${place}`;
      })
      .join("");
  }

  say(hasAges) {
    const last = this.rows.at(-1);
    if (!last) return "Nothing yet";
    return hasAges ? `Age of the newest frames: p50 ${last[2]} ms, p95 ${last[3]} ms` : `${last[1]} frames/s`;
  }

  tell(hasAges) {
    const kind = hasAges ? "ages" : "rate";
    if (this.caption.dataset.kind === kind) return;
    this.caption.dataset.kind = kind;
    const words = hasAges ? [["Age of frames"], ["p50", ""], ["p95", "second"]] : [["Frames/s; those of a file have no age"]];
    this.caption.replaceChildren(
      ...words.map(([word, name]) => {
        const part = document.createElement(name === undefined ? "span" : "b");
        part.className = name ?? "";
        part.textContent = word;
        return part;
      }),
    );
  }
}
