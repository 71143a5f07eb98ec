// A key presses the button or link that names it. Without script the page works by mouse and Tab.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  for (const control of document.querySelectorAll("[data-key]")) {
    if (control.dataset.key === pressed) { event.preventDefault(); control.click(); return; }
  }
});
