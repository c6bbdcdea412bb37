// Closes the open group of the menu by Escape, by a click elsewhere and when the focus leaves it.
// Without this script a group closes by its title, or by opening another.
const menu = document.getElementById("menu");
const findOpen = () => menu.querySelector("details[open]");

document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && findOpen();
  if (!open) return;
  event.preventDefault(); // on a phone the menu around it stays open: the next Escape closes that
  const hadFocus = open.contains(document.activeElement);
  open.open = false;
  if (hadFocus) open.querySelector("summary").focus();
});

document.addEventListener("click", (event) => {
  const open = findOpen();
  if (open && !open.contains(event.target)) open.open = false;
});

menu.addEventListener("focusout", (event) => {
  const open = findOpen();
  if (open && event.relatedTarget && !open.contains(event.relatedTarget)) open.open = false;
});
