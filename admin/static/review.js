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
  const keysOn = document.getElementById("keys-on");
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
        desk.append(sheet);
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
      desk.prepend(sheet);
      show(sheet);
      say("Undone.");
      fill();
    } catch {
      say("The server does not answer: nothing was undone.", true);
    }
  };

  desk.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation(); // forms.js would wait for an answer that leads elsewhere
    if (event.submitter?.name === "grade" && current()) {
      grade(current(), event.submitter.value);
    }
  });
  desk.addEventListener("click", (event) => {
    if (event.target.closest(".pass")) {
      event.preventDefault();
      pass(event.target.closest(".sheet"));
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
    } else if (!keysOn.checked) {
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

  try {
    keysOn.checked = localStorage.getItem("review-keys") !== "off";
  } catch {
    // a browser that keeps nothing: keys are on
  }
  keysOn.addEventListener("change", () => {
    try {
      localStorage.setItem("review-keys", keysOn.checked ? "on" : "off");
    } catch {
      // as above
    }
  });

  setInterval(() => { if (!document.hidden) { fill(); } }, RENEW_MS);
  fill();
})();
