// Before the page is drawn, so that it does not flash.
const theme = {
  choices: ["auto", "light", "dark"],
  get now() {
    const kept = localStorage.getItem("theme");
    return this.choices.includes(kept) ? kept : "auto";
  },
  set now(choice) {
    localStorage.setItem("theme", choice);
    document.documentElement.dataset.theme = choice;
  },
};
document.documentElement.dataset.theme = theme.now;
