// Changing what the model says: another word, words that are kept, another of its captions.

// "It also considered": each word put in its place has the model write on from there.
function makeSteering(panel) {
  const others = make("div", { class: "choices" });
  const typed = make("input", {
    type: "text", maxlength: 60, placeholder: "another word", "aria-label": "Another word",
    autocomplete: "off", autocapitalize: "none", spellcheck: "false",
  });
  const form = make("form", { class: "typed" }, typed,
    make("button", { type: "submit" }, "Put it in"));
  const keep = makeButton("", () => goOn(panel, null), { class: "padlock" });
  const back = makeButton("Back to its own caption", () => goBack(panel));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (typed.value.trim()) goOn(panel, typed.value.trim());
  });
  const label = make("p", { class: "label" });
  const keeping = make("div", { class: "choices" }, keep, back);
  const node = make("div", { class: "steering" }, label, others, keeping);
  return {
    node,
    captioned() {
      back.hidden = !panel.original;
      typed.value = "";
    },
    pinned() {
      const word = panel.caption.words[panel.pinned];
      node.hidden = !word;
      if (!word) return;
      label.textContent = `Instead of “${word.text}” it also considered (press one: it writes on)`;
      others.replaceChildren(
        ...word.alternatives.map((other) =>
          makeButton(`${other.text} ${other.percent}`, () => goOn(panel, other.text)),
        ),
        form,
      );
      keep.textContent = `Keep the words up to “${word.text}”`;
    },
  };
}

// Has the model write on after the chosen word, with another word in its place if one is given.
async function goOn(panel, word) {
  const place = panel.pinned;
  const answer = await panel.view.ask("go_on", panel, { word });
  if (!answer) return;
  panel.original ??= panel.captions;
  setCaptions(panel, answer.captions, 0, Math.min(place, answer.captions[0].words.length - 1));
  panel.words.children[panel.pinned]?.focus();
}

function goBack(panel) {
  const captions = panel.original;
  panel.original = null;
  setCaptions(panel, captions);
  panel.words.children[panel.pinned]?.focus();
}

// The other captions that it had in mind, each with maps of its own.
function makeCaptions(panel) {
  const list = make("ol", {});
  const { fold, body } = makeFold("Other captions it had in mind", "others", () => {});
  fold.open = true;
  body.append(list);
  const mark = () =>
    list.querySelectorAll("button").forEach((button, i) => {
      button.setAttribute("aria-pressed", panel.captions[i] === panel.caption);
    });
  let listed = null;
  return {
    node: fold,
    captioned() {
      if (listed !== panel.captions) {
        listed = panel.captions;
        fold.hidden = listed.length < 2;
        list.replaceChildren(
          ...listed.map((caption, i) =>
            make("li", {}, makeButton(caption.text, () => chooseCaption(panel, i))),
          ),
        );
      }
      mark();
    },
  };
}
