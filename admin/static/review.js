// The review desk by keys: the next results are fetched ahead, grades are sent in the background. Without this script
// each grade is a form that leads to the next result.
"use strict";

(() => {
  const AHEAD = 3;
  const RENEW_MS = 60_000; // half of the time that a result stays on a desk
  const WAIT_MS = 4_000; // until a job that still runs is asked again
  const desk = document.getElementById("desk");
  const says = document.getElementById("says");
  const left = document.getElementById("nothing-left");
  const undoForm = document.getElementById("undo");
  const passed = new URLSearchParams(location.search).getAll("passed");
  const unsaved = new Map(); // by item: sheets whose grade is under way
  let filling = null;

  const sheets = () => [...desk.querySelectorAll(".sheet")];
  const current = () => desk.querySelector(".sheet:not([hidden])");

  const say = (text, wrong = false) => {
    says.textContent = text;
    says.hidden = !text;
    says.classList.toggle("flash-error", wrong);
  };

  const post = (address, values) =>
    fetch(address, {
      method: "POST",
      headers: { "X-Requested-With": "review" },
      body: new URLSearchParams([["csrf_token", undoForm.querySelector("[name=csrf_token]").value], ...values]),
    });

  const told = async (answer) => {
    if (answer.redirected || answer.status === 401) {
      return "Your session has ended: log in again in another tab, then go on here.";
    }
    const isOurs = answer.headers.get("Content-Type")?.startsWith("application/json");
    return isOurs ? (await answer.json()).told : answer.ok ? "" : "The server does not answer as it should: try again.";
  };

  const show = (sheet) => {
    for (const each of sheets()) {
      each.hidden = each !== sheet;
    }
    left.hidden = Boolean(sheet);
    sheet?.querySelector("h2").focus({ preventScroll: true });
    history.replaceState(null, "", location.pathname); // a reload goes on, and not with what was named
  };

  const next = () => {
    show(sheets().find((each) => !unsaved.has(each.dataset.item) && each.hidden) ?? null);
    fill();
  };

  // Keeps what is on the desk ours, and takes more.
  const fill = () => {
    filling ??= take().finally(() => { filling = null; });
    return filling;
  };

  const take = async () => {
    const here = sheets().map((each) => each.dataset.item);
    const waiting = here.filter((id) => !unsaved.has(id));
    const values = [...here.map((id) => ["keeping", id]), ...passed.map((id) => ["passed", id])];
    const ahead = AHEAD + (current() ? 1 : 0) - waiting.length;
    let page;
    try {
      const answer = await post(desk.dataset.take, [...values, ["ahead", Math.max(ahead, 0)]]);
      if (!answer.ok || answer.redirected) {
        say(await told(answer), true);
        return;
      }
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      say("The server does not answer; what is not saved is sent again with your next grade.", true);
      return;
    }
    document.getElementById("graded").replaceWith(page.getElementById("graded"));
    for (const sheet of page.querySelectorAll(".sheet")) {
      const known = desk.querySelector(`[data-item="${sheet.dataset.item}"]`);
      if (!known) {
        desk.append(prepared(sheet));
        sheet.querySelectorAll("img").forEach((image) => image.decode().catch(() => {}));
      }
    }
    if (!current()) {
      const first = sheets().find((each) => !unsaved.has(each.dataset.item));
      if (first) {
        show(first);
      } else if (document.getElementById("graded").dataset.open) {
        setTimeout(fill, WAIT_MS);
      }
    }
  };

  const grade = async (sheet, word) => {
    const form = sheet.querySelector(".grading");
    unsaved.set(sheet.dataset.item, sheet);
    next();
    let problem = "";
    try {
      const answer = await post(form.action, [["grade", word], ["note", form.elements.note.value]]);
      const line = await told(answer);
      if (answer.ok && !answer.redirected) {
        say(line);
      } else {
        problem = line;
      }
    } catch {
      problem = "The server does not answer: that grade was not saved. Grade it once more.";
    }
    unsaved.delete(sheet.dataset.item);
    if (problem) {
      say(problem, true);
      show(sheet);
    } else {
      sheet.remove();
      fill();
    }
  };

  const pass = (sheet) => {
    passed.push(sheet.dataset.item);
    sheet.remove();
    next();
  };

  const undo = async () => {
    try {
      const answer = await post(undoForm.action, []);
      if (!answer.ok || answer.redirected) {
        say(await told(answer), true);
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const sheet = page.querySelector(".sheet");
      desk.querySelector(`[data-item="${sheet.dataset.item}"]`)?.remove();
      desk.prepend(prepared(sheet));
      show(sheet);
      say("Undone.");
      fill();
    } catch {
      say("The server does not answer: nothing was undone.", true);
    }
  };

  // The sheet again, as the server has it now.
  const renew = async (sheet, answer) => {
    if (!answer.ok || answer.redirected) {
      say(await told(answer), true);
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const renewed = page.querySelector(".sheet");
    renewed.querySelector(".note").value = sheet.querySelector(".note").value;
    sheet.replaceWith(prepared(renewed));
    show(renewed);
    say("The corrected mask is kept beside the model’s.");
    fill();
  };

  const send = async (sheet, mask) => {
    const form = sheet.querySelector(".upload-mask form");
    const values = new FormData();
    values.append("csrf_token", form.elements.csrf_token.value);
    values.append("mask", mask);
    try {
      await renew(sheet, await fetch(form.action, { method: "POST", headers: { "X-Requested-With": "review" }, body: values }));
    } catch {
      say("The server does not answer: that mask was not saved. Try again.", true);
    }
  };

  const correct = async (sheet) => {
    const pictures = sheet.querySelector(".sheet-pictures");
    const host = sheet.querySelector(".brush");
    if (!pictures || !host.hidden) {
      return;
    }
    pictures.hidden = true;
    try {
      const mask = await window.openBrush(host);
      if (mask) {
        await send(sheet, mask);
      }
    } catch (error) {
      say(error.message, true);
    }
    pictures.hidden = false;
  };

  // What only a script can do is shown by it.
  const prepared = (sheet) => {
    sheet.querySelectorAll(".correct").forEach((button) => { button.hidden = false; });
    return sheet;
  };

  desk.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation(); // forms.js would wait for an answer that leads elsewhere
    if (event.target.matches(".upload-mask form")) {
      send(current(), event.target.elements.mask.files[0]);
    } else if (event.submitter?.name === "grade" && current()) {
      grade(current(), event.submitter.value);
    }
  });
  desk.addEventListener("click", (event) => {
    if (event.target.closest(".pass")) {
      event.preventDefault();
      pass(event.target.closest(".sheet"));
    } else if (event.target.closest(".correct")) {
      correct(event.target.closest(".sheet"));
    }
  });
  undoForm.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    undo();
  });

  const KEYS = {
    a: (sheet) => grade(sheet, "accepted"),
    r: (sheet) => grade(sheet, "rejected"),
    u: (sheet) => grade(sheet, "unsure"),
    n: (sheet) => sheet.querySelector(".note").focus(),
    s: pass,
    b: correct,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) {
      return;
    }
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape" || event.key === "Enter") {
        event.preventDefault();
        current()?.querySelector("h2").focus({ preventScroll: true });
      }
      return;
    }
    if (event.key === "?") {
      document.getElementById("keys").toggleAttribute("open");
    } else if (!window.delineateKeys.areOn()) {
      return;
    } else if (event.key === "z") {
      undo();
    } else if (Object.hasOwn(KEYS, event.key) && current()) {
      KEYS[event.key](current());
    } else {
      return;
    }
    event.preventDefault();
  });

  sheets().forEach(prepared);
  setInterval(() => { if (!document.hidden) { fill(); } }, RENEW_MS);
  fill();
})();
