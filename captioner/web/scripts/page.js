// Runs once when the page is loaded.

// A picture that is pasted anywhere on the page goes the way of an uploaded one.
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  const input = document.querySelector("#picture input[type=file]");
  if (!file || !input) return;
  document.querySelector("#one-button")?.click(); // the tab where it is shown
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
// A file that is no picture gets a sentence from the viewer; the browser's torn picture says nothing.
for (const [event, shown] of [["error", "hidden"], ["load", ""]]) {
  const mark = ({ target }) => {
    if (target.matches?.("#picture img")) target.style.visibility = shown;
  };
  document.addEventListener(event, mark, true);
}

document.body.dataset.paste = "ready";
