// A comparison goes on while its page is open; a pair is looked at side by side, swiped, or as its difference.
"use strict";

(() => {
  const step = document.getElementById("compare-step");
  const views = document.getElementById("views");
  const WAIT_MS = 300, IDLE_MS = 5_000;

  if (step) {
    step.querySelector("button")?.remove(); // what it does happens by itself
    const atFirst = document.querySelector("#compare-progress p").textContent;
    let last = atFirst;
    const go = async () => {
      if (document.hidden) {
        setTimeout(go, IDLE_MS);
        return;
      }
      let wait = IDLE_MS;
      try {
        const answer = await fetch(step.action, { method: "POST", body: new URLSearchParams(new FormData(step)) });
        if (!answer.ok || answer.redirected) {
          return;
        }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("compare-progress");
        document.getElementById("compare-progress").replaceWith(fresh);
        const now = fresh.querySelector("p").textContent;
        if (!fresh.dataset.goesOn) {
          if (now !== atFirst && !new URLSearchParams(location.search).has("after")) {
            location.reload(); // the pairs, now that all of them are known
          }
          return;
        }
        wait = now === last ? IDLE_MS : WAIT_MS;
        last = now;
      } catch {
        // the server is away: asked again in a while
      }
      setTimeout(go, wait);
    };
    if (document.getElementById("compare-progress").dataset.goesOn) {
      go();
    }
  }

  if (!views) {
    return;
  }
  const modes = document.getElementById("modes");
  const swipe = document.getElementById("swipe");
  const buttons = [...modes.querySelectorAll("[data-mode]")];
  const cut = () => {
    const isSwiped = views.dataset.mode === "swipe";
    views.querySelector(".view-a img").style.clipPath = isSwiped ? `inset(0 ${100 - swipe.value}% 0 0)` : "";
    views.querySelector(".view-b img").style.clipPath = isSwiped ? `inset(0 0 0 ${swipe.value}%)` : "";
    modes.querySelector(".swipe-at").hidden = !isSwiped;
  };
  const choose = (mode) => {
    views.dataset.mode = mode;
    buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.mode === mode));
    cut();
    try {
      sessionStorage.setItem("compare-mode", mode);
    } catch {
      // a browser that keeps nothing begins side by side
    }
  };
  const KEYS = { 1: "side", 2: "swipe", 3: "difference" };
  modes.hidden = false;
  buttons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.mode)));
  swipe.addEventListener("input", cut);
  document.addEventListener("keydown", (event) => {
    if (!window.delineateKeys.areOn() || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=range]")) {
      return;
    }
    if (Object.hasOwn(KEYS, event.key)) {
      choose(KEYS[event.key]);
    } else if (event.key === "ArrowLeft") {
      document.querySelector("[rel=prev]")?.click();
    } else if (event.key === "ArrowRight") {
      document.querySelector("[rel=next]")?.click();
    }
  });
  try {
    choose(sessionStorage.getItem("compare-mode") ?? "side");
  } catch {
    choose("side");
  }
})();
