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
