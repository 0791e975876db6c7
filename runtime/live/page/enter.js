// A browser keeps a strict cookie back from a link of another site; a request of this page has it.
fetch("/access").then((answer) => {
  if (answer.status === 204) location.replace("/");
});
