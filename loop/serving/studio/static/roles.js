// What the key on this page may do. The rest is disabled, and says which key it takes.

let roles = [];

export function learnRoles(told) {
  roles = told;
  for (const button of document.querySelectorAll("[data-needs]")) lock(button);
}

export const may = (role) => roles.includes(role);

/** The button, for keys of a role alone. */
export function needing(role, button) {
  button.dataset.needs = role;
  lock(button);
  return button;
}

function lock(button) {
  const role = button.dataset.needs;
  button.disabled = !may(role);
  if (button.disabled) button.title = `This takes a key of role ${role}, which the one above is not.`;
  else button.removeAttribute("title");
}
