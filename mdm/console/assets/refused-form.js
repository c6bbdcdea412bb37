// Leads to the field for which a form was refused: what hides it opens, it has the focus, and the message describes it.
// Without this script the focus stays on the message, which stands at the top of the page.
const problem = document.getElementById("problem");
const isSent = (form) => new URL(form.action).pathname === problem.dataset.form;
const isWrong = (field) => field.name === problem.dataset.field && field.type !== "hidden" && !field.disabled;

const forms = [...document.querySelectorAll("main form")].filter((form) => form.method === "post");
const sent = forms.filter(isSent);
const field = (sent.length ? sent : forms).flatMap((form) => [...form.elements]).find(isWrong);

if (field) {
  for (let hiding = field.closest("details"); hiding; hiding = hiding.parentElement.closest("details")) hiding.open = true;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", [problem.id, field.getAttribute("aria-describedby")].filter(Boolean).join(" "));
  field.focus();
}
