// The items of a job as one list that goes on while one scrolls, and ranges that are brushed on distributions. Without
// this script there are pages, and fields for ranges.
"use strict";

(() => {
  const AHEAD_PX = 1500;
  const MOST_CHUNKS = 20; // beyond, those far away are emptied; they come again when they are near
  const more = document.getElementById("more-items");
  const says = document.getElementById("more-says");
  const nextOf = (root) => root.querySelector("nav.pages a[rel=next]")?.href ?? null;
  let next = null;
  let busy = false;
  let failures = 0;

  const part = (address) => {
    const url = new URL(address, location);
    url.pathname = more.dataset.items;
    return url;
  };

  const fetched = async (address) => {
    const answer = await fetch(part(address), { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) {
      throw new Error(String(answer.status));
    }
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  const listOf = (page) => page.querySelector(".cards, .grid");

  const take = async () => {
    if (busy || !next) {
      return;
    }
    busy = true;
    try {
      const page = await fetched(next);
      const list = listOf(page);
      if (list) {
        const chunk = document.createElement("div");
        chunk.className = "chunk";
        chunk.dataset.from = next;
        chunk.append(document.adoptNode(list));
        more.append(chunk);
        seen.observe(chunk);
        aside(document.getElementById("items").scrollLeft);
      }
      next = nextOf(page);
      failures = 0;
      says.textContent = next ? "" : more.childElementCount ? "These are all." : "";
    } catch {
      failures += 1;
      says.textContent = "The server does not answer; this goes on by itself.";
    }
    busy = false;
    if (isNear()) {
      setTimeout(take, failures ? Math.min(1000 * 2 ** failures, 15_000) : 0);
    }
  };

  const isNear = () => next && says.getBoundingClientRect().top < innerHeight + AHEAD_PX;

  // A chunk that is far away keeps its height and nothing else.
  const empty = (chunk) => {
    if (chunk.firstChild && !chunk.contains(document.activeElement) && !chunk.querySelector(".tick:checked")) {
      chunk.style.height = `${chunk.getBoundingClientRect().height}px`;
      chunk.replaceChildren();
    }
  };
  const fill = async (chunk) => {
    if (chunk.firstChild || chunk.dataset.filling) {
      return;
    }
    chunk.dataset.filling = "yes";
    try {
      const list = listOf(await fetched(chunk.dataset.from));
      if (list) {
        chunk.replaceChildren(document.adoptNode(list));
        chunk.style.height = "";
      }
    } catch {
      // tried again when it is near the next time
    }
    delete chunk.dataset.filling;
  };
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        fill(target);
      } else if (more.childElementCount > MOST_CHUNKS) {
        empty(target);
      }
    }
  }, { rootMargin: `${2 * AHEAD_PX}px 0px` });

  const begin = () => {
    next = nextOf(document.getElementById("items"));
    document.body.classList.add("scrolls");
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && take(), {
      rootMargin: `${AHEAD_PX}px 0px`,
    }).observe(says);
  };

  // All parts of a table are moved sideways together.
  const aside = (place) => document.querySelectorAll("#items, .chunk").forEach((each) => { each.scrollLeft = place; });
  document.addEventListener("scroll", ({ target }) => {
    if (target instanceof Element && target.matches("#items, .chunk")) {
      aside(target.scrollLeft);
    }
  }, true);

  // -- a selection -----------------------------------------------------------------------------------------

  const sayTicked = () => {
    const line = document.getElementById("ticked");
    const count = document.querySelectorAll(".tick:checked").length;
    if (line) {
      const images = count === 1 ? "image that is ticked" : `${count} images that are ticked`;
      line.textContent = count ? `The ${images} alone.` : "Images that you tick below are taken alone.";
    }
  };
  document.addEventListener("change", (event) => event.target.matches(".tick") && sayTicked());
  document.addEventListener("live:changed", sayTicked);
  sayTicked(); // the browser keeps ticks when one comes back

  // -- ranges ----------------------------------------------------------------------------------------------

  const form = document.getElementById("item-filter");
  const ranges = form.querySelector("[data-distributions]");

  const brushable = (plot) => {
    const name = plot.dataset.plot;
    const [low, high] = [Number(plot.dataset.low), Number(plot.dataset.high)];
    const [least, most] = ["min", "max"].map((side) => form.elements[`${name}_${side}`]);
    const brushed = plot.querySelector(".brushed");
    const wide = plot.viewBox.baseVal.width;
    const show = () => {
      const from = least.value === "" ? low : Number(least.value);
      const to = most.value === "" ? high : Number(most.value);
      const isAll = least.value === "" && most.value === "";
      brushed.setAttribute("x", isAll ? 0 : ((from - low) / (high - low)) * wide);
      brushed.setAttribute("width", isAll ? 0 : Math.max(0, ((to - from) / (high - low)) * wide));
    };
    const valueAt = (event) => {
      const box = plot.getBoundingClientRect();
      return low + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (high - low);
    };
    let start = null;
    plot.addEventListener("pointerdown", (event) => {
      start = valueAt(event);
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (start !== null) {
        const to = valueAt(event);
        const ends = [Math.min(start, to), Math.max(start, to)];
        [least.value, most.value] = ends.map((value) => Number(value.toPrecision(3)));
        show();
      }
    });
    plot.addEventListener("pointerup", (event) => {
      const isClick = start !== null && Math.abs(valueAt(event) - start) < (high - low) / 100;
      start = null;
      if (isClick) {
        least.value = most.value = "";
      }
      form.requestSubmit();
    });
    least.addEventListener("input", show);
    most.addEventListener("input", show);
    show();
  };

  const plot = async () => {
    const answer = await fetch(ranges.dataset.distributions, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const drawn of page.querySelectorAll("svg.distribution")) {
      ranges.querySelector(`.range-plot[data-plot="${drawn.dataset.plot}"]`)?.replaceChildren(document.adoptNode(drawn));
    }
    ranges.querySelectorAll("svg.distribution").forEach(brushable);
  };
  const details = document.getElementById("more-item-filters");
  const plotOnce = () => details.open && !ranges.querySelector("svg") && plot().catch(() => {});
  details.addEventListener("toggle", plotOnce);
  plotOnce();

  // Fields that nobody filled in are no part of the address.
  form.addEventListener("submit", () => {
    for (const field of form.elements) {
      field.disabled = field.name !== "" && field.value === "";
    }
    setTimeout(() => [...form.elements].forEach((field) => { field.disabled = false; }), 0);
  });

  begin();
})();
