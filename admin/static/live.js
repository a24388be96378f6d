// Parts of a page that follow what happens: asked for by their version, put in place without losing focus, selection,
// scroll or what is typed. It rests in hidden tabs, and says whether what is shown is what is.
"use strict";

(() => {
  const MOST_SECONDS = 15; // between two questions where nothing changes, or nobody answers
  const CALM_AFTER = 12; // questions without news
  const states = new Map(); // of each part, by its id
  const button = document.getElementById("live-state");
  const banner = document.getElementById("live-banner");
  let paused = false;
  let trouble = ""; // what is wrong with the server, as a sentence
  let heard = Date.now();

  const stateOf = (part) => {
    if (!states.has(part.id)) {
      states.set(part.id, { version: part.dataset.liveVersion || "", failures: 0, calm: 0, timer: 0 });
    }
    return states.get(part.id);
  };

  const morph = (part, html) =>
    window.Idiomorph.morph(part, html, {
      morphStyle: "outerHTML",
      callbacks: {
        // What somebody has typed, ticked or opened is theirs.
        beforeNodeMorphed: (node) => !(node instanceof HTMLElement && node.matches("input, select, textarea")),
        beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
      },
    });

  const show = () => {
    const parts = document.querySelectorAll("[data-live]").length;
    button.hidden = parts === 0 && !trouble;
    const seconds = Math.round((Date.now() - heard) / 1000);
    const words = trouble ? "Reconnecting" : paused ? "Paused" : seconds > MOST_SECONDS + 3 ? `Last heard ${seconds} s ago` : "Live";
    if (button.textContent !== words) {
      button.textContent = words;
    }
    button.dataset.state = trouble ? "away" : paused ? "paused" : "live";
    button.setAttribute("aria-pressed", String(paused));
    banner.hidden = !trouble;
    const since = new Date(heard).toLocaleTimeString();
    const text = trouble ? `${trouble} Last heard at ${since}; what you typed stays, and the page goes on by itself.` : "";
    if (banner.textContent !== text) {
      banner.textContent = text;
    }
  };

  const reasonOf = async (answer) => {
    if (answer.status === 401) {
      return "Your session has ended: log in again in another tab.";
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.querySelector(".error p:not(.code)")?.textContent.trim() || `The server answers ${answer.status}.`;
  };

  // The forms of this page belong to the session before.
  const renewTokens = async () => {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("input[name=csrf_token]");
    for (const field of fresh ? document.querySelectorAll("input[name=csrf_token]") : []) {
      field.value = fresh.value;
    }
  };

  const ask = async (part, state) => {
    const headers = { "X-Live": "1", ...(state.version && { "If-None-Match": state.version }) };
    const answer = await fetch(part.dataset.live, { headers, cache: "no-store", redirect: "error" });
    if (answer.status === 304) {
      state.calm += 1;
      return "";
    }
    if (answer.status === 404) {
      part.removeAttribute("data-live"); // what it shows is gone; there is nothing to wait for
      return "";
    }
    if (!answer.ok) {
      state.ended ||= answer.status === 401;
      return reasonOf(answer);
    }
    const html = await answer.text();
    if (!paused) {
      state.version = answer.headers.get("ETag") || "";
      state.calm = 0;
      morph(part, html);
      document.dispatchEvent(new Event("live:changed"));
    }
    return "";
  };

  const turn = async (id) => {
    const part = document.getElementById(id);
    if (!part?.dataset.live || document.hidden || paused) {
      return;
    }
    const state = stateOf(part);
    try {
      trouble = await ask(part, state);
      if (!trouble && state.ended) {
        await renewTokens(); // before the page says that it is live again: its forms are not until then
        state.ended = false;
      }
    } catch {
      trouble = "The server does not answer.";
    }
    state.failures = trouble ? state.failures + 1 : 0;
    if (!trouble) {
      heard = Date.now();
    }
    show();
    plan(id, state);
  };

  const plan = (id, state) => {
    const every = Number(document.getElementById(id)?.dataset.liveEvery);
    if (!every) {
      return;
    }
    const rests = every > 1 && state.calm > CALM_AFTER;
    const seconds = state.failures ? Math.min(2 ** (state.failures - 1), MOST_SECONDS) : rests ? MOST_SECONDS : every;
    clearTimeout(state.timer);
    state.timer = setTimeout(turn, seconds * 1000, id);
  };

  const start = (at_once) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const state = stateOf(part);
      clearTimeout(state.timer);
      if (at_once) {
        turn(part.id);
      } else {
        plan(part.id, state);
      }
    }
    show();
  };

  button.addEventListener("click", () => {
    paused = !paused;
    start(true);
  });
  document.addEventListener("visibilitychange", () => !document.hidden && start(true));
  window.addEventListener("online", () => start(true));
  setInterval(() => !document.hidden && show(), 1000);
  start(false);
})();
