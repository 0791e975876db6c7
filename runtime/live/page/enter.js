// A browser keeps a strict cookie back from a link of another site; a request of this page has it.
fetch("/access").then((answer) => {
  if (answer.status === 204) location.replace("/");
});

document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault(); // a form sent by itself would not say which site it is of
  const answer = await fetch("/enter", { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
  if (answer.ok) location.replace("/");
  document.getElementById("wrong").hidden = answer.ok;
});
