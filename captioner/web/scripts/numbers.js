// "The numbers": what the model really computed for one word.

function makeNumbers(panel) {
  const node = make("div", { hidden: "" });
  return { node };
}
