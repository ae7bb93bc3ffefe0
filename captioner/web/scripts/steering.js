// Changing what the model says: another word, words that are kept, another of its captions.

// "It also considered": each word put in its place has the model write on from there.
function makeSteering(panel) {
  const others = make("div", { class: "choices" });
  const typed = make("input", {
    type: "text", maxlength: 60, placeholder: "another word", "aria-label": "Another word",
    autocomplete: "off", autocapitalize: "none", spellcheck: "false",
  });
  const send = make("button", { type: "submit" }, "Put it in");
  const form = make("form", { class: "typed" }, typed, send);
  const keep = makeAsker("", () => goOn(panel, null), { class: "padlock" });
  const back = makeButton("Back to its own caption", () => goBack(panel));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const word = typed.value.trim();
    if (word) whileWorking(send, () => goOn(panel, word));
  });
  const label = make("p", { class: "label" });
  const keeping = make("div", { class: "choices" }, keep, back);
  const node = make("div", { class: "steering" }, label, others, keeping);
  let offered = null; // the word whose others are offered
  return {
    node,
    captioned() {
      back.hidden = !panel.original;
      typed.value = "";
    },
    pinned() {
      const word = panel.caption.words[panel.pinned];
      node.hidden = !word;
      // Buttons that are made anew would lose the focus, and what a running question says on them.
      if (!word || word === offered) return;
      offered = word;
      label.textContent = `Instead of “${word.text}” it also considered (press one: it writes on). ` +
        "The words after it get new maps; its own stays, as the model looked before it chose.";
      others.replaceChildren(
        ...word.alternatives.map((other) =>
          makeAsker(`${other.text} ${other.percent}`, () => goOn(panel, other.text)),
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
  takeFocus(panel);
}

// Gives the chosen word the focus that the pressed button had, unless the visitor went elsewhere.
function takeFocus(panel) {
  const at = document.activeElement;
  if (at !== document.body && !panel.top.contains(at)) return;
  panel.words.children[panel.pinned]?.focus();
}

function goBack(panel) {
  const captions = panel.original;
  panel.original = null;
  setCaptions(panel, captions);
  takeFocus(panel);
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
