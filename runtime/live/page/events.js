// The event log: newest first, each with the picture of its moment.

const KEPT = 200;
const WAYS = { in: "inwards", out: "outwards" };

function words({ kind, label, place, way, stayed_s: stayedS, count }) {
  const what = label || "Nothing";
  const where = place || "the picture";
  const long = stayedS === undefined ? "" : ` for ${Math.round(stayedS)} s`;
  if (kind === "crosses") return `${what} crosses ${where}${way ? ` ${WAYS[way]}` : ""}`;
  if (kind === "stays") return `${what} stays in ${where}${long}`;
  if (kind === "absent") return `${label ? `No ${label}` : "Nothing"} in ${where}${long}`;
  return `${what} ${kind} ${where}${count > 1 ? `, ${count} there now` : ""}`;
}

export class EventLog {
  constructor() {
    this.list = document.getElementById("events");
    this.deliveries = document.getElementById("deliveries");
    this.empty = document.getElementById("log-empty");
    this.large = document.getElementById("large");
    this.large.addEventListener("click", () => this.large.close());
  }

  clear() {
    this.list.replaceChildren();
    this.empty.hidden = false;
  }

  add(events) {
    for (const event of events) this.list.prepend(this.make(event));
    while (this.list.childElementCount > KEPT) this.list.lastElementChild.remove();
    this.empty.hidden = this.list.childElementCount > 0;
  }

  // Who is told of events, and what of them is missing.
  deliver(deliveries) {
    this.deliveries.replaceChildren(
      ...deliveries.map(({ target, sent, waiting, dropped, away }) => {
        const item = document.createElement("li");
        const lost = Object.entries(dropped).map(([cause, many]) => `${many} dropped (${cause})`);
        const name = target.startsWith("/") ? target.split("/").at(-1) : target; // of a folder
        item.textContent = [name, `${sent} sent`, waiting ? `${waiting} waiting` : "", ...lost, away ? `away: ${away}` : ""]
          .filter(Boolean)
          .join(" · ");
        item.classList.toggle("wrong", Boolean(away || lost.length));
        return item;
      }),
    );
  }

  make(event) {
    const item = document.getElementById("event").content.firstElementChild.cloneNode(true);
    const text = words(event);
    const at = new Date(event.at);
    const button = item.querySelector("button");
    item.querySelector("strong").textContent = text;
    item.querySelector("span").textContent = `${event.camera} · ${event.rule}`;
    const time = item.querySelector("time");
    time.dateTime = event.at;
    const isToday = at.toDateString() === new Date().toDateString();
    time.textContent = isToday ? at.toLocaleTimeString() : at.toLocaleString();
    time.title = at.toLocaleString();
    if (!event.has_picture) {
      button.remove();
      return item;
    }
    const image = item.querySelector("img");
    image.src = `/events/${event.number}.jpg`;
    image.alt = "";
    button.setAttribute("aria-label", `Show the picture: ${text}, ${time.textContent}`);
    button.addEventListener("click", () => {
      this.large.querySelector("img").src = image.src;
      this.large.querySelector("img").alt = text;
      this.large.querySelector("p").textContent = `${text} · ${event.camera} · ${at.toLocaleString()}`;
      this.large.showModal();
    });
    return item;
  }
}
