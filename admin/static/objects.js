// The table of an item's objects within its page: asked for once it is opened, then sorted and turned over in place.
// Without this script its links lead to a page of its own.
"use strict";

(() => {
  const say = (body, text) => {
    const line = document.createElement("p");
    line.className = "quiet";
    line.textContent = text;
    body.replaceChildren(line);
  };

  const show = async (address, focus) => {
    const body = document.getElementById("objects-body");
    body.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const table = page.getElementById("objects-table");
      if (!table) {
        const reason = page.querySelector(".error p:not(.code)")?.textContent.trim();
        throw new Error(reason || `The server answers ${answer.status}.`);
      }
      body.replaceChildren(document.adoptNode(table));
      if (focus) {
        document.querySelector("#objects-table [aria-sort] a")?.focus(); // what was clicked is gone
      }
    } catch (error) {
      say(body, error instanceof TypeError ? "The server does not answer: close this and open it again." : error.message);
    }
    body.removeAttribute("aria-busy");
  };

  // Neither event is bound to the part itself, which the next image replaces. A toggle does not bubble.
  document.addEventListener("toggle", ({ target }) => {
    if (target.id === "objects" && target.open && !target.querySelector("#objects-table")) {
      say(document.getElementById("objects-body"), "Measuring …");
      show(target.dataset.objects, false);
    }
  }, true);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#objects-body a");
    if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      show(link.href, true);
    }
  });
})();
