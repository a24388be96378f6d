// Brush and eraser for a mask, on a canvas over its source: `openBrush(host)` gives the mask as a PNG of 0 and 255, or
// null where it was left. `host` names both pictures and their size. A pixel is inside or not: nothing is smoothed.
"use strict";

(() => {
  const INSIDE = [255, 176, 0, 120]; // seen over the source
  const MAX_RADIUS = 200, STROKES = 100; // that can be undone

  const loaded = (address) => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("The pictures could not be loaded: try again."));
    image.src = address;
  });

  const pixelsOf = (image, width, height) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return Uint8Array.from({ length: width * height }, (_, place) => (data[4 * place] > 127 ? 1 : 0));
  };

  class Mask {
    constructor(pixels, width, height, context) {
      Object.assign(this, { pixels, width, height, context, undoable: [] });
      this.draw({ left: 0, top: 0, right: width, bottom: height });
    }

    begin() {
      this.before = this.pixels.slice();
      this.touched = { left: this.width, top: this.height, right: 0, bottom: 0 };
    }

    // A disc of whole pixels.
    stamp(x, y, radius, value) {
      const area = {
        left: Math.max(0, Math.floor(x - radius)), right: Math.min(this.width, Math.ceil(x + radius) + 1),
        top: Math.max(0, Math.floor(y - radius)), bottom: Math.min(this.height, Math.ceil(y + radius) + 1),
      };
      for (let row = area.top; row < area.bottom; row += 1) {
        const half = Math.sqrt(Math.max(0, radius * radius - (row + 0.5 - y) ** 2));
        const from = Math.max(area.left, Math.round(x - half)), to = Math.min(area.right, Math.round(x + half));
        if (to > from) {
          this.pixels.fill(value, row * this.width + from, row * this.width + to);
        }
      }
      if (area.right > area.left && area.bottom > area.top) {
        this.touched = {
          left: Math.min(this.touched.left, area.left), right: Math.max(this.touched.right, area.right),
          top: Math.min(this.touched.top, area.top), bottom: Math.max(this.touched.bottom, area.bottom),
        };
        this.draw(area);
      }
    }

    end() {
      const { left, right, top, bottom } = this.touched;
      if (right > left && bottom > top) {
        const rows = [];
        for (let row = top; row < bottom; row += 1) {
          rows.push(this.before.slice(row * this.width + left, row * this.width + right));
        }
        this.undoable.push({ area: this.touched, rows });
        this.undoable.splice(0, this.undoable.length - STROKES);
      }
      this.before = null;
    }

    undo() {
      const stroke = this.undoable.pop();
      stroke?.rows.forEach((row, place) => {
        this.pixels.set(row, (stroke.area.top + place) * this.width + stroke.area.left);
      });
      if (stroke) {
        this.draw(stroke.area);
      }
    }

    draw({ left, top, right, bottom }) {
      const shown = this.context.createImageData(right - left, bottom - top);
      const colours = new Uint32Array(shown.data.buffer);
      const [inside] = new Uint32Array(new Uint8Array(INSIDE).buffer);
      for (let row = top, place = 0; row < bottom; row += 1) {
        for (let column = left; column < right; column += 1, place += 1) {
          colours[place] = this.pixels[row * this.width + column] ? inside : 0;
        }
      }
      this.context.putImageData(shown, left, top);
    }

    toBlob() {
      const canvas = Object.assign(document.createElement("canvas"), { width: this.width, height: this.height });
      const context = canvas.getContext("2d");
      const image = context.createImageData(this.width, this.height);
      const colours = new Uint32Array(image.data.buffer);
      const [black, white] = new Uint32Array(new Uint8Array([0, 0, 0, 255, 255, 255, 255, 255]).buffer);
      this.pixels.forEach((value, place) => { colours[place] = value ? white : black; });
      context.putImageData(image, 0, 0);
      return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
    }
  }

  const button = (text, key, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: `${text} ` });
    made.append(Object.assign(document.createElement("kbd"), { textContent: key, ariaHidden: "true" }));
    made.addEventListener("click", act);
    return made;
  };

  window.openBrush = async (host) => {
    const width = Number(host.dataset.width), height = Number(host.dataset.height);
    const [source, drawn] = await Promise.all([loaded(host.dataset.source), loaded(host.dataset.mask)]);
    const [under, over] = ["", "brush-over"].map((name) =>
      Object.assign(document.createElement("canvas"), { width, height, className: name }));
    under.getContext("2d").drawImage(source, 0, 0);
    const mask = new Mask(pixelsOf(drawn, width, height), width, height, over.getContext("2d"));
    const tools = Object.assign(document.createElement("div"), { className: "actions" });
    const field = Object.assign(document.createElement("div"), { className: "brush-field" });
    const size = Object.assign(document.createElement("input"), { type: "range", min: 1, max: MAX_RADIUS, value: 8, ariaLabel: "Radius in pixels" });
    const told = Object.assign(document.createElement("output"), {});
    let value = 1, zoom = 1, last = null;

    return new Promise((resolve) => {
      const fit = Math.min(host.parentElement.clientWidth / width, (innerHeight * 0.7) / height);
      const scale = () => {
        for (const canvas of [under, over]) {
          canvas.style.width = `${Math.round(width * fit * zoom)}px`;
          canvas.style.height = `${Math.round(height * fit * zoom)}px`;
        }
      };
      const radius = () => Number(size.value);
      const tell = () => {
        told.value = `radius ${radius()} px`;
        draw.setAttribute("aria-pressed", value === 1);
        erase.setAttribute("aria-pressed", value === 0);
      };
      const grow = (by) => { size.value = radius() + by * Math.max(1, Math.round(radius() / 5)); tell(); };
      const magnify = (by) => { zoom = Math.min(Math.max(zoom * by, 1), 16); scale(); };
      const close = (result) => {
        document.removeEventListener("keydown", onKey, true);
        host.replaceChildren();
        host.hidden = true;
        resolve(result);
      };
      const choose = (which) => { value = which; tell(); };
      const save = async () => close(await mask.toBlob());
      const draw = button("Brush", "D", () => choose(1)), erase = button("Eraser", "E", () => choose(0));
      const KEYS = {
        d: () => choose(1), e: () => choose(0), z: () => mask.undo(), "[": () => grow(-1), "]": () => grow(1),
        "+": () => magnify(1.5), "-": () => magnify(1 / 1.5), Enter: save, Escape: () => close(null),
      };
      const onKey = (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) {
          return;
        }
        event.stopPropagation(); // the desk's keys rest
        if (Object.hasOwn(KEYS, event.key) && !(event.key === "Enter" && event.target.matches("button"))) {
          event.preventDefault();
          KEYS[event.key]();
        }
      };

      const place = (event) => {
        const box = over.getBoundingClientRect();
        return { x: ((event.clientX - box.left) * width) / box.width, y: ((event.clientY - box.top) * height) / box.height };
      };
      const stroke = (to) => {
        const length = Math.hypot(to.x - last.x, to.y - last.y), steps = Math.max(1, Math.ceil(length / Math.max(1, radius() / 2)));
        for (let step = 1; step <= steps; step += 1) {
          const share = step / steps;
          mask.stamp(last.x + (to.x - last.x) * share, last.y + (to.y - last.y) * share, radius(), value);
        }
        last = to;
      };
      over.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) {
          return;
        }
        event.preventDefault();
        over.setPointerCapture(event.pointerId);
        mask.begin();
        last = place(event);
        stroke(last);
      });
      over.addEventListener("pointermove", (event) => {
        if (last) {
          (event.getCoalescedEvents?.() ?? [event]).forEach((each) => stroke(place(each)));
        }
      });
      for (const name of ["pointerup", "pointercancel"]) {
        over.addEventListener(name, () => {
          if (last) {
            last = null;
            mask.end();
          }
        });
      }

      size.addEventListener("input", tell);
      tools.append(
        draw, erase, size, told, button("Undo", "Z", () => mask.undo()), button("Larger", "+", () => magnify(1.5)),
        button("Smaller", "−", () => magnify(1 / 1.5)), button("Save", "Enter", save), button("Leave", "Esc", () => close(null)),
      );
      field.append(under, over);
      host.replaceChildren(tools, field);
      host.hidden = false;
      scale();
      tell();
      document.addEventListener("keydown", onKey, true);
    });
  };
})();
