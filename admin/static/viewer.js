// The viewer's page: from one item to the next, whose data are fetched ahead, and its keys. Without this script the page
// shows the same pictures as they stand.
"use strict";

(() => {
  const { unpack } = window.delineateDraw;
  const { Item, settings } = window.delineateItem;
  const KINDS = ["contour", "fill", "heat", "difference", "none"];
  const kept = new Map(); // what was fetched ahead, by address: pages and regions
  let shown = null; // the item that is on the page

  const fetched = (address, read) => {
    if (!kept.has(address)) {
      const answer = fetch(address, { credentials: "same-origin" }).then((got) => {
        if (!got.ok) {
          kept.delete(address);
          throw new Error(String(got.status));
        }
        return read(got);
      });
      answer.catch(() => kept.delete(address));
      kept.set(address, answer);
      while (kept.size > 12) {
        kept.delete(kept.keys().next().value);
      }
    }
    return kept.get(address);
  };
  const region = (address) => fetched(address, async (got) => unpack(await got.arrayBuffer()));
  const page = (address) => fetched(address, (got) => got.text());

  // -- from one item to the next ---------------------------------------------------------------------------

  const fetchAhead = (root) => {
    for (const link of root.querySelectorAll("a[rel=next], a[rel=prev]")) {
      page(link.href).then((text) => {
        const stage = new DOMParser().parseFromString(text, "text/html").querySelector("#item [data-region]");
        return stage && region(stage.dataset.region);
      }).catch(() => {});
    }
  };

  const go = async (address, isNew = true) => {
    try {
      const parsed = new DOMParser().parseFromString(await page(address), "text/html");
      const root = parsed.querySelector("#item");
      if (!root) {
        throw new Error("no item");
      }
      if (isNew) {
        history.pushState(null, "", address);
      }
      document.title = parsed.title;
      document.querySelector("#item").replaceWith(document.adoptNode(root));
      begin();
    } catch {
      location.assign(address);
    }
  };

  const follow = (rel) => {
    const link = document.querySelector(`#item a[rel=${rel}]`);
    if (link) {
      go(link.href);
    }
  };

  const begin = () => {
    const root = document.querySelector("#item");
    shown = root.querySelector("[data-region]") ? new Item(root, { region, ready: () => fetchAhead(root) }) : null;
    if (!shown) {
      fetchAhead(root);
    }
    window.delineateKeys.show();
    for (const link of root.querySelectorAll("a[rel=next], a[rel=prev]")) {
      link.addEventListener("click", (event) => {
        if (!event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
          event.preventDefault();
          go(link.href);
        }
      });
    }
  };

  const pan = (across, down) => {
    const { x, y, scale } = shown.view;
    shown.move(x + (across * shown.pane.width) / 8 / scale, y + (down * shown.pane.height) / 8 / scale, scale);
  };
  const ACTS = {
    ArrowRight: () => follow("next"), n: () => follow("next"), ArrowLeft: () => follow("prev"), p: () => follow("prev"),
    "+": () => shown.zoom(1.5), "=": () => shown.zoom(1.5), "-": () => shown.zoom(1 / 1.5),
    0: () => shown.fit(), 1: () => shown.full(),
    w: () => pan(0, -1), s: () => pan(0, 1), a: () => pan(-1, 0), d: () => pan(1, 0),
    ".": () => shown.nudge(5), ",": () => shown.nudge(-5), r: () => shown.setThreshold(null),
    m: () => shown.kind(KINDS[(KINDS.indexOf(settings.kind) + 1) % 2]),
    h: () => shown.kind(settings.kind === "heat" ? "contour" : "heat"),
    x: () => shown.kind(settings.kind === "difference" ? "contour" : "difference"),
    o: () => shown.kind(settings.kind === "none" ? "contour" : "none"),
    t: () => shown.control("truth").click(), v: () => shown.single(!settings.single), l: () => shown.auto(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], input[type=search], textarea, select")) {
      return;
    }
    if (event.key === "?") {
      const help = document.querySelector("#keys");
      help.open = !help.open;
      help.querySelector("summary").focus();
      return;
    }
    // A slider or a wide table that has the focus moves by its own arrows.
    const isSlider = event.target.closest("input[type=range], input[type=radio], .wide-table") && event.key.startsWith("Arrow");
    const act = ACTS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const moves = ["n", "p", "ArrowRight", "ArrowLeft"].includes(event.key);
    if (!window.delineateKeys.areOn() || isSlider || !act || (!moves && !shown?.whole)) {
      return;
    }
    event.preventDefault();
    act();
  });
  window.addEventListener("popstate", () => go(location.href, false));
  window.addEventListener("resize", () => shown?.whole && shown.resize());
  begin();
})();
