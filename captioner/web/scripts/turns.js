// Which answer counts: every question of the page has a number, and the answer to the newest is
// shown, whichever comes first. page.py has Gradio call these; the viewer drops answers that are too old.

globalThis.captionerTurn = 0; // the number of the newest question

const UNANSWERED = {
  title: "No answer from the server",
  error: "It may be busy with other pictures: press the button to try again.",
};
let unsettled = 0; // questions that still wait
let answered = 0; // the newest question with an answer

globalThis.captionerTurns = {
  // What is shown before the server is asked: what waits for its turn is busy too.
  begin: (picture) => ({ [picture ? "busy" : "empty"]: true, begun: captionerTurn + 1 }),

  // Numbers a question: the number is sent in place of the last of its inputs, at `last`.
  ask(sent, last) {
    unsettled += 1;
    captionerTurn += 1;
    return [...sent.slice(0, last), captionerTurn];
  },

  // Something has come for the viewer; an older answer may take the place of a newer one there.
  note(value) {
    answered = Math.max(answered, value?.turn ?? 0);
  },

  // A question has been answered or has failed: which one and how, Gradio does not tell. When none
  // waits any more and the newest has no answer, it is the newest that failed.
  settle(shown) {
    unsettled -= 1;
    captionerTurns.note(shown);
    const coming = unsettled > 0 || shown?.begun > captionerTurn;
    if (coming || answered === captionerTurn) return undefined;
    return { ...UNANSWERED, turn: captionerTurn };
  },
};
