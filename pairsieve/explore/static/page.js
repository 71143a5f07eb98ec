// Put a dropped picture into the form's file field, and send the form. Without script visitors use the field.
const zone = document.getElementById("drop");
if (zone) {
  const field = document.getElementById("picture");
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) { field.files = event.dataTransfer.files; zone.requestSubmit(); }
  });
}
// The slash key goes to the field for words, as on many sites with a search.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  const words = document.getElementById("q");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing || !words) return;
  event.preventDefault();
  words.focus();
});
