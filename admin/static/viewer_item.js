// One item in the viewer: what of it is seen, from where and how near, and its controls.
"use strict";

(() => {
  const { greys, draw, curves } = window.delineateDraw;
  const MOST_PIXELS = 1_300_000; // of a pane: more are not worth a slower threshold
  const SETTLED_MS = 120;
  const settings = { kind: "contour", opacity: 0.5, truth: false, single: false }; // kept from item to item

  class Item {
    // `region` fetches a slab by its address; `ready` is called once the first one is seen.
    constructor(root, { region, ready }) {
      Object.assign(this, { root, region, ready });
      this.stage = root.querySelector("[data-region]");
      this.address = this.stage.dataset.region;
      this.panes = [...root.querySelectorAll("canvas.pane")];
      this.says = root.querySelector("#viewer-says");
      this.view = { x: 0, y: 0, scale: 1 };
      this.slabs = [];
      this.threshold = null;
      this.frame = 0;
      this.settle = 0;
      this.fits = true;
      this.stage.hidden = false;
      this.listen();
      this.open();
    }

    async open() {
      try {
        this.whole = await this.region(this.address);
      } catch {
        this.says.textContent = "This image cannot be shown: it is gone, or damaged.";
        this.says.hidden = false;
        return;
      }
      this.slabs = [this.whole];
      this.stored = this.whole.foreground_from ?? null;
      this.curves = this.whole.levels ? curves(this.whole.levels, this.whole.inside) : null;
      this.window(this.whole.source?.black ?? 0, this.whole.source?.white ?? 255);
      this.prepareControls();
      this.resize();
      this.fit();
      this.root.dataset.ready = "yes";
      this.ready();
    }

    // -- what is to be seen ------------------------------------------------------------------------------

    window(black, white) {
      this.black = Math.min(black, white - 1);
      this.white = white;
      this.table = greys(this.whole.source?.most ?? 255, this.black, this.white);
      this.tell();
      this.redraw();
    }

    resize() {
      for (const pane of this.panes) {
        const box = pane.getBoundingClientRect();
        if (!box.width || !box.height) {
          continue;
        }
        const most = Math.sqrt(MOST_PIXELS / (box.width * box.height));
        this.ratio = Math.min(window.devicePixelRatio || 1, most);
        pane.width = Math.max(1, Math.round(box.width * this.ratio));
        pane.height = Math.max(1, Math.round(box.height * this.ratio));
        pane.image = null;
      }
      if (this.fits) {
        this.fit();
      }
      this.redraw();
    }

    get pane() {
      return this.panes.find((pane) => pane.offsetParent !== null) ?? this.panes[0];
    }

    fit() {
      const { width, height } = this.whole;
      this.fits = true;
      this.move(width / 2, height / 2, Math.min(this.pane.width / width, this.pane.height / height), true);
    }

    move(x, y, scale, fits = false) {
      const { width, height } = this.whole;
      const least = Math.min(this.pane.width / width, this.pane.height / height) / 2;
      this.fits = fits;
      this.view = {
        x: Math.min(Math.max(x, 0), width),
        y: Math.min(Math.max(y, 0), height),
        scale: Math.min(Math.max(scale, least), 64),
      };
      this.redraw();
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.refine(), SETTLED_MS);
    }

    // About a point of the pane, in its pixels.
    zoom(factor, at = { x: this.pane.width / 2, y: this.pane.height / 2 }) {
      const { x, y, scale } = this.view;
      const next = Math.min(scale * factor, 64);
      const across = at.x - this.pane.width / 2;
      const down = at.y - this.pane.height / 2;
      this.move(x + across / scale - across / next, y + down / scale - down / next, next);
    }

    // The part in view in the resolution of the screen, where what is there is coarser.
    async refine() {
      const { x, y, scale } = this.view;
      let step = 2 ** Math.max(0, Math.floor(Math.log2(1 / scale)));
      if (step >= this.whole.step) {
        return;
      }
      const across = this.pane.width / scale;
      const down = this.pane.height / scale;
      while (Math.max(across, down) > 2000 * step) {
        step *= 2;
      }
      const align = (value) => Math.max(0, Math.floor(value / step) * step);
      const left = align(x - across / 2);
      const top = align(y - down / 2);
      const has = this.slabs.some((slab) => slab.step <= step && slab.x <= left && slab.y <= top &&
        slab.x + slab.columns * slab.step >= Math.min(x + across / 2, this.whole.width) &&
        slab.y + slab.rows * slab.step >= Math.min(y + down / 2, this.whole.height));
      if (has || step >= this.whole.step) {
        return;
      }
      const width = Math.min(Math.ceil(across / step + 2) * step, 2048 * step, this.whole.width - left);
      const height = Math.min(Math.ceil(down / step + 2) * step, 2048 * step, this.whole.height - top);
      const part = new URL(this.address, location);
      for (const [name, value] of Object.entries({ x: left, y: top, width, height, step })) {
        part.searchParams.set(name, value);
      }
      this.root.dataset.refining = "yes";
      try {
        const slab = await this.region(part.href);
        this.slabs = [this.whole, ...this.slabs.slice(1).slice(-2), slab];
        this.redraw();
      } catch {
        // the coarser one stays
      }
      this.root.dataset.refining = "";
    }

    redraw() {
      if (!this.frame && this.whole) {
        this.frame = requestAnimationFrame(() => {
          this.frame = 0;
          this.paint();
        });
      }
    }

    paint() {
      const began = performance.now();
      for (const pane of this.panes) {
        if (pane.offsetParent === null) {
          continue;
        }
        const isSource = pane.dataset.shows === "source";
        const look = {
          greys: this.table,
          threshold: this.threshold,
          opacity: settings.opacity,
          kind: isSource ? "none" : settings.kind,
          truth: !isSource && settings.truth,
        };
        const state = JSON.stringify([this.view, look.kind, look.truth, isSource || look.opacity,
          isSource || look.threshold, this.black, this.white, this.slabs.length, this.slabs.at(-1).x,
          this.slabs.at(-1).y, this.slabs.at(-1).step, pane.width, pane.height]);
        if (pane.state === state && pane.image) {
          continue;
        }
        pane.state = state;
        pane.context ??= pane.getContext("2d", { alpha: true });
        pane.image ??= pane.context.createImageData(pane.width, pane.height);
        const pixels = new Uint32Array(pane.image.data.buffer);
        pixels.fill(0);
        for (const slab of this.slabs) {
          draw(pixels, pane.width, pane.height, this.view, slab, look);
        }
        pane.context.putImageData(pane.image, 0, 0);
      }
      this.root.dataset.frameMs = (performance.now() - began).toFixed(1);
    }

    // -- controls ----------------------------------------------------------------------------------------

    control(name) {
      return this.root.querySelector(`[data-control="${name}"]`);
    }

    prepareControls() {
      const { source, plane } = this.whole;
      for (const [name, value] of [["black", this.black], ["white", this.white]]) {
        const input = this.control(name);
        if (input && source) {
          input.min = source.first;
          input.max = Math.max(source.last, source.first + 1);
          input.value = value;
        }
      }
      const needs = { heat: plane.probability, difference: plane.truth && plane.mask, contour: plane.mask, fill: plane.mask };
      for (const option of this.root.querySelectorAll("[name=kind]")) {
        option.disabled = option.value in needs && !needs[option.value];
      }
      if (settings.kind in needs && !needs[settings.kind]) {
        this.kind("contour");
      }
      this.root.querySelector(`[name=kind][value=${settings.kind}]`).checked = true;
      this.control("truth").disabled = !plane.truth;
      this.control("truth").checked = settings.truth;
      this.control("opacity").value = settings.opacity;
      this.control("single").checked = settings.single;
      this.stage.classList.toggle("single", settings.single);
      this.setThreshold(null);
      this.histogram();
    }

    setThreshold(level) {
      this.threshold = level === null || !this.whole.plane.probability ? null : Math.min(Math.max(level, 0), 256);
      const input = this.control("threshold");
      input.disabled = !this.whole.plane.probability;
      input.value = this.threshold ?? this.stored ?? 128;
      this.tell();
      this.redraw();
    }

    nudge(by) {
      this.setThreshold((this.threshold ?? this.stored ?? 128) + by);
    }

    kind(kind) {
      const option = this.root.querySelector(`[name=kind][value=${kind}]`);
      if (option && !option.disabled) {
        settings.kind = kind;
        option.checked = true;
        this.tell();
        this.redraw();
      }
    }

    tell() {
      const says = this.root.querySelector("#at-threshold");
      if (!this.curves || !says) {
        return;
      }
      const level = this.threshold ?? this.stored ?? 128;
      const { area, total, dice } = this.curves;
      const parts = [`p ≥ ${(level / 255).toFixed(3)}`, `area ${((100 * area[level]) / total).toFixed(2)} %, ${area[level].toLocaleString("en")} px`];
      if (dice) {
        const best = dice.indexOf(Math.max(...dice));
        parts.push(`Dice ${dice[level].toFixed(4)} (best ${dice[best].toFixed(4)} at ${(best / 255).toFixed(3)})`);
      }
      if (this.threshold === null) {
        parts.push("the stored mask");
      }
      says.textContent = parts.join(" · ");
      this.control("threshold").setAttribute("aria-valuetext", parts.join(", "));
      this.curve(level);
      const values = this.root.querySelector("#window-says");
      if (values && this.whole.source) {
        const { low, unit } = this.whole.source;
        const value = (sample) => Number((low + sample * unit).toPrecision(4)).toLocaleString("en");
        values.textContent = `${value(this.black)} to ${value(this.white)}`;
      }
    }

    // Area and, where there is a truth, Dice over all thresholds.
    curve(level) {
      const canvas = this.root.querySelector("#curve");
      const { area, total, dice } = this.curves;
      const line = dice ?? area.map((count) => count / total);
      plotted(canvas, line.slice(0, 256), level / 255);
    }

    histogram() {
      const canvas = this.root.querySelector("#histogram");
      const counts = this.whole.source?.histogram;
      if (canvas && counts) {
        const most = Math.log1p(Math.max(...counts));
        plotted(canvas, counts.map((count) => (most ? Math.log1p(count) / most : 0)), null);
      }
    }

    listen() {
      const on = (name, event, act) => this.control(name)?.addEventListener(event, act);
      on("threshold", "input", (event) => this.setThreshold(Number(event.target.value)));
      on("stored", "click", () => this.setThreshold(null));
      on("opacity", "input", (event) => { settings.opacity = Number(event.target.value); this.redraw(); });
      on("truth", "change", (event) => { settings.truth = event.target.checked; this.redraw(); });
      on("single", "change", (event) => this.single(event.target.checked));
      on("black", "input", (event) => this.window(Number(event.target.value), Math.max(this.white, Number(event.target.value) + 1)));
      on("white", "input", (event) => this.window(Math.min(this.black, Number(event.target.value) - 1), Number(event.target.value)));
      on("auto", "click", () => this.auto());
      on("fit", "click", () => this.fit());
      on("full", "click", () => this.full());
      on("in", "click", () => this.zoom(1.5));
      on("out", "click", () => this.zoom(1 / 1.5));
      for (const option of this.root.querySelectorAll("[name=kind]")) {
        option.addEventListener("change", () => this.kind(option.value));
      }
      for (const pane of this.panes) {
        this.listenTo(pane);
      }
    }

    single(isSingle) {
      settings.single = isSingle;
      this.control("single").checked = isSingle;
      this.stage.classList.toggle("single", isSingle);
      this.resize();
    }

    auto() {
      this.window(this.whole.source.black, this.whole.source.white);
      this.control("black").value = this.black;
      this.control("white").value = this.white;
    }

    full() {
      this.move(this.view.x, this.view.y, 1);
    }

    listenTo(pane) {
      const pointers = new Map();
      const place = (event) => ({ x: event.offsetX * this.ratio, y: event.offsetY * this.ratio });
      pane.addEventListener("wheel", (event) => {
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), place(event));
      }, { passive: false });
      pane.addEventListener("pointerdown", (event) => {
        pane.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, place(event));
      });
      pane.addEventListener("pointermove", (event) => {
        const before = pointers.get(event.pointerId);
        if (!before || !this.whole) {
          return;
        }
        const now = place(event);
        pointers.set(event.pointerId, now);
        if (pointers.size === 1) {
          this.move(this.view.x - (now.x - before.x) / this.view.scale, this.view.y - (now.y - before.y) / this.view.scale, this.view.scale);
          return;
        }
        const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)[1];
        const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        this.zoom(apart(now) / apart(before), other);
      });
      for (const end of ["pointerup", "pointercancel"]) {
        pane.addEventListener(end, (event) => pointers.delete(event.pointerId));
      }
      pane.addEventListener("dblclick", () => (this.fits ? this.full() : this.fit()));
    }
  }

  // A line over the width of a small canvas, values from 0 to 1, with a mark.
  const plotted = (canvas, values, mark) => {
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    context.fillStyle = style.color;
    context.globalAlpha = 0.35;
    values.forEach((value, at) => {
      const x = (at * width) / values.length;
      context.fillRect(x, height - value * height, Math.ceil(width / values.length), value * height);
    });
    context.globalAlpha = 1;
    if (mark !== null) {
      context.fillRect(Math.min(width - 2, Math.round(mark * width)), 0, 2, height);
    }
  };

  window.delineateItem = { Item, settings };
})();
